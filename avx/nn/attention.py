"""Averages time blocks, scores them by attention, and keeps the most prominent (Sun 2024, section II.A)."""

from __future__ import annotations

from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen import initializers

from avx.core.arrays import masked_softmax
from avx.core.types import Attended


def block_means(tokens: jax.Array, mask: jax.Array, blocks: int) -> tuple[jax.Array, jax.Array]:
    """Divides the real tokens evenly into blocks in order of time and averages each (docs/methods.md 9.9).

    Of n real tokens the first n mod `blocks` blocks take one token more than the others. With fewer tokens than
    blocks each token is a block of its own and the blocks left over are masked.

    Args:
      tokens: (B, T, D); masked tokens may hold anything.
      mask: (B, T) bool, real tokens anywhere.
      blocks: number of blocks, at least 1.

    Returns:
      (B, blocks, D) means, zero in empty blocks, and (B, blocks) bool, True for the others.
    """
    chex.assert_rank(tokens, 3)
    chex.assert_shape(mask, tokens.shape[:2])
    place = jnp.cumsum(mask, axis=1) - 1
    short, longer_blocks = jnp.divmod(mask.sum(1, keepdims=True), blocks)
    in_longer_blocks = longer_blocks * (short + 1)
    block = jnp.where(
        place < in_longer_blocks,
        place // (short + 1),
        longer_blocks + (place - in_longer_blocks) // jnp.maximum(short, 1),
    )
    member = jax.nn.one_hot(jnp.where(mask, block, blocks), blocks, dtype=tokens.dtype)
    count = member.sum(1)
    # Full precision: an average of features must not be rounded as a layer's products may be.
    total = jnp.einsum("btk,btd->bkd", member, jnp.where(mask[:, :, None], tokens, 0), precision="highest")
    return total / jnp.maximum(count, 1)[:, :, None], count > 0


def top_blocks(scores: jax.Array, mask: jax.Array, kept: int) -> jax.Array:
    """Marks the `kept` real entries of scores (B, T) that score highest, ties to the earliest; (B, T) bool."""
    chex.assert_equal_shape([scores, mask])
    time = jnp.arange(scores.shape[1])
    shown = jnp.where(mask, scores, -jnp.inf)
    above = shown[:, None, :] > shown[:, :, None]
    tied_earlier = (shown[:, None, :] == shown[:, :, None]) & (time[None, :] < time[:, None])
    rank = ((above | tied_earlier) & mask[:, None, :]).sum(2)
    return mask & (rank < kept)


class BlockAttention(nn.Module):
    """Scores blocks, keeps the most prominent, and sums them by weight (Sun 2024, eq. 5-6).

    u_t = w . tanh(W_f h_t^f + W_b h_t^b + beta) and p = softmax(u). W_f and W_b are the two halves of one matrix on
    the concatenated states. The pooled vector is the sum of p_t h_t over the kept blocks, with p normalised over all
    real blocks: a block's share measures how much it stands out, and carries the gradient (docs/methods.md 9.9).

    Attributes:
      width: rows of W_f and W_b.
      kept: s, blocks that are kept (5 of 10 by decision; the paper prints no number).
      dtype: of the matrix products.
    """

    width: int
    kept: int = 5
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, states: jax.Array, mask: jax.Array) -> Attended:
        """Pools the states (B, T, D) of the real blocks (B, T) bool; masked states may hold anything."""
        chex.assert_rank(states, 3)
        chex.assert_shape(mask, states.shape[:2])
        states = jnp.where(mask[:, :, None], states, 0)
        initializer = initializers.xavier_uniform()
        evidence = jnp.tanh(nn.Dense(self.width, kernel_init=initializer, dtype=self.dtype, name="evidence")(states))
        score = nn.Dense(1, use_bias=False, kernel_init=initializer, dtype=self.dtype, name="score")(evidence)
        scores = score[:, :, 0].astype(jnp.float32)
        weights = masked_softmax(scores, mask)  # eq. 6
        kept = top_blocks(jax.lax.stop_gradient(scores), mask, self.kept)
        pooled = (jnp.where(kept, weights, 0)[:, :, None] * states).sum(1)
        return Attended(pooled, weights, kept)
