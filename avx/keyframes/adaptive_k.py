"""Chooses the number of key frames K from a video's content changes (Sun 2024, eq. 7-8)."""

from __future__ import annotations

import functools

import chex
import jax
import jax.numpy as jnp

from avx.core.arrays import product
from avx.keyframes.distances import above_deviations, adjacent_distances, unit_vectors

CHANGES = "changes"
SEGMENTS = "changes+1"
RULES = (CHANGES, SEGMENTS)

# Unit rows at this cosine distance differ in some coordinate by far more than any tolerance for equal rows.
CERTAINLY_DISTINCT = 1e-5


def content_changes(units: jax.Array, mask: jax.Array, delta: float) -> jax.Array:
    """Marks the frames after which the content changes: d_i > mu + delta sigma (Sun 2024, eq. 8).

    sigma is the population standard deviation of the adjacent distances.

    Args:
      units: (T, D) rows made by `distances.unit_vectors`.
      mask: (T,) bool.
      delta: sensitivity, in standard deviations.

    Returns:
      (T - 1,) bool, True at i where the step from frame i to frame i + 1 is a change.

    >>> frames = jnp.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    >>> content_changes(unit_vectors(frames, jnp.ones(4, bool)), jnp.ones(4, bool), delta=1.0).tolist()
    [False, True, False]
    """
    return above_deviations(*adjacent_distances(units, mask), delta)


def count_distinct(units: jax.Array, mask: jax.Array, limit: int | jax.Array, tolerance: float = 1e-6) -> jax.Array:
    """Counts distinct rows, no further than `limit`, in O(limit T D) and without a (T, T) table.

    Farthest-first traversal: take the row that is farthest from all rows taken so far, until every row lies within
    `tolerance` of a taken one. Rows that were taken are pairwise farther apart than the tolerance.

    Args:
      units: (T, D) rows.
      mask: (T,) bool.
      limit: () stop counting here.
      tolerance: largest difference of any coordinate between rows that count as equal.

    Returns:
      () int32, min(limit, number of distinct real rows).

    >>> int(count_distinct(jnp.array([[1.0], [2.0], [1.0]]), jnp.ones(3, bool), limit=10))
    2
    """

    def unfinished(state):
        count, gap = state
        return jnp.logical_and(count < limit, gap.max(initial=-1) > tolerance)

    def take_farthest(state):
        count, gap = state
        row = units[jnp.argmax(gap)]
        return count + 1, jnp.minimum(gap, jnp.abs(units - row).max(-1))

    never_reached = jnp.where(mask, jnp.inf, -1.0)
    return jax.lax.while_loop(unfinished, take_farthest, (jnp.asarray(0, jnp.int32), never_reached))[0]


@functools.partial(jax.jit, static_argnames=("delta", "rule"))
def wanted_clusters(features: jax.Array, mask: jax.Array, delta: float, rule: str) -> jax.Array:
    """Counts the clusters that the rule asks for, before any bound: () int32, 0 without frames.

    More than `max_clusters` of them are cut to that by `adaptive_k`.

    >>> frames = jnp.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    >>> int(wanted_clusters(frames, jnp.ones(4, bool), 1.0, "changes+1"))
    2
    """
    wanted = content_changes(unit_vectors(features, mask), mask, delta).sum() + (1 if rule == SEGMENTS else 0)
    return jnp.minimum(jnp.maximum(wanted, 1), mask.sum()).astype(jnp.int32)


def _certain_count(units: jax.Array, mask: jax.Array, changes: jax.Array, max_clusters: int) -> jax.Array:
    """Bounds the number of distinct rows from below by the first frame and the frames that follow a change."""
    # Where there are fewer changes, the position T runs past the end: that row is filled with zeros and not counted.
    after_change = jnp.nonzero(changes, size=max_clusters, fill_value=mask.shape[0])[0] + 1
    positions = jnp.concatenate([jnp.argmax(mask)[None], after_change])
    real = jnp.take(mask, positions, mode="fill", fill_value=False)
    rows = jnp.take(units, positions, axis=0, mode="fill", fill_value=0)
    similar = product(rows, rows.T) > 1 - CERTAINLY_DISTINCT
    repeated = jnp.tril(similar, -1).any(-1)
    return jnp.logical_and(real, jnp.logical_not(repeated)).sum()


def clusters_from_units(
    units: jax.Array,
    mask: jax.Array,
    delta: float,
    rule: str,
    max_clusters: int,
    tolerance: float = 1e-6,
) -> jax.Array:
    """Applies `adaptive_k` to rows that are already normalised by `distances.unit_vectors`."""
    if rule not in RULES:
        raise ValueError(f"k_rule is {rule!r}; choose one of {', '.join(RULES)}.")
    changes = content_changes(units, mask, delta)
    wanted = changes.sum() + (1 if rule == SEGMENTS else 0)
    target = jnp.clip(wanted, 1, max_clusters)
    certain = _certain_count(units, mask, changes, max_clusters)
    # Frames after a change are nearly always enough to show `target` distinct rows; the exact count runs otherwise.
    exact = count_distinct(units, mask, jnp.where(certain >= target, 0, target), tolerance)
    return jnp.minimum(target, jnp.maximum(certain, exact)).astype(jnp.int32)


def adaptive_k(
    features: jax.Array,
    mask: jax.Array,
    delta: float = 1.5,
    rule: str = CHANGES,
    max_clusters: int = 128,
    tolerance: float = 1e-6,
) -> jax.Array:
    """Chooses the number of clusters K of a video (Sun 2024, section II.B; docs/methods.md 9.2).

    K = min(max(K0, 1), number of distinct frames, max_clusters), where K0 is the number of content changes (or of
    segments, one more). A constant video and a single frame give 1, a video without frames gives 0. Distinct means
    distinct to the cosine distance: frames that differ by a factor alone are one.

    Args:
      features: (T, D) frame features.
      mask: (T,) bool.
      delta: sensitivity; the paper prints none, 1.5 reproduces its mean compression for a Gaussian tail.
      rule: "changes" as printed, or "changes+1", the number of segments.
      max_clusters: static upper bound of K.
      tolerance: largest difference of any coordinate between unit rows that count as equal.

    Returns:
      () int32.

    Raises:
      ValueError: for an unknown rule.

    >>> frames = jnp.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    >>> int(adaptive_k(frames, jnp.ones(4, bool), delta=1.0, rule="changes+1"))
    2
    """
    chex.assert_rank([features, mask], [2, 1])
    return clusters_from_units(unit_vectors(features, mask), mask, delta, rule, max_clusters, tolerance)
