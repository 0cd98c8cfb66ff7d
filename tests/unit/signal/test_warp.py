"""Bicubic warping against a sum over all pixels, a value by hand, whole shifts; resizing against jax.image."""

import jax
import numpy as np

from avx.signal.warp import resize_linear, warp_backward

RNG = np.random.default_rng(0)


def kernel(distance, sharp=-0.75):
    """Keys' kernel by distance, in its expanded printed form."""
    d = np.abs(distance)
    near = (sharp + 2) * d**3 - (sharp + 3) * d**2 + 1
    far = sharp * d**3 - 5 * sharp * d**2 + 8 * sharp * d - 4 * sharp
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def warp_by_all_pixels(picture, flow, sharp=-0.75):
    """Every pixel of the source weighs in on every pixel of the result, most with weight 0."""
    height, width = picture.shape
    result = np.zeros((height, width))
    for row, column in np.ndindex(height, width):
        across = kernel(column + flow[0, row, column] - np.arange(width), sharp)
        down = kernel(row + flow[1, row, column] - np.arange(height), sharp)
        result[row, column] = down @ picture @ across
    return result


def test_equals_the_sum_over_all_pixels_in_and_outside_the_frame():
    maps = RNG.uniform(0, 255, (2, 9, 12)).astype(np.float32)
    flow = RNG.uniform(-4, 4, (2, 9, 12)).astype(np.float32)
    flow[:, 3, 3:6] = [[-1e4, 1e4, 0], [0, 0, 1e6]]
    expected = np.stack([warp_by_all_pixels(one, flow.astype(np.float64)) for one in maps])
    warped = np.asarray(warp_backward(maps, flow))
    np.testing.assert_allclose(warped, expected, atol=2e-3)
    assert np.abs(expected[0] - warp_by_all_pixels(maps[0], flow[::-1])).max() > 10, "x and y must not be exchanged"
    assert np.abs(expected[0] - warp_by_all_pixels(maps[0], flow, sharp=-0.5)).max() > 1


def test_half_a_pixel_by_hand():
    """Weights at a half: -3/32, 19/32, 19/32, -3/32."""
    picture = np.zeros((1, 16, 16), np.float32)
    picture[0, :, 4:8] = [10, 20, 50, 80]
    flow = np.zeros((2, 16, 16), np.float32)
    flow[0] = 0.5
    warped = np.asarray(warp_backward(picture, flow))
    np.testing.assert_allclose(warped[0, 8, 5], (-3 * 10 + 19 * 20 + 19 * 50 - 3 * 80) / 32, rtol=1e-6)


def test_whole_shifts_bring_black_in():
    picture = RNG.uniform(1, 255, (1, 8, 10)).astype(np.float32)
    flow = np.broadcast_to(np.array([3, -2], np.float32)[:, None, None], (2, 8, 10))
    warped = np.asarray(warp_backward(picture, flow))
    np.testing.assert_array_equal(warped[0, 2:, :7], picture[0, :6, 3:])
    assert not warped[0, :2].any() and not warped[0, :, 7:].any()


def test_resizing_equals_jax_image_without_smoothing():
    maps = RNG.normal(size=(2, 9, 14)).astype(np.float32)
    for height, width in ((5, 7), (18, 15)):
        expected = jax.image.resize(maps, (2, height, width), "linear", antialias=False)
        np.testing.assert_allclose(resize_linear(maps, height, width), expected, atol=1e-5)


def test_resizing_keeps_the_asked_step_where_the_size_was_rounded():
    ramp = np.broadcast_to(np.arange(9, dtype=np.float32), (3, 9))
    # 9 * 0.8 = 7.2: seven columns, 1.25 apart, centres at 1.25 (i + 1/2) - 1/2.
    stepped = np.asarray(resize_linear(ramp, 2, 7, step=1.25))[0]
    np.testing.assert_allclose(stepped, 1.25 * (np.arange(7) + 0.5) - 0.5, atol=1e-5)
    assert np.abs(stepped - np.asarray(resize_linear(ramp, 2, 7))[0]).max() > 0.1
