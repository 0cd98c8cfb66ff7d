"""Metrics of tied groups against the plain form with an entry for every position."""

import numpy as np
import pytest

from avx.retrieval.curves import eleven_point_precision
from avx.retrieval.metrics import PerQuery
from avx.retrieval.ranking import TIES, relevant_groups
from tests import brute_ranking

KS, CUTOFFS = (1, 3, 10, 25, 100), (1, 4, 17, 90)


def random_problem(seed):
    """Galleries of 1 to 60 items, scores of 1 to 8 values or all distinct, some infinite, with few to all relevant."""
    rng = np.random.default_rng(seed)
    queries, gallery = int(rng.integers(1, 9)), int(rng.choice([1, 2, 7, 23, 60]))
    scores = rng.normal(size=(queries, gallery))
    if rng.random() < 0.8:
        scores = rng.integers(0, rng.integers(1, 9), (queries, gallery)).astype(rng.choice(["f4", "f8", "i4"]))
    elif rng.random() < 0.5:
        scores = scores.astype(np.float32)
    if scores.dtype.kind == "f" and rng.random() < 0.5:
        scores[rng.random(scores.shape) < 0.2] = -np.inf
        scores[rng.random(scores.shape) < 0.1] = np.inf
    relevance = rng.random((queries, gallery)) < rng.choice([0.0, 0.1, 0.5, 1.0])
    relevance[np.arange(queries), rng.integers(0, gallery, queries)] = True
    weights = rng.random((queries, gallery)) * (rng.random((queries, gallery)) < 0.8)
    weights[relevance.sum(1) == 1] += 0.1
    weights[np.where(relevance, weights, 0).sum(1) == 0] += 0.1
    return scores, relevance, weights


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("weighted", [False, True])
def test_every_metric_equals_the_plain_form(ties, weighted):
    for seed in range(60):
        scores, relevance, weights = random_problem(seed)
        given = weights if weighted else None
        expected = brute_ranking.metrics(scores, relevance, given, ties, KS, CUTOFFS)
        counted = PerQuery(KS, CUTOFFS, weighted=weighted, ties=ties)
        counted.add(scores, relevance, given)
        found = counted.values()
        assert found.keys() == expected.keys() - {"eleven_point"}
        for name, values in found.items():
            np.testing.assert_allclose(values, expected[name], rtol=1e-12, atol=1e-15, err_msg=f"{name}, seed {seed}")
        curve = eleven_point_precision(relevant_groups(scores, relevance, ties=ties))
        np.testing.assert_allclose(curve, expected["eleven_point"], rtol=1e-12, err_msg=f"curve, seed {seed}")
