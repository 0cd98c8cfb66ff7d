"""Masked sums, means and softmax, unit vectors, and products at full precision, each defined once for all rooms.

These act on JAX arrays; `core.host_arrays` holds what rooms without a device need of them.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

EPSILON = 1e-12


def product(left: jax.Array, right: jax.Array) -> jax.Array:
    """Multiplies matrices in full float32 on every backend: for whatever decides something.

    Distances, cosines, ranks, thresholds and memory writes compare their results with each other or with a bound. The
    default precision of accelerators (TF32 on GPUs, bfloat16 on TPUs) is off by up to 1e-3, enough for equal vectors to
    count as different and for a swap to be repeated forever. Layers of a network need no more than the default.

    Args:
      left: (..., M, D), or (D,) as for `jnp.matmul`.
      right: (..., D, N), or (D,).

    Returns:
      (..., M, N), without the axes that a vector lacks.
    """
    return jnp.matmul(left, right, precision=jax.lax.Precision.HIGHEST)


def weighted_sum(values: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Sums `values` and counts the entries that `mask` keeps: (sum, weight), both float32 scalars.

    Masked entries may hold anything, NaN included: they contribute neither value nor gradient.
    """
    mask = jnp.broadcast_to(mask, values.shape)
    kept = jnp.where(mask, values, 0).astype(jnp.float32)
    return kept.sum(), mask.astype(jnp.float32).sum()


def ratio(total: jax.Array, weight: jax.Array) -> jax.Array:
    """Divides total by weight, and gives 0 where the weight is 0."""
    return jnp.where(weight > 0, total / jnp.where(weight > 0, weight, 1), 0)


def masked_mean(values: jax.Array, mask: jax.Array, axis: int = 1) -> jax.Array:
    """Averages values (..., T, ..., D) over `axis`, with mask covering the leading axes up to `axis`.

    A row without a single real entry gives zeros.
    """
    shaped = mask.reshape(mask.shape + (1,) * (values.ndim - mask.ndim))
    total = jnp.where(shaped, values, 0).sum(axis)
    weight = shaped.astype(values.dtype).sum(axis)
    return ratio(total, weight)


def l2_normalize(vectors: jax.Array, axis: int = -1) -> jax.Array:
    """Scales to unit Euclidean norm; the zero vector stays zero and has zero gradient (docs/methods.md 0)."""
    squared = jnp.square(vectors).sum(axis, keepdims=True)
    positive = squared > EPSILON**2
    return jnp.where(positive, vectors * jax.lax.rsqrt(jnp.where(positive, squared, 1)), 0)


def masked_softmax(logits: jax.Array, mask: jax.Array) -> jax.Array:
    """Softmax along the last axis over the entries that `mask` keeps; zeros elsewhere and where it keeps none.

    Masked logits may hold anything, NaN included: they contribute neither value nor gradient.
    """
    lowest = jnp.finfo(logits.dtype).min
    peak = jax.lax.stop_gradient(jnp.where(mask, logits, lowest).max(-1, keepdims=True))
    exponentials = jnp.where(mask, jnp.exp(jnp.where(mask, logits - peak, 0)), 0)
    return ratio(exponentials, exponentials.sum(-1, keepdims=True))
