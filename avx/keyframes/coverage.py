"""Completes the key frames of a method: no near-duplicates, a picture of every scene, no frame left far from all.

A method chooses by what changes; a person who looks at the result misses a scene without a picture, and pictures that
repeat each other. Distances are those of `quality.evaluation_units`, whatever the method looked at.
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np

from avx.core.arrays import product
from avx.core.errors import UserError, check_not_negative, check_positive


@dataclasses.dataclass(frozen=True)
class CoverageConfig:
    """What the key frames of a video must fulfil.

    Attributes:
      separation: of two key frames of one scene that are nearer than this one is a near-duplicate, and dropped.
      between_scenes: the same for key frames of different scenes; smaller, since every scene should have a picture.
      farthest: a frame farther than this from all key frames becomes one, so that fidelity is at least 1 - farthest.
      count: how many key frames there are, as far as there are frames; 0 leaves it to the method and to the rest.
      most: bound of their number.
    """

    separation: float = 0.2
    between_scenes: float = 0.1
    farthest: float = 0.35
    count: int = 0
    most: int = 1024

    def __post_init__(self):
        check_not_negative("separation", self.separation)
        check_not_negative("between_scenes", self.between_scenes)
        check_positive("farthest", self.farthest)
        if self.count < 0:
            raise UserError(f"count = {self.count} cannot be; give how many key frames you want, or 0.")
        if self.most < 1:
            raise UserError(f"the bound of the number of key frames is {self.most}; give at least 1.")


class _Cover:
    """Key frames so far, and how far each frame (n,) is from the nearest of them, and of those of its own scene."""

    def __init__(self, units: np.ndarray, scene_of: np.ndarray):
        self.units, self.scene_of = units, scene_of
        self.kept: list[int] = []
        self.nearest = np.full(len(units), np.inf)
        self.nearest_in_scene = np.full(len(units), np.inf)

    def distances(self, frame: int) -> np.ndarray:
        return np.maximum(1 - np.asarray(product(jnp.asarray(self.units), jnp.asarray(self.units[frame]))), 0)

    def add(self, frame: int) -> None:
        self.kept.append(frame)
        distances = self.distances(frame)
        distances[frame] = 0.0
        self.nearest = np.minimum(self.nearest, distances)
        own = np.where(self.scene_of == self.scene_of[frame], distances, np.inf)
        self.nearest_in_scene = np.minimum(self.nearest_in_scene, own)

    def add_unless_repeated(self, frame: int, config: CoverageConfig) -> None:
        repeats = self.nearest[frame] <= config.between_scenes or self.nearest_in_scene[frame] <= config.separation
        if not repeats:
            self.add(frame)

    def add_farthest(self, usable: np.ndarray, beyond: float) -> bool:
        """Adds the usable frame that is farthest from the key frames, if it is farther than `beyond`."""
        gaps = np.where(usable, self.nearest, -1.0)
        gaps[self.kept] = -1.0
        frame = int(gaps.argmax())
        if gaps[frame] <= beyond:
            return False
        self.add(frame)
        return True


def cover(
    units: np.ndarray, chosen: np.ndarray, scene_of: np.ndarray, usable: np.ndarray, config: CoverageConfig
) -> np.ndarray:
    """Completes chosen key frames.

    In this order: the chosen frames in order of time, unless they are near-duplicates of an earlier one; of each scene
    without a key frame its most central frame, unless it is a near-duplicate; frames that are farther than `farthest`
    from all key frames, the farthest first. With a `count` the best of the first two are kept, or the farthest
    frames are added, until it is reached.

    Args:
      units: (n, D) float32 unit rows of the frames, n at least 1.
      chosen: (k,) ascending numbers of the method's key frames.
      scene_of: (n,) number of each frame's scene.
      usable: (n,) bool, True for frames that may be added; where there is none, all may.
      config: see `CoverageConfig`.

    Returns:
      (K,) int64 ascending frame numbers, K at least 1.

    >>> units = np.eye(3, dtype=np.float32)[[0, 0, 1, 2]]
    >>> everywhere = np.ones(4, bool)
    >>> cover(units, np.array([0, 1]), np.array([0, 0, 1, 1]), everywhere, CoverageConfig(farthest=2)).tolist()
    [0, 2]
    >>> cover(units, np.array([0, 1]), np.array([0, 0, 1, 1]), everywhere, CoverageConfig()).tolist()
    [0, 2, 3]
    """
    usable = usable if usable.any() else np.ones(len(units), bool)
    most = min(config.count or config.most, len(units))
    found = _Cover(units, scene_of)
    for frame in np.asarray(chosen).tolist():
        found.add_unless_repeated(frame, config)
    pictured = set(scene_of[found.kept].tolist())
    for scene in np.unique(scene_of).tolist():
        rows = np.flatnonzero((scene_of == scene) & usable)
        if scene in pictured or not len(rows):
            continue
        central = int(rows[product(jnp.asarray(units[rows]), jnp.asarray(units[rows].sum(0))).argmax()])
        found.add_unless_repeated(central, config)
    if len(found.kept) > most:
        found = _best(found, most)
    beyond = -0.5 if config.count else config.farthest
    while len(found.kept) < most and found.add_farthest(usable, beyond):
        pass
    while config.count and len(found.kept) < most and found.add_farthest(np.ones(len(units), bool), beyond):
        pass
    return np.sort(np.array(found.kept, np.int64))


def _best(found: _Cover, most: int) -> _Cover:
    """Of its key frames those that together are nearest to all frames, taken one by one, each where it gains most."""
    distances = np.stack([found.distances(frame) for frame in found.kept])
    best, left = _Cover(found.units, found.scene_of), dict(enumerate(found.kept))
    # The largest distance of unit rows stands for no key frame at all.
    nearest = np.full(len(found.units), 2.0)
    for _ in range(most):
        places = list(left)
        gains = np.maximum(nearest - distances[places], 0).sum(1)
        place = places[int(gains.argmax())]
        nearest = np.minimum(nearest, distances[place])
        best.add(left.pop(place))
    return best
