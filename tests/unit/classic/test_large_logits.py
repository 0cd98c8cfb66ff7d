"""Logistic regression at its limits: confident models, and many features."""

import tracemalloc

import numpy as np

from avx.classic.semantic_matching import LogisticState, fit_logistic, posteriors


def test_logits_of_thousands_give_finite_posteriors():
    """Logits (0, 2000, -2000) and their half: about the smallest one their exponentials would overflow."""
    state = LogisticState(np.zeros(1), np.ones(1), np.array([[0.0, 2000.0, -2000.0]]), np.zeros(3))
    np.testing.assert_allclose(posteriors(state, np.array([[1.0], [0.5], [-1.0], [0.0]]))[:3], np.eye(3)[[1, 1, 2]])
    np.testing.assert_allclose(
        posteriors(state, np.array([[0.0], [1e-3]]))[1], np.exp([0, 2, -2]) / np.exp([0, 2, -2]).sum()
    )


def test_memory_grows_with_the_parameters_and_not_with_their_square():
    """900 features and 2 classes: a table of 1802 by 1802 curvatures would take 26 MB, the features take .3."""
    values = np.random.default_rng(0).normal(size=(40, 900))
    tracemalloc.start()
    fit_logistic(values, np.arange(40) % 2, num_classes=2, max_iterations=5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6
