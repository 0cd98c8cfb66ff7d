"""The threshold mean + factor x standard deviation that all change detectors share (Sun 2024, eq. 8)."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from avx.core.arrays import ratio

# Equal values differ from their mean in the last bits: only an excess above this share of the mean counts.
ROUNDING = 1e-5


def spread(values: jax.Array, valid: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and population standard deviation () of the values (N,) where valid (N,); both 0 without any."""
    count = valid.sum()
    mean = ratio(jnp.where(valid, values, 0).sum(), count)
    deviation = jnp.sqrt(ratio(jnp.square(jnp.where(valid, values - mean, 0)).sum(), count))
    return mean, deviation


def above_spread(values: jax.Array, valid: jax.Array, factor: float | jax.Array) -> jax.Array:
    """(N,) bool, True where a valid value exceeds mean + factor deviations.

    The inequality is strict, and an excess within rounding counts as none: equal values never exceed their mean.
    """
    mean, deviation = spread(values, valid)
    return jnp.logical_and(valid, values - mean > factor * deviation + ROUNDING * jnp.abs(mean))
