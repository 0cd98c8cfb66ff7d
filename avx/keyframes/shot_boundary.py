"""Selects the middle frame of every shot: method 1 of the comparison (docs/methods.md 9.6)."""

from __future__ import annotations

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp

from avx.core.errors import UserError
from avx.keyframes.distances import above_deviations, mean_and_deviation
from avx.keyframes.selection import KeyFrames, from_marks

CONTRAST, SPREAD = "contrast", "spread"
RULES = (CONTRAST, SPREAD)


@dataclasses.dataclass(frozen=True)
class ShotBoundaryConfig:
    """Constants of the detector; hashable, so that it can be a static argument.

    Attributes:
      rule: "contrast", a cut's difference exceeds each of its `neighbors` by `contrast`: a step among small ones, where
        fades, motion and flashes give several large ones in a row; or "spread", the difference exceeds mean + `high`
        deviations of the whole video and leads its `reach`, which in any video of one shot marks something as well.
      contrast: share of the picture's pixels, by how much more of them a cut changes the colour than its neighbours do.
      neighbors: differences on each side that a cut stands out from.
      high: deviations above the mean that make a cut; 2 to 2.5 gives the published compression at 1-2 frames a second.
      reach: a cut is the largest difference among this many neighbours on each side.
      gradual: also find gradual transitions, by twin comparison with `low` and `high`.
      low: deviations above the mean that a gradual transition must keep.
      max_key_frames: static bound; of more shots the longest are kept.
    """

    rule: str = CONTRAST
    contrast: float = 0.2
    neighbors: int = 2
    high: float = 3.0
    reach: int = 5
    gradual: bool = False
    low: float = 1.0
    max_key_frames: int = 1024

    def __post_init__(self):
        if self.rule not in RULES:
            raise UserError(f"the rule for cuts is {self.rule!r}; choose one of {', '.join(RULES)}.")


def histogram_differences(histograms: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Computes half the L1 distance of neighbouring histograms, in [0, 1]; (T - 1,) values and their mask.

    >>> histogram_differences(jnp.eye(2), jnp.ones(2, bool))[0].tolist()
    [1.0]
    """
    both = jnp.logical_and(mask[:-1], mask[1:])
    rows = jnp.where(mask[:, None], histograms, 0)
    return jnp.where(both, 0.5 * jnp.abs(rows[1:] - rows[:-1]).sum(-1), 0), both


def _largest_around(values: jax.Array, reach: int) -> tuple[jax.Array, jax.Array]:
    """Finds the largest of the `reach` values before each one, and of those after it; 0 where there is none."""
    edge = jnp.zeros(reach)

    def largest(window_of):
        return jax.lax.reduce_window(window_of, 0.0, jax.lax.max, (reach,), (1,), "VALID")

    return largest(jnp.concatenate([edge, values[:-1]])), largest(jnp.concatenate([values[1:], edge]))


def _cuts(differences: jax.Array, valid: jax.Array, config: ShotBoundaryConfig) -> jax.Array:
    """Marks the differences (N,), 0 where not valid, that are cuts by the rule; of equal ones the first alone."""
    reach = config.neighbors if config.rule == CONTRAST else config.reach
    before, after = _largest_around(differences, reach) if reach else 2 * (jnp.zeros_like(differences),)
    if config.rule == CONTRAST:
        return differences - jnp.maximum(before, after) > config.contrast
    leads = jnp.logical_and(differences > before, differences >= after)
    return jnp.logical_and(leads, above_deviations(differences, valid, config.high))


def _gradual(differences: jax.Array, valid: jax.Array, cuts: jax.Array, config: ShotBoundaryConfig) -> jax.Array:
    """Twin comparison: runs above the low threshold whose sum exceeds the high one; marks the middle of each run.

    A run that holds a cut is that cut's own blur, and no transition besides it.
    """
    length = differences.shape[0]
    mean, deviation = mean_and_deviation(differences, valid)
    above = above_deviations(differences, valid, config.low)
    first = jnp.logical_and(above, jnp.logical_not(jnp.concatenate([jnp.zeros(1, bool), above[:-1]])))
    run = jnp.where(above, jnp.cumsum(first) - 1, length)
    total = jax.ops.segment_sum(differences, run, length)
    cut_inside = jax.ops.segment_max(cuts.astype(jnp.int32), run, length) > 0
    place = jnp.arange(length)
    start = jax.ops.segment_min(place, run, length)
    end = jax.ops.segment_max(place, run, length)
    transition = (total > mean + config.high * deviation) & (end > start) & jnp.logical_not(cut_inside)
    middle = jnp.where(transition, (start + end) // 2, length)
    return jnp.zeros(length, bool).at[middle].set(True, mode="drop")


@functools.partial(jax.jit, static_argnames="config")
def boundaries(histograms: jax.Array, mask: jax.Array, config: ShotBoundaryConfig = ShotBoundaryConfig()) -> jax.Array:
    """Detects where a shot ends and the next begins.

    Args:
      histograms: (T, D) L1-normalised colour histograms, such as 16 x 4 x 4 bins of hue, saturation and value.
      mask: (T,) bool.
      config: constants, static.

    Returns:
      (T - 1,) bool, True at t where a new shot starts with frame t + 1.

    >>> histograms = jnp.eye(2)[jnp.array([0, 0, 0, 1, 1])]
    >>> boundaries(histograms, jnp.ones(5, bool)).tolist()
    [False, False, True, False]
    """
    chex.assert_rank([histograms, mask], [2, 1])
    if histograms.shape[0] < 2:
        return jnp.zeros(0, bool)
    differences, valid = histogram_differences(histograms, mask)
    cuts = _cuts(differences, valid, config)
    if not config.gradual:
        return cuts
    return jnp.logical_or(cuts, _gradual(differences, valid, cuts, config))


@functools.partial(jax.jit, static_argnames="config")
def select(features: jax.Array, mask: jax.Array, config: ShotBoundaryConfig = ShotBoundaryConfig()) -> KeyFrames:
    """Selects the middle frame of every shot; of two middle frames the earlier.

    Args:
      features: (T, D) L1-normalised colour histograms.
      mask: (T,) bool.
      config: constants, static.

    Returns:
      `KeyFrames` with min(config.max_key_frames, T) slots.

    >>> found = select(jnp.eye(2)[jnp.array([0, 0, 0, 1, 1])], jnp.ones(5, bool))
    >>> found.indices[found.mask].tolist()
    [1, 3]
    """
    starts = jnp.concatenate([jnp.ones(1, bool), boundaries(features, mask, config)])
    # Counting real frames alone keeps the middle of a shot on a frame that exists.
    rank = jnp.cumsum(mask) - 1
    shot = jnp.cumsum(starts) - 1
    num_frames = mask.shape[0]
    first = jax.ops.segment_min(jnp.where(mask, rank, num_frames), shot, num_frames)[shot]
    last = jax.ops.segment_max(jnp.where(mask, rank, -1), shot, num_frames)[shot]
    middle = rank == (first + last) // 2
    return from_marks(features, mask, middle, last - first, min(config.max_key_frames, num_frames))
