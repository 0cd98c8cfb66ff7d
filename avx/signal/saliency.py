"""Computes saliency maps without weights: spectral residual and frequency-tuned.

Maps have shape (..., H, W), lie in [0, 1] and are stretched to that range picture by picture; a picture or map without
contrast gives ones, because no information must mean no weighting (docs/methods.md 10).
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from avx.signal.colour import lab_planes, to_grey
from avx.signal.map_examples import map_examples

SPECTRUM_SIDE = 64
SMOOTHING_SIGMA = 2.5
LOG_OFFSET = 1e-8
SMALLEST_CONTRAST = 1e-3
BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / 16


def spectral_residual(pictures: jax.Array) -> jax.Array:
    """Spectral residual saliency (Hou & Zhang 2007): (..., H, W, 3) sRGB -> (..., H, W) in [0, 1].

    On grey at 64 x 64: with the spectrum F and L = log(|F| + 1e-8), the residual R = L - box3(L) keeps what stands out
    from the smooth log spectrum, and S = G * |IFFT(exp(R + i angle(F)))|^2 with a Gaussian G of 2.5 pixels, resized
    back bilinearly. Both filters repeat the border, as in the authors' script. Pictures whose grey varies by less than
    0.001 give ones: their spectrum holds rounding noise alone.

    Args:
      pictures: (..., H, W, 3) uint8, or floating in [0, 1].
    """
    grey = to_grey(pictures)
    *lead, height, width = grey.shape
    small = jax.image.resize(grey, (*lead, SPECTRUM_SIDE, SPECTRUM_SIDE), "linear")
    spectrum = jnp.fft.fft2(small)
    magnitude = jnp.abs(spectrum)
    logarithm = jnp.log(magnitude + LOG_OFFSET)
    residual = logarithm - separable_filter(logarithm, np.full(3, 1 / 3, np.float32))
    direction = spectrum / jnp.where(magnitude > 0, magnitude, 1) + (magnitude == 0)
    back = jnp.fft.ifft2(jnp.exp(residual) * direction)
    energy = jnp.square(back.real) + jnp.square(back.imag)
    radius = round(4 * SMOOTHING_SIGMA)
    bell = np.exp(-0.5 * np.square(np.arange(-radius, radius + 1) / SMOOTHING_SIGMA))
    smooth = separable_filter(energy, (bell / bell.sum()).astype(np.float32))
    saliency = stretch_to_unit(jax.image.resize(smooth, (*lead, height, width), "linear"))
    contrast = small.max((-2, -1), keepdims=True) - small.min((-2, -1), keepdims=True)
    return jnp.where(contrast < SMALLEST_CONTRAST, 1.0, saliency)


def frequency_tuned(pictures: jax.Array) -> jax.Array:
    """Frequency-tuned saliency (Achanta et al. 2009): (..., H, W, 3) sRGB -> (..., H, W) in [0, 1].

    S(x) = |mean of Lab - Lab blurred by [1 4 6 4 1] / 16 at x|, borders repeated. The mean is that of the Lab values.
    Maps that vary by less than a thousandth of a Lab unit give ones.

    Args:
      pictures: (..., H, W, 3) uint8, or floating in [0, 1].
    """

    def one(picture):
        channels = jnp.stack(lab_planes(picture))
        blurred = separable_filter(channels, BINOMIAL)
        squared = jnp.square(blurred - channels.mean((1, 2), keepdims=True)).sum(0)
        positive = squared > 0
        # The root of 0 is taken aside, because its gradient is infinite.
        return stretch_to_unit(jnp.where(positive, jnp.sqrt(jnp.where(positive, squared, 1)), 0), SMALLEST_CONTRAST)

    return map_examples(one, 3, pictures)


def separable_filter(maps: jax.Array, kernel: np.ndarray) -> jax.Array:
    """Correlation of maps (..., H, W) with the outer product of an odd kernel (K,) with itself, borders repeated."""
    radius = kernel.shape[0] // 2
    for axis in (maps.ndim - 2, maps.ndim - 1):
        size = maps.shape[axis]
        padding = [(0, 0)] * maps.ndim
        padding[axis] = (radius, radius)
        wide = jnp.pad(maps, padding, mode="edge")
        # On a CPU a sum of slices is ten times faster than a convolution, and leading axes need no reshaping.
        terms = (kernel[k] * jax.lax.slice_in_dim(wide, k, k + size, axis=axis) for k in range(kernel.shape[0]))
        maps = functools.reduce(jnp.add, terms)
    return maps


def stretch_to_unit(maps: jax.Array, smallest_range: float = 0.0) -> jax.Array:
    """(S - min S) / (max S - min S) for each map of (..., H, W); ones where the range is at most smallest_range."""
    low = maps.min((-2, -1), keepdims=True)
    extent = maps.max((-2, -1), keepdims=True) - low
    varied = extent > smallest_range
    return jnp.where(varied, (maps - low) / jnp.where(varied, extent, 1), 1.0)
