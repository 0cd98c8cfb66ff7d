"""I3D: shapes of the published network, normalisation, windows. Values of the whole are compared in tests/parity."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from avx.core.errors import UserError
from avx.nn.encoders.i3d import I3D, MIXED, I3DClassifier, TwoStreamI3D, Unit
from avx.nn.encoders.i3d_windows import I3DWindows

SHORT = ("Mixed_3b",)


def shapes_of(module, *shape):
    key = jax.random.key(0)
    output, state = jax.eval_shape(lambda clips: module.init_with_output(key, clips, mutable=True), jnp.ones(shape))
    return output.shape, state["intermediates"]


def test_published_shapes_of_a_clip_of_64_frames():
    shape, state = shapes_of(I3D(), 1, 64, 224, 224, 3)
    assert shape == (1, 1024)
    expected = {
        "Conv3d_1a_7x7": (32, 112, 112, 64),
        "MaxPool3d_2a_3x3": (32, 56, 56, 64),
        "Conv3d_2b_1x1": (32, 56, 56, 64),
        "Conv3d_2c_3x3": (32, 56, 56, 192),
        "MaxPool3d_3a_3x3": (32, 28, 28, 192),
        "Mixed_3b": (32, 28, 28, 256),
        "Mixed_3c": (32, 28, 28, 480),
        "MaxPool3d_4a_3x3": (16, 14, 14, 480),
        "Mixed_4b": (16, 14, 14, 512),
        "Mixed_4c": (16, 14, 14, 512),
        "Mixed_4d": (16, 14, 14, 512),
        "Mixed_4e": (16, 14, 14, 528),
        "Mixed_4f": (16, 14, 14, 832),
        "MaxPool3d_5a_2x2": (8, 7, 7, 832),
        "Mixed_5b": (8, 7, 7, 832),
        "Mixed_5c": (8, 7, 7, 1024),
    }
    assert {name: maps.shape[1:] for name, maps in state["endpoints"].items()} == expected


def test_both_streams_and_the_classifier():
    shape, state = shapes_of(TwoStreamI3D(I3D(32, SHORT), I3D(16, SHORT)), 2, 17, 113, 90, 5)
    assert shape == (2, 128 + 64)
    assert state["rgb"]["endpoints"]["Mixed_3b"].shape == (2, 9, 15, 12, 128)
    assert shapes_of(I3DClassifier(I3D(8, SHORT), classes=7), 2, 4, 32, 32, 3)[0] == (2, 7)


def test_the_last_pooling_counts_the_ends_of_a_longer_clip_half():
    """Maps of 3 x 1 x 1 places a, b, c: windows (a, b) and (b, c), so the mean is a / 4 + b / 2 + c / 4."""
    module = I3D(width=8, blocks=())
    clips = np.random.default_rng(0).uniform(-1, 1, (1, 6, 4, 4, 3)).astype(np.float32)
    variables = jax.jit(module.init)(jax.random.key(0), clips)
    features, state = jax.jit(functools.partial(module.apply, mutable=["intermediates"]))(variables, clips)
    maps = np.asarray(state["intermediates"]["endpoints"]["Conv3d_2c_3x3"])
    assert maps.shape == (1, 3, 1, 1, 24)
    np.testing.assert_allclose(features[0], np.tensordot([0.25, 0.5, 0.25], maps[0, :, 0, 0], 1), rtol=1e-5, atol=1e-6)
    assert np.abs(features[0] - maps[0, :, 0, 0].mean(0)).max() > 1e-3


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (I3D(width=12), "width 12; choose a multiple of 8"),
        (I3D(blocks=("Mixed_3c",)), r"\('Mixed_3c',\); name the first"),
    ],
)
def test_impossible_sizes_are_refused_by_name(module, message):
    with pytest.raises(UserError, match=message):
        jax.eval_shape(module.init, jax.random.key(0), jnp.ones((1, 4, 8, 8, 3)))


def test_bfloat16_stays_near_float32_and_pools_in_float32():
    clips = np.random.default_rng(0).uniform(-1, 1, (1, 4, 16, 16, 3)).astype(np.float32)
    full, half = I3D(width=8, blocks=()), I3D(width=8, blocks=(), dtype=jnp.bfloat16)
    variables = jax.jit(full.init)(jax.random.key(0), clips)
    rough, exact = jax.jit(half.apply)(variables, clips), jax.jit(full.apply)(variables, clips)
    assert rough.dtype == jnp.float32
    assert 0 < np.abs(rough - exact).max() < 0.03 * np.abs(exact).max()
    _, state = shapes_of(I3D(width=8, blocks=SHORT, dtype=jnp.bfloat16), 1, 4, 16, 16, 3)
    assert state["endpoints"]["Mixed_3b"].dtype == jnp.bfloat16


def unit_case():
    clips = np.random.default_rng(0).normal(2, 3, size=(3, 2, 3, 4, 2)).astype(np.float32)
    unit = Unit(4, (1, 1, 1))
    variables = unit.init(jax.random.key(0), clips)
    maps = clips.astype(np.float64) @ np.asarray(variables["params"]["kernel"])[0, 0, 0]
    return clips, unit, variables, maps


def test_running_statistics_normalise_by_default():
    clips, unit, variables, maps = unit_case()
    mean, variance = np.array([0.5, -1, 2, 0]), np.array([1, 4, 0.25, 2])
    gain, shift = np.array([1, 2, -1, 0.5]), np.array([0, 1, 0.5, -0.2])
    given = {
        "params": {**variables["params"], "norm": {"scale": jnp.asarray(gain), "bias": jnp.asarray(shift)}},
        "batch_stats": {"norm": {"mean": jnp.asarray(mean), "var": jnp.asarray(variance)}},
    }
    expected = np.maximum((maps - mean) / np.sqrt(variance + 1e-3) * gain + shift, 0)
    np.testing.assert_allclose(unit.apply(given, clips), expected, rtol=1e-4, atol=1e-4)


def test_training_uses_and_updates_the_statistics_of_the_clips_that_count():
    clips, unit, variables, maps = unit_case()
    mask = np.array([True, False, True])
    spoiled = np.where(mask[:, None, None, None, None], clips, 1e3)
    output, state = unit.apply(variables, spoiled, train=True, mask=mask, mutable=["batch_stats"])
    kept = maps[mask].reshape(-1, 4)
    expected = np.maximum((maps - kept.mean(0)) / np.sqrt(kept.var(0) + 1e-3), 0)
    np.testing.assert_allclose(output[mask], expected[mask], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(state["batch_stats"]["norm"]["mean"], 0.01 * kept.mean(0), rtol=1e-4)
    np.testing.assert_allclose(state["batch_stats"]["norm"]["var"], 0.99 + 0.01 * kept.var(0), rtol=1e-4)


class FirstAndLast(nn.Module):
    """Stands for a network: the first pixel of the first and of the last frame."""

    def __call__(self, clips, train=False, mask=None):
        return clips[:, [0, -1], 0, 0, 0]


def test_windows_start_every_stride_and_short_clips_loop():
    """Frames hold 10 * clip + frame + 1: 7 frames give 3 windows, 3 loop once round, 5 give 2, 0 none."""
    clips = (10.0 * np.arange(4)[:, None] + np.arange(8) + 1)[:, :, None, None, None] * np.ones((1, 1, 2, 2, 3))
    counts = np.array([7, 3, 5, 0])
    mask = np.arange(8) < counts[:, None]
    clips = np.where(mask[:, :, None, None, None], clips, np.nan).astype(np.float32)
    output = jax.jit(I3DWindows(FirstAndLast(), length=4, stride=1).apply)({}, clips, mask)
    expected = [
        [[1, 4], [2, 5], [3, 6], [4, 7], [0, 0]],
        [[11, 11], [0, 0], [0, 0], [0, 0], [0, 0]],
        [[21, 24], [22, 25], [0, 0], [0, 0], [0, 0]],
        [[0, 0], [0, 0], [0, 0], [0, 0], [0, 0]],
    ]
    np.testing.assert_array_equal(output.tokens, expected)
    np.testing.assert_array_equal(output.mask, np.array(expected)[:, :, 0] > 0)
    np.testing.assert_allclose(output.pooled, [[2.5, 5.5], [11, 11], [21.5, 24.5], [0, 0]])
    strided = I3DWindows(FirstAndLast(), length=3, stride=2).apply({}, clips[:1], mask[:1])
    np.testing.assert_array_equal(strided.tokens[0], [[1, 3], [3, 5], [5, 7]])


def test_a_batch_shorter_than_a_window_has_one():
    clips = np.arange(1.0, 4)[None, :, None, None, None] * np.ones((1, 1, 2, 2, 3))
    output = I3DWindows(FirstAndLast(), length=8, stride=5).apply({}, clips, np.ones((1, 3), bool))
    np.testing.assert_array_equal(output.tokens, [[[1, 2]]])


def test_training_leaves_windows_without_frames_out_of_the_statistics():
    module = I3DWindows(I3D(8, blocks=()), length=2, stride=2)
    clips = np.random.default_rng(0).uniform(-1, 1, (2, 4, 8, 8, 3)).astype(np.float32)
    mask = np.array([[True] * 4, [True, True, False, False]])
    variables = jax.jit(module.init)(jax.random.key(0), clips, mask)
    train = jax.jit(functools.partial(module.apply, train=True, mutable=["batch_stats"]))
    _, state = train(variables, clips, mask)
    windows = np.stack([clips[0, :2], clips[0, 2:], clips[1, :2]])
    inner = {collection: tree["network"] for collection, tree in variables.items()}
    network = jax.jit(functools.partial(module.network.apply, train=True, mutable=["batch_stats"]))
    _, expected = network(inner, windows)
    for one, other in zip(jax.tree.leaves(state), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_blocks_are_in_the_published_order():
    assert list(MIXED) == [f"Mixed_{name}" for name in ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c")]
