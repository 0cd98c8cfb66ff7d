"""Colour spaces at known points and against colorsys; histograms against numpy counts."""

import colorsys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from avx.core.errors import UserError
from avx.signal import colour

RNG = np.random.default_rng(0)
to_lab, to_hsv, hsv_histogram = (jax.jit(one) for one in (colour.to_lab, colour.to_hsv, colour.hsv_histogram))


def lab_in_numpy(unit):
    """sRGB in [0, 1] -> L*a*b*, D65, float64, from the definitions."""
    unit = np.asarray(unit, np.float64)
    linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    matrix = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.119192, 0.9503041]]
    )
    ratio = linear @ matrix.T / matrix.sum(1)
    curve = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = np.moveaxis(curve, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def test_lab_of_the_primaries():
    """Published values, for example of Lindbloom's calculator."""
    primaries = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0]]], np.uint8)
    expected = [[53.24, 80.09, 67.20], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86], [100, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(to_lab(primaries)[0], expected, atol=0.02)


def test_lab_equals_the_definition_and_greys_have_no_colour():
    pictures = RNG.integers(0, 256, (2, 5, 7, 3)).astype(np.uint8)
    got = np.asarray(to_lab(pictures))
    np.testing.assert_allclose(got, lab_in_numpy(pictures / 255), atol=1e-3)
    linear_light_forgotten = 116 * np.cbrt((pictures / 255) @ [0.2126729, 0.7151522, 0.0721750]) - 16
    assert np.abs(got[..., 0] - linear_light_forgotten).max() > 5
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    np.testing.assert_allclose(to_lab(grey)[..., 1:], 0, atol=1e-3)


def test_lab_has_a_finite_gradient_everywhere():
    corners = np.stack(np.meshgrid(*[[0.0, 0.5, 1.0]] * 3), -1).reshape(1, 27, 3).astype(np.float32)
    assert np.all(np.isfinite(jax.jit(jax.grad(lambda x: colour.to_lab(x).sum()))(corners)))


def test_hsv_equals_colorsys():
    pictures = RNG.integers(0, 256, (6, 9, 3)).astype(np.uint8)
    pictures[0, :4] = [[0, 0, 0], [9, 9, 9], [255, 0, 255], [4, 3, 3]]
    expected = [[colorsys.rgb_to_hsv(*(pixel / 255)) for pixel in row] for row in pictures]
    np.testing.assert_allclose(to_hsv(pictures), expected, atol=1e-6)
    np.testing.assert_allclose(to_hsv(pictures / np.float32(255)), expected, atol=1e-5)


def test_grey_weights_the_channels():
    picture = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    np.testing.assert_allclose(colour.to_grey(picture), [[0.299, 0.587, 0.114, 1]], atol=1e-6)


def test_hsv_histogram_counts_pixels_by_hand():
    """Red (h 0, s 1, v 1), black (0, 0, 0), dark cyan (h 1/2 = bin 8, s 1, v 100/255 = bin 1), twice."""
    picture = np.array([[[255, 0, 0], [0, 0, 0]], [[0, 100, 100], [0, 100, 100]]], np.uint8)
    got = np.asarray(hsv_histogram(picture))
    expected = np.zeros(256)
    expected[[(0 * 4 + 3) * 4 + 3, 0]] = 0.25
    expected[(8 * 4 + 3) * 4 + 1] = 0.5
    np.testing.assert_allclose(got, expected, atol=1e-7)


def test_histograms_equal_numpys_and_batching_changes_nothing():
    pictures = RNG.integers(0, 256, (2, 3, 6, 8, 3)).astype(np.uint8)
    joint = np.asarray(hsv_histogram(pictures))
    hues = np.asarray(jax.jit(colour.hue_histogram)(pictures))
    assert joint.shape == (2, 3, 256) and hues.shape == (2, 3, 16)
    for place in np.ndindex(2, 3):
        hsv = np.array([colorsys.rgb_to_hsv(*map(int, pixel)) for pixel in pictures[place].reshape(-1, 3)])
        hsv[:, 2] /= 255
        expected = np.histogramdd(hsv, bins=(16, 4, 4), range=[(0, 1)] * 3)[0] / 48
        np.testing.assert_allclose(joint[place], expected.reshape(-1), atol=1e-6)
        np.testing.assert_allclose(hues[place], np.histogram(hsv[:, 0], 16, (0, 1))[0] / 48, atol=1e-6)
        np.testing.assert_allclose(joint[place].reshape(16, 16).sum(1), hues[place], atol=1e-6)


def test_a_saturation_on_the_border_of_bins_is_not_rounded_down():
    """(4 - 3) / 4 is exactly a quarter and opens the second bin."""
    picture = jnp.asarray([[[4, 3, 3]]], jnp.uint8)
    assert int(hsv_histogram(picture).argmax()) == (0 * 4 + 1) * 4 + 0


def test_no_bins_are_refused():
    with pytest.raises(UserError, match="at least 1 bin, got 0"):
        colour.hue_histogram(np.zeros((2, 2, 3), np.uint8), 0)


def soft_by_hand(pixel, bins=(16, 4, 4)):
    """The shares of one pixel, in float64, from the description."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(np.asarray(pixel) / 255))

    def shares(place, size, around=False):
        found = np.zeros(size)
        low = int(np.floor(place * size - 0.5))
        high = place * size - 0.5 - low
        for number, share in ((low, 1 - high), (low + 1, high)):
            found[number % size if around else min(max(number, 0), size - 1)] += share
        return found

    reliable = min(saturation * value / 0.1, 1)
    lowest = np.eye(bins[1])[0]
    coloured = np.einsum("h,s->hs", shares(hue, bins[0], True), shares(saturation, bins[1]))
    joint = reliable * coloured + (1 - reliable) * lowest / bins[0]
    return np.einsum("hs,v->hsv", joint, shares(value, bins[2])).ravel()


def test_soft_histogram_shares_pixels_between_neighbouring_bins():
    pixels = np.array(
        [[200, 30, 40], [30, 200, 40], [120, 118, 119], [3, 0, 0], [255, 255, 255], [90, 90, 140]], np.uint8
    )
    got = np.asarray(jax.jit(colour.soft_hsv_histogram)(pixels[:, None, None]))
    for row, pixel in zip(got, pixels, strict=True):
        np.testing.assert_allclose(row, soft_by_hand(pixel), atol=1e-5)
    together = colour.soft_hsv_histogram(pixels[None].reshape(2, 3, 3))
    np.testing.assert_allclose(together, got.mean(0), atol=1e-6)
    np.testing.assert_allclose(got.sum(1), 1, atol=1e-5)


def test_soft_histogram_is_continuous_where_the_hard_one_flips():
    """Grey that crosses a border by one level, its chroma noise, near-black noise, and red on both sides of hue 0."""
    pairs = np.array(
        [
            [[63, 63, 63], [64, 64, 64]],
            [[128, 127, 128], [127, 128, 127]],
            [[2, 1, 1], [1, 1, 2]],
            [[200, 20, 21], [200, 21, 20]],
        ],
        np.uint8,
    )[:, :, None, None]
    soft, hard = (jax.jit(one)(pairs) for one in (colour.soft_hsv_histogram, colour.hsv_histogram))
    change = [0.5 * np.abs(np.asarray(kind)[:, 0] - np.asarray(kind)[:, 1]).sum(-1) for kind in (soft, hard)]
    assert change[0].max() < 0.12
    np.testing.assert_allclose(change[1], 1)


def test_soft_histogram_needs_bins():
    with pytest.raises(UserError, match="at least 1 bin"):
        colour.soft_hsv_histogram(np.zeros((2, 2, 3), np.uint8), (16, 0, 4))
