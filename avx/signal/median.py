"""Filters maps by their median through a network of comparisons: no sort, no data-dependent step."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from avx.core.errors import UserError


def median_filter(maps: jax.Array, size: int) -> jax.Array:
    """Median of the size x size window around every place, borders repeated outwards.

    Columns of the window are sorted, then the rows of what results; the entry at (row, column) then has at least
    (row + 1) (column + 1) - 1 entries below it and (size - row) (size - column) - 1 above it, so that only the places
    where neither count passes the middle can hold the median. Sorted columns serve `size` windows each, so a 5 x 5
    filter needs a third of the comparisons of a full sort, and all of them are vector work.

    Args:
      maps: (..., H, W) floating.
      size: odd, at least 1; 1 changes nothing.

    Returns:
      (..., H, W), every value one of the window's.

    Raises:
      UserError: for an even size, or one below 1.
    """
    if size < 1 or size % 2 == 0:
        raise UserError(f"a median filter needs an odd size of at least 1, got {size}")
    if size == 1:
        return maps
    height, width = maps.shape[-2:]
    border = [(0, 0)] * (maps.ndim - 2) + [(size // 2, size // 2)] * 2
    padded = jnp.pad(maps, border, mode="edge")
    columns = _sorted([padded[..., start : start + height, :] for start in range(size)])
    rows = [_sorted([part[..., start : start + width] for start in range(size)]) for part in columns]
    middle = (size * size + 1) // 2
    candidates = [
        rows[row][column]
        for row in range(size)
        for column in range(size)
        if (row + 1) * (column + 1) <= middle and (size - row) * (size - column) <= middle
    ]
    return _middle(candidates)


def _sorted(values: list[jax.Array]) -> list[jax.Array]:
    """The arrays sorted place by place, smallest first, by exchanges of neighbours in alternate rounds."""
    values = list(values)
    for turn in range(len(values)):
        for first in range(turn % 2, len(values) - 1, 2):
            _exchange(values, first, first + 1)
    return values


def _middle(values: list[jax.Array]) -> jax.Array:
    """Median, place by place, of an odd number of arrays: least and greatest are dropped until one is left."""
    while len(values) > 1:
        count = len(values)
        for first in range(count // 2):
            _exchange(values, first, count - 1 - first)
        # The least is now in the first half, the greatest in the second; the middle one stands in both.
        for place in range(1, (count + 1) // 2):
            _exchange(values, 0, place)
        for place in range(count // 2, count - 1):
            _exchange(values, place, count - 1)
        values = values[1:-1]
    return values[0]


def _exchange(values: list[jax.Array], low: int, high: int) -> None:
    """Puts the smaller value of two places first."""
    values[low], values[high] = jnp.minimum(values[low], values[high]), jnp.maximum(values[low], values[high])
