"""Convolves and max-pools clips (B, T, H, W, C), padded as TensorFlow's "SAME", in forms that are fast on CPUs."""

from __future__ import annotations

import functools

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

Triple = tuple[int, int, int]


def same_padding(size: int, window: int, stride: int) -> tuple[int, int]:
    """Places (before, after) that "SAME" adds to an axis, so that it gives ceil(size / stride) windows.

    The whole padding depends on the size; where it is odd, the end gets one place more than the beginning.
    """
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def convolve_3d(clips: jax.Array, kernel: jax.Array, strides: Triple = (1, 1, 1)) -> jax.Array:
    """Convolution over time, height and width, padded with zeros as "SAME".

    XLA's three-dimensional convolution on CPUs is several times slower than its two-dimensional one, so there the time
    steps of each window stand side by side as channels: one two-dimensional convolution with k_t times the channels
    does the same sum. A 1x1x1 kernel is a matrix product everywhere.

    Args:
      clips: (B, T, H, W, C).
      kernel: (k_t, k_h, k_w, C, D).
      strides: of time, height and width.

    Returns:
      (B, ceil(T / s_t), ceil(H / s_h), ceil(W / s_w), D).
    """
    chex.assert_rank([clips, kernel], 5)
    chex.assert_axis_dimension(kernel, 3, clips.shape[-1])
    if kernel.shape[:3] == strides == (1, 1, 1):
        return clips @ kernel[0, 0, 0]
    return lax.platform_dependent(
        clips,
        kernel,
        cpu=functools.partial(_with_time_as_channels, strides=strides),
        default=functools.partial(_directly, strides=strides),
    )


def _directly(clips: jax.Array, kernel: jax.Array, strides: Triple) -> jax.Array:
    layout = ("NDHWC", "DHWIO", "NDHWC")
    return lax.conv_general_dilated(clips, kernel, strides, "SAME", dimension_numbers=layout)


def _with_time_as_channels(clips: jax.Array, kernel: jax.Array, strides: Triple) -> jax.Array:
    batch, times, height, width, channels = clips.shape
    taps, window_height, window_width, _, filters = kernel.shape
    before, after = same_padding(times, taps, strides[0])
    padded = jnp.pad(clips, ((0, 0), (before, after), (0, 0), (0, 0), (0, 0)))
    steps = -(-times // strides[0])
    last = (steps - 1) * strides[0] + 1
    windows = [lax.slice_in_dim(padded, tap, tap + last, strides[0], axis=1) for tap in range(taps)]
    images = jnp.concatenate(windows, axis=-1).reshape(batch * steps, height, width, taps * channels)
    planar = kernel.transpose(1, 2, 0, 3, 4).reshape(window_height, window_width, taps * channels, filters)
    layout = ("NHWC", "HWIO", "NHWC")
    maps = lax.conv_general_dilated(images, planar, strides[1:], "SAME", dimension_numbers=layout)
    return maps.reshape(batch, steps, *maps.shape[1:])


def max_pool_3d(clips: jax.Array, window: Triple, strides: Triple) -> jax.Array:
    """Takes the maximum over windows, padded as "SAME" with -infinity; one axis after the other.

    The maximum of a box is that of its lines' maxima: 3 + 3 + 3 comparisons for 27, each along one axis, which CPUs do
    in vectors.

    Args:
      clips: (B, T, H, W, C).
      window: of time, height and width.
      strides: likewise.

    Returns:
      (B, ceil(T / s_t), ceil(H / s_h), ceil(W / s_w), C).
    """
    chex.assert_rank(clips, 5)
    for axis in range(3):
        if window[axis] > 1 or strides[axis] > 1:
            line = tuple(window[axis] if place == axis else 1 for place in range(3))
            step = tuple(strides[axis] if place == axis else 1 for place in range(3))
            clips = nn.max_pool(clips, line, step, padding="SAME")
    return clips
