"""Who is a positive and who a negative, and how far apart they are: what all pair losses share."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from avx.core.arrays import l2_normalize, product

Pair = tuple[jax.Array, jax.Array]
"""(sum, weight), both () float32: the loss is their ratio, and batches add up."""


Anchors = Callable[[jax.Array], jax.Array]
"""Picks, from arrays with a row for each example, the rows of the anchors to compute: one device's share of them, say.

The (sum, weight) of all shares add up to those of all anchors; the gallery is always whole."""


def every_anchor(rows: jax.Array) -> jax.Array:
    """All examples are anchors."""
    return rows


class Pairs(NamedTuple):
    """positive and negative, both (A, G) bool: anchor by gallery item. Neither holds for a masked or excluded pair."""

    positive: jax.Array
    negative: jax.Array

    def transpose(self) -> Pairs:
        """The same pairs with the gallery as anchors."""
        return Pairs(self.positive.T, self.negative.T)

    def of(self, anchors: Anchors) -> Pairs:
        """The rows of the chosen anchors."""
        return Pairs(anchors(self.positive), anchors(self.negative))


def same_label(labels: jax.Array) -> jax.Array:
    """(B, B) bool relevance: equal labels (B,) int, or the same example. A label below 0 is unknown and equals none."""
    chex.assert_rank(labels, 1)
    equal = (labels[:, None] == labels[None, :]) & (labels >= 0)[:, None]
    return equal | jnp.eye(labels.shape[0], dtype=bool)


def cross_modal_pairs(relevance: jax.Array, first_valid: jax.Array, second_valid: jax.Array) -> Pairs:
    """Pairs of an example's one modality with an example's other modality.

    Args:
      relevance: (A, G) bool.
      first_valid: (A,) bool, False where the example is padding or lacks the first modality.
      second_valid: (G,) bool, the same for the second.
    """
    chex.assert_shape(relevance, (first_valid.shape[0], second_valid.shape[0]))
    both = first_valid[:, None] & second_valid[None, :]
    return Pairs(relevance & both, ~relevance & both)


def within_modal_pairs(relevance: jax.Array, valid: jax.Array) -> Pairs:
    """Pairs of different examples of one modality: relevance (B, B) bool, valid (B,) bool."""
    pairs = cross_modal_pairs(relevance, valid, valid)
    other = ~jnp.eye(valid.shape[0], dtype=bool)
    return Pairs(pairs.positive & other, pairs.negative & other)


def unit_rows(vectors: jax.Array, valid: jax.Array) -> jax.Array:
    """(B, D) float32 rows of unit norm, zeros where `valid` (B,) is False: NaN there touches no value and no gradient.

    Distance losses live on the sphere (docs/methods.md 0.1), so distances are at most 2.
    """
    chex.assert_rank([vectors, valid], [2, 1])
    chex.assert_equal_shape_prefix([vectors, valid], 1)
    return l2_normalize(jnp.where(valid[:, None], vectors, 0).astype(jnp.float32))


def cosine_similarities(first: jax.Array, second: jax.Array) -> jax.Array:
    """(A, G) inner products of unit rows (A, D) and (G, D), in full float32 also where matrix units round more."""
    return product(first, second.T)


def cosine_distances(first: jax.Array, second: jax.Array) -> jax.Array:
    """(A, G) 1 - s of unit rows. A hinge on d(a, p) - d(a, n) is then the hinge on s(a, n) - s(a, p)."""
    return 1 - cosine_similarities(first, second)


def squared_euclidean_distances(first: jax.Array, second: jax.Array) -> jax.Array:
    """(A, G) squared distances, at least 0; 2 - 2 s for unit rows, so a margin counts double that of cosine."""
    norms = jnp.square(first).sum(1)[:, None] + jnp.square(second).sum(1)[None, :]
    return jnp.maximum(norms - 2 * cosine_similarities(first, second), 0)


def euclidean_distances(first: jax.Array, second: jax.Array) -> jax.Array:
    """(A, G) distances, at least 1e-6, where the gradient of the root is cut off."""
    return jnp.sqrt(jnp.maximum(squared_euclidean_distances(first, second), 1e-12))


DISTANCES: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "cosine": cosine_distances,
    "euclidean": euclidean_distances,
    "squared_euclidean": squared_euclidean_distances,
}


def add_directions(first: Pair, second: Pair) -> Pair:
    """Both directions of a cross-modal loss as one (sum, weight): the mean over the anchors of the two together."""
    return first[0] + second[0], first[1] + second[1]
