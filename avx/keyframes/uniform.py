"""Selects key frames at equal distances in time, the baseline of every method."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp

from avx.keyframes.selection import KeyFrames, from_marks
from avx.keyframes.sofm import temporal_positions


@dataclasses.dataclass(frozen=True)
class UniformConfig:
    """How many frames; hashable, so that it can be a static argument.

    Attributes:
      fraction: key frames as a share of the frames; one minus the mean compression ratio that Sun 2024, table 4,
        prints for SKM, for a comparison at equal size.
      max_key_frames: static bound.
    """

    fraction: float = 0.064
    max_key_frames: int = 1024


@functools.partial(jax.jit, static_argnames="config")
def select(features: jax.Array, mask: jax.Array, config: UniformConfig = UniformConfig()) -> KeyFrames:
    """Selects the middle frames of K = max(1, round(fraction n)) equal stretches; features (T, D), mask (T,).

    The features only serve to assign the other frames. Returns `KeyFrames` with min(config.max_key_frames, T) slots.

    >>> found = select(jnp.ones((10, 1)), jnp.ones(10, bool), UniformConfig(fraction=0.2))
    >>> found.indices[found.mask].tolist()
    [2, 7]
    """
    num_frames = mask.shape[0]
    slots = min(config.max_key_frames, num_frames)
    real = mask.sum()
    wanted = jnp.clip(jnp.floor(config.fraction * real + 0.5).astype(jnp.int32), 1, slots)
    count = jnp.minimum(wanted, real)
    positions = temporal_positions(mask, count, slots)
    places = jnp.where(jnp.arange(slots) < count, positions, num_frames)
    chosen = jnp.zeros(num_frames, bool).at[places].set(True, mode="drop")
    return from_marks(features, mask, chosen, jnp.zeros(num_frames), slots)
