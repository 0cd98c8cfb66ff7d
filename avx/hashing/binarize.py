"""Binarizes real projections to codes in {-1, +1}."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def binarize(values: jax.Array) -> jax.Array:
    """Takes signs with sign(0) = +1 (docs/methods.md 5.1), of the shape and dtype of `values`; NaN becomes -1.

    Args:
      values: (..., b) real projections, thresholds already subtracted.
    """
    return jnp.where(values >= 0, 1, -1).astype(values.dtype)
