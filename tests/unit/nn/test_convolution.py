"""Convolution and maximum over clips against loops in numpy, with padding that is asymmetric on even sizes."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from avx.nn import convolution
from avx.nn.convolution import convolve_3d, max_pool_3d, same_padding

CASES = [
    ((5, 6, 7), (3, 3, 3), (1, 1, 1)),
    ((6, 8, 7), (7, 7, 7), (2, 2, 2)),
    ((4, 5, 6), (2, 3, 1), (2, 1, 3)),
    ((3, 4, 2), (1, 1, 1), (1, 1, 1)),
    ((3, 4, 2), (1, 1, 1), (2, 1, 1)),
]
every_case = pytest.mark.parametrize(("size", "window", "strides"), CASES)


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def windows_of(clips, window, strides, fill):
    """Place -> window (B, k_t, k_h, k_w, C), with TensorFlow's rule for the padding written out."""
    pads, counts = [(0, 0)], []
    for size, width, stride in zip(clips.shape[1:4], window, strides, strict=True):
        total = max(width - (stride if size % stride == 0 else size % stride), 0)
        pads.append((total // 2, total - total // 2))
        counts.append(int(np.ceil(size / stride)))
    padded = np.pad(clips, [*pads, (0, 0)], constant_values=fill)
    for place in itertools.product(*map(range, counts)):
        starts = [index * stride for index, stride in zip(place, strides, strict=True)]
        yield place, padded[(slice(None), *(slice(s, s + w) for s, w in zip(starts, window, strict=True)))]


def brute_force(clips, window, strides, fill, reduce):
    size = [int(np.ceil(side / stride)) for side, stride in zip(clips.shape[1:4], strides, strict=True)]
    results = {place: reduce(cut) for place, cut in windows_of(clips, window, strides, fill)}
    stacked = np.stack([results[place] for place in itertools.product(*map(range, size))], axis=1)
    return stacked.reshape(len(clips), *size, -1)


@pytest.mark.parametrize(
    ("size", "window", "stride", "expected"),
    [(10, 7, 2, (2, 3)), (9, 7, 2, (3, 3)), (8, 3, 2, (0, 1)), (7, 3, 2, (1, 1)), (4, 1, 2, (0, 0)), (1, 7, 2, (3, 3))],
)
def test_padding_depends_on_the_size(size, window, stride, expected):
    assert same_padding(size, window, stride) == expected


@every_case
def test_both_forms_of_the_convolution_equal_a_loop(size, window, strides):
    clips, kernel = random(2, *size, 3), random(*window, 3, 4, seed=1)
    expected = brute_force(clips, window, strides, 0, lambda cut: np.einsum("bthwc,thwcd->bd", cut, kernel))
    for form in (convolve_3d, convolution._directly, convolution._with_time_as_channels):
        found = jax.jit(form, static_argnums=2)(clips, kernel, strides)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_padding_the_longer_side_first_would_differ():
    clips, kernel = random(1, 6, 8, 8, 2), random(7, 7, 7, 2, 3, seed=1)
    mirrored = convolve_3d(clips[:, ::-1, ::-1, ::-1], kernel[::-1, ::-1, ::-1], (2, 2, 2))[:, ::-1, ::-1, ::-1]
    assert np.abs(convolve_3d(clips, kernel, (2, 2, 2)) - mirrored).max() > 0.1


def test_both_forms_have_the_same_gradient():
    clips, kernel, strides = random(1, 5, 6, 6, 2), random(3, 3, 3, 2, 3, seed=1), (2, 1, 2)
    weight = random(1, 3, 6, 3, 3, seed=2)

    def total(form, *values):
        return (form(*values, strides) * weight).sum()

    gradient = jax.jit(jax.grad(total, argnums=(1, 2)), static_argnums=0)
    for one, other in zip(
        gradient(convolve_3d, clips, kernel), gradient(convolution._directly, clips, kernel), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_the_convolution_maps_over_further_axes():
    clips, kernel = random(2, 1, 3, 4, 5, 2), random(3, 3, 3, 2, 3, seed=1)
    mapped = jax.jit(jax.vmap(functools.partial(convolve_3d, kernel=kernel)))(clips)
    np.testing.assert_allclose(mapped[1], convolve_3d(clips[1], kernel), rtol=1e-4, atol=1e-4)


@every_case
def test_the_maximum_equals_a_loop_for_negative_values_too(size, window, strides):
    clips = random(2, *size, 3) - 5
    expected = brute_force(clips, window, strides, -np.inf, lambda cut: cut.max((1, 2, 3)))
    np.testing.assert_array_equal(max_pool_3d(jnp.asarray(clips), window, strides), expected)


def test_the_maximums_gradient_goes_to_the_largest_value():
    clips = jnp.asarray(random(1, 3, 4, 4, 1))
    gradient = jax.grad(lambda values: max_pool_3d(values, (3, 4, 4), (3, 4, 4)).sum())(clips)
    np.testing.assert_array_equal(gradient, (clips == clips.max()).astype(np.float32))
