"""Weights the match probability S1 of a pair by the memory (Li 2022, eq. 3; docs/methods.md 8.3).

Eq. 3 divides S1 by the largest product of a pair's cosines with a slot. That product is large where both sides know
the pair, so that the printed division lowers the score of the pairs that memory confirms (erratum); the text, which
calls it a disagreement, suggests that a dissimilarity was meant. The default multiplies by the agreement instead, and
"distance" divides by a dissimilarity; the printed form stays as "printed".
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

SMALLEST_AGREEMENT = 1e-3  # of the printed division


def agreement(first: jax.Array, second: jax.Array) -> jax.Array:
    """Finds the largest product, over the slots, of both sides' cosines clamped at 0; in [0, 1], 0 without any slot.

    The clamp keeps two negative cosines from multiplying into agreement.

    Args:
      first: (..., X) cosines of one modality with the slots, 0 for empty ones.
      second: (..., X) of the other; leading axes broadcast, so (Q, 1, X) and (G, X) give all pairs (Q, G).
    """
    return (jax.nn.relu(first) * jax.nn.relu(second)).max(-1)


def dissimilarity(first: jax.Array, second: jax.Array, filled: jax.Array) -> jax.Array:
    """Finds the smallest product, over the filled (X,) slots, of both sides' 1 - cosine, in [0, 4]; see `agreement`."""
    return jnp.where(filled, (1 - first) * (1 - second), jnp.inf).min(-1)


def _product(first, second, filled, blend):
    return agreement(first, second)


def _printed(first, second, filled, blend):
    return 1 / jnp.maximum(agreement(first, second), SMALLEST_AGREEMENT)


def _blend(first, second, filled, blend):
    return 1 - blend + blend * agreement(first, second)


def _distance(first, second, filled, blend):
    return 1 / (1 + dissimilarity(first, second, filled))


FACTORS: dict[str, Callable[[jax.Array, jax.Array, jax.Array, float], jax.Array]] = {
    "product": _product,
    "printed": _printed,
    "blend": _blend,
    "distance": _distance,
}
PROBABILITIES = ("product", "blend", "distance")
"""The modes whose score stays in [0, 1], so that a cross-entropy may be computed on it."""


def factor(mode: str, first: jax.Array, second: jax.Array, size: jax.Array, blend: float = 0.5) -> jax.Array:
    """Computes the factor by which the memory multiplies S1; 1 while the memory is empty.

    Args:
      mode: a key of `FACTORS`.
      first: (..., X) cosines of one modality with the slots.
      second: (..., X) of the other; leading axes broadcast.
      size: () filled slots.
      blend: weight of the agreement in the mode "blend".

    Returns:
      (...) factors; at most 1 except in the mode "printed".
    """
    filled = jnp.arange(first.shape[-1]) < size
    return jnp.where(size > 0, FACTORS[mode](first, second, filled, blend), 1.0)
