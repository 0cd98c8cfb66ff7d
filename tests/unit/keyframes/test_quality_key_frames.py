"""Fidelity, compression and objective against their definitions on the full table of distances."""

import numpy as np
import pytest

from avx.keyframes import quality
from avx.keyframes.distances import unit_vectors

ALL = np.ones(24, bool)
INDICES = np.array([2, 11, 20, 0])
KEYS = np.array([True, True, True, False])


def test_measures_follow_their_definitions(shots, distance_table):
    table = distance_table(np.abs(shots))
    nearest = table[:, [2, 11, 20]].min(1)
    units = unit_vectors(np.abs(shots), ALL)
    found = quality.measure(units, ALL, INDICES, KEYS)
    np.testing.assert_allclose(found.fidelity, 1 - nearest.max(), atol=1e-6)
    np.testing.assert_allclose(found.mean_fidelity, 1 - nearest.mean(), atol=1e-6)
    np.testing.assert_allclose(found.compression_ratio, 1 - 3 / 24, rtol=1e-6)
    np.testing.assert_allclose(found.objective, nearest.sum(), rtol=1e-5)
    np.testing.assert_allclose(found.sse, np.square(nearest).sum(), rtol=1e-5)
    with_zero_slot = table[:, [2, 11, 20, 0]].min(1)
    assert abs(with_zero_slot.mean() - nearest.mean()) > 1e-4, "the masked slot would be noticed"
    video = quality.measure(units, ALL, INDICES, KEYS, quality.VIDEO)
    np.testing.assert_allclose(video.fidelity, 1 - nearest.max() / table.max(), atol=1e-6)
    np.testing.assert_allclose(video.mean_fidelity, 1 - nearest.mean() / table.max(), atol=1e-6)


def test_the_videos_own_diameter_divides_both_fidelities():
    """Three frames at 0, 30 and 60 degrees: the largest distance is 1/2, half the theoretical one."""
    frames = np.array([[1, 0], [np.cos(np.pi / 6), 0.5], [0.5, np.sin(np.pi / 3)]], np.float32)
    mask = np.ones(3, bool)
    units, keys = unit_vectors(frames, mask), (np.array([0]), np.ones(1, bool))
    nearest = np.array([0, 1 - np.cos(np.pi / 6), 0.5])
    video = quality.measure(units, mask, *keys, quality.VIDEO)
    np.testing.assert_allclose([video.fidelity, video.mean_fidelity], [0, 1 - nearest.mean() / 0.5], atol=1e-6)
    theory = quality.measure(units, mask, *keys)
    np.testing.assert_allclose([theory.fidelity, theory.mean_fidelity], [0.5, 1 - nearest.mean()], atol=1e-6)


def test_semi_hausdorff_looks_from_the_frames_to_the_key_frames():
    """From the key frames to the frames the distance is 0: the direction matters."""
    frames = np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32)
    mask = np.ones(3, bool)
    found = quality.measure(unit_vectors(frames, mask), mask, np.array([0]), np.ones(1, bool))
    np.testing.assert_allclose([found.fidelity, found.mean_fidelity], [0, 1 - 1.2 / 3], atol=1e-6)


def test_padding_does_not_count(shots):
    padded = np.concatenate([shots, np.full((4, 6), np.nan, np.float32)])
    mask = np.arange(28) < 24
    alone = quality.measure(unit_vectors(shots, ALL), ALL, INDICES, KEYS, quality.VIDEO)
    found = quality.measure(unit_vectors(padded, mask), mask, INDICES, KEYS, quality.VIDEO)
    for name in ("fidelity", "mean_fidelity", "compression_ratio", "objective", "sse"):
        np.testing.assert_allclose(getattr(found, name), getattr(alone, name), rtol=1e-5)


def test_extreme_key_sets(shots):
    units = unit_vectors(np.abs(shots), ALL)
    every = quality.measure(units, ALL, np.arange(24), ALL)
    np.testing.assert_allclose([every.fidelity, every.compression_ratio], [1, 0], atol=1e-6)
    none = quality.measure(units, ALL, np.zeros(1, int), np.zeros(1, bool))
    np.testing.assert_allclose([none.fidelity, none.compression_ratio], [0, 1], atol=1e-6)
    still = unit_vectors(np.tile(shots[:1], (24, 1)), ALL)
    assert quality.measure(still, ALL, INDICES, KEYS, quality.VIDEO).fidelity > 1 - 1e-6


def test_the_diameter_is_found_in_blocks_too(shots, distance_table, monkeypatch):
    units = unit_vectors(shots, ALL)
    for entries in (1 << 22, 24 * 5):
        monkeypatch.setattr(quality, "MAX_TABLE_ENTRIES", entries)
        np.testing.assert_allclose(quality.diameter(units, ALL), distance_table(shots).max(), atol=1e-6)


def test_evaluation_distance_is_the_mean_over_the_features(shots, distance_table):
    colour = np.abs(shots[::-1, :4]) + 0.1
    units = np.asarray(quality.evaluation_units([colour, shots], ALL))
    expected = (distance_table(colour) + distance_table(shots)) / 2
    np.testing.assert_allclose(1 - units @ units.T, expected, atol=2e-6)


def test_unknown_diameter_is_refused(shots):
    with pytest.raises(ValueError, match="widest"):
        quality.measure(unit_vectors(shots, ALL), ALL, INDICES, KEYS, "widest")
