"""Symmetric InfoNCE with a learned scale and several positives per query (docs/methods.md 7.6)."""

from __future__ import annotations

import math

import chex
import jax
import jax.numpy as jnp

from avx.core.arrays import weighted_sum
from avx.losses.pairs import (
    Anchors,
    Pair,
    Pairs,
    add_directions,
    cosine_similarities,
    cross_modal_pairs,
    every_anchor,
    unit_rows,
)

INITIAL_LOG_SCALE = math.log(1 / 0.07)
LARGEST_SCALE = 100.0


def clamped_scale(log_scale: jax.Array) -> jax.Array:
    """exp(log_scale), at most 100; the gradient is 0 beyond."""
    return jnp.exp(jnp.minimum(log_scale, math.log(LARGEST_SCALE)))


def contrastive(logits: jax.Array, pairs: Pairs) -> Pair:
    """Cross entropy of each anchor's softmax over the gallery against its positives, equally weighted.

    Args:
      logits: (A, G).
      pairs: positives and negatives (A, G); an entry that is neither stays out of the softmax.

    Returns:
      (sum, weight) over the anchors that have a positive.
    """
    chex.assert_rank(logits, 2)
    chex.assert_equal_shape([logits, *pairs])
    known = pairs.positive | pairs.negative
    log_probabilities = jax.nn.log_softmax(jnp.where(known, logits, jnp.finfo(logits.dtype).min), axis=1)
    positives = pairs.positive.sum(1)
    total = jnp.where(pairs.positive, log_probabilities, 0).sum(1)
    return weighted_sum(-total / jnp.maximum(positives, 1), positives > 0)


def info_nce(
    first: jax.Array,
    second: jax.Array,
    log_scale: jax.Array,
    relevance: jax.Array,
    first_valid: jax.Array,
    second_valid: jax.Array,
    *,
    anchors: Anchors = every_anchor,
) -> Pair:
    """Symmetric InfoNCE: half the cross entropy of rows and half that of columns.

    Args:
      first: (B, D) embeddings of one modality; scaled to unit norm here.
      second: (B, D) embeddings of the other.
      log_scale: () logarithm of the inverse temperature, learned, started at INITIAL_LOG_SCALE.
      relevance: (B, B) bool, first by second; the identity where captions are unique, with further entries True for
        duplicates, whose row then shares the target evenly.
      first_valid: (B,) bool, False for padding and for a missing modality; masked rows may hold NaN.
      second_valid: (B,) bool.
      anchors: which examples are anchors, in either direction.

    Returns:
      (sum, weight) over the anchors of both directions.
    """
    pairs = cross_modal_pairs(relevance, first_valid, second_valid)
    first, second, scale = unit_rows(first, first_valid), unit_rows(second, second_valid), clamped_scale(log_scale)
    return add_directions(
        contrastive(scale * cosine_similarities(anchors(first), second), pairs.of(anchors)),
        contrastive(scale * cosine_similarities(anchors(second), first), pairs.transpose().of(anchors)),
    )
