"""Windows of one clip: the same as the batched encoder's, for any group size, and refusals."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from avx.core.errors import UserError
from avx.extraction.two_stream import clip_flow, two_stream_features, two_stream_windows
from avx.media.decode import stream_frames
from avx.nn.encoders.i3d import I3D, TwoStreamI3D
from avx.nn.encoders.i3d_windows import I3DWindows
from avx.nn.pretrained.i3d_weights import as_submodules
from avx.signal.i3d_input import FRAME_RATE, centre_crop, flow_to_levels, two_stream_input
from avx.signal.optical_flow import FAST


def clip(count, side=8):
    generator = np.random.default_rng(count)
    frames = generator.integers(0, 256, size=(count, side, side, 3), dtype=np.uint8)
    return frames, generator.normal(0, 15, size=(count - 1, side, side, 2)).astype(np.float32)


def summary(windows):
    """Stands for a network: first and last frame of each stream's first channel, and the overall mean."""
    picked = windows[:, [0, -1], 0, 0]
    return jnp.concatenate([picked[..., 0], picked[..., 3], windows.mean((1, 2, 3))], axis=-1)


@pytest.mark.parametrize("count", [2, 5, 6, 14])
def test_any_group_size_gives_the_windows_by_hand(count):
    frames, flow = clip(count)
    pairs = np.asarray(two_stream_input(frames[:-1], flow))
    if count - 1 < 5:
        pairs = np.concatenate([pairs] * 5)[:5]
    starts = range(0, len(pairs) - 5 + 1, 3)
    expected = summary(np.stack([pairs[start : start + 5] for start in starts]))
    for size in (1, 2, 7):
        found = two_stream_features(summary, length=5, stride=3, windows_at_once=size)(frames, flow)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_one_clip_has_the_tokens_of_the_batched_encoder():
    module = TwoStreamI3D(I3D(8, ()), I3D(8, ()))
    frames, flow = clip(8)
    pairs = np.asarray(two_stream_input(frames[:-1], flow))[None]
    variables = jax.jit(module.init)(jax.random.key(0), pairs)
    batched = jax.jit(I3DWindows(module, length=3, stride=2).apply)(
        as_submodules(network=variables), pairs, np.ones((1, 7), bool)
    )
    describe = two_stream_features(lambda windows: module.apply(variables, windows), 3, 2, windows_at_once=2)
    np.testing.assert_allclose(describe(frames, flow), batched.tokens[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("count", [2, 5, 6, 14])
def test_stored_windows_are_frames_beside_levels_of_the_flow_that_leaves_them(count):
    frames, flow = clip(count)
    found = two_stream_windows(length=5, stride=3, pairs_at_once=4)(frames, flow)
    starts = range(0, max(count - 1 - 5, 0) + 1, 3)
    assert found.shape == (len(starts), 5, 8, 8, 5) and found.dtype == np.uint8
    levels = np.asarray(flow_to_levels(flow))
    for window, start in zip(found, starts, strict=True):
        for place, shown in enumerate(window):
            frame = (start + place) % (count - 1)
            np.testing.assert_array_equal(shown[..., :3], frames[frame])
            np.testing.assert_array_equal(shown[..., 3:], levels[frame])


@pytest.mark.parametrize("describe", [two_stream_features(summary, 2, 2), two_stream_windows(2, 2)])
def test_what_does_not_fit_is_refused(describe):
    frames, flow = clip(4)
    with pytest.raises(UserError, match=r"\(3, 8, 8, 2\), not \(2, 8, 8, 2\)"):
        describe(frames, flow[1:])
    with pytest.raises(UserError, match="1 frames has no flow"):
        describe(frames[:1], flow[:0])


@pytest.mark.slow
def test_a_window_of_a_real_clip_depends_on_its_own_frames_alone(real_data):
    path = sorted((real_data / "av_clips" / "with_audio").glob("*.mp4"))[0]
    pictures = itertools.islice(stream_frames(path, frame_rate=FRAME_RATE, size=48), 34)
    frames = centre_crop(np.stack([picture for _, picture in pictures]), 40)
    flow = clip_flow(FAST)(frames)
    assert np.abs(flow).mean() > 0.01
    module = TwoStreamI3D(I3D(8, ("Mixed_3b",)), I3D(8, ("Mixed_3b",)))
    variables = jax.jit(module.init)(jax.random.key(0), jnp.zeros((1, 16, 40, 40, 5)))
    describe = two_stream_features(lambda windows: module.apply(variables, windows), length=16, stride=16)
    features = describe(frames, flow)
    assert features.shape == (2, 64) and np.isfinite(features).all()
    alone = describe(frames[16:33], flow[16:32])
    np.testing.assert_allclose(features[1:], alone, rtol=1e-4, atol=1e-6)
    still = describe(frames, np.zeros_like(flow))
    np.testing.assert_array_equal(features[:, :32], still[:, :32])
    assert np.abs(features[:, 32:] - still[:, 32:]).max() > 1e-2 * np.abs(features[:, 32:]).max()
