"""Swaps of medoids: what bounds them, and that padding is none of their business."""

import functools

import jax
import numpy as np
import pytest

from avx.keyframes import kmedoids, pam
from avx.keyframes.distances import unit_vectors

ALL = np.ones(24, bool)
VALID = np.ones(4, bool)
START = np.array([3, 4, 6, 8], np.int32)
refine = jax.jit(pam.refine, static_argnames=("max_sweeps", "max_candidates"))


@pytest.fixture
def poor(shots):
    units = unit_vectors(shots, ALL)
    return units, kmedoids.cluster(units, ALL, START, VALID, max_rounds=1)


def test_padded_frames_belong_to_no_medoid_and_are_at_distance_0():
    """Frames at (.9, .2), (.1, .4) and a padded one at (.3, .8); the third medoid is not valid."""
    similarities = np.array([[0.9, 0.2, 0.95], [0.1, 0.4, 0.5], [0.3, 0.8, 0.0]], np.float32)
    found = pam.nearest_two(similarities, np.array([True, True, False]), np.array([True, True, False]))
    np.testing.assert_array_equal(found.cluster, [0, 1, -1])
    np.testing.assert_allclose(found.first, [0.1, 0.6, 0], atol=1e-6)
    np.testing.assert_allclose(found.second, [0.8, 0.9, 0], atol=1e-6)


def test_padding_changes_no_swap(shots, poor):
    units, start = poor
    padded = np.concatenate([shots, np.full((7, 6), np.nan, np.float32)])
    mask = np.arange(31) < 24
    assignment = np.concatenate([start.assignment, np.full(7, -1)]).astype(np.int32)
    found = refine(unit_vectors(padded, mask), mask, start.replace(assignment=assignment), 10)
    alone = refine(units, ALL, start, 10)
    assert alone.objective < 0.9 * start.objective
    np.testing.assert_array_equal(found.medoids, alone.medoids)
    np.testing.assert_array_equal(found.assignment, [*np.asarray(alone.assignment), *[-1] * 7])
    np.testing.assert_allclose([found.objective, found.sse], [alone.objective, alone.sse], rtol=1e-5)


def test_the_measures_are_those_of_the_medoids_found(poor, shots, distance_table):
    units, start = poor
    found = refine(units, ALL, start, 10)
    nearest = distance_table(shots)[:, np.asarray(found.medoids)].min(1)
    np.testing.assert_allclose([found.objective, found.sse], [nearest.sum(), np.square(nearest).sum()], rtol=1e-4)
    assert abs(nearest.sum() - np.square(nearest).sum()) > 0.1


def test_no_sweep_swaps_nothing_and_one_sweep_does(poor):
    units, start = poor
    np.testing.assert_array_equal(refine(units, ALL, start, 0).medoids, start.medoids)
    assert refine(units, ALL, start, 1).objective < start.objective


@pytest.mark.parametrize("count", [1, 3])
def test_frames_between_the_candidates_are_never_taken(poor, count):
    """Of 24 frames the candidates are 0, or 0, 8 and 16; all frames together find better ones."""
    units, start = poor
    found = refine(units, ALL, start, 10, max_candidates=count)
    new = set(np.asarray(found.medoids).tolist()) - set(np.asarray(start.medoids).tolist())
    assert new and new <= set(range(0, 24, 24 // count))
    assert found.objective > refine(units, ALL, start, 10).objective


def test_more_candidates_than_frames_are_all_frames(poor):
    units, start = poor
    same = functools.partial(np.testing.assert_array_equal)
    jax.tree.map(same, refine(units, ALL, start, 10, max_candidates=99), refine(units, ALL, start, 10))
