"""Triplet losses [margin + d(a, p) - d(a, n)]_+ with five ways of mining (docs/methods.md 7.2).

Sun 2024, eq. 14 prints max{0, m + cos(+) - cos(-)}, whose sign is reversed for a similarity (erratum): it would push
positives away. With d = 1 - s the distance form here is the corrected [m - s(a, p) + s(a, n)]_+.

A miner is a function (distances (A, G), pairs, margin) -> (sum, weight). Anchors without a positive or without a
negative contribute nothing and drop out of the mean. No miner forms the (A, G, G) array of triplets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp

from avx.core.arrays import weighted_sum
from avx.core.errors import UserError
from avx.losses.pairs import (
    DISTANCES,
    Anchors,
    Pair,
    Pairs,
    add_directions,
    cross_modal_pairs,
    every_anchor,
    unit_rows,
)


def _count_below(ordered: jax.Array, bounds: jax.Array, *, side: str) -> jax.Array:
    """(A, N) entries of each sorted row of `ordered` (A, G) that lie below ("left": <, "right": <=) bounds (A, N)."""
    return jax.vmap(lambda row, values: jnp.searchsorted(row, values, side=side))(ordered, bounds)


def positive_triplets(distances: jax.Array, pairs: Pairs, margin: float) -> Pair:
    """All triplets with a positive loss, averaged: the hard and semi-hard ones of Sun 2024, fig. 3.

    For a positive at d_p the active negatives are those below margin + d_p. Their number, and for a negative the number
    of positives that it is active for, are constants; with them the sum over triplets is linear in the distances, and
    two sorts take the place of A G^2 terms. Value and gradient are those of the triple sum.
    """
    constant = jax.lax.stop_gradient(distances)
    reach = margin + constant
    ordered_negatives = jnp.sort(jnp.where(pairs.negative, constant, jnp.inf), axis=1)
    negatives_within = _count_below(ordered_negatives, reach, side="left")
    negatives_within = jnp.where(pairs.positive, negatives_within, 0).astype(jnp.float32)
    ordered_reach = jnp.sort(jnp.where(pairs.positive, reach, jnp.inf), axis=1)
    out_of_reach = _count_below(ordered_reach, constant, side="right")
    positives_reaching = pairs.positive.sum(1, keepdims=True) - out_of_reach
    positives_reaching = jnp.where(pairs.negative, positives_reaching, 0).astype(jnp.float32)
    active = negatives_within.sum()
    return ((negatives_within - positives_reaching) * distances).sum() + margin * active, active


def semi_hard(distances: jax.Array, pairs: Pairs, margin: float) -> Pair:
    """FaceNet's choice: for each (anchor, positive) the nearest negative with d(a, p) < d(a, n) < d(a, p) + margin.

    Without one, the farthest negative. The mean runs over all (anchor, positive) that have a negative, zeros included.
    """
    constant = jax.lax.stop_gradient(distances)
    masked = jnp.where(pairs.negative, constant, jnp.inf)
    order = jnp.argsort(masked, axis=1)
    ordered = jnp.take_along_axis(masked, order, axis=1)
    beyond = _count_below(ordered, constant, side="right")
    beyond = jnp.minimum(beyond, distances.shape[1] - 1)
    found = jnp.take_along_axis(ordered, beyond, axis=1) < constant + margin
    negatives = pairs.negative.sum(1, keepdims=True)
    place = jnp.where(found, beyond, jnp.maximum(negatives - 1, 0))
    chosen = jnp.take_along_axis(distances, jnp.take_along_axis(order, place, axis=1), axis=1)
    return weighted_sum(jax.nn.relu(margin + distances - chosen), pairs.positive & (negatives > 0))


def _hardest(distances: jax.Array, pairs: Pairs) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(A,) farthest positive and nearest negative distance of each anchor, and whether it has both."""
    farthest = jnp.argmax(jnp.where(pairs.positive, distances, -jnp.inf), axis=1)[:, None]
    nearest = jnp.argmin(jnp.where(pairs.negative, distances, jnp.inf), axis=1)[:, None]
    far, near = (jnp.take_along_axis(distances, index, axis=1)[:, 0] for index in (farthest, nearest))
    return far, near, pairs.positive.any(1) & pairs.negative.any(1)


def batch_hard(distances: jax.Array, pairs: Pairs, margin: float) -> Pair:
    """The farthest positive against the nearest negative of each anchor (Hermans et al. 2017)."""
    far, near, complete = _hardest(distances, pairs)
    return weighted_sum(jax.nn.relu(margin + far - near), complete)


def batch_hard_softplus(distances: jax.Array, pairs: Pairs, margin: float) -> Pair:
    """`batch_hard` with softplus(margin + d(a, p) - d(a, n)); Hermans' soft margin is margin 0."""
    far, near, complete = _hardest(distances, pairs)
    return weighted_sum(jax.nn.softplus(margin + far - near), complete)


def top_k(distances: jax.Array, pairs: Pairs, margin: float, *, negatives: int = 100) -> Pair:
    """The farthest positive against the `negatives` nearest negatives of each anchor, zeros included (VM-NET).

    An anchor with fewer negatives uses those it has, and weighs accordingly.
    """
    far, _, complete = _hardest(distances, pairs)
    masked = jnp.where(pairs.negative, jax.lax.stop_gradient(distances), jnp.inf)
    _, nearest = jax.lax.top_k(-masked, min(negatives, distances.shape[1]))
    real = jnp.take_along_axis(pairs.negative, nearest, axis=1) & complete[:, None]
    near = jnp.take_along_axis(distances, nearest, axis=1)
    return weighted_sum(jax.nn.relu(margin + far[:, None] - near), real)


MINING: dict[str, Callable[..., Pair]] = {
    "all": positive_triplets,
    # A triplet has a positive loss exactly where it is hard or semi-hard: paper A's name of the same set.
    "hard_and_semi_hard": positive_triplets,
    "semi_hard": semi_hard,
    "batch_hard": batch_hard,
    "batch_hard_softplus": batch_hard_softplus,
    "top_k": top_k,
}


def triplet(distances: jax.Array, pairs: Pairs, *, mining: str, margin: float, **options: Any) -> Pair:
    """Triplet loss of one direction.

    Args:
      distances: (A, G) distances, finite everywhere.
      pairs: positives and negatives (A, G).
      mining: a key of MINING.
      margin: in units of the distance: 0.2 for squared Euclid and semi-hard mining (FaceNet), 0.3 for batch-hard, 0.1
        for cosine and top_k (VM-NET). Squared Euclid of unit vectors is twice the cosine distance, and so its margin.
      **options: further arguments of the miner, `negatives` for top_k.

    Returns:
      (sum, weight).

    Raises:
      UserError: the mining is unknown.
    """
    chex.assert_rank(distances, 2)
    chex.assert_equal_shape([distances, *pairs])
    if mining not in MINING:
        raise UserError(f"mining={mining!r} is unknown; choose one of {', '.join(MINING)}")
    return MINING[mining](distances, pairs, margin, **options)


def triplet_loss(
    first: jax.Array,
    second: jax.Array,
    relevance: jax.Array,
    first_valid: jax.Array,
    second_valid: jax.Array,
    *,
    distance: str = "squared_euclidean",
    mining: str = "semi_hard",
    margin: float = 0.2,
    anchors: Anchors = every_anchor,
    **options: Any,
) -> Pair:
    """Cross-modal triplet loss: anchors in one modality, positives and negatives in the other, both directions.

    Args:
      first: (B, D) embeddings of one modality; scaled to unit norm here.
      second: (B, D) embeddings of the other.
      relevance: (B, B) bool, first by second.
      first_valid: (B,) bool, False for padding and for a missing modality; masked rows may hold NaN.
      second_valid: (B,) bool.
      distance: a key of pairs.DISTANCES; "cosine" gives the similarity form.
      mining: a key of MINING.
      margin: see `triplet`.
      anchors: which examples are anchors, in either direction.
      **options: further arguments of the miner.

    Returns:
      (sum, weight) over both directions.

    Raises:
      UserError: the distance or the mining is unknown.
    """
    if distance not in DISTANCES:
        raise UserError(f"distance={distance!r} is unknown; choose one of {', '.join(DISTANCES)}")
    pairs = cross_modal_pairs(relevance, first_valid, second_valid)
    first, second, apart = unit_rows(first, first_valid), unit_rows(second, second_valid), DISTANCES[distance]
    options |= {"mining": mining, "margin": margin}
    forward = triplet(apart(anchors(first), second), pairs.of(anchors), **options)
    backward = triplet(apart(anchors(second), first), pairs.transpose().of(anchors), **options)
    return add_directions(forward, backward)
