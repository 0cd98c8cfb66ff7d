"""Selects frames that differ from the one before: method 2 of the comparison (docs/methods.md 9.7)."""

from __future__ import annotations

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp

from avx.core.arrays import ratio
from avx.keyframes.distances import above_deviations
from avx.keyframes.selection import KeyFrames, from_marks


@dataclasses.dataclass(frozen=True)
class FrameDifferenceConfig:
    """Constants of the method; hashable, so that it can be a static argument.

    Attributes:
      factor: deviations above the mean difference; the published compression suggests about 1.1.
      smoothing: odd length of a moving average over the differences, 1 for none.
      max_key_frames: static bound; of more frames those with the largest differences are kept.
    """

    factor: float = 1.0
    smoothing: int = 1
    max_key_frames: int = 1024


def grey_differences(grey: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Computes the mean absolute difference of neighbouring frames; (T - 1,) values and their mask.

    >>> grey_differences(jnp.array([[0.0, 2.0], [4.0, 2.0]]), jnp.ones(2, bool))[0].tolist()
    [2.0]
    """
    both = jnp.logical_and(mask[:-1], mask[1:])
    rows = jnp.where(mask[:, None], grey, 0).astype(jnp.float32)
    return jnp.where(both, jnp.abs(rows[1:] - rows[:-1]).mean(-1), 0), both


def moving_average(values: jax.Array, valid: jax.Array, length: int) -> jax.Array:
    """Averages the valid values (N,) in a centred window of odd `length`, which is cut short at the ends.

    >>> moving_average(jnp.array([0.0, 3.0, 6.0]), jnp.ones(3, bool), 3).tolist()
    [1.5, 3.0, 4.5]
    """
    side = length // 2

    def window_sum(array):
        return jax.lax.reduce_window(array, 0.0, jax.lax.add, (length,), (1,), [(side, side)])

    return ratio(window_sum(jnp.where(valid, values, 0.0)), window_sum(valid.astype(jnp.float32)))


@functools.partial(jax.jit, static_argnames="config")
def select(features: jax.Array, mask: jax.Array, config: FrameDifferenceConfig = FrameDifferenceConfig()) -> KeyFrames:
    """Selects the first frame, and every frame whose difference to the one before exceeds mean + factor deviations.

    Args:
      features: (T, P) grey levels of the frames, flattened; any scale.
      mask: (T,) bool.
      config: constants, static.

    Returns:
      `KeyFrames` with min(config.max_key_frames, T) slots.

    >>> found = select(jnp.array([[0.0], [0.0], [9.0], [9.0]]), jnp.ones(4, bool))
    >>> found.indices[found.mask].tolist()
    [0, 2]
    """
    chex.assert_rank([features, mask], [2, 1])
    num_frames = mask.shape[0]
    differences, valid = grey_differences(features, mask)
    if config.smoothing > 1 and num_frames > 1:
        differences = moving_average(differences, valid, config.smoothing)
    changed = jnp.concatenate([jnp.zeros(1, bool), above_deviations(differences, valid, config.factor)])
    strength = jnp.concatenate([jnp.zeros(1), differences])
    first = jnp.logical_and(mask, jnp.cumsum(mask) == 1)
    strength = jnp.where(first, jnp.finfo(jnp.float32).max, strength)
    slots = min(config.max_key_frames, num_frames)
    return from_marks(features, mask, jnp.logical_or(first, changed), strength, slots)
