"""What every encoder promises: shapes, padding invariance, respect for the mask, gradients, one compilation.

A new encoder joins by one row in `ENCODERS`.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from avx.core.errors import UserError
from avx.core.types import EncoderOutput
from avx.nn.encoders.audio_cnn import AudioCNN
from avx.nn.encoders.frame_cnn import FrameCNN
from avx.nn.encoders.frames import FrameEncoder
from avx.nn.encoders.i3d import I3D, TwoStreamI3D
from avx.nn.encoders.i3d_windows import I3DWindows
from avx.nn.encoders.resnet import ResNet
from avx.nn.encoders.squeezenet import SqueezeNet
from avx.nn.encoders.vggish import VGGish
from avx.nn.encoders.yamnet import YAMNet


class Row(NamedTuple):
    """An encoder at a small size, the shape (without batch and time) of what it reads, and its token width."""

    encoder: object
    item: tuple
    width: int
    saliency: bool = False


ENCODERS = {
    "frame_cnn": Row(FrameEncoder(FrameCNN(widths=(8, 16))), (12, 16, 3), 16),
    "frame_cnn_saliency": Row(FrameEncoder(FrameCNN(widths=(8,))), (12, 16, 3), 8, saliency=True),
    "squeezenet": Row(FrameEncoder(SqueezeNet(fires=((2, 3), (2, 4)), stem=4)), (19, 21, 3), 8),
    "resnet": Row(FrameEncoder(ResNet(stages=(1, 1), width=2)), (18, 16, 3), 16),
    "audio_cnn": Row(AudioCNN(widths=(8, 8), features=(6, 5)), (8, 12), 5),
    "vggish": Row(VGGish(widths=((2,), (3, 3)), fully_connected=(6, 5)), (8, 12), 5),
    "yamnet": Row(YAMNet(blocks=((3, 2), (5, 1)), stem=4), (8, 12), 5),
    "i3d": Row(I3DWindows(I3D(8, blocks=()), length=1, stride=1), (10, 9, 3), 24),
    "two_stream_i3d": Row(I3DWindows(TwoStreamI3D(I3D(8, ()), I3D(8, ())), length=1, stride=1), (10, 9, 5), 48),
}
BATCH, TIME = 2, 3
MASK = np.array([[True, True, False], [True, False, False]])


class Case(NamedTuple):
    apply: object
    params: object
    inputs: tuple
    row: Row


@functools.cache
def case(name):
    row = ENCODERS[name]
    generator = np.random.default_rng(0)
    inputs = (generator.uniform(size=(BATCH, TIME, *row.item)).astype(np.float32), MASK)
    if row.saliency:
        inputs = (*inputs, generator.uniform(size=(BATCH, TIME, *row.item[:2])).astype(np.float32))
    params = jax.jit(row.encoder.init)(jax.random.key(0), *inputs)
    return Case(jax.jit(row.encoder.apply), params, inputs, row)


every_encoder = pytest.mark.parametrize("name", list(ENCODERS))


@every_encoder
def test_output_is_an_encoder_output_of_the_promised_shapes(name):
    output = case(name).apply(case(name).params, *case(name).inputs)
    assert isinstance(output, EncoderOutput)
    assert output.tokens.shape == (BATCH, TIME, case(name).row.width)
    assert output.pooled.shape == (BATCH, case(name).row.width)
    assert output.tokens.dtype == output.pooled.dtype == jnp.float32
    np.testing.assert_array_equal(output.mask, MASK)
    assert (np.asarray(output.tokens)[~MASK] == 0).all()
    assert (np.asarray(output.tokens)[MASK] != 0).any(axis=-1).all()
    assert np.abs(output.tokens[0, 0] - output.tokens[0, 1]).max() > 0


@every_encoder
def test_padding_does_not_matter(name):
    apply, params, inputs, _ = case(name)
    less = tuple(array[:, :2] for array in inputs)
    output, shorter = apply(params, *inputs), apply(params, *less)
    np.testing.assert_allclose(shorter.tokens, output.tokens[:, :2], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(shorter.pooled, output.pooled, rtol=1e-5, atol=1e-6)
    alone = apply(params, *(array[1:, :2] for array in inputs))
    np.testing.assert_allclose(alone.pooled[0], output.pooled[1], rtol=1e-5, atol=1e-6)


@every_encoder
def test_masked_entries_leak_neither_values_nor_gradients(name):
    apply, params, inputs, _ = case(name)
    spoiled = tuple(
        np.where(MASK.reshape(BATCH, TIME, *[1] * (a.ndim - 2)), a, np.nan) for a in (inputs[0], *inputs[2:])
    )
    spoiled = (spoiled[0], MASK, *spoiled[1:])
    np.testing.assert_array_equal(apply(params, *spoiled).tokens, apply(params, *inputs).tokens)

    def total(params, values, *rest):
        output = apply(params, values, *rest)
        return (output.tokens**2).sum() + (output.pooled**2).sum()

    of_params, of_values = jax.jit(jax.grad(total, argnums=(0, 1)))(params, *spoiled)
    for leaf in jax.tree.leaves(of_params):
        assert np.isfinite(leaf).all()
    assert any(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(of_params))
    of_values = np.asarray(of_values)
    assert (of_values[~MASK] == 0).all()
    assert np.isfinite(of_values).all() and np.abs(of_values[MASK]).max() > 0


@every_encoder
def test_a_row_without_real_entries_gives_zeros(name):
    apply, params, inputs, _ = case(name)
    mask = np.array([[False] * TIME, [True] * TIME])
    output = apply(params, inputs[0], mask, *inputs[2:])
    assert (np.asarray(output.pooled[0]) == 0).all() and (np.asarray(output.pooled[1]) != 0).any()


@every_encoder
def test_the_second_call_does_not_compile(name):
    _, params, inputs, row = case(name)
    traces = []

    @jax.jit
    def apply(params, *inputs):
        traces.append(name)
        return row.encoder.apply(params, *inputs)

    jax.eval_shape(apply, params, *inputs)
    jax.eval_shape(apply, params, inputs[0] * 0.5, *inputs[1:])
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("encoder", "item", "width"),
    [
        (FrameEncoder(FrameCNN()), (64, 64, 3), 128),
        (FrameEncoder(SqueezeNet()), (227, 227, 3), 512),
        (FrameEncoder(ResNet()), (224, 224, 3), 2048),
        (VGGish(), (96, 64), 128),
        (YAMNet(), (96, 64), 1024),
        (I3DWindows(TwoStreamI3D(I3D(), I3D()), length=1, stride=1), (224, 224, 5), 2048),
    ],
    ids=["frame_cnn", "squeezenet", "resnet50", "vggish", "yamnet", "two_stream_i3d"],
)
def test_full_size_shapes(encoder, item, width):
    output, _ = jax.eval_shape(
        encoder.init_with_output, jax.random.key(0), jnp.ones((1, 2, *item)), jnp.ones((1, 2), bool)
    )
    assert output.tokens.shape == (1, 2, width)


def test_integer_frames_equal_unit_frames():
    apply, params, *_ = case("frame_cnn")
    frames = np.random.default_rng(0).integers(0, 256, size=(BATCH, TIME, 12, 16, 3), dtype=np.uint8)
    unit = apply(params, (frames / 255).astype(np.float32), MASK)
    np.testing.assert_allclose(apply(params, frames, MASK).pooled, unit.pooled, rtol=1e-5)


def test_group_sizes_are_checked():
    with pytest.raises(UserError, match=r"widths \(8, 12\)"):
        jax.eval_shape(FrameCNN(widths=(8, 12)).init, jax.random.key(0), jnp.ones((1, 8, 8, 3)))
