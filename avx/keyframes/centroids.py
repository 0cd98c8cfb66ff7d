"""Selects the frames nearest to k-means centroids, with K given: method 3 of the comparison (docs/methods.md 9.8).

The options of VSUMM (de Avila et al. 2011) are among the constants.
"""

from __future__ import annotations

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp

from avx.core.errors import UserError
from avx.core.loops import fixed_point
from avx.keyframes.partition import cluster_sums, most_central, partition
from avx.keyframes.selection import KeyFrames, from_marks

FRACTION = "fraction"
VSUMM = "vsumm"


@dataclasses.dataclass(frozen=True)
class CentroidsConfig:
    """Constants of the method; hashable, so that it can be a static argument.

    Attributes:
      k_rule: "fraction", K = round(fraction n), or "vsumm", one more than the consecutive distances above `change`.
      fraction: clusters as a share of the frames; the published compression ratio is .931.
      change: Euclidean distance of consecutive features that counts as a change.
      separation: key frames closer than this to an earlier one are dropped; 0 keeps all, VSUMM takes 0.5.
      max_rounds: bound of the k-means rounds.
      max_key_frames: static bound of K.
    """

    k_rule: str = FRACTION
    fraction: float = 0.07
    change: float = 0.5
    separation: float = 0.0
    max_rounds: int = 100
    max_key_frames: int = 1024

    def __post_init__(self):
        if self.k_rule not in (FRACTION, VSUMM):
            raise UserError(f"k_rule is {self.k_rule!r}; choose {FRACTION} or {VSUMM}.")


def informative(grey: jax.Array, mask: jax.Array, smallest_deviation: float = 10.0) -> jax.Array:
    """Removes frames from the mask (T,) whose grey levels (T, P) deviate less than the bound: near-uniform ones.

    >>> informative(jnp.array([[0.0, 200.0], [90.0, 90.0]]), jnp.ones(2, bool)).tolist()
    [True, False]
    """
    return jnp.logical_and(mask, jnp.where(mask[:, None], grey, 0).std(-1) >= smallest_deviation)


def number_of_clusters(rows: jax.Array, mask: jax.Array, slots: int, config: CentroidsConfig) -> jax.Array:
    """Chooses K () int32 by the config's rule, between 1 and the number of frames and slots; 0 without frames.

    >>> int(number_of_clusters(jnp.zeros((100, 1)), jnp.ones(100, bool), 100, CentroidsConfig(fraction=0.07)))
    7
    """
    real = mask.sum()
    if config.k_rule == VSUMM:
        steps = jnp.linalg.norm(rows[1:] - rows[:-1], axis=-1)
        wanted = 1 + jnp.logical_and(steps > config.change, mask[:-1] & mask[1:]).sum()
    else:
        wanted = jnp.floor(config.fraction * real + 0.5).astype(jnp.int32)
    return jnp.minimum(jnp.clip(wanted, 1, slots), real)


def _extended(rows: jax.Array, centroids: bool) -> jax.Array:
    """Extends frames to (x, 1, -|x|^2 / 2) and centroids to (c, -|c|^2 / 2, 1): their product is -|x - c|^2 / 2."""
    half = -0.5 * jnp.square(rows).sum(-1, keepdims=True)
    one = jnp.ones_like(half)
    return jnp.concatenate([rows, half, one] if centroids else [rows, one, half], -1)


def _separated(rows: jax.Array, frames: jax.Array, filled: jax.Array, separation: float) -> jax.Array:
    """Keeps the key frames (K,) that are `separation` away from every earlier one kept; (K,) bool."""
    order = jnp.argsort(jnp.where(filled, frames, rows.shape[0]))
    keys = rows[frames]

    def visit(step, kept):
        slot = order[step]
        near = jnp.linalg.norm(keys - keys[slot], axis=-1) < separation
        return kept.at[slot].set(jnp.logical_and(filled[slot], jnp.logical_not((near & kept).any())))

    return jax.lax.fori_loop(0, frames.shape[0], visit, jnp.zeros_like(filled))


@functools.partial(jax.jit, static_argnames="config")
def select(features: jax.Array, mask: jax.Array, config: CentroidsConfig = CentroidsConfig()) -> KeyFrames:
    """Selects the frame closest to each k-means centroid; the centroids start from K consecutive groups.

    Args:
      features: (T, D) features, such as 16-bin hue histograms; compared by Euclidean distance.
      mask: (T,) bool; leave near-uniform frames out with `informative`.
      config: constants, static.

    Returns:
      `KeyFrames` with min(config.max_key_frames, T) slots; `rounds` counts those of k-means.

    >>> frames = jnp.array([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]])
    >>> found = select(frames, jnp.ones(6, bool), CentroidsConfig(fraction=0.34, max_key_frames=2))
    >>> found.indices.tolist()
    [1, 4]
    """
    chex.assert_rank([features, mask], [2, 1])
    num_frames = mask.shape[0]
    slots = min(config.max_key_frames, num_frames)
    rows = jnp.where(mask[:, None], features, 0).astype(jnp.float32)
    extended = _extended(rows, centroids=False)
    clusters = number_of_clusters(rows, mask, slots, config)
    valid = jnp.arange(slots) < clusters

    def means(assignment, counts, otherwise):
        sums = cluster_sums(rows, assignment, slots)
        return jnp.where(counts[:, None] > 0, sums / jnp.maximum(counts, 1)[:, None], otherwise)

    # A float32 quotient could misplace a group's first frame; 32-bit integers hold n K up to two thousand million.
    group = (jnp.cumsum(mask) - 1) * clusters // jnp.maximum(mask.sum(), 1)
    group = jnp.where(mask, group, -1).astype(jnp.int32)
    sizes = jnp.zeros(slots, jnp.int32).at[jnp.where(mask, group, slots)].add(1, mode="drop")
    seeds = means(group, sizes, jnp.zeros((slots, rows.shape[1])))

    def move(state):
        centroids, _ = state
        split = partition(extended, mask, _extended(centroids, centroids=True), valid)
        return means(split.assignment, split.counts, centroids), split.assignment

    def repeated(previous, current):
        return (previous[1] == current[1]).all()

    start = (seeds, jnp.full(num_frames, -2, jnp.int32))
    (centroids, assignment), rounds = fixed_point(move, repeated, start, config.max_rounds)
    frames, score = most_central(extended, assignment, _extended(centroids, centroids=True))
    kept = jnp.logical_and(valid, score > -jnp.inf)
    if config.separation > 0:
        kept = _separated(rows, frames, kept, config.separation)
    chosen = jnp.zeros(num_frames, bool).at[jnp.where(kept, frames, num_frames)].set(True, mode="drop")
    found = from_marks(features, mask, chosen, jnp.zeros(num_frames), slots)
    return dataclasses.replace(found, rounds=rounds)
