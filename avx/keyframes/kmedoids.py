"""Clusters frames by k-medoids under cosine distance, in linear time (Sun 2024, section II.B steps 1-6).

For unit vectors the sum of distances from a member p to its cluster C is |C| - p . sum of C, so the best medoid is
the member with the largest inner product with the cluster's sum: no distance table is needed. The paper prints a
sum of squared distances in eq. 11 and minimises plain distances in step 4; here the plain sum is minimised and both
are reported (docs/methods.md 9.4 and 17).
"""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp
from flax import struct

from avx.core.arrays import l2_normalize, product
from avx.core.loops import fixed_point
from avx.keyframes.partition import Partition, most_central, partition


@struct.dataclass
class Clustering:
    """Frames grouped around medoids.

    Attributes:
      medoids: (K,) int32 frame index of each cluster's medoid; meaningless where `valid` is False.
      valid: (K,) bool.
      assignment: (T,) int32 cluster of each frame, ties to the lowest; -1 for padding.
      objective: () sum over frames of the cosine distance to the medoid.
      sse: () sum of the squares of these distances (Sun 2024, eq. 11).
      rounds: () int32 rounds of assignment and update that were run.
    """

    medoids: jax.Array
    valid: jax.Array
    assignment: jax.Array
    objective: jax.Array
    sse: jax.Array
    rounds: jax.Array


def distances_to_medoids(split: Partition) -> jax.Array:
    """(T,) cosine distance of each frame to its centre, 0 for padding and never below 0."""
    return jnp.where(split.assignment >= 0, jnp.maximum(1 - split.similarity, 0), 0)


def fill_empty(units: jax.Array, mask: jax.Array, medoids: jax.Array, valid: jax.Array, filled: jax.Array) -> jax.Array:
    """Gives each empty cluster, in index order, the frame farthest from its own medoid that is not a medoid itself.

    Args:
      units: (T, D) rows made by `distances.unit_vectors`.
      mask: (T,) bool.
      medoids: (K,) int32 frame indices.
      valid: (K,) bool, False for clusters that do not exist.
      filled: (K,) bool, False for clusters whose medoid is to be replaced; these attract no frame.

    Returns:
      (K,) int32 medoids.
    """
    slots = jnp.arange(medoids.shape[0])

    def serve_first(state):
        medoids, empty, taken, nearest = state
        free = jnp.logical_and(mask, jnp.logical_not(taken))
        frame = jnp.argmax(jnp.where(free, nearest, -jnp.inf)).astype(medoids.dtype)
        first = slots == jnp.argmax(empty)
        nearest = jnp.minimum(nearest, 1 - product(units, units[frame]))
        return jnp.where(first, frame, medoids), jnp.logical_and(empty, ~first), taken.at[frame].set(True), nearest

    def serve_all(state):
        medoids, empty = state
        nearest = distances_to_medoids(partition(units, mask, units[medoids], filled))
        # Clusters that do not hold a medoid point past the end, where a scatter drops them.
        taken = jnp.zeros_like(mask).at[jnp.where(filled, medoids, mask.shape[0])].set(True, mode="drop")
        medoids, empty, _, _ = jax.lax.while_loop(
            lambda state: state[1].any(), serve_first, (medoids, empty, taken, nearest)
        )
        return medoids, empty

    # A loop of at most one turn instead of a conditional: under `vmap` it costs nothing while no video needs it.
    empty = jnp.logical_and(valid, jnp.logical_not(filled))
    return jax.lax.while_loop(lambda state: state[1].any(), serve_all, (medoids, empty))[0]


def seed_medoids(units: jax.Array, mask: jax.Array, weights: jax.Array, valid: jax.Array) -> jax.Array:
    """Takes initial medoids from the neurons of a map: in each neuron's cluster the frame closest to its weight.

    A neuron that won no frame is given one by `fill_empty`.

    Args:
      units: (T, D) rows made by `distances.unit_vectors`.
      mask: (T,) bool.
      weights: (K, D) neuron weights.
      valid: (K,) bool.

    Returns:
      (K,) int32 frame indices, distinct among the valid ones as long as there are that many real frames.
    """
    directions = l2_normalize(weights)
    won = partition(units, mask, directions, valid)
    medoids, score = most_central(units, won.assignment, directions)
    filled = jnp.logical_and(valid, score > -jnp.inf)
    return fill_empty(units, mask, medoids, valid, filled)


def assign(units: jax.Array, mask: jax.Array, medoids: jax.Array, valid: jax.Array) -> Partition:
    """Assigns every frame to its nearest medoid, ties to the lowest cluster index (step 3)."""
    return partition(units, mask, units[medoids], valid)


def update(units: jax.Array, mask: jax.Array, split: Partition, medoids: jax.Array, valid: jax.Array) -> jax.Array:
    """Chooses in each cluster the member with the smallest sum of distances, ties to the lowest frame index (step 4).

    An empty cluster, which only equal frames can cause, is given a new medoid by `fill_empty`.
    """
    candidates, score = most_central(units, split.assignment, split.sums)
    filled = jnp.logical_and(valid, score > -jnp.inf)
    return fill_empty(units, mask, jnp.where(filled, candidates, medoids), valid, filled)


def cluster(
    units: jax.Array, mask: jax.Array, medoids: jax.Array, valid: jax.Array, max_rounds: int = 100
) -> Clustering:
    """Alternates assignment and update until the medoids repeat (steps 3-5).

    The objective never rises from round to round: an update that gains nothing within float32 is dropped, and ends
    the search.

    Args:
      units: (T, D) rows made by `distances.unit_vectors`.
      mask: (T,) bool.
      medoids: (K,) int32 initial medoids, distinct where valid.
      valid: (K,) bool.
      max_rounds: upper bound of rounds.

    Returns:
      A `Clustering`; with no valid cluster, every frame is assigned to none and the objective is 0.

    >>> frames = jnp.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0], [0.3, 1.0]])
    >>> units = jnp.concatenate([frames / jnp.linalg.norm(frames, axis=1, keepdims=True), jnp.zeros((5, 1))], 1)
    >>> found = cluster(units, jnp.ones(5, bool), jnp.array([0, 2]), jnp.ones(2, bool))
    >>> found.medoids.tolist(), found.assignment.tolist()
    ([0, 3], [0, 0, 1, 1, 1])
    """
    chex.assert_rank([units, mask, medoids, valid], [2, 1, 1, 1])

    def objective(split):
        return distances_to_medoids(split).sum()

    def advance(state):
        medoids, split = state
        candidates = update(units, mask, split, medoids, valid)
        following = assign(units, mask, candidates, valid)
        worse = objective(following) > objective(split)
        return jax.tree.map(lambda old, new: jnp.where(worse, old, new), state, (candidates, following))

    def repeated(previous, current):
        return jnp.logical_or(previous[0] == current[0], jnp.logical_not(valid)).all()

    initial = (medoids, assign(units, mask, medoids, valid))
    (medoids, split), rounds = fixed_point(advance, repeated, initial, max_rounds)
    distances = distances_to_medoids(split)
    return Clustering(medoids, valid, split.assignment, distances.sum(), jnp.square(distances).sum(), rounds)
