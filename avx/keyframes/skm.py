"""Selects key frames by SKM: adaptive K, SOFM, k-medoids; the medoids are the key frames (Sun 2024, section II.B)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import chex
import jax
import jax.numpy as jnp
import numpy as np

from avx.core.errors import UserError
from avx.core.rng import stream
from avx.keyframes import adaptive_k, kmedoids, pam, sofm
from avx.keyframes.distances import unit_vectors
from avx.keyframes.selection import KeyFrames, in_temporal_order, trim

BATCH = "batch"
ONLINE = "online"
CANDIDATES_PER_CLUSTER = 4


@dataclasses.dataclass(frozen=True)
class SKMConfig:
    """Every number of SKM; hashable, so that it can be a static argument.

    Attributes:
      delta: sensitivity of the change threshold mu + delta sigma (not printed; docs/methods.md 9.2).
      k_rule: "changes" as printed, or "changes+1", the number of segments.
      max_clusters: static bound of K, which all arrays of a result are padded to.
      unique_tolerance: largest difference of any coordinate between unit rows that count as equal.
      sofm_form: "batch", deterministic and fast, or "online", the paper's update after each frame.
      schedule: schedules of the map.
      max_rounds: bound of the k-medoids rounds.
      swap_sweeps: sweeps of swaps after k-medoids; 0, as printed, for none. Alternation alone stays far above the
        best objective on real video (docs/keyframes.md).
      swap_candidates: frames that a swap may choose, spread over the video, and four for each slot of the bound of K at
        least; 0 for all, which is PAM. A sweep over C candidates costs O(T C D).
      seed: seed of the online form's shuffling.
    """

    delta: float = 1.5
    k_rule: str = adaptive_k.CHANGES
    max_clusters: int = 128
    unique_tolerance: float = 1e-6
    sofm_form: str = BATCH
    schedule: sofm.SOFMConfig = sofm.DEFAULT_SCHEDULE
    max_rounds: int = 100
    swap_sweeps: int = 10
    swap_candidates: int = 256
    seed: int = 0

    def __post_init__(self):
        if self.k_rule not in adaptive_k.RULES:
            raise UserError(f"k_rule is {self.k_rule!r}; choose one of {', '.join(adaptive_k.RULES)}.")
        if self.sofm_form not in (BATCH, ONLINE):
            raise UserError(f"sofm_form is {self.sofm_form!r}; choose {BATCH} or {ONLINE}.")
        if self.max_clusters < 1:
            raise UserError(f"max_clusters is {self.max_clusters}; give at least 1.")


def cluster_frames(
    units: jax.Array, mask: jax.Array, num_clusters: jax.Array, max_clusters: int, config: SKMConfig
) -> kmedoids.Clustering:
    """Clusters frames by SOFM, then k-medoids, then swaps if `swap_sweeps` is above 0, with K given.

    Args:
      units: (T, D) rows made by `distances.unit_vectors`.
      mask: (T,) bool.
      num_clusters: () int32 K, at most the number of distinct frames.
      max_clusters: static bound of K.
      config: constants; `delta`, `k_rule` and `max_clusters` are not read.

    Returns:
      A `kmedoids.Clustering` with `max_clusters` slots, of which the first K are valid.
    """
    if config.sofm_form == ONLINE:
        key = stream(config.seed, "sofm")
        weights = sofm.fit_online(units, mask, num_clusters, max_clusters, key, config.schedule)
    else:
        weights = sofm.fit_batch(units, mask, num_clusters, max_clusters, config.schedule)
    valid = jnp.arange(max_clusters) < num_clusters
    medoids = kmedoids.seed_medoids(units, mask, weights, valid)
    clustering = kmedoids.cluster(units, mask, medoids, valid, config.max_rounds)
    if config.swap_sweeps:
        candidates = max(config.swap_candidates, CANDIDATES_PER_CLUSTER * max_clusters) if config.swap_candidates else 0
        swapped = pam.refine(units, mask, clustering, config.swap_sweeps, candidates)
        clustering = kmedoids.cluster(units, mask, swapped.medoids, valid, config.max_rounds)
    return clustering


@functools.partial(jax.jit, static_argnames="config")
def select(features: jax.Array, mask: jax.Array, config: SKMConfig = SKMConfig()) -> KeyFrames:
    """Selects the key frames of one video.

    Args:
      features: (T, D) frame features; padded rows may hold anything.
      mask: (T,) bool, True where the frame is real.
      config: constants, static.

    Returns:
      `KeyFrames` with min(config.max_clusters, T) slots. A video without frames has no key frame.

    >>> frames = jnp.array([[1.0, 0.0], [1.0, 0.1], [1.0, 0.0], [0.0, 1.0], [0.1, 1.0], [0.0, 1.0]])
    >>> found = select(frames, jnp.ones(6, bool), SKMConfig(delta=1.0, k_rule="changes+1", max_clusters=4))
    >>> found.indices[found.mask].tolist(), found.assignment.tolist()
    ([0, 3], [0, 0, 0, 1, 1, 1])
    """
    chex.assert_rank([features, mask], [2, 1])
    max_clusters = min(config.max_clusters, features.shape[0])
    units = unit_vectors(features, mask)
    num_clusters = adaptive_k.clusters_from_units(
        units, mask, config.delta, config.k_rule, max_clusters, config.unique_tolerance
    )
    return in_temporal_order(cluster_frames(units, mask, num_clusters, max_clusters, config))


@functools.partial(jax.jit, static_argnames="config")
def select_batch(features: jax.Array, mask: jax.Array, config: SKMConfig = SKMConfig()) -> KeyFrames:
    """Selects the key frames of a batch of padded videos, features (B, T, D) and mask (B, T), as `select` of each."""
    chex.assert_rank([features, mask], [3, 2])
    if jax.default_backend() == "cpu":
        # One video after the other: each stops when it has converged, and its sums round as they do alone.
        return jax.lax.map(lambda video: select(*video, config), (features, mask))
    return jax.vmap(lambda rows, real: select(rows, real, config))(features, mask)


def bucket_length(num_frames: int, smallest: int = 32) -> int:
    """Returns the power of two that a video of `num_frames` is padded to, at least `smallest`.

    >>> bucket_length(20), bucket_length(100)
    (32, 128)
    """
    return max(smallest, 1 << (num_frames - 1).bit_length())


def select_ragged(
    videos: Sequence[np.ndarray],
    config: SKMConfig = SKMConfig(),
    batch_size: int = 8,
) -> list[KeyFrames]:
    """Selects the key frames of videos of any lengths.

    Videos are padded to powers of two, so that few compilations serve any corpus.

    Args:
      videos: one (n_i, D) array of finite features for each video.
      config: constants.
      batch_size: videos of one padded length that run together; the batches of a length are filled up with empty
        videos.

    Returns:
      One `KeyFrames` of numpy arrays for each video, in the given order, cut to its K key frames and n_i frames.

    Raises:
      UserError: for a video without frames, of another feature size, or with features that are not finite.

    >>> frames = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], np.float32)
    >>> config = SKMConfig(delta=1.0, k_rule="changes+1", max_clusters=4)
    >>> [video.indices.tolist() for video in select_ragged([frames, frames[:2]], config)]
    [[0, 2], [0]]
    """
    buckets: dict[int, list[int]] = {}
    for place, video in enumerate(videos):
        if video.ndim != 2 or video.shape[1] != videos[0].shape[1]:
            raise UserError(f"video {place} has features of shape {video.shape}; give (frames, {videos[0].shape[-1]}).")
        if len(video) == 0:
            raise UserError(f"video {place} has no frames; leave it out or decode it again.")
        if not np.isfinite(video).all():
            raise UserError(f"video {place} has features that are not finite; extract them again.")
        buckets.setdefault(bucket_length(len(video)), []).append(place)

    results: dict[int, KeyFrames] = {}
    for length, places in sorted(buckets.items()):
        size = min(batch_size, 1 << (len(places) - 1).bit_length())
        for start in range(0, len(places), size):
            group = places[start : start + size]
            features = np.zeros((size, length, videos[0].shape[1]), np.float32)
            mask = np.zeros((size, length), bool)
            for row, place in enumerate(group):
                features[row, : len(videos[place])] = videos[place]
                mask[row, : len(videos[place])] = True
            chosen = jax.device_get(select_batch(features, mask, config))
            for row, place in enumerate(group):
                one = jax.tree.map(lambda leaf: leaf[row], chosen)
                results[place] = trim(one, len(videos[place]))
    return [results[place] for place in range(len(videos))]
