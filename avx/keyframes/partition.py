"""Assigns frames to centres and reduces each cluster to its sum and its most central member, in bounded memory.

SOFM and k-medoids both consist of these passes. Only the assignment has to compare all frames with all centres: it
is a matrix product, whose (T, K) table is held for one block of frames at a time, so that memory stays linear in the
length of the video whatever K is. The others look at each frame once.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from flax import struct

from avx.core.arrays import product

MAX_TABLE_ENTRIES = 1 << 22
"""Largest (frames, K) table that is held at once: 16 MiB of float32."""


@struct.dataclass
class Partition:
    """Frames split among K centres.

    Attributes:
      assignment: (T,) int32 centre of each frame, ties to the lowest index; -1 for padding.
      similarity: (T,) inner product of each frame with its centre; 0 for padding.
      sums: (K, D) sum of the unit rows in each cluster.
      counts: (K,) float32 frames in each cluster.
    """

    assignment: jax.Array
    similarity: jax.Array
    sums: jax.Array
    counts: jax.Array


def block_length(num_frames: int, num_clusters: int) -> int:
    """Returns the frames per block: all of them where the table is small, else as many as fit, at least 1.

    >>> block_length(num_frames=100, num_clusters=8), block_length(num_frames=10**6, num_clusters=1 << 22)
    (100, 1)
    """
    return max(1, min(num_frames, MAX_TABLE_ENTRIES // max(num_clusters, 1)))


def first_argmax(table: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
    """Returns (max, index of its first occurrence) along `axis`, by two reductions, which compile better.

    >>> [part.tolist() for part in first_argmax(jnp.array([[1.0, 5.0, 5.0]]), axis=1)]
    [[5.0], [1]]
    """
    largest = table.max(axis, keepdims=True)
    place = jax.lax.broadcasted_iota(jnp.int32, table.shape, axis % table.ndim)
    index = jnp.where(table == largest, place, table.shape[axis] - 1).min(axis)
    return largest.squeeze(axis), index


def nearest_center(
    units: jax.Array, mask: jax.Array, centers: jax.Array, valid: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Finds for every frame the centre with the largest inner product.

    Args:
      units: (T, D) rows made by `distances.unit_vectors`.
      mask: (T,) bool.
      centers: (K, D) centres; of unit length where the nearest in cosine distance is meant.
      valid: (K,) bool, False for centres that do not exist.

    Returns:
      Assignment (T,) int32, ties to the lowest, -1 for padding and where no centre is valid; and the inner product
      (T,), 0 for frames that are assigned to none.

    >>> units = jnp.eye(2)[jnp.array([0, 1, 1])]
    >>> nearest_center(units, jnp.array([True, True, False]), jnp.eye(2), jnp.ones(2, bool))[0].tolist()
    [0, 1, -1]
    """
    num_frames = units.shape[0]

    def split(rows, real):
        products = jax.lax.optimization_barrier(product(rows, centers.T))
        similarity, nearest = first_argmax(jnp.where(valid, products, -jnp.inf), 1)
        real = jnp.logical_and(real, valid.any())
        return jnp.where(real, nearest, -1), jnp.where(real, similarity, 0)

    length = block_length(num_frames, centers.shape[0])
    if length >= num_frames:
        return split(units, mask)

    def block(number, found):
        # The last block is moved back to end with the last frame: some frames are then assigned twice, alike.
        start = jnp.minimum(number * length, num_frames - length)
        rows = jax.lax.dynamic_slice_in_dim(units, start, length)
        part = split(rows, jax.lax.dynamic_slice_in_dim(mask, start, length))
        return jax.tree.map(
            lambda whole, piece: jax.lax.dynamic_update_slice_in_dim(whole, piece, start, 0), found, part
        )

    found = (jnp.full(num_frames, -1, jnp.int32), jnp.zeros(num_frames, jnp.float32))
    return jax.lax.fori_loop(0, math.ceil(num_frames / length), block, found)


def cluster_sums(units: jax.Array, assignment: jax.Array, num_clusters: int) -> jax.Array:
    """Sums the rows (T, D) of each cluster to (K, D); rows assigned to none (-1) are left out.

    One pass of additions on a CPU. Elsewhere a product with the one-hot assignment, block by block: scattered
    additions are unordered on a GPU, and would make the last bits differ from run to run.

    >>> cluster_sums(jnp.array([[1.0], [2.0], [4.0]]), jnp.array([0, 1, 0]), 2).tolist()
    [[5.0], [2.0]]
    """
    num_frames = units.shape[0]
    length = block_length(num_frames, num_clusters)

    def scattered(rows, assignment):
        # An index past the end is dropped; -1 would count from the end.
        return jax.ops.segment_sum(rows, jnp.where(assignment >= 0, assignment, num_clusters), num_clusters)

    def one_hot_products(rows, assignment):
        def block(number, total):
            nominal = number * length
            start = jnp.minimum(nominal, num_frames - length)
            piece = jax.lax.dynamic_slice_in_dim(assignment, start, length)
            fresh = jnp.where(start + jnp.arange(length) >= nominal, piece, -1)
            members = (fresh == jnp.arange(num_clusters)[:, None]).astype(jnp.float32)
            return total + product(members, jax.lax.dynamic_slice_in_dim(rows, start, length))

        initial = jnp.zeros((num_clusters, rows.shape[1]), jnp.float32)
        return jax.lax.fori_loop(0, math.ceil(num_frames / length), block, initial)

    return jax.lax.platform_dependent(units, assignment, cpu=scattered, default=one_hot_products)


def partition(units: jax.Array, mask: jax.Array, centers: jax.Array, valid: jax.Array) -> Partition:
    """Assigns every frame by `nearest_center`, and sums and counts the frames of each cluster.

    Args:
      units: (T, D) rows made by `distances.unit_vectors`.
      mask: (T,) bool.
      centers: (K, D) centres.
      valid: (K,) bool, False for centres that do not exist.

    Returns:
      A `Partition`. Without a valid centre every frame is assigned to none (-1).

    >>> split = partition(jnp.eye(2), jnp.ones(2, bool), jnp.eye(2), jnp.ones(2, bool))
    >>> split.assignment.tolist(), split.counts.tolist()
    ([0, 1], [1.0, 1.0])
    """
    num_clusters = centers.shape[0]
    assignment, similarity = nearest_center(units, mask, centers, valid)
    # The number of members is a sum of ones, exact in integers.
    places = jnp.where(assignment >= 0, assignment, num_clusters)
    counts = jnp.zeros(num_clusters, jnp.int32).at[places].add(1, mode="drop").astype(jnp.float32)
    return Partition(assignment, similarity, cluster_sums(units, assignment, num_clusters), counts)


def most_central(units: jax.Array, assignment: jax.Array, directions: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Finds in each cluster the member with the largest inner product with the cluster's direction.

    Args:
      units: (T, D) rows made by `distances.unit_vectors`.
      assignment: (T,) int32 cluster of each frame, -1 for none.
      directions: (K, D) one vector for each cluster.

    Returns:
      Frame index (K,) int32, ties to the lowest, and its inner product (K,), which is -inf for an empty cluster.

    >>> most_central(jnp.array([[0.6, 0.8], [1.0, 0.0]]), jnp.array([0, 0]), jnp.array([[1.0, 0.0]]))[0].tolist()
    [1]
    """
    num_frames, num_clusters = units.shape[0], directions.shape[0]
    places = jnp.where(assignment >= 0, assignment, num_clusters)
    # The barrier keeps the compiler from computing these sums twice with different rounding: they are compared below.
    own = jax.lax.optimization_barrier((units * directions[assignment]).sum(1))
    score = jnp.full(num_clusters, -jnp.inf).at[places].max(own, mode="drop")
    leads = own == score[assignment]
    frames = jnp.where(leads, jnp.arange(num_frames, dtype=jnp.int32), num_frames)
    frame = jnp.full(num_clusters, num_frames, jnp.int32).at[places].min(frames, mode="drop")
    return jnp.where(score > -jnp.inf, frame, 0), score
