"""Holds the key frames of a video, and builds them from clusters or from marked frames."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from avx.keyframes.distances import unit_vectors
from avx.keyframes.kmedoids import Clustering
from avx.keyframes.partition import nearest_center


@struct.dataclass
class KeyFrames:
    """The chosen frames of one video; every field gains a leading axis in a batch.

    Attributes:
      indices: (K,) int32 frame indices, ascending over the first entries where `mask` is True, 0 elsewhere.
      mask: (K,) bool, True for real key frames; they come first.
      assignment: (T,) int32 entry of `indices` that stands for each frame, -1 for padding.
      objective: () sum of cosine distances of the frames to their key frames.
      sse: () sum of the squared distances (Sun 2024, eq. 11).
      rounds: () int32 rounds of k-medoids that were run, 0 for methods that run none.
    """

    indices: jax.Array
    mask: jax.Array
    assignment: jax.Array
    objective: jax.Array
    sse: jax.Array
    rounds: jax.Array


def in_temporal_order(clustering: Clustering) -> KeyFrames:
    """Turns a clustering into key frames: medoids sorted by frame index, valid ones first, assignment renumbered."""
    last = jnp.iinfo(jnp.int32).max
    order = jnp.argsort(jnp.where(clustering.valid, clustering.medoids, last))
    mask = clustering.valid[order]
    renumbered = jnp.argsort(order).astype(jnp.int32)[clustering.assignment]
    return KeyFrames(
        indices=jnp.where(mask, clustering.medoids[order], 0),
        mask=mask,
        assignment=jnp.where(clustering.assignment >= 0, renumbered, -1),
        objective=clustering.objective,
        sse=clustering.sse,
        rounds=clustering.rounds,
    )


def from_marks(features: jax.Array, mask: jax.Array, chosen: jax.Array, strength: jax.Array, slots: int) -> KeyFrames:
    """Turns marked frames into key frames, and assigns every frame to the nearest of them in cosine distance.

    Args:
      features: (T, D) the method's own features.
      mask: (T,) bool.
      chosen: (T,) bool, the marked frames; padding is left out.
      strength: (T,) where more than `slots` frames are marked, those of largest strength are kept.
      slots: static number of key frames held, at most T.

    Returns:
      `KeyFrames`, with `rounds` 0.

    >>> frames, marks = jnp.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), jnp.array([True, False, True])
    >>> found = from_marks(frames, jnp.ones(3, bool), marks, jnp.ones(3), slots=2)
    >>> found.indices.tolist(), found.assignment.tolist()
    ([0, 2], [0, 0, 1])
    """
    num_frames = mask.shape[0]
    ranking = jnp.where(jnp.logical_and(chosen, mask), strength.astype(jnp.float32), -jnp.inf)
    kept, frames = jax.lax.top_k(ranking, slots)
    indices = jnp.sort(jnp.where(kept > -jnp.inf, frames, num_frames))
    real = indices < num_frames
    indices = jnp.where(real, indices, 0).astype(jnp.int32)
    units = unit_vectors(features, mask)
    assignment, similarity = nearest_center(units, mask, units[indices], real)
    distances = jnp.where(assignment >= 0, jnp.maximum(1 - similarity, 0), 0)
    rounds = jnp.asarray(0, jnp.int32)
    return KeyFrames(indices, real, assignment, distances.sum(), jnp.square(distances).sum(), rounds)


def trim(key_frames: KeyFrames, num_frames: int) -> KeyFrames:
    """Cuts the padding of key frames and frames from one video's result, on the host."""
    kept = int(np.sum(key_frames.mask))
    return dataclasses.replace(
        key_frames,
        indices=key_frames.indices[:kept],
        mask=key_frames.mask[:kept],
        assignment=key_frames.assignment[:num_frames],
    )
