"""Packs codes into 32-bit words: bit j of a code is bit j % 32 of word j // 32, unused bits are zero."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp

from avx.core.errors import UserError
from avx.core.types import HashCodes

WORD_BITS = 32


def word_count(bits: int) -> int:
    """Returns the number of words that `bits` bits fill; UserError below 1 bit."""
    if bits < 1:
        raise UserError(f"A code of {bits} bits cannot be packed: ask for at least 1.")
    return -(-bits // WORD_BITS)


def pack(values: jax.Array) -> HashCodes:
    """Packs the signs of (..., b) real values, or a boolean array as it is; a bit is set where the value is >= 0.

    Returns:
      Codes with words (..., ceil(b / 32)) uint32.
    """
    chex.assert_rank(values, set(range(1, 8)))
    bits = values.shape[-1]
    padding = word_count(bits) * WORD_BITS - bits
    ones = values if values.dtype == jnp.bool_ else values >= 0
    ones = jnp.pad(ones, [(0, 0)] * (values.ndim - 1) + [(0, padding)])
    ones = ones.reshape(*values.shape[:-1], -1, WORD_BITS).astype(jnp.uint32)
    return HashCodes((ones << jnp.arange(WORD_BITS, dtype=jnp.uint32)).sum(-1, dtype=jnp.uint32), bits)


def unpack(codes: HashCodes) -> jax.Array:
    """Unpacks the code to (..., b) float32 values in {-1, +1}, the inverse of `pack` on such values."""
    chex.assert_axis_dimension(codes.words, -1, word_count(codes.bits))
    ones = (codes.words[..., None] >> jnp.arange(WORD_BITS, dtype=jnp.uint32)) & 1
    ones = ones.reshape(*codes.words.shape[:-1], -1)[..., : codes.bits]
    return 2 * ones.astype(jnp.float32) - 1
