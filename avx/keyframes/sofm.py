"""Trains a self-organising map on a line of K neurons, the pre-clustering of SKM (Sun 2024, eq. 9-10).

Erratum of eq. 9: what is printed as a weight vector is the neighbourhood value, and its sigma is a radius that
shrinks over time, not the standard deviation of eq. 8 (docs/methods.md 17).
"""

from __future__ import annotations

import dataclasses

import chex
import jax
import jax.numpy as jnp

from avx.core.arrays import l2_normalize, product
from avx.core.loops import fixed_point
from avx.core.rng import per_example
from avx.keyframes.partition import partition


@dataclasses.dataclass(frozen=True)
class SOFMConfig:
    """Schedules of the map (docs/methods.md 9.3; the paper prints none of these numbers).

    Attributes:
      epochs: passes over the frames, at most.
      learning_rate_start: eta at the first sample, online form only.
      learning_rate_end: eta at the last sample, online form only.
      radius_fraction: initial neighbourhood radius as a share of K.
      radius_floor: smallest initial radius, in neurons.
      radius_end: final radius, in neurons.
      tolerance: stop when no neuron moved farther than this during an epoch.
    """

    epochs: int = 20
    learning_rate_start: float = 0.5
    learning_rate_end: float = 0.01
    radius_fraction: float = 0.5
    radius_floor: float = 0.5
    radius_end: float = 0.3
    tolerance: float = 1e-4


DEFAULT_SCHEDULE = SOFMConfig()


def temporal_positions(mask: jax.Array, num_clusters: jax.Array, max_clusters: int) -> jax.Array:
    """Finds the middle frames of K equal stretches of the video: the round((j - 1/2) n / K)-th real frame, halves up.

    Args:
      mask: (T,) bool; the n real frames may lie anywhere.
      num_clusters: () int32 K, at most n.
      max_clusters: static length of the result.

    Returns:
      (max_clusters,) int32 frame indices, distinct for the first K; the rest is meaningless.

    >>> temporal_positions(jnp.ones(10, bool), jnp.asarray(2), max_clusters=2).tolist()
    [2, 7]
    """
    frames = mask.sum()
    clusters = jnp.maximum(num_clusters, 1)
    # ((2j - 1) n + K) // 2K in pieces, because the product leaves 32 bits for long videos.
    odd = 2 * jnp.arange(1, max_clusters + 1) - 1
    whole = odd * (frames // clusters)
    rest = odd * (frames % clusters) + clusters
    rank = whole // 2 + ((whole % 2) * clusters + rest) // (2 * clusters)
    order = jnp.cumsum(mask)
    return jnp.minimum(jnp.searchsorted(order, rank), mask.shape[0] - 1).astype(jnp.int32)


def neighborhood(radius: jax.Array, max_clusters: int) -> jax.Array:
    """h[j, i] = exp(-(j - i)^2 / (2 radius^2)) between neurons on a line (Sun 2024, eq. 9); (K, K).

    >>> round(float(neighborhood(jnp.asarray(1.0), 2)[0, 1]), 3)
    0.607
    """
    place = jnp.arange(max_clusters, dtype=jnp.float32)
    return jnp.exp(-jnp.square(place[:, None] - place[None, :]) / (2 * jnp.square(radius)))


def _radius(progress: jax.Array, num_clusters: jax.Array, config: SOFMConfig) -> jax.Array:
    """Geometric decay from the initial to the final radius while `progress` goes from 0 to 1."""
    start = jnp.maximum(num_clusters * config.radius_fraction, config.radius_floor)
    return start * (config.radius_end / start) ** progress


def _settled(previous, current, tolerance: float) -> jax.Array:
    return jnp.linalg.norm(current[0] - previous[0], axis=-1).max() < tolerance


def _start(
    units: jax.Array, mask: jax.Array, num_clusters: jax.Array, max_clusters: int
) -> tuple[jax.Array, jax.Array]:
    chex.assert_rank([units, mask], [2, 1])
    valid = jnp.arange(max_clusters) < num_clusters
    weights = units[temporal_positions(mask, num_clusters, max_clusters)]
    return jnp.where(valid[:, None], weights, 0), valid


def fit_batch(
    units: jax.Array,
    mask: jax.Array,
    num_clusters: jax.Array,
    max_clusters: int,
    config: SOFMConfig = DEFAULT_SCHEDULE,
) -> jax.Array:
    """Trains the map with one deterministic update an epoch: w_j = sum_x h_{j,i*(x)} x / sum_x h_{j,i*(x)}.

    The sums over frames are taken per winner first, so that an epoch is two products of the size (T, D, K).

    Args:
      units: (T, D) rows made by `distances.unit_vectors`.
      mask: (T,) bool.
      num_clusters: () int32 K, the neurons in use.
      max_clusters: static number of neurons held.
      config: schedules.

    Returns:
      Weights (max_clusters, D); zero from neuron K on.
    """
    initial, valid = _start(units, mask, num_clusters, max_clusters)

    def epoch(state):
        weights, count = state
        split = partition(units, mask, l2_normalize(weights), valid)
        progress = count / max(config.epochs - 1, 1)
        reach = neighborhood(_radius(progress, num_clusters, config), max_clusters) * valid[:, None]
        mass = product(reach, split.counts)
        moved = product(reach, split.sums) / jnp.where(mass > 0, mass, 1)[:, None]
        return jnp.where((mass > 0)[:, None], moved, weights), count + 1

    def settled(previous, current):
        return _settled(previous, current, config.tolerance)

    (weights, _), _ = fixed_point(epoch, settled, (initial, jnp.asarray(0, jnp.float32)), config.epochs)
    return weights


def fit_online(
    units: jax.Array,
    mask: jax.Array,
    num_clusters: jax.Array,
    max_clusters: int,
    key: jax.Array,
    config: SOFMConfig = DEFAULT_SCHEDULE,
) -> jax.Array:
    """Trains the map frame by frame, in an order shuffled anew each epoch (Sun 2024, eq. 9-10).

    After each frame x with winner i*, every neuron moves by eta h_{j,i*} (x - w_j). The order depends on `key` and
    the real frames only, never on the amount of padding. With K = 1 the weight is the mean of the frames.

    Args:
      units: (T, D) rows made by `distances.unit_vectors`.
      mask: (T,) bool.
      num_clusters: () int32 K, the neurons in use.
      max_clusters: static number of neurons held.
      key: PRNG key of the shuffling.
      config: schedules.

    Returns:
      Weights (max_clusters, D); zero from neuron K on.
    """
    initial, valid = _start(units, mask, num_clusters, max_clusters)
    num_frames = units.shape[0]
    frames = mask.sum()
    total = jnp.maximum(frames * config.epochs, 1).astype(jnp.float32)
    place = jnp.arange(max_clusters, dtype=jnp.float32)
    decay = config.learning_rate_end / config.learning_rate_start

    def epoch(state):
        weights, count = state
        keys = per_example(jax.random.fold_in(key, count), jnp.arange(num_frames))
        lots = jax.vmap(jax.random.uniform)(keys)
        order = jnp.argsort(jnp.where(mask, lots, jnp.inf))

        def sample(step, weights):
            row = units[order[step]]
            winner = jnp.argmax(jnp.where(valid, product(l2_normalize(weights), row), -jnp.inf))
            progress = (count * frames + step) / total
            rate = config.learning_rate_start * decay**progress
            radius = _radius(progress, num_clusters, config)
            reach = jnp.exp(-jnp.square(place - winner) / (2 * jnp.square(radius))) * valid
            return weights + rate * reach[:, None] * (row - weights)

        return jax.lax.fori_loop(0, frames, sample, weights), count + 1

    def settled(previous, current):
        return _settled(previous, current, config.tolerance)

    (weights, _), _ = fixed_point(epoch, settled, (initial, jnp.asarray(0, jnp.int32)), config.epochs)
    mean = units.sum(0) / jnp.maximum(frames, 1)
    return jnp.where(num_clusters == 1, jnp.where(valid[:, None], mean, 0), weights)
