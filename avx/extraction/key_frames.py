"""Chooses the key frames of a video by any method, and judges them by features that no choice changes."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from avx.extraction import frame_features
from avx.extraction.film import Film
from avx.extraction.frame_features import FrameFeatures
from avx.keyframes import centroids, quality, skm
from avx.keyframes.coverage import CoverageConfig, cover
from avx.keyframes.partition import nearest_center
from avx.keyframes.selection import KeyFrames, trim

EVALUATION = "mean cosine distance of the 16x4x4 HSV histogram and of the hand-crafted features of the salient region"
"""What all key frames are judged by, whatever they are chosen by (docs/methods.md, D9.5)."""
JUDGED_ENCODER = frame_features.handcrafted().name

Rows = Callable[[FrameFeatures], np.ndarray]


def every_frame(video: FrameFeatures) -> np.ndarray:
    """(T,) bool, all True."""
    return np.ones(len(video.times), bool)


def informative_frames(video: FrameFeatures) -> np.ndarray:
    """(T,) bool, True for all but near-uniform frames, or for all if there are no others (docs/methods.md 9.8)."""
    kept = _informative(video)
    return kept if kept.any() else ~kept


def _informative(video: FrameFeatures) -> np.ndarray:
    return np.asarray(centroids.informative(jnp.asarray(255 * video.grey), jnp.ones(len(video.times), bool)))


@dataclasses.dataclass(frozen=True)
class Method:
    """A way to choose key frames.

    Attributes:
      select: (features (T, D), mask (T,), config) -> KeyFrames, jitted.
      config: its constants.
      rows: what of a video it looks at.
      eligible: which frames (T,) it looks at.
    """

    select: Callable[[Any, Any, Any], KeyFrames]
    config: Any
    rows: Rows
    eligible: Rows = every_frame

    def bounded(self, largest: int) -> Method:
        """The method with at most `largest` key frames a video."""
        field = "max_clusters" if isinstance(self.config, skm.SKMConfig) else "max_key_frames"
        return self.replaced(**{field: largest})

    def replaced(self, **constants: Any) -> Method:
        """The method with some constants changed."""
        return dataclasses.replace(self, config=dataclasses.replace(self.config, **constants))


@dataclasses.dataclass(frozen=True)
class Selection:
    """The key frames of one video and their figures.

    Attributes:
      indices: (K,) int32 frames, ascending.
      represents: (K,) int64 frames that each stands for, itself included, of those that the method looked at.
      fidelity, mean_fidelity, compression_ratio, objective, sse: as in `avx.keyframes.quality.Quality`, judged by
        `EVALUATION`.
    """

    indices: np.ndarray
    represents: np.ndarray
    fidelity: float
    mean_fidelity: float
    compression_ratio: float
    objective: float
    sse: float


@functools.partial(jax.jit, static_argnames="largest_distance")
def _measured(
    histograms: jax.Array,
    handcrafted: jax.Array,
    mask: jax.Array,
    indices: jax.Array,
    key_mask: jax.Array,
    largest_distance: str,
) -> quality.Quality:
    units = quality.evaluation_units([histograms, handcrafted], mask)
    return quality.measure(units, mask, indices, key_mask, largest_distance)


def _padded(rows: np.ndarray, length: int) -> jax.Array:
    return jnp.asarray(np.pad(rows, [(0, length - len(rows)), *[(0, 0)] * (rows.ndim - 1)]))


def judge(video: FrameFeatures, indices: np.ndarray, largest_distance: str = quality.THEORETICAL) -> dict[str, float]:
    """The measures of `quality.Quality` for any key frames by `EVALUATION`, which no choice of features changes.

    Videos and key frames are padded to powers of two, so that few compilations serve any number of them.

    Args:
      video: T frames.
      indices: (K,) frames, K at least 1.
      largest_distance: D_max of fidelity, "theoretical" or "video"; the latter takes quadratic time.
    """
    length, slots = skm.bucket_length(len(video.times)), skm.bucket_length(len(indices))
    measured = _measured(
        _padded(video.histograms, length),
        _padded(video.handcrafted, length),
        jnp.arange(length) < len(video.times),
        _padded(np.asarray(indices, np.int32), slots),
        jnp.arange(slots) < len(indices),
        largest_distance,
    )
    return {name: float(value) for name, value in vars(jax.device_get(measured)).items()}


def choose(video: FrameFeatures, method: Method, largest_distance: str = quality.THEORETICAL) -> Selection:
    """Chooses the key frames of a video and judges them by `judge`; time and memory are linear in its frames.

    Args:
      video: T frames.
      method: how.
      largest_distance: as for `judge`.
    """
    kept = _chosen(video, method)
    indices = np.asarray(kept.indices)
    represents = np.bincount(kept.assignment[kept.assignment >= 0], minlength=len(indices))
    return Selection(indices, represents, **judge(video, indices, largest_distance))


def choose_from_film(film: Film, method: Method, coverage: CoverageConfig) -> Selection:
    """Chooses the key frames of a film by a method, and completes them by `avx.keyframes.coverage.cover`.

    Frames within a gradual transition show two pictures at once: they are no candidates, where there are others.
    `represents` counts the frames nearest to each key frame by `EVALUATION`.
    """
    video = film.frames
    usable = film.whole & method.eligible(video)
    usable = usable if usable.any() else method.eligible(video)
    chosen = _chosen(video, dataclasses.replace(method, eligible=lambda _: usable))
    # Of near-uniform frames the hand-crafted features describe the noise: to each other they are alike by colour alone.
    edges = np.where(_informative(video)[:, None], video.handcrafted, 0)
    units = np.asarray(
        quality.evaluation_units([jnp.asarray(video.histograms), jnp.asarray(edges)], jnp.ones(len(video.times), bool))
    )
    indices = cover(units, np.asarray(chosen.indices), film.scene_of, usable, coverage)
    everywhere = jnp.ones(len(units), bool)
    nearest, _ = nearest_center(jnp.asarray(units), everywhere, jnp.asarray(units[indices]), everywhere[: len(indices)])
    represents = np.bincount(np.asarray(nearest), minlength=len(indices))
    return Selection(indices, represents, **judge(video, indices))


def _chosen(video: FrameFeatures, method: Method) -> KeyFrames:
    """The method's own key frames, without padding."""
    frames = len(video.times)
    length = skm.bucket_length(frames)
    chosen = method.select(_padded(method.rows(video), length), _padded(method.eligible(video), length), method.config)
    return trim(jax.device_get(chosen), frames)
