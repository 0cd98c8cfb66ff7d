"""Bringing input features to mean 0 and deviation 1 by constants that belong to the model's state."""

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
        """Real steps of (B, T, F) at mean 0 and deviation 1, masked ones 0."""
        shown = sequence.mask[:, :, None]
        return jnp.where(shown, (jnp.where(shown, sequence.values, 0) - self.mean) / self.deviation, 0)


def statistics_of(sequence: Padded) -> InputStatistics:
    """Mean and deviation of every coefficient over the real steps of (B, T, F); the deviation at least 1e-3."""
    flat, real = sequence.values.reshape(-1, sequence.values.shape[-1]), sequence.mask.reshape(-1)
    mean = masked_mean(flat, real, axis=0)
    variance = masked_mean(jnp.square(jnp.where(real[:, None], flat - mean, 0)), real, axis=0)
    return InputStatistics(mean, jnp.maximum(jnp.sqrt(variance), 1e-3))
