"""Standardises input features by constants that are kept in the model state."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import struct

from avx.core.arrays import masked_mean
from avx.core.types import Padded


@struct.dataclass
class InputStatistics:
    """Mean and deviation (F,) of a modality's features, taken from the batch that a system is initialised with."""

    mean: jax.Array
    deviation: jax.Array

    def standardise(self, sequence: Padded) -> jax.Array:
        """Brings the real steps of (B, T, F) to mean 0 and deviation 1, masked ones to 0."""
        shown = sequence.mask[:, :, None]
        return jnp.where(shown, (jnp.where(shown, sequence.values, 0) - self.mean) / self.deviation, 0)


def statistics_of(sequence: Padded) -> InputStatistics:
    """Computes mean and deviation (at least 1e-3) of each coefficient over the real steps of (B, T, F)."""
    flat, real = sequence.values.reshape(-1, sequence.values.shape[-1]), sequence.mask.reshape(-1)
    mean = masked_mean(flat, real, axis=0)
    variance = masked_mean(jnp.square(jnp.where(real[:, None], flat - mean, 0)), real, axis=0)
    return InputStatistics(mean, jnp.maximum(jnp.sqrt(variance), 1e-3))
