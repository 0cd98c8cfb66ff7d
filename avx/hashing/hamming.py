"""Computes Hamming distances and scores of all pairs of packed codes, by XOR and population count."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp

from avx.core.types import HashCodes


def distances(queries: jax.Array, gallery: jax.Array) -> jax.Array:
    """Counts the differing bits of every pair.

    Args:
      queries: (Q, W) uint32 words.
      gallery: (G, W) uint32 words.

    Returns:
      (Q, G) int32. To find only the nearest codes use `hamming_index.top_k`.
    """
    chex.assert_rank([queries, gallery], 2)
    chex.assert_equal_shape_suffix([queries, gallery], 1)
    chex.assert_type([queries, gallery], jnp.uint32)
    columns = gallery.T
    total = jnp.zeros((len(queries), len(gallery)), jnp.uint32)
    for word in range(queries.shape[1]):
        total = total + jax.lax.population_count(queries[:, word, None] ^ columns[word])
    return total.astype(jnp.int32)


def scores(queries: HashCodes, gallery: HashCodes) -> jax.Array:
    """Computes inner products of codes as vectors in {-1, +1}^b, (Q, G) float32: b - 2 * distance, larger is better."""
    assert queries.bits == gallery.bits, f"codes of {queries.bits} and {gallery.bits} bits cannot be compared"
    return (queries.bits - 2 * distances(queries.words, gallery.words)).astype(jnp.float32)
