"""Cosine distance between frames, with zero vectors and padding settled once for the whole room.

`1 - cos` leaves two cases open: two zero vectors are at distance 0, a zero vector and any other at distance 1
(docs/methods.md 9.1). `unit_rows` settles both with one extra coordinate that is 1 for a zero vector and 0 for all
others: in that space every real frame has length 1 and the distance is `1 - u . v` without exception, which is what
makes the linear-time sums of k-medoids exact. A padded frame becomes the null vector and adds nothing to any sum.
"""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp

from avx.core.arrays import EPSILON, l2_normalize


def unit_rows(features: jax.Array, mask: jax.Array) -> jax.Array:
    """Frames as unit vectors of D + 1 coordinates, whose inner product is one minus the distance of 9.1.

    Args:
      features: (T, D) frame features; padded rows may hold anything, NaN included.
      mask: (T,) bool, True where the frame is real.

    Returns:
      (T, D + 1) float32: unit rows where `mask` is True, null rows elsewhere.
    """
    chex.assert_rank([features, mask], [2, 1])
    chex.assert_equal_shape_prefix([features, mask], 1)
    rows = jnp.where(mask[:, None], features, 0).astype(jnp.float32)
    # Scaling by the largest entry first keeps the squares of very large and very small features representable.
    largest = jnp.abs(rows).max(-1, keepdims=True, initial=0)
    zero = largest <= EPSILON
    rows = l2_normalize(rows / jnp.where(zero, 1, largest))
    rows = jnp.where(zero, 0, rows)
    return jnp.concatenate([rows, jnp.logical_and(mask[:, None], zero).astype(jnp.float32)], axis=-1)


def cosine_distance(first: jax.Array, second: jax.Array) -> jax.Array:
    """Distance of corresponding unit rows (Sun 2024, eq. 7, with the zero rule of docs/methods.md 9.1).

    Written as half the squared Euclidean distance, which is equal for unit vectors and, unlike `1 - u . v`, gives
    exactly 0 for equal rows and keeps its relative accuracy for nearly equal ones.

    Args:
      first: (..., D) rows made by `unit_rows`.
      second: (..., D) rows made by `unit_rows`.

    Returns:
      (...) distances in [0, 2].
    """
    return 0.5 * jnp.square(first - second).sum(-1)


def adjacent_distances(units: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Distance of each frame to the next one (Sun 2024, eq. 7).

    Args:
      units: (T, D) rows made by `unit_rows`.
      mask: (T,) bool.

    Returns:
      Distances (T - 1,), and their mask (T - 1,): True where both neighbours are real; the others are 0.
    """
    both = jnp.logical_and(mask[:-1], mask[1:])
    return jnp.where(both, cosine_distance(units[:-1], units[1:]), 0), both
