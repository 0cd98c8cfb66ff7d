"""What the hashing systems share: how a batch becomes vectors, how codes become embeddings, how they are scored."""

from __future__ import annotations

import chex
import jax.numpy as jnp

from avx.core.arrays import l2_normalize, masked_mean, product
from avx.core.types import Array, Batch, Embedded, ModelState, Params
from avx.hashing import hamming
from avx.hashing.binarize import binarize
from avx.hashing.pack import pack

SIDES = ("image", "text")
"""The sides of paper D; a run may name others."""


def feature_rows(batch: Batch, name: str) -> tuple[Array, Array]:
    """One modality of a batch as vectors: ((B, D) float32, zero where absent; present (B,) bool)."""
    sequence = batch.modalities[name]
    mask = sequence.mask & batch.example_mask[:, None]
    return masked_mean(sequence.values.astype(jnp.float32), mask), mask.any(1)


def coded(codes: Array, present: Array) -> Embedded:
    """What a hashing system says of one side.

    Args:
      codes: (B, b) real codes.
      present: (B,) bool.

    Returns:
      Vectors that are the signs scaled to unit norm, so that their inner product is 1 - 2 distance / b; the packed
      codes; and the real codes as unit rows, for an exact rerank of a Hamming shortlist.
    """
    chex.assert_rank(codes, 2)
    signs = binarize(codes) / codes.shape[1] ** 0.5
    return Embedded(signs, present, codes=pack(codes), real=l2_normalize(codes))


def hash_score(params: Params, model_state: ModelState, queries: Embedded, gallery: Embedded) -> Array:
    """1 - 2 distance / b of the codes (Q, G), counted in bits, so that equal distances are equal scores."""
    bits = queries.vectors.shape[1]
    return hamming.scores(pack(queries.vectors), pack(gallery.vectors)) / bits


def cosine_score(params: Params, model_state: ModelState, queries: Embedded, gallery: Embedded) -> Array:
    """Inner products of unit vectors, (Q, G)."""
    return product(queries.vectors, gallery.vectors.T)
