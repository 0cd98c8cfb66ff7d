"""Cosine distances between frames, and the threshold above which a distance counts as a change.

`1 - cos` leaves two cases open: two zero vectors are at distance 0, a zero vector and any other at distance 1
(docs/methods.md 9.1). `unit_vectors` settles both with one extra coordinate that is 1 for a zero vector and 0 for all
others: in that space every real frame has length 1 and the distance is `1 - u . v` without exception, which is what
makes the linear-time sums of k-medoids exact. A padded frame becomes the null vector and adds nothing to any sum.
"""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp

from avx.core.arrays import EPSILON, l2_normalize, ratio

# Equal values differ from their mean in the last bits: only an excess above this share of the mean counts.
ROUNDING = 1e-5


def unit_vectors(features: jax.Array, mask: jax.Array) -> jax.Array:
    """Maps frames to unit vectors of D + 1 coordinates, whose inner product is 1 minus the cosine distance of 9.1.

    Args:
      features: (T, D) frame features; padded rows may hold anything, NaN included.
      mask: (T,) bool, True where the frame is real.

    Returns:
      (T, D + 1) float32: unit rows where `mask` is True, null rows elsewhere.

    >>> unit_vectors(jnp.array([[2.0, 0.0], [0.0, 0.0]]), jnp.ones(2, bool)).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
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
    """Computes the distance of corresponding unit rows (Sun 2024, eq. 7, with the zero rule of docs/methods.md 9.1).

    Written as half the squared Euclidean distance, which is equal for unit vectors and, unlike `1 - u . v`, gives
    exactly 0 for equal rows and keeps its relative accuracy for nearly equal ones.

    Args:
      first: (..., D) rows made by `unit_vectors`.
      second: (..., D) rows made by `unit_vectors`.

    Returns:
      (...) distances in [0, 2].

    >>> float(cosine_distance(jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])))
    1.0
    """
    return 0.5 * jnp.square(first - second).sum(-1)


def adjacent_distances(units: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Computes the distance of each frame to the next one (Sun 2024, eq. 7).

    Args:
      units: (T, D) rows made by `unit_vectors`.
      mask: (T,) bool.

    Returns:
      Distances (T - 1,), and their mask (T - 1,): True where both neighbours are real; the others are 0.

    >>> units = unit_vectors(jnp.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]), jnp.ones(3, bool))
    >>> adjacent_distances(units, jnp.ones(3, bool))[0].tolist()
    [0.0, 1.0]
    """
    both = jnp.logical_and(mask[:-1], mask[1:])
    return jnp.where(both, cosine_distance(units[:-1], units[1:]), 0), both


def mean_and_deviation(values: jax.Array, valid: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Computes mean and population standard deviation () of the values (N,) where valid (N,); both 0 without any.

    >>> [float(part) for part in mean_and_deviation(jnp.array([1.0, 3.0, 9.0]), jnp.array([True, True, False]))]
    [2.0, 1.0]
    """
    count = valid.sum()
    mean = ratio(jnp.where(valid, values, 0).sum(), count)
    deviation = jnp.sqrt(ratio(jnp.square(jnp.where(valid, values - mean, 0)).sum(), count))
    return mean, deviation


def above_deviations(values: jax.Array, valid: jax.Array, factor: float | jax.Array) -> jax.Array:
    """Marks the valid values that exceed mean + factor x standard deviation (Sun 2024, eq. 8).

    The inequality is strict, and an excess within rounding counts as none: equal values never exceed their mean.

    Args:
      values: (N,) such as distances of neighbouring frames.
      valid: (N,) bool.
      factor: deviations above the mean.

    Returns:
      (N,) bool.

    >>> above_deviations(jnp.array([0.0, 0.0, 0.0, 1.0]), jnp.ones(4, bool), 1.0).tolist()
    [False, False, False, True]
    """
    mean, deviation = mean_and_deviation(values, valid)
    return jnp.logical_and(valid, values - mean > factor * deviation + ROUNDING * jnp.abs(mean))
