"""Completed key frames: no near-duplicates, a picture of every scene, nothing far from all; exact counts."""

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.keyframes.coverage import CoverageConfig, cover

ANGLES = np.array([0.0, 0.1, 0.2, 0.9, 1.0, 1.57, 1.57, 0.05])  # distances are 1 - cos of the differences
UNITS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1).astype(np.float32)
SCENES = np.array([0, 0, 0, 0, 1, 1, 1, 2])
ALL = np.ones(8, bool)
LOOSE = {"separation": 0.2, "between_scenes": 0.1, "farthest": 5.0}


def covered(chosen, scenes=SCENES, usable=ALL, **change):
    return cover(UNITS, np.array(chosen), scenes, usable, CoverageConfig(**(LOOSE | change))).tolist()


def test_near_duplicates_of_one_scene_go_the_earlier_stays():
    one = np.zeros(8, int)
    assert covered([0, 1, 2, 3], one) == [0, 3]
    assert covered([0, 1, 2, 3], one, separation=0.01, between_scenes=0.0) == [0, 2, 3]
    assert covered([0, 1, 2, 3], one, separation=0.0, between_scenes=0.0) == [0, 1, 2, 3]
    assert covered([5, 6], one, separation=0.0, between_scenes=0.0) == [5], "equal frames are one"


def test_every_scene_has_a_picture_unless_it_repeats_another():
    """Scene 1 is added by its most central frame; scene 2 looks like scene 0."""
    assert covered([0]) == [0, 5]
    assert covered([0], between_scenes=0.0005) == [0, 5, 7]
    assert covered([0], usable=ALL & (np.arange(8) != 5)) == [0, 6]
    assert covered([0], usable=np.arange(8) < 4) == [0], "no frame of scene 1 may be added"


def test_frames_far_from_all_become_key_frames_the_farthest_first():
    one = np.zeros(8, int)
    assert covered([0], one) == [0]
    assert covered([0], one, farthest=0.5) == [0, 5]
    got = covered([0], one, farthest=0.2, most=3)
    assert got == [0, 3, 5]
    nearest = (1 - UNITS @ UNITS[got].T).min(1)
    assert nearest.max() <= 0.2


def test_counts_are_exact_as_far_as_there_are_frames():
    one = np.zeros(8, int)
    assert covered([0, 3, 5], one, count=3) == [0, 3, 5]
    assert covered([0], one, count=3) == [0, 3, 5]
    assert len(covered([0, 1, 2, 3, 5], count=2)) == 2
    assert covered([0], one, count=50) == list(range(8))
    assert len(covered([0], one, usable=np.arange(8) < 2, count=4)) == 4


def test_the_best_of_too_many_are_kept():
    """The one that all frames are nearest to, then the one that adds most to it; by brute force over both steps."""
    chosen, table = [0, 3, 4, 5, 7], 1 - UNITS @ UNITS.T
    one, exact = np.zeros(8, int), {"between_scenes": 0.0, "separation": 0.0}
    first = min(chosen, key=lambda frame: table[:, frame].sum())
    assert covered(chosen, one, **exact, count=1) == [first]
    second = min(set(chosen) - {first}, key=lambda frame: np.minimum(table[:, frame], table[:, first]).sum())
    assert covered(chosen, one, **exact, count=2) == sorted([first, second])
    assert covered(chosen, one, **exact, most=2) == sorted([first, second])


def test_one_frame_and_none_usable():
    config = CoverageConfig()
    assert cover(UNITS[:1], np.array([0]), np.zeros(1, int), np.ones(1, bool), config).tolist() == [0]
    assert cover(UNITS, np.array([], int), np.zeros(8, int), np.zeros(8, bool), config).size >= 1


@pytest.mark.parametrize(
    "change", [{"separation": -1.0}, {"between_scenes": -1.0}, {"farthest": 0.0}, {"count": -1}, {"most": 0}]
)
def test_impossible_limits(change):
    with pytest.raises(UserError):
        CoverageConfig(**change)
