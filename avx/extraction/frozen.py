"""Encoders whose weights stay as they are, applied in batches of one fixed size."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

Apply = Callable[[jax.Array], jax.Array]
Examples = Callable[..., tuple[jax.Array, jax.Array]]
"""(signal (N,), real samples, hop_seconds=) -> examples (E, 96, 64) and their mask (E,)."""


@dataclasses.dataclass(frozen=True)
class FrozenEncoder:
    """A function (n, ...) -> (n, D) with a name for the cache.

    Attributes:
      name: which encoder with which weights, such as "squeezenet:1a2b3c"; part of the cache's fingerprint.
      apply: pure function of a batch, jitted by `in_fixed_batches`.
      feature_size: D.
      examples: how an encoder of sound wants the waveform cut; None for the log-mel examples of VGGish.
    """

    name: str
    apply: Apply
    feature_size: int
    examples: Examples | None = None


@dataclasses.dataclass(frozen=True)
class ClipEncoder:
    """A function of all frames of a clip (T, H, W, 3) uint8 -> (W, ...) with a name for the cache.

    Attributes:
      name: what is made of the frames, with which weights and windows; part of the cache's fingerprint.
      describe: the function, on numpy arrays.
    """

    name: str
    describe: Callable[[np.ndarray], np.ndarray]


def in_fixed_batches(apply: Apply, batch_size: int) -> Callable[[np.ndarray], np.ndarray]:
    """Maps rows in batches of exactly `batch_size`, so that one compilation serves all inputs.

    A row's result then depends on the row alone, not on how many others there are.

    Args:
      apply: (batch_size, ...) -> (batch_size, ...) without mixing rows.
      batch_size: rows at a time; the last batch is filled up with zeros.

    Returns:
      A function (n, ...) -> (n, ...) of numpy arrays, n at least 1.
    """
    compiled = jax.jit(apply)

    def mapped(rows: np.ndarray) -> np.ndarray:
        outputs = []
        for first in range(0, len(rows), batch_size):
            chunk = rows[first : first + batch_size]
            padded = np.zeros((batch_size, *rows.shape[1:]), rows.dtype)
            padded[: len(chunk)] = chunk
            outputs.append(np.asarray(compiled(jnp.asarray(padded)))[: len(chunk)])
        return np.concatenate(outputs)

    return mapped
