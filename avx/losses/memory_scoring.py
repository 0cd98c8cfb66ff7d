"""Pairs that a match network learns from, and their cross entropy (Li 2022, eq. 4; docs/methods.md 8)."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp
from flax import struct

from avx.core.arrays import weighted_sum
from avx.losses.pairs import Pair, Pairs

CLIP = 1e-6


@struct.dataclass
class PairSample:
    """N pairs: rows `first` of the video side and `second` of the audio side, `match` (N,) and `valid` (N,) bool."""

    first: jax.Array
    second: jax.Array
    match: jax.Array
    valid: jax.Array


def sample_pairs(pairs: Pairs, key: jax.Array) -> PairSample:
    """One positive and one negative of the second modality for each example of the first, drawn evenly.

    Args:
      pairs: (B, B) who is what to whom.
      key: decides the draws.

    Returns:
      2 B pairs: positive and negative of example 0, of example 1, and so on; invalid where there is none.
    """
    size = pairs.positive.shape[0]
    draws = jax.random.uniform(key, (2, size, size))
    masks = jnp.stack([pairs.positive, pairs.negative])
    second = jnp.argmax(jnp.where(masks, draws, -1.0), axis=-1)
    interleaved = (2 * size,)
    return PairSample(
        first=jnp.repeat(jnp.arange(size), 2),
        second=second.T.reshape(interleaved),
        match=jnp.tile(jnp.array([True, False]), size),
        valid=masks.any(-1).T.reshape(interleaved),
    )


def binary_cross_entropy(probability: jax.Array, match: jax.Array, valid: jax.Array) -> Pair:
    """-[y log p + (1 - y) log(1 - p)] over the valid pairs, with p clipped to [1e-6, 1 - 1e-6].

    Eq. 4 leaves open which probability it takes: the memory's score where that lies in [0, 1], else S1. Where p is
    clipped there is no gradient.

    Args:
      probability: (N,) in [0, 1]; invalid rows may hold NaN.
      match: (N,) bool.
      valid: (N,) bool.
    """
    chex.assert_equal_shape([probability, match, valid])
    kept = jnp.clip(jnp.where(valid, probability, 0.5).astype(jnp.float32), CLIP, 1 - CLIP)
    return weighted_sum(-jnp.where(match, jnp.log(kept), jnp.log1p(-kept)), valid)
