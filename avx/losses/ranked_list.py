"""Ranked list loss (Wang et al., CVPR 2019), the inter-modal loss of Sun 2024, eq. 14-18."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp

from avx.core.arrays import masked_softmax
from avx.losses.pairs import (
    Anchors,
    Pair,
    Pairs,
    add_directions,
    cross_modal_pairs,
    euclidean_distances,
    every_anchor,
    unit_rows,
)


def ranked_list(
    distances: jax.Array,
    pairs: Pairs,
    *,
    boundary: float = 1.2,
    margin: float = 0.4,
    negative_temperature: float = 10.0,
    positive_temperature: float = 0.0,
    negative_weight: float = 1.0,
) -> Pair:
    """Pulls positives within boundary - margin and pushes negatives beyond boundary.

    For each query the violating positives are averaged, the violating negatives weighted by
    softmax(negative_temperature (boundary - d)), the weights being constants (Sun 2024, eq. 15-18).

    Errata: eq. 15 prints the positive part as y (alpha - m), without distance and hinge, and eq. 17 normalises the
    weights of negatives over the positives. Neither can be trained; the corrected forms are used.

    Args:
      distances: (A, G) Euclidean distances of unit vectors, in [0, 2].
      pairs: positives and negatives (A, G).
      boundary: alpha.
      margin: m.
      negative_temperature: T_n; 0 weighs all violating negatives alike, large values keep the hardest.
      positive_temperature: T_p of the journal extension; 0 averages the violating positives.
      negative_weight: lambda of the negative part.

    Returns:
      (sum, weight) over queries. A query without violations counts with 0; one without any pair doesn't count.
    """
    chex.assert_rank(distances, 2)
    chex.assert_equal_shape([distances, *pairs])
    too_far = distances - (boundary - margin)
    too_near = boundary - distances
    pull = _weighted_violations(too_far, pairs.positive, positive_temperature)
    push = _weighted_violations(too_near, pairs.negative, negative_temperature)
    queries = (pairs.positive | pairs.negative).any(1)
    return (pull + negative_weight * push).sum(), queries.sum().astype(jnp.float32)


def _weighted_violations(violation: jax.Array, mask: jax.Array, temperature: float) -> jax.Array:
    """(A,) mean of the positive entries of `violation` (A, G) under softmax(temperature * violation) weights."""
    active = mask & (violation > 0)
    weights = jax.lax.stop_gradient(masked_softmax(temperature * violation, active))
    return (weights * jnp.where(active, violation, 0)).sum(1)


def ranked_list_loss(
    first: jax.Array,
    second: jax.Array,
    relevance: jax.Array,
    first_valid: jax.Array,
    second_valid: jax.Array,
    *,
    anchors: Anchors = every_anchor,
    **options: float,
) -> Pair:
    """Cross-modal ranked list loss in both directions, L_inter of Sun 2024.

    Args:
      first: (B, D) embeddings of one modality; scaled to unit norm here.
      second: (B, D) embeddings of the other.
      relevance: (B, B) bool, first by second; the pair itself is an ordinary positive.
      first_valid: (B,) bool, False for padding and for a missing modality; masked rows may hold NaN.
      second_valid: (B,) bool.
      anchors: which examples ask, in either direction.
      **options: see `ranked_list`.

    Returns:
      (sum, weight) over the queries of both directions.
    """
    pairs = cross_modal_pairs(relevance, first_valid, second_valid)
    first, second = unit_rows(first, first_valid), unit_rows(second, second_valid)
    return add_directions(
        ranked_list(euclidean_distances(anchors(first), second), pairs.of(anchors), **options),
        ranked_list(euclidean_distances(anchors(second), first), pairs.transpose().of(anchors), **options),
    )
