"""Warps pictures by bicubic interpolation, and resizes them on a grid of half-pixel centres."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp
import numpy as np

# Keys' cubic convolution has this free parameter; -0.75 is the value of OpenCV's INTER_CUBIC.
CUBIC_SHARPNESS = -0.75
_TAPS = 4
# A place may lie anywhere: four pixels of black around the picture hold all taps of any place outside it.
_MARGIN = _TAPS


def warp_backward(maps: jax.Array, flow: jax.Array) -> jax.Array:
    """maps at (x + flow_x, y + flow_y), by bicubic interpolation; what lies outside is 0, as in OpenCV's `remap`.

    Args:
      maps: (C, H, W) floating.
      flow: (2, H, W) in pixels, x (to the right) before y (downwards).

    Returns:
      (C, H, W) float32.
    """
    chex.assert_rank([maps, flow], 3)
    channels, height, width = maps.shape
    chex.assert_shape(flow, (2, height, width))
    pitch = width + 2 * _MARGIN
    padded = jnp.pad(maps, ((0, 0), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN))).reshape(channels, -1)
    column, column_weights = _taps(jnp.arange(width, dtype=jnp.float32) + flow[0], width)
    row, row_weights = _taps(jnp.arange(height, dtype=jnp.float32)[:, None] + flow[1], height)
    corner = row * pitch + column
    result = jnp.zeros((channels, height, width), jnp.float32)
    for down, row_weight in enumerate(row_weights):
        line = jnp.zeros_like(result)
        for right, column_weight in enumerate(column_weights):
            line += column_weight * jnp.take(padded, corner + (down * pitch + right), axis=1, mode="clip")
        result += row_weight * line
    return result


def _taps(places: jax.Array, size: int) -> tuple[jax.Array, list[jax.Array]]:
    """Index of the first of four taps along a padded axis, and the weight of each tap."""
    floor = jnp.floor(places)
    first = jnp.clip(floor, -_MARGIN + 1, size + 1).astype(jnp.int32) + (_MARGIN - 1)
    after = places - floor
    distances = (after + 1, after, 1 - after, 2 - after)
    return first, [_cubic(distance, outer=tap in (0, _TAPS - 1)) for tap, distance in enumerate(distances)]


def _cubic(distance: jax.Array, outer: bool) -> jax.Array:
    """Cubic convolution (Keys 1981), its kernel for a distance in [1, 2] (outer) or [0, 1]."""
    sharp = CUBIC_SHARPNESS
    if outer:
        return ((sharp * distance - 5 * sharp) * distance + 8 * sharp) * distance - 4 * sharp
    return ((sharp + 2) * distance - (sharp + 3)) * distance * distance + 1


def resize_linear(maps: jax.Array, height: int, width: int, step: float | None = None) -> jax.Array:
    """Bilinear resizing without smoothing, pixels being unit squares with their centres at half-integers.

    Args:
      maps: (..., H, W) floating.
      height: rows of the result.
      width: columns of the result.
      step: pixels of the source per pixel of the result on both axes; None takes H / height and W / width. It
        differs from those where a size was rounded.

    Returns:
      (..., height, width); places outside take the nearest border pixel.
    """
    rows = _linear_matrix(maps.shape[-2], height, step)
    columns = _linear_matrix(maps.shape[-1], width, step)
    return jnp.einsum("oh,...hw,pw->...op", rows, maps, columns, precision=jax.lax.Precision.HIGHEST)


def _linear_matrix(size: int, target: int, step: float | None) -> np.ndarray:
    """(target, size) float32 weights; each row has at most two that are not 0 and sums to 1."""
    places = (np.arange(target) + 0.5) * (size / target if step is None else step) - 0.5
    below = np.floor(places)
    after = places - below
    matrix = np.zeros((target, size))
    for offset, weight in ((0, 1 - after), (1, after)):
        np.add.at(matrix, (np.arange(target), np.clip(below + offset, 0, size - 1).astype(int)), weight)
    return matrix.astype(np.float32)
