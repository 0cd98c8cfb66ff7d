"""System C with I3D inside: where it starts, what its gradient reaches, what stays, and 1, 2 and 8 devices."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from avx.core.types import ALONE, Batch, Padded
from avx.extraction.two_stream import two_stream_features, two_stream_windows
from avx.memory.bank import MemoryOptions
from avx.nn.encoders.i3d import I3D, TwoStreamI3D
from avx.signal.i3d_input import flow_to_levels, levels_to_flow
from avx.systems import feature_memory
from avx.systems.feature_memory import LossOptions, Options
from avx.systems.fine_tuned_i3d import fine_tuned, window_features
from avx.training import state as train_state
from avx.training import step as train_step

pytestmark = pytest.mark.slow  # I3D takes long to compile, even narrow and cut short.

LENGTH, STRIDE, SIDE = 4, 3, 16
NETWORK = TwoStreamI3D(I3D(8, ("Mixed_3b",)), I3D(8, ("Mixed_3b",)))
SYSTEM = feature_memory.build(
    Options(
        video_input="features",
        frame_widths=(4,),
        lstm_layers=1,
        lstm_size=3,
        standardise_input=True,
        mapping_size=6,
        fusion_size=5,
        dropout=0.3,
        match="fusion",
        memory=MemoryOptions(capacity=4, match_threshold=0.2, merge_threshold=0.8),
        score="product",
        blend=0.5,
        warmup_steps=0,
    ),
    LossOptions(0.5, 0.3, "hard_and_semi_hard", 2.0, "class", "match"),
)
LABELS = np.array([0, 1, 0, 1, 2, 0, 2, 1], np.int32)
FRAMES = (8, 5, 0, 9, 6, 12, 5, 8)
"""Frames of each clip; with flows one fewer, there are 2, 1, 0, 2, 1, 3, 1 and 2 windows."""
WINDOWS = 3
KEYS = {"dropout": jax.random.key(1), "loss": jax.random.key(2)}


@pytest.fixture(scope="module")
def variables():
    """Weights with gains, shifts and statistics that are not those of a fresh layer."""
    drawn = jax.jit(NETWORK.init)(jax.random.key(0), jnp.zeros((1, LENGTH, SIDE, SIDE, 5)))
    generator = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: leaf if leaf.ndim > 1 else jnp.asarray(generator.uniform(0.3, 0.8, leaf.shape), jnp.float32), drawn
    )


def clips():
    """Frames and flow in pixels of each clip, some of it beyond what is stored; None where there is no video."""
    generator = np.random.default_rng(3)
    found = []
    for count in FRAMES:
        frames = generator.integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)
        flow = generator.normal(1, 9, (max(count - 1, 0), SIDE, SIDE, 2)).astype(np.float32)
        found.append((frames, flow) if count else None)
    return found


def batch_of(describe, shape, dtype):
    """A batch whose videos are what `describe` makes of the clips, beside MFCC of 2 to 5 frames; sound 3 is missing."""
    generator = np.random.default_rng(4)
    values, mask = np.zeros((len(FRAMES), WINDOWS, *shape), dtype), np.zeros((len(FRAMES), WINDOWS), bool)
    for row, clip in enumerate(clips()):
        if clip is not None:
            windows = describe(*clip)
            values[row, : len(windows)], mask[row, : len(windows)] = windows, True
    sounds = generator.normal(2, 3, (len(FRAMES), 5, 4)).astype(np.float32)
    heard = np.arange(5) < np.array([5, 2, 3, 0, 4, 5, 2, 3])[:, None]
    modalities = {"video": Padded(values, mask), "audio": Padded(sounds, heard)}
    size = len(FRAMES)
    return Batch(modalities, LABELS, np.arange(size, dtype=np.int32), np.ones(size, bool))


def stored_batch():
    return batch_of(two_stream_windows(LENGTH, STRIDE), (LENGTH, SIDE, SIDE, 5), np.uint8)


def state_of(system, batch, variables=None):
    return train_state.create(system, optax.sgd(0.1), 0, batch, False, variables)


@pytest.fixture(scope="module")
def started(variables):
    return state_of(fine_tuned(SYSTEM, NETWORK), stored_batch(), variables)


def frozen_features(variables, rounded):
    """The cached features of the frozen form; of flow rounded to what is stored, or of flow as it is."""
    describe = two_stream_features(lambda windows: NETWORK.apply(variables, windows), LENGTH, STRIDE)
    return lambda frames, flow: describe(frames, np.asarray(levels_to_flow(flow_to_levels(flow))) if rounded else flow)


@pytest.mark.parametrize(("rounded", "least", "tolerance"), [(True, 0, 2e-5), (False, 1e-4, 1e-2)])
def test_it_starts_where_the_frozen_form_starts(started, variables, rounded, least, tolerance):
    """From equal clips to embeddings: windows, features, their statistics, parameters, what the memory is offered.

    With flow rounded as it is stored both are the same; the rounding alone is told apart, and is less than 1 %.
    """
    frozen = batch_of(frozen_features(variables, rounded), (64,), np.float32)
    expected = state_of(SYSTEM, frozen)
    chex.assert_trees_all_close(started.params["system"], expected.params, rtol=0, atol=0)
    chex.assert_trees_all_equal(started.params["backbone"], variables["params"])
    trained_items = jax.jit(fine_tuned(SYSTEM, NETWORK).embed)(started.params, started.model_state, stored_batch())
    frozen_items = jax.jit(SYSTEM.embed)(expected.params, expected.model_state, frozen)
    for name in ("video", "audio"):
        np.testing.assert_array_equal(trained_items[name].present, frozen_items[name].present)
        pairs = {"vectors": (trained_items[name].vectors, frozen_items[name].vectors)}
        for field in ("raw", "projected"):
            pairs[field] = tuple(getattr(items[name].tokens, field) for items in (trained_items, frozen_items))
        for field, (found, wanted) in pairs.items():
            error = np.sqrt(np.square(found - wanted).mean() / np.square(wanted).mean())
            assert (least if name == "video" else 0) <= error <= tolerance, f"{name}.{field}"
    assert np.ptp(np.asarray(trained_items["video"].tokens.raw), axis=0).max() > 0.5


def test_a_step_moves_both_streams_and_leaves_their_statistics(started):
    system = fine_tuned(SYSTEM, NETWORK)

    def value(params, batch):
        loss = system.loss(params, started.model_state, batch, KEYS, ALONE)
        return loss.value, loss.model_state

    gradient, following = jax.jit(jax.grad(value, has_aux=True))(started.params, stored_batch())
    for stream in ("rgb", "flow"):
        for layer in ("Conv3d_1a_7x7", "Conv3d_2c_3x3"):
            for leaf in jax.tree.leaves(gradient["backbone"][stream][layer]):
                assert np.isfinite(leaf).all() and np.abs(leaf).max() > 1e-6, f"{stream}.{layer}"
    chex.assert_trees_all_equal(following.buffers["backbone"], started.model_state.buffers["backbone"])
    assert int(following.buffers["system"]["steps"]) == 1 and int(following.memory.size) > 0


def test_the_gradient_is_the_slope(variables):
    """Through the map over windows, the second computation of each, and the mask: against finite differences."""
    windows = stored_batch().modalities["video"]
    weights = np.random.default_rng(5).normal(size=(len(FRAMES), WINDOWS, 64)).astype(np.float32)

    def value(params):
        features = window_features(NETWORK, variables | {"params": params}, windows).values
        return (features * weights).sum()

    gradient = jax.jit(jax.grad(value))(variables["params"])
    compiled = jax.jit(value)
    for stream in ("rgb", "flow"):
        slope = np.asarray(gradient[stream]["Mixed_3b"]["branch0"]["norm"]["bias"], np.float64)
        # Along the gradient of shifts behind all convolutions: few ReLUs change sides on so short a way.
        move = 1e-2 * slope / np.abs(slope).max()
        ends = []
        for sign in (1, -1):
            params = jax.tree.map(np.array, variables["params"])
            params[stream]["Mixed_3b"]["branch0"]["norm"]["bias"] += np.float32(sign * move)
            ends.append(float(compiled(params)))
        assert abs(slope @ move) > 1e-2
        np.testing.assert_allclose((ends[0] - ends[1]) / 2, slope @ move, rtol=2e-2)


def test_masked_windows_reach_nothing(variables):
    windows = stored_batch().modalities["video"]
    spoiled = np.where(windows.mask[:, :, None, None, None, None], windows.values, np.uint8(255))

    @jax.jit
    def both(params, values):
        def total(params):
            features = window_features(NETWORK, variables | {"params": params}, Padded(values, windows.mask)).values
            return jnp.square(features).sum(), features

        return jax.grad(total, has_aux=True)(params)

    first, second = (both(variables["params"], values) for values in (windows.values, spoiled))
    chex.assert_trees_all_equal(first, second)
    assert (np.asarray(first[1])[~windows.mask] == 0).all() and (np.asarray(first[1])[windows.mask] != 0).any()


def test_the_memory_of_a_gradient_does_not_grow_with_the_windows(variables):
    """Beyond what the windows themselves take: three times as many would need three times the activations."""

    def scratch(count):
        def value(params, values):
            windows = Padded(values, jnp.ones(values.shape[:2], bool))
            return jnp.square(window_features(NETWORK, variables | {"params": params}, windows).values).sum()

        values = jax.ShapeDtypeStruct((1, count, LENGTH, SIDE, SIDE, 5), jnp.uint8)
        compiled = jax.jit(jax.grad(value)).lower(variables["params"], values).compile()
        return compiled.memory_analysis().temp_size_in_bytes - count * LENGTH * SIDE * SIDE * 5

    assert scratch(6) < 1.1 * scratch(2)


def test_one_step_is_the_same_on_one_two_and_eight_devices(started):
    """Loss, parameters of both parts and the bank, with dropout on; the statistics bit for bit."""
    system, results = fine_tuned(SYSTEM, NETWORK), {}
    for count in (1, 2, 8):
        step = train_step.make_train_step(system, optax.sgd(0.1), 0, devices=jax.devices()[:count])
        results[count] = step(started, stored_batch())
    one, metrics = results.pop(1)
    expected = train_step.finalize(metrics)
    assert expected["finite"] == 1
    moved = jax.tree.map(
        lambda new, old: float(jnp.abs(new - old).max()), one.params["backbone"], started.params["backbone"]
    )
    assert min(max(jax.tree.leaves(moved[stream])) for stream in ("rgb", "flow")) > 1e-4
    for count, (other, other_metrics) in results.items():
        found = train_step.finalize(other_metrics)
        for name in expected:
            np.testing.assert_allclose(found[name], expected[name], rtol=2e-5, atol=1e-6, err_msg=f"{name}, {count}")
        chex.assert_trees_all_close(jax.device_get(other.params), jax.device_get(one.params), rtol=1e-4, atol=2e-6)
        chex.assert_trees_all_close(
            jax.device_get(other.model_state), jax.device_get(one.model_state), rtol=1e-5, atol=1e-6
        )
        chex.assert_trees_all_equal(
            jax.device_get(other.model_state.buffers["backbone"]),
            jax.device_get(started.model_state.buffers["backbone"]),
        )


def test_without_variables_the_shapes_are_those_with_them(started):
    batch = stored_batch()
    drawn = jax.eval_shape(lambda: state_of(fine_tuned(SYSTEM, NETWORK), batch))
    chex.assert_trees_all_equal_shapes_and_dtypes(drawn, jax.eval_shape(lambda: started))
