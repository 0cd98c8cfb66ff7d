"""Labels of a batch, as one class of each item or as several: class indices (B,), or indicators (B, C).

An item without a class has the index -1, or no indicator; it is similar to none.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from avx.core.arrays import product


def known(labels: jax.Array) -> jax.Array:
    """Whether each item has a class, (B,) bool, of labels (B,) int or (B, C) bool."""
    return labels >= 0 if labels.ndim == 1 else (labels != 0).any(1)


def indicators(labels: jax.Array, classes: int) -> jax.Array:
    """The classes of each item as (B, C) float32 of 0 and 1.

    Args:
      labels: (B,) int or (B, C) bool.
      classes: C.
    """
    if labels.ndim == 1:
        return jax.nn.one_hot(labels, classes)
    assert labels.shape[1] == classes, f"labels of {labels.shape[1]} classes instead of {classes}"
    return labels.astype(jnp.float32)


def shared(left: jax.Array, right: jax.Array) -> jax.Array:
    """1 where two items have a class in common, else 0, (A, G) float32; labels (A,) and (G,), or (A, C) and (G, C).

    >>> shared(jnp.array([[1, 1, 0], [0, 0, 1]]), jnp.array([[0, 1, 1], [0, 0, 0]])).tolist()
    [[1.0, 0.0], [1.0, 0.0]]
    """
    if left.ndim == 1:
        return ((left[:, None] == right) & (right >= 0)).astype(jnp.float32)
    common = product(left.astype(jnp.float32), right.astype(jnp.float32).T)
    return (common > 0.5).astype(jnp.float32)


def shares(labels: jax.Array, classes: int) -> jax.Array:
    """The classes of each item as a distribution, (B, C): equal shares of 1, and zeros for an item without a class."""
    borne = indicators(labels, classes)
    return borne / jnp.maximum(borne.sum(1, keepdims=True), 1)
