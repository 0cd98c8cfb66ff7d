"""What I3D reads: ranges, crops and the pairing of frames with flow, by hand."""

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.signal import i3d_input


def test_rgb_covers_minus_one_to_one():
    frames = np.array([[0, 51, 255]], np.uint8)
    np.testing.assert_allclose(i3d_input.rgb_input(frames), [[-1, -0.6, 1]], atol=1e-6)


def test_each_frame_stands_beside_the_flow_that_leaves_it():
    frames = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.full((1, 2, 2, 3), 51, np.uint8)
    flow = np.stack([np.full((2, 2, 2), 5.0), np.full((2, 2, 2), -80.0)])
    flow[0, ..., 1] = 10
    clip = np.asarray(i3d_input.two_stream_input(frames[:-1], flow))
    assert clip.shape == (2, 2, 2, 5) and clip.dtype == np.float32
    np.testing.assert_allclose(clip[0, 1, 0], [-1, -1, -1, 0.25, 0.5], atol=1e-6)
    np.testing.assert_allclose(clip[1, 0, 1], [-0.6, -0.6, -0.6, -1, -1], atol=1e-6)


def test_flow_is_stored_on_256_levels_of_which_the_nearest_is_taken():
    """Levels by hand, in units of 40 / 255 pixels above -20; rounding down, or bytes of 1/12.7 pixel, fails."""
    step = 40 / 255
    flow = np.array([-1e3, -20, -20 + 0.49 * step, -20 + 0.51 * step, 0, 5, 20 - 0.51 * step, 20, np.inf], np.float32)
    levels = np.asarray(i3d_input.flow_to_levels(flow))
    assert levels.dtype == np.uint8
    np.testing.assert_array_equal(levels, [0, 0, 0, 1, 128, 159, 254, 255, 255])


def test_stored_flow_comes_back_within_half_a_level():
    flow = np.linspace(-20, 20, 40_001).astype(np.float32).reshape(-1, 1)
    error = np.abs(np.asarray(i3d_input.levels_to_flow(i3d_input.flow_to_levels(flow)), np.float64) - flow)
    assert 0.999 * 20 / 255 < error.max() < 20 / 255 + 1e-5
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(i3d_input.flow_to_levels(i3d_input.levels_to_flow(every)), every)


def test_the_stored_form_reads_as_the_input_that_it_was_made_of():
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 256, (4, 3, 2, 3), dtype=np.uint8)
    flow = generator.normal(0, 15, (3, 3, 2, 2)).astype(np.float32)
    stored = np.concatenate([frames[:-1], i3d_input.flow_to_levels(flow)], axis=-1)
    error = np.abs(np.asarray(i3d_input.stored_input(stored) - i3d_input.two_stream_input(frames[:-1], flow)))
    assert error[..., :3].max() < 1e-6
    assert 0.5 / 255 < error[..., 3:].max() < 1 / 255 + 1e-6
    with pytest.raises(AssertionError):
        i3d_input.stored_input(stored[..., :3])


def test_flow_of_another_length_is_refused():
    with pytest.raises(AssertionError):
        i3d_input.two_stream_input(np.zeros((3, 2, 2, 3)), np.zeros((2, 2, 2, 2)))


def test_the_crop_is_the_middle():
    frames = np.arange(5 * 8).reshape(1, 5, 8, 1)
    np.testing.assert_array_equal(i3d_input.centre_crop(frames, 4)[0, :, :, 0], frames[0, 0:4, 2:6, 0])
    np.testing.assert_array_equal(i3d_input.centre_crop(frames, 2, 7)[0, :, :, 0], frames[0, 1:3, 0:7, 0])
    with pytest.raises(UserError, match="5 x 8 pixels have no 6 x 6 crop"):
        i3d_input.centre_crop(frames, 6)
    with pytest.raises(UserError, match="5 x 8 pixels have no 5 x 9 crop"):
        i3d_input.centre_crop(frames, 5, 9)
