"""What a trained I3D reads of frames that are larger than its pictures."""

import jax.numpy as jnp
import numpy as np
import pytest

from avx.core.errors import UserError
from avx.extraction.two_stream import clip_flow
from avx.registry.encoders import Windows, two_stream, window_input
from avx.signal.i3d_input import flow_to_levels

HEIGHT, WIDTH = 16, 18
MIDDLE = (slice(None), slice(3, 19), slice(3, 21))


def moving(frames=4):
    """A smooth pattern of 22 x 25 pixels that moves by a pixel and a half from frame to frame."""
    rows, columns = np.mgrid[:22, :25]
    waves = [128 + 100 * np.sin((columns + rows / 2 - 1.5 * time) / 2.5) for time in range(frames)]
    return np.repeat(np.stack(waves)[..., None], 3, axis=-1).astype(np.uint8)


def test_the_middle_is_read_and_the_flow_is_that_of_the_whole():
    frames = moving()
    found = window_input(Windows(2, 1, (HEIGHT, WIDTH))).describe(frames)
    assert found.shape == (2, 2, HEIGHT, WIDTH, 5) and found.dtype == np.uint8
    flow = clip_flow()
    levels = np.asarray(flow_to_levels(flow(frames)[MIDDLE]))
    for window, start in enumerate((0, 1)):
        np.testing.assert_array_equal(found[window, ..., :3], frames[MIDDLE][start : start + 2])
        np.testing.assert_array_equal(found[window, ..., 3:], levels[start : start + 2])
    of_the_crop = np.asarray(flow_to_levels(flow(np.ascontiguousarray(frames[MIDDLE]))))
    assert np.abs(of_the_crop.astype(int) - levels).max() > 2


def test_a_single_picture_stands_still():
    found = window_input(Windows(2, 1, (HEIGHT, WIDTH))).describe(moving(1))
    assert found.shape == (1, 2, HEIGHT, WIDTH, 5)
    np.testing.assert_array_equal(found[..., 3:], 128)


def test_frames_without_such_a_middle_and_impossible_windows_are_refused():
    with pytest.raises(UserError, match="22 x 25 pixels have no 24 x 18 crop"):
        window_input(Windows(2, 1, (24, 18))).describe(moving(2))
    with pytest.raises(UserError, match=r"features\.window_frames = 0 must be greater than 0"):
        Windows(0, 1, (HEIGHT, WIDTH))
    with pytest.raises(UserError, match=r"features\.window_stride = -1 must be greater than 0"):
        Windows(2, -1, (HEIGHT, WIDTH))
    with pytest.raises(UserError, match=r"features\.flow = 'farneback' is unknown; choose one of fast, full"):
        Windows(2, 1, (HEIGHT, WIDTH), "farneback")
    with pytest.raises(UserError, match=r"features\.i3d_dtype = 'float16' is unknown; choose one of bfloat16, float32"):
        two_stream("float16")


def test_the_cheaper_flow_is_another_one_and_the_cache_knows():
    frames = moving()
    full, fast = (window_input(Windows(2, 1, (HEIGHT, WIDTH), flow)) for flow in ("full", "fast"))
    assert len({full.name, fast.name, window_input(Windows(2, 1, (HEIGHT, HEIGHT))).name}) == 3
    levels = [encoder.describe(frames)[..., 3:].astype(int) for encoder in (full, fast)]
    assert 0 < np.abs(levels[0] - levels[1]).mean() < 10
    narrow = two_stream("bfloat16")
    assert narrow.rgb.dtype == narrow.flow.dtype == jnp.bfloat16
