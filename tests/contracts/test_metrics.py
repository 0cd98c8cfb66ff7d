"""What every row of METRICS must satisfy; a new metric is tested by being in the table."""

import numpy as np
import pytest

from avx.retrieval.metrics import METRICS, evaluate
from avx.retrieval.ranking import relevant_groups

SMALLER_IS_BETTER = {"mdr", "mnr", "rank_rmse", "rank_mae"}


def problem(seed, queries=9, gallery=14, levels=None):
    rng = np.random.default_rng(seed)
    relevance = rng.random((queries, gallery)) < 0.25
    relevance[np.arange(queries), rng.integers(0, gallery, queries)] = True
    scores = rng.random((queries, gallery)) if levels is None else rng.integers(0, levels, (queries, gallery)) / levels
    return scores, relevance, rng.random((queries, gallery)) + 0.1


def measured(name, scores, relevance, weights, ties="expected"):
    metric = METRICS[name]
    found = evaluate(scores, relevance, ks=(4,), weights=weights, map_cutoffs=(6,), ties=ties)
    return found[name + {"": "", "ks": "@4", "map_cutoffs": "@6"}[metric.at]]


@pytest.mark.parametrize("name", METRICS)
def test_metric_ignores_the_order_of_gallery_and_queries(name):
    scores, relevance, weights = problem(0, levels=5)
    rng = np.random.default_rng(1)
    rows, columns = rng.permutation(9)[:, None], rng.permutation(14)
    moved = measured(name, scores[rows, columns], relevance[rows, columns], weights[rows, columns])
    assert moved == pytest.approx(measured(name, scores, relevance, weights), rel=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_metric_depends_on_the_order_of_scores_alone(name):
    scores, relevance, weights = problem(2, levels=5)
    assert measured(name, np.exp(3 * scores) - 7, relevance, weights) == measured(name, scores, relevance, weights)


@pytest.mark.parametrize("name", METRICS)
def test_metric_rewards_a_perfect_list(name):
    scores, relevance, weights = problem(3)
    perfect, worst = (measured(name, sign * (relevance * weights), relevance, weights) for sign in (1, -1))
    found = measured(name, scores, relevance, weights)
    assert perfect < found < worst if name in SMALLER_IS_BETTER else perfect > found > worst


@pytest.mark.parametrize("name", METRICS)
def test_policies_agree_without_ties(name):
    scores, relevance, weights = problem(4)
    by_policy = [measured(name, scores, relevance, weights, t) for t in ("expected", "stable", "optimistic")]
    assert by_policy[0] == pytest.approx(by_policy[1], rel=1e-12) == pytest.approx(by_policy[2], rel=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_every_query_counts_once(name):
    """One number for each query, finite, and a repeated query set leaves the average as it was."""
    scores, relevance, weights = problem(5, levels=4)
    metric = METRICS[name]
    groups = relevant_groups(scores, relevance, weights=weights)
    values = metric.per_query(groups, *([4] if metric.at else []))
    assert values.shape == (9,) and np.isfinite(values).all()
    doubled = measured(name, *(np.concatenate([x, x]) for x in (scores, relevance, weights)))
    assert doubled == pytest.approx(measured(name, scores, relevance, weights))


@pytest.mark.parametrize("name", METRICS)
def test_queries_without_relevant_items_are_left_out(name):
    scores, relevance, weights = problem(6)
    relevance[[2, 7]] = False
    kept = relevance.any(1)
    reduced = measured(name, scores[kept], relevance[kept], weights[kept])
    assert measured(name, scores, relevance, weights) == pytest.approx(reduced, rel=1e-12)
