"""Cosine distance with its conventions for zero vectors and padding."""

import numpy as np

from avx.keyframes.distances import adjacent_distances, cosine_distance, unit_vectors

ALL = np.ones(24, bool)


def test_inner_products_are_one_minus_the_distance_of_every_pair(shots, distance_table):
    units = np.asarray(unit_vectors(shots, ALL))
    np.testing.assert_allclose(1 - units @ units.T, distance_table(shots), atol=2e-6)


def test_zero_vectors_are_alike_and_at_distance_one_from_all_others():
    rows = np.asarray(unit_vectors(np.array([[0, 0], [3, 4], [0, 0]], np.float32), np.ones(3, bool)))
    np.testing.assert_allclose(1 - rows @ rows.T, [[0, 1, 0], [1, 0, 1], [0, 1, 0]], atol=1e-6)


def test_padding_is_the_null_vector_whatever_it_held(shots):
    padded = np.concatenate([shots, np.full((3, 6), np.nan, np.float32)])
    mask = np.arange(27) < 24
    units = np.asarray(unit_vectors(padded, mask))
    np.testing.assert_array_equal(units[24:], 0)
    np.testing.assert_array_equal(units[:24], unit_vectors(shots, ALL))


def test_very_large_and_very_small_features_keep_their_direction():
    features = np.array([[3e30, 4e30], [3e-9, 4e-9]], np.float32)
    np.testing.assert_allclose(unit_vectors(features, np.ones(2, bool)), [[0.6, 0.8, 0], [0.6, 0.8, 0]], rtol=1e-6)


def test_equal_rows_are_at_exactly_zero_and_near_ones_keep_relative_accuracy():
    angle = 1e-4
    rows = np.array([[1, 0], [1, 0], [np.cos(angle), np.sin(angle)]], np.float32)
    assert cosine_distance(rows[0], rows[1]) == 0
    np.testing.assert_allclose(cosine_distance(rows[0], rows[2]), angle**2 / 2, rtol=1e-5)
    assert abs((1 - rows[0] @ rows[2]) / (angle**2 / 2) - 1) > 1e-2  # the usual form has lost it


def test_adjacent_distances_skip_pairs_with_a_hole(shots, distance_table):
    mask = ALL.copy()
    mask[4] = False
    distances, both = adjacent_distances(unit_vectors(shots, mask), mask)
    expected = np.diagonal(distance_table(shots), 1).copy()
    expected[[3, 4]] = 0
    np.testing.assert_allclose(distances, expected, atol=1e-6)
    np.testing.assert_array_equal(both, ~np.isin(np.arange(23), [3, 4]))
