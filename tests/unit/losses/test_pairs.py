"""Masks, distances and the masked softmax by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from avx.core.arrays import masked_softmax
from avx.losses.pairs import (
    DISTANCES,
    cross_modal_pairs,
    same_label,
    unit_rows,
    within_modal_pairs,
)


def test_same_label_by_hand():
    found = same_label(jnp.array([2, 0, 2, -1, -1]))
    expected = np.eye(5, dtype=bool)
    expected[0, 2] = expected[2, 0] = True
    np.testing.assert_array_equal(found, expected)


def test_pairs_by_hand():
    relevance = jnp.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]], bool)
    pairs = cross_modal_pairs(relevance, jnp.array([1, 1, 0], bool), jnp.array([1, 0, 1], bool))
    np.testing.assert_array_equal(pairs.positive, [[1, 0, 1], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(pairs.negative, [[0, 0, 0], [1, 0, 1], [0, 0, 0]])
    np.testing.assert_array_equal(pairs.transpose().negative, [[0, 1, 0], [0, 0, 0], [0, 1, 0]])
    within = within_modal_pairs(relevance, jnp.array([1, 1, 1], bool))
    np.testing.assert_array_equal(within.positive, [[0, 0, 1], [0, 0, 0], [1, 0, 0]])


@pytest.mark.parametrize(
    ("kind", "metric"), [("cosine", "cosine"), ("euclidean", "euclidean"), ("squared_euclidean", "sqeuclidean")]
)
def test_distances_match_scipy(kind, metric):
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(4, 5)), rng.normal(size=(6, 5))
    first, second = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (first, second))
    found = DISTANCES[kind](jnp.float32(first), jnp.float32(second))
    np.testing.assert_allclose(found, cdist(first, second, metric), atol=1e-6)


def test_root_has_a_finite_gradient_at_distance_zero():
    point = jnp.array([[0.6, 0.8]])
    gradient = jax.grad(lambda x: DISTANCES["euclidean"](x, point).sum())(point)
    np.testing.assert_array_equal(gradient, 0)


def test_unit_rows_drop_masked_rows_and_keep_zero_rows():
    found = unit_rows(jnp.array([[3.0, 4], [jnp.nan, 1], [0, 0]]), jnp.array([True, False, True]))
    np.testing.assert_allclose(found, [[0.6, 0.8], [0, 0], [0, 0]], rtol=1e-6)


def test_masked_softmax_does_not_overflow_and_ignores_masked_entries():
    logits = jnp.array([[1e4, 1e4 - 1, jnp.nan], [jnp.inf, 0, 0], [1, 2, 3]])
    mask = jnp.array([[1, 1, 0], [0, 1, 1], [0, 0, 0]], bool)
    near = 1 / (1 + np.exp(-1))
    np.testing.assert_allclose(masked_softmax(logits, mask), [[near, 1 - near, 0], [0, 0.5, 0.5], [0, 0, 0]], rtol=1e-5)
