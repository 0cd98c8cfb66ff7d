"""Brings input features to mean 0 and deviation 1 by constants that belong to the model's state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from avx.core.types import Batch, Padded

SMALLEST_SHARE = 0.05
"""Floor of a deviation, as a share of the root mean square of all: rare coefficients must not outweigh the rest."""


@struct.dataclass
class InputStatistics:
    """Mean and deviation (F,) of a modality's features over the training split."""

    mean: jax.Array
    deviation: jax.Array

    def standardise(self, sequence: Padded) -> jax.Array:
        """Brings the real steps of (B, T, F) to mean 0 and deviation 1, masked ones to 0."""
        shown = sequence.mask[:, :, None]
        return jnp.where(shown, (jnp.where(shown, sequence.values, 0) - self.mean) / self.deviation, 0)


def identity_statistics(sequence: Padded) -> InputStatistics:
    """Returns statistics that leave (B, T, F) as it is."""
    size = sequence.values.shape[-1]
    return InputStatistics(jnp.zeros(size), jnp.ones(size))


def streamed_statistics(
    batches: Iterable[Batch], statistics: Mapping[str, InputStatistics]
) -> dict[str, InputStatistics]:
    """Returns mean and deviation of every coefficient over the real steps of all batches.

    Sums run in float64 around the first batch's mean, in one pass. A deviation is at least `SMALLEST_SHARE` of the root
    mean square deviation of its modality's coefficients.

    Args:
      batches: a pass over the training split; rows outside the example mask do not count.
      statistics: names the modalities, (B, T, F) each.
    """
    shift: dict[str, np.ndarray] = {}
    sums: dict[str, list] = {name: [0.0, 0.0, 0] for name in statistics}
    for batch in batches:
        for name, total in sums.items():
            sequence = batch.modalities[name]
            real = np.asarray(sequence.mask) & np.asarray(batch.example_mask)[:, None]
            steps = np.asarray(sequence.values)[real].astype(np.float64)
            if not len(steps):
                continue
            steps -= shift.setdefault(name, steps.mean(0))
            total[0], total[1], total[2] = (
                total[0] + steps.sum(0),
                total[1] + np.square(steps).sum(0),
                total[2] + len(steps),
            )
    found = {}
    for name, (first, second, count) in sums.items():
        if not count:
            found[name] = statistics[name]
            continue
        variance = np.maximum(second / count - np.square(first / count), 0)
        floor = SMALLEST_SHARE * np.sqrt(variance.mean())
        deviation = np.maximum(np.sqrt(variance), floor if floor else 1.0)
        found[name] = InputStatistics(
            jnp.asarray(shift[name] + first / count, jnp.float32), jnp.asarray(deviation, jnp.float32)
        )
    return found
