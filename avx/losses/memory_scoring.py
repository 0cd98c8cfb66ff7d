"""Cross entropy of match probabilities (Li 2022, eq. 4; docs/methods.md 8.3)."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp

from avx.core.reductions import weighted_sum
from avx.losses.pairs import Pair

CLIP = 1e-6


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
