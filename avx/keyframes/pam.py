"""Improves k-medoids by PAM swaps: exchanges a medoid for any frame while the objective falls.

The change of the objective for all pairs (medoid, candidate) follows from each frame's nearest and second nearest
medoid (the shared-sums form of FastPAM1, Schubert & Rousseeuw 2019), here as matrix products over blocks of
candidates. A sweep over C candidates takes O(T C D) time and O(T K) memory: linear in the number of frames for a fixed
C, and complete, as in PAM, with every frame a candidate. The rounds of `kmedoids` come first.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from flax import struct

from avx.core.arrays import product
from avx.keyframes.kmedoids import Clustering, assign, distances_to_medoids
from avx.keyframes.partition import MAX_TABLE_ENTRIES, cluster_sums, first_argmax

# A swap must lower the objective by more than this share of it: what float32 sums can tell apart.
SMALLEST_GAIN = 1e-5
# And by more than this for each frame: of frames that are nearly alike, rounding of 1 - cosine alone is a large share
# of the objective, and swaps that gain nothing else could take turns for ever.
ROUNDING = 1e-6
# Few candidates at a time keep a swap cheap: only one of a block is applied before its changes are counted anew.
MAX_CANDIDATES = 128
# Each block looks at all frames anew, so that very small blocks would make long videos slow.
MIN_CANDIDATES = 32


@struct.dataclass
class NearestTwo:
    """Each frame's two nearest medoids: cluster (T,), distance (T,) and distance to the second (T,)."""

    cluster: jax.Array
    first: jax.Array
    second: jax.Array


def nearest_two(similarities: jax.Array, mask: jax.Array, valid: jax.Array) -> NearestTwo:
    """Finds the two nearest medoids of each frame, from the inner products (T, K) of the frames with all medoids.

    With a single cluster the second is infinitely far. Padded frames belong to none (-1), at distance 0.
    """
    table = jnp.where(valid, similarities, -jnp.inf)
    best, cluster = first_argmax(table, 1)
    others = jnp.where(jnp.arange(valid.shape[0]) == cluster[:, None], -jnp.inf, table)
    return NearestTwo(
        cluster=jnp.where(mask, cluster, -1),
        first=jnp.where(mask, jnp.maximum(1 - best, 0), 0),
        second=jnp.where(mask, jnp.maximum(1 - others.max(1), 0), 0),
    )


def swap_changes(nearest: NearestTwo, distances: jax.Array, num_clusters: int) -> jax.Array:
    """Computes the change of the objective for every swap of a medoid against a candidate.

    A frame of another cluster moves to the candidate if that is nearer; a frame of the removed medoid's cluster goes
    to the candidate or to its second nearest medoid.

    Args:
      nearest: the frames' two nearest medoids.
      distances: (T, C) distances of the frames to the candidates, 0 for padded frames.
      num_clusters: K.

    Returns:
      (K, C), negative where the swap pays.
    """
    first = nearest.first[:, None]
    attracted = jnp.minimum(distances - first, 0)
    orphaned = jnp.minimum(distances, nearest.second[:, None]) - first
    return attracted.sum(0) + cluster_sums(orphaned - attracted, nearest.cluster, num_clusters)


def evenly_spaced(mask: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
    """Takes real frames at equal steps through the video: indices (count,), and (count,) bool, False past the last.

    >>> evenly_spaced(jnp.array([True, True, False, True, True]), 2)[0].tolist()
    [0, 3]
    """
    real = mask.sum()
    steps = jnp.arange(count)
    # Integers only: floats would lose frames of long videos. Whole part and rest apart, so that no product overflows.
    even = steps * (real // count) + steps * (real % count) // count
    return jnp.argsort(~mask, stable=True)[jnp.where(real > count, even, steps)], steps < real


def refine(
    units: jax.Array, mask: jax.Array, clustering: Clustering, max_sweeps: int, max_candidates: int = 0
) -> Clustering:
    """Applies improving swaps, the best of each block of candidates first, until a whole sweep finds none.

    Frames that are medoids already are no candidates. A block applies at most as many swaps as it has candidates before
    the next block has its turn, so that the work is bounded by `max_sweeps` whatever the rounding of the products.

    Args:
      units: (T, D) rows made by `distances.unit_vectors`.
      mask: (T,) bool.
      clustering: where to start.
      max_sweeps: upper bound of passes over all candidates.
      max_candidates: frames that may become medoids, spread over the video; 0 for all of them.

    Returns:
      A `Clustering` whose objective is not above that of `clustering`.
    """
    num_frames, num_clusters = units.shape[0], clustering.medoids.shape[0]
    count = min(num_frames, max_candidates or num_frames)
    frames, offered = evenly_spaced(mask, count)
    length = min(count, MAX_CANDIDATES, max(MIN_CANDIDATES, MAX_TABLE_ENTRIES // num_frames))
    blocks = -(-count // length)

    def visit_block(block, state):
        medoids, similarities, swaps = state
        start = jnp.minimum(block * length, count - length)
        places = jax.lax.dynamic_slice_in_dim(frames, start, length)
        distances = jnp.where(mask[:, None], jnp.maximum(1 - product(units, units[places].T), 0), 0)
        real = jax.lax.dynamic_slice_in_dim(offered, start, length)

        def best_swap(medoids, similarities):
            nearest = nearest_two(similarities, mask, clustering.valid)
            # A medoid in place of itself or of another changes nothing or loses: it could only gain by rounding.
            held = jnp.logical_and(places[:, None] == medoids, clustering.valid).any(1)
            allowed = jnp.logical_and(clustering.valid[:, None], real & ~held)
            changes = jnp.where(allowed, swap_changes(nearest, distances, num_clusters), 0)
            place = jnp.argmin(changes)
            least = SMALLEST_GAIN * nearest.first.sum() + ROUNDING * mask.sum()
            pays = changes.ravel()[place] < -least
            return pays, place // length, places[place % length]

        def improving(state):
            _, _, done, (pays, _, _) = state
            return jnp.logical_and(pays, done < length)

        def apply(state):
            medoids, similarities, done, (_, slot, frame) = state
            medoids = medoids.at[slot].set(frame.astype(medoids.dtype))
            similarities = similarities.at[:, slot].set(product(units, units[frame]))
            return medoids, similarities, done + 1, best_swap(medoids, similarities)

        none = jnp.asarray(0, jnp.int32)
        start_state = (medoids, similarities, none, best_swap(medoids, similarities))
        medoids, similarities, done, _ = jax.lax.while_loop(improving, apply, start_state)
        return medoids, similarities, swaps + done

    def sweep(state):
        medoids, similarities, _, count = state
        none = jnp.asarray(0, jnp.int32)
        return *jax.lax.fori_loop(0, blocks, visit_block, (medoids, similarities, none)), count + 1

    def unfinished(state):
        return jnp.logical_and(state[2] > 0, state[3] < max_sweeps)

    some = clustering.valid.any().astype(jnp.int32)
    initial = (clustering.medoids, product(units, units[clustering.medoids].T), some, jnp.asarray(0, jnp.int32))
    medoids = jax.lax.while_loop(unfinished, sweep, initial)[0]
    split = assign(units, mask, medoids, clustering.valid)
    distances = distances_to_medoids(split)
    better = distances.sum() < clustering.objective
    refined = dataclasses.replace(
        clustering,
        medoids=medoids,
        assignment=split.assignment,
        objective=distances.sum(),
        sse=jnp.square(distances).sum(),
    )
    return jax.tree.map(lambda new, old: jnp.where(better, new, old), refined, clustering)
