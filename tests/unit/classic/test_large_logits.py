"""Posteriors of a confident model: the softmax is taken about the largest logit."""

import numpy as np

from avx.classic.semantic_matching import LogisticState, posteriors


def test_logits_of_thousands_give_finite_posteriors():
    """Logits (0, 2000, -2000) and their half: about the smallest one their exponentials would overflow."""
    state = LogisticState(np.zeros(1), np.ones(1), np.array([[0.0, 2000.0, -2000.0]]), np.zeros(3))
    np.testing.assert_allclose(posteriors(state, np.array([[1.0], [0.5], [-1.0], [0.0]]))[:3], np.eye(3)[[1, 1, 2]])
    np.testing.assert_allclose(
        posteriors(state, np.array([[0.0], [1e-3]]))[1], np.exp([0, 2, -2]) / np.exp([0, 2, -2]).sum()
    )
