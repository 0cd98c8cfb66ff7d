"""Soft intra-modal structure preservation (Sun 2024, eq. 20-21; Hong et al. 2018).

The order of similarities around each item should be the same before and after the network:

    c_ijk = sign(s_ij - s_ik) - sign(t_ij - t_ik),    L = mean c_ijk (s_ij - s_ik),    c constant,

over triplets of different items; s holds cosines of embedded, t of raw features. Where the orders agree the term is 0,
where they disagree it is 2 |s_ij - s_ik|.

The mean over *all* triplets needs no triplets. As c is antisymmetric in (j, k),

    sum_{j != k} c_ijk (s_ij - s_ik) = 2 sum_j s_ij (R^s_ij - R^t_ij),
    R_ij = #{k: v_ik < v_ij} - #{k: v_ik > v_ij},    k other than i,

and ranks come from a sort: O(B^2 log B) time, O(B^2) memory, and the exact subgradient of the triple sum.
"""

from __future__ import annotations

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

from avx.core.rng import per_example
from avx.losses.pairs import Anchors, Pair, cosine_similarities, every_anchor, unit_rows


def signed_ranks(values: jax.Array, mask: jax.Array) -> jax.Array:
    """(A, G) float32: for each kept entry, the kept entries of its row below it minus those above it; 0 elsewhere.

    Args:
      values: (A, G) finite where kept; entries that compare equal in floating point count as tied.
      mask: (A, G) bool.
    """
    chex.assert_rank([values, mask], 2)
    chex.assert_equal_shape([values, mask])
    size = values.shape[1]
    keys = jnp.where(mask, values, jnp.inf)
    place = jax.lax.broadcasted_iota(jnp.int32, keys.shape, 1)
    ordered, origin = jax.lax.sort((keys, place), dimension=1, num_keys=1)
    changes = ordered[:, 1:] != ordered[:, :-1]
    edge = jnp.ones((keys.shape[0], 1), bool)
    below = jax.lax.cummax(jnp.where(jnp.concatenate([edge, changes], 1), place, 0), axis=1)
    until = jax.lax.cummin(jnp.where(jnp.concatenate([changes, edge], 1), place + 1, size), axis=1, reverse=True)
    above = mask.sum(1, keepdims=True) - until
    in_order = (below - above).astype(jnp.float32)
    rows = jax.lax.broadcasted_iota(jnp.int32, keys.shape, 0)
    ranks = jnp.zeros(keys.shape, jnp.float32).at[rows, origin].set(in_order, unique_indices=True)
    return jnp.where(mask, ranks, 0)


def order_disagreement(embedded: jax.Array, raw: jax.Array, mask: jax.Array) -> Pair:
    """The mean of c_ijk (s_ij - s_ik) from similarity matrices, as (sum, weight).

    Args:
      embedded: (A, G) similarities s after the network.
      raw: (A, G) similarities t before it; constants.
      mask: (A, G) bool, the items j and k that anchor i may compare; at least itself is left out.

    Returns:
      The sum over ordered (i, j, k), j != k, and the number of such triplets.
    """
    chex.assert_equal_shape([embedded, raw, mask])
    weights = jax.lax.stop_gradient(signed_ranks(embedded, mask) - signed_ranks(raw, mask))
    count = mask.sum(1).astype(jnp.float32)
    return 2 * jnp.where(mask, embedded * weights, 0).sum(), (count * (count - 1)).sum()


def _similarities(
    embedded: jax.Array, raw: jax.Array, valid: jax.Array, anchors: Anchors = every_anchor
) -> tuple[jax.Array, jax.Array]:
    embedded, raw = unit_rows(embedded, valid), jax.lax.stop_gradient(unit_rows(raw, valid))
    return cosine_similarities(anchors(embedded), embedded), cosine_similarities(anchors(raw), raw)


def structure_preservation(
    embedded: jax.Array, raw: jax.Array, valid: jax.Array, *, anchors: Anchors = every_anchor
) -> Pair:
    """Structure loss over all triplets of different items (Sun 2024, eq. 20-21), in the rank form.

    Args:
      embedded: (B, D) features after the network.
      raw: (B, R) features before it.
      valid: (B,) bool; masked rows may hold NaN.
      anchors: which items are the i of a triplet.

    Returns:
      (sum, weight): weight n (n - 1) (n - 2) for n valid rows; both 0 for fewer than three.
    """
    chex.assert_equal_shape_prefix([embedded, raw, valid], 1)
    after, before = _similarities(embedded, raw, valid, anchors)
    others = valid[:, None] & valid[None, :] & ~jnp.eye(valid.shape[0], dtype=bool)
    return order_disagreement(after, before, anchors(others))


def _sampled(after: jax.Array, before: jax.Array, j: jax.Array, k: jax.Array, mask: jax.Array) -> Pair:
    """(sum, weight) over the drawn pairs j, k (A, N) of each anchor's row; mask (A, N)."""
    gap_after = jnp.take_along_axis(after, j, 1) - jnp.take_along_axis(after, k, 1)
    gap_before = jnp.take_along_axis(before, j, 1) - jnp.take_along_axis(before, k, 1)
    disagreement = jax.lax.stop_gradient(jnp.sign(gap_after) - jnp.sign(gap_before))
    return jnp.where(mask, disagreement * gap_after, 0).sum(), mask.sum().astype(jnp.float32)


def structure_preservation_random(
    embedded: jax.Array, raw: jax.Array, valid: jax.Array, *, key: jax.Array, pairs_per_anchor: int = 64
) -> Pair:
    """An unbiased estimate of `structure_preservation`: for each anchor, pairs drawn from the whole batch (D7.4).

    Args:
      embedded: (B, D) features after the network.
      raw: (B, R) features before it.
      valid: (B,) bool.
      key: a new PRNG key for every step; an anchor's draws depend on its place among the valid rows alone.
      pairs_per_anchor: (j, k) pairs, all of i, j, k different.

    Returns:
      (sum, weight): weight n times pairs_per_anchor; both 0 for fewer than three valid rows.
    """
    chex.assert_equal_shape_prefix([embedded, raw, valid], 1)
    after, before = _similarities(embedded, raw, valid)
    count = valid.sum()
    row_of_place = jnp.argsort(~valid, stable=True)
    place_of_row = jnp.cumsum(valid) - 1

    def draw(anchor_key, anchor):
        first_key, second_key = jax.random.split(anchor_key)
        first = jax.random.randint(first_key, (pairs_per_anchor,), 0, jnp.maximum(count - 1, 1))
        second = jax.random.randint(second_key, (pairs_per_anchor,), 0, jnp.maximum(count - 2, 1))
        first = first + (first >= anchor)
        # The second draw numbers the places that are left: step over the two that are taken, the lower one first.
        second = second + (second >= jnp.minimum(first, anchor))
        second = second + (second >= jnp.maximum(first, anchor))
        return first, second

    first, second = jax.vmap(draw)(per_example(key, place_of_row), place_of_row)
    mask = jnp.broadcast_to((valid & (count >= 3))[:, None], first.shape)
    j, k = (row_of_place[jnp.clip(place, 0, valid.shape[0] - 1)] for place in (first, second))
    return _sampled(after, before, j, k, mask)


def structure_preservation_adjacent(
    embedded: jax.Array, raw: jax.Array, valid: jax.Array, *, columns: int = 100
) -> Pair:
    """The sampling of the released VM-NET: (j, k) = (j, j + 1) among the first `columns` valid rows, i among the same.

    Pairs that hold the anchor itself are kept, as there: weight K (K - 1) for K = min(columns, valid rows).

    Args:
      embedded: (B, D) features after the network.
      raw: (B, R) features before it.
      valid: (B,) bool.
      columns: K.
    """
    chex.assert_equal_shape_prefix([embedded, raw, valid], 1)
    kept = min(columns, valid.shape[0])
    chosen = jnp.argsort(~valid, stable=True)[:kept]
    inside = jnp.arange(kept) < valid.sum()
    after, before = _similarities(embedded[chosen], raw[chosen], inside)
    j = jnp.broadcast_to(jnp.arange(kept - 1), (kept, kept - 1))
    return _sampled(after, before, j, j + 1, inside[:, None] & inside[None, 1:])


TRIPLETS: dict[str, Callable[..., Pair]] = {
    "all": structure_preservation,
    "random": structure_preservation_random,
    "adjacent": structure_preservation_adjacent,
}
