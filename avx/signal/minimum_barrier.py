"""Computes minimum barrier saliency: the least contrast on any path from the border to a pixel."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp

from avx.core.errors import UserError
from avx.signal.colour import lab_planes
from avx.signal.saliency import SMALLEST_CONTRAST, stretch_to_unit

SCANS = 3


def barrier_distance(maps: jax.Array, scans: int = SCANS) -> jax.Array:
    """D(x) = min over paths from the border to x of (max I - min I) on the path, approximated by raster scans.

    FastMBD (Zhang et al. 2015, algorithm 1): D is 0 on the border; scans run alternately from the top left and from
    the bottom right, each place taking the better of the paths of its two neighbours behind it, the one above (below)
    tried first. Places on one anti-diagonal do not depend on each other, so a scan is H + W - 1 steps of vector work
    with exactly the values of the sequential scan.

    Args:
      maps: (..., H, W) floating.
      scans: number of scans, at least 1.

    Returns:
      (..., H, W), non-negative and an upper bound of the exact distance.

    Raises:
      UserError: for less than one scan.
    """
    if scans < 1:
        raise UserError(f"the barrier distance needs at least 1 scan, got {scans}")
    height, width = maps.shape[-2:]
    flat = maps.reshape(-1, height, width)
    border = jnp.ones((height, width), bool).at[1:-1, 1:-1].set(False)
    state = jnp.broadcast_to(jnp.where(border, 0.0, jnp.inf), flat.shape), flat, flat
    for index in range(scans):
        backwards = index % 2 == 1
        turned = [jnp.flip(part, (1, 2)) if backwards else part for part in (flat, *state)]
        state = _scan(*turned)
        if backwards:
            distance, highest, lowest = (jnp.flip(part, (1, 2)) for part in state)
            state = distance, highest, lowest
    return state[0].reshape(maps.shape)


def minimum_barrier(pictures: jax.Array, scans: int = SCANS) -> jax.Array:
    """Minimum barrier saliency (Zhang et al. 2015; docs/methods.md 10): (..., H, W, 3) sRGB -> (..., H, W) in [0, 1].

    The barrier distances of L, a and b are added and stretched to [0, 1]; maps that vary by less than a thousandth of
    a Lab unit give ones.

    Args:
      pictures: (..., H, W, 3) uint8, or floating in [0, 1].
      scans: see `barrier_distance`.
    """
    distances = barrier_distance(jnp.stack(lab_planes(pictures)), scans)
    return stretch_to_unit(distances.sum(0), SMALLEST_CONTRAST)


def _scan(
    values: jax.Array, distance: jax.Array, highest: jax.Array, lowest: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """One scan from the top left over arrays (N, H, W): new distance, and highest and lowest value on the best path."""
    chex.assert_equal_shape([values, distance, highest, lowest])
    count, height, width = values.shape
    diagonals = tuple(_to_diagonals(part) for part in (values, distance, highest, lowest))
    outside = (jnp.full((count, height), jnp.inf), jnp.zeros((count, height)), jnp.zeros((count, height)))

    def advance(previous, current):
        value, best, high, low = current
        above = tuple(
            jnp.concatenate([edge[:, :1], part[:, :-1]], axis=1) for edge, part in zip(outside, previous, strict=True)
        )
        for reach, neighbour_high, neighbour_low in (above, previous):
            top = jnp.maximum(neighbour_high, value)
            bottom = jnp.minimum(neighbour_low, value)
            better = (top - bottom < best) & jnp.isfinite(reach)
            best = jnp.where(better, top - bottom, best)
            high = jnp.where(better, top, high)
            low = jnp.where(better, bottom, low)
        following = (best, high, low)
        return following, following

    _, scanned = jax.lax.scan(advance, outside, diagonals)
    best, high, low = (_from_diagonals(part, width) for part in scanned)
    return best, high, low


def _to_diagonals(maps: jax.Array) -> jax.Array:
    """(N, H, W) -> (H + W - 1, N, H): step d holds place (row, d - row); places outside the map are infinite."""
    count, height, width = maps.shape
    steps = height + width - 1
    # Rows of H + W cells cut again into rows of H + W - 1 move each row one place further than the last.
    wide = jnp.pad(maps, ((0, 0), (0, 0), (0, height)), constant_values=jnp.inf)
    skewed = wide.reshape(count, -1)[:, : height * steps].reshape(count, height, steps)
    return jnp.moveaxis(skewed, 2, 0)


def _from_diagonals(diagonals: jax.Array, width: int) -> jax.Array:
    """The inverse of `_to_diagonals`: (H + W - 1, N, H) -> (N, H, W)."""
    steps, count, height = diagonals.shape
    skewed = jnp.moveaxis(diagonals, 0, 2).reshape(count, -1)
    wide = jnp.pad(skewed, ((0, 0), (0, height))).reshape(count, height, steps + 1)
    return wide[..., :width]
