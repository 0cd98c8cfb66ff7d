"""Shot boundaries: both definitions on worked examples, gradual transitions, and the key frames of the shots."""

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.keyframes import shot_boundary
from avx.keyframes.shot_boundary import ShotBoundaryConfig

ALL = np.ones(40, bool)


def film(lengths, noise=0.02, seed=0):
    """Noisy histograms of one colour for each shot; (sum of lengths, 8)."""
    rng = np.random.default_rng(seed)
    histograms = np.eye(8)[np.repeat(np.arange(len(lengths)), lengths)] + noise * rng.random((sum(lengths), 8))
    return (histograms / histograms.sum(1, keepdims=True)).astype(np.float32)


def cuts_by_definition(histograms, high, reach=5):
    differences = 0.5 * np.abs(np.diff(histograms.astype(np.float64), axis=0)).sum(1)
    threshold = differences.mean() + high * differences.std()
    return [
        t
        for t, value in enumerate(differences)
        if value > threshold and value == differences[max(t - reach, 0) : t + reach + 1].max()
    ]


def test_cuts_follow_the_definition():
    histograms = film([7, 12, 3, 18])
    found = np.flatnonzero(shot_boundary.boundaries(histograms, ALL, ShotBoundaryConfig(rule="spread", high=2.0)))
    np.testing.assert_array_equal(found, cuts_by_definition(histograms, 2.0))
    assert 2 <= len(found) < 3 + 1


def test_of_two_near_cuts_the_larger_stays():
    histograms = film([10, 3, 27])
    histograms[10:13] = 0.6 * histograms[10:13] + 0.4 * histograms[20]
    assert np.flatnonzero(
        shot_boundary.boundaries(histograms, ALL, ShotBoundaryConfig(rule="spread", high=2.0))
    ).tolist() == [9]
    apart = ShotBoundaryConfig(rule="spread", high=2.0, reach=2)
    assert np.flatnonzero(shot_boundary.boundaries(histograms, ALL, apart)).tolist() == [9, 12]


def test_twin_comparison_finds_a_dissolve_and_marks_its_middle():
    looks = film([1, 1, 1], noise=0)
    histograms = looks[np.repeat([0, 1, 2], [12, 10, 18])]
    for step in range(5):  # a dissolve between the first two, frames 10..14
        histograms[10 + step] = looks[0] * (4 - step) / 5 + looks[1] * (step + 1) / 5
    sharp = shot_boundary.boundaries(histograms, ALL, ShotBoundaryConfig(rule="spread", high=3.0))
    twin = shot_boundary.boundaries(histograms, ALL, ShotBoundaryConfig(rule="spread", high=3.0, low=0.4, gradual=True))
    assert np.flatnonzero(sharp).tolist() == [21]
    assert np.flatnonzero(twin).tolist() == [11, 21]


def test_key_frames_are_the_middles_of_shots_whatever_the_padding():
    histograms = np.concatenate([film([7, 12, 3, 18]), np.full((8, 8), np.nan, np.float32)])
    mask = np.arange(48) < 40
    found = shot_boundary.select(histograms, mask, ShotBoundaryConfig(max_key_frames=6))
    np.testing.assert_array_equal(np.asarray(found.indices)[np.asarray(found.mask)], [3, 12, 20, 30])
    np.testing.assert_array_equal(found.assignment, np.r_[np.repeat([0, 1, 2, 3], [7, 12, 3, 18]), np.full(8, -1)])


def test_of_too_many_shots_the_longest_are_kept():
    found = shot_boundary.select(film([7, 12, 3, 18]), ALL, ShotBoundaryConfig(max_key_frames=2))
    np.testing.assert_array_equal(found.indices, [12, 30])


def test_a_still_video_is_one_shot_and_a_single_frame_too():
    still = np.tile(film([1])[0], (40, 1))
    found = shot_boundary.select(still, ALL, ShotBoundaryConfig())
    np.testing.assert_array_equal(np.asarray(found.indices)[np.asarray(found.mask)], [19])
    one = shot_boundary.select(still[:1], np.ones(1, bool), ShotBoundaryConfig())
    np.testing.assert_array_equal(one.mask, [True])


def moving_by(steps):
    """Histograms whose neighbours differ by these steps: each frame gives a share of what it shows to a new colour."""
    histograms = np.eye(len(steps) + 1)[:1]
    for number, step in enumerate(steps, start=1):
        histograms = np.concatenate([histograms, (1 - step) * histograms[-1:]])
        histograms[-1, number] = step
    return histograms.astype(np.float32)


def test_a_cut_stands_out_from_its_neighbours():
    """Steps of .5 and .35 among small ones, and between them a wave that is larger than both."""
    histograms = moving_by([0.1, 0.1, 0.5, 0.1, 0.25, 0.6, 0.45, 0.1, 0.05, 0.35, 0.0, 0.05, 0.19, 0.0])

    def cuts(**constants):
        found = shot_boundary.boundaries(histograms, np.ones(15, bool), ShotBoundaryConfig(**constants))
        return np.flatnonzero(found).tolist()

    assert cuts() == [2, 9]
    assert cuts(contrast=0.13) == [2, 5, 9, 12]
    assert cuts(neighbors=4) == [], "the wave is within four of both"
    assert cuts(rule="spread", high=1.5) == [5]


def test_flashes_and_fades_are_no_cuts():
    """A flash changes the picture twice, a fade many times; the other rule takes both for cuts."""
    looks = film([1, 1], noise=0)
    histograms = looks[np.zeros(40, int)]
    histograms[8] = looks[1]
    for step in range(4):
        histograms[20 + step] = looks[0] * (3 - step) / 4 + looks[1] * (step + 1) / 4
    histograms[24:] = looks[1]
    assert np.flatnonzero(shot_boundary.boundaries(histograms, ALL)).tolist() == []
    spread = shot_boundary.boundaries(histograms, ALL, ShotBoundaryConfig(rule="spread", high=0.5))
    assert np.flatnonzero(spread).tolist() == [7, 19]


def test_two_frames_and_padding():
    """With no other difference to compare with, a cut changes a fifth of the pixels; padding is no neighbour."""
    looks = np.array([[1, 0], [0.7, 0.3], [np.nan, np.nan], [0, 1]], np.float32)
    mask = np.array([True, True, False, False])
    np.testing.assert_array_equal(shot_boundary.boundaries(looks, mask), [True, False, False])
    np.testing.assert_array_equal(
        shot_boundary.boundaries(looks, mask, ShotBoundaryConfig(contrast=0.35)), [False, False, False]
    )


def test_an_unknown_rule_is_refused():
    with pytest.raises(UserError, match="contrast, spread"):
        ShotBoundaryConfig(rule="guess")
