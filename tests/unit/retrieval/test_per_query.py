"""Figures of single queries: gathered over blocks, left out where nothing is relevant, and eleven points of each."""

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.retrieval.curves import eleven_point_precision
from avx.retrieval.metrics import PerQuery, evaluate
from avx.retrieval.ranking import relevant_groups


def problem(queries=11, gallery=9):
    generator = np.random.default_rng(2)
    relevance = generator.random((queries, gallery)) < 0.2
    relevance[[0, 5]] = False
    relevance[1, 4] = True
    return generator.integers(0, 4, (queries, gallery)) / 4, relevance, generator.random((queries, gallery)) + 0.1


@pytest.mark.parametrize("rows", [1, 3, 11])
def test_blocks_gather_to_one_number_for_each_query(rows):
    scores, relevance, weights = problem()
    counted = PerQuery((1, 4), (3,), weighted=True)
    for begin in range(0, 11, rows):
        part = slice(begin, begin + rows)
        counted.add(scores[part], relevance[part], weights[part])
    values = counted.values()
    assert {len(one) for one in values.values()} == {11}
    for name, one in values.items():
        np.testing.assert_array_equal(np.isnan(one), ~relevance.any(1), err_msg=name)
    for query in np.flatnonzero(relevance.any(1)):
        alone = evaluate(scores[[query]], relevance[[query]], ks=(1, 4), weights=weights[[query]], map_cutoffs=(3,))
        for name in ("hit@4", "ndcg@1", "map", "map_hash@3", "mnr", "wmap", "rank_mae"):
            assert values[name][query] == pytest.approx(alone[name]), (name, query)
    whole = evaluate(scores, relevance, ks=(1, 4), weights=weights, map_cutoffs=(3,))
    assert counted.report() == pytest.approx(whole, rel=1e-12)
    assert (counted.asked, counted.counted) == (11, relevance.any(1).sum())


def test_a_query_by_hand():
    """Ranks 1 to 4 hold 0 1 0 1: hits at 2 and 4."""
    counted = PerQuery((1, 2))
    counted.add(np.array([[0.9, 0.8, 0.7, 0.6], [1, 2, 3, 4]]), np.array([[0, 1, 0, 1], [0, 0, 0, 0]], bool))
    values = counted.values()
    assert values["map"][0] == (1 / 2 + 2 / 4) / 2 and np.isnan(values["map"][1])
    assert (values["hit@1"][0], values["hit@2"][0], values["tp_recall@2"][0], values["mnr"][0]) == (0, 1, 1 / 2, 2)
    assert (counted.report()["queries"], counted.report()["excluded"]) == (1, 1)


def test_nothing_to_report_is_an_error():
    counted = PerQuery()
    assert counted.values()["map"].shape == (0,)
    counted.add(np.ones((2, 3)), np.zeros((2, 3), bool))
    with pytest.raises(UserError, match="none of the 2 queries has a relevant item"):
        counted.report()


@pytest.mark.parametrize(
    ("arguments", "message"), [({"ks": (1, 0)}, "ks=.* below 1"), ({"ties": "best"}, "ties.*unknown|unknown.*ties")]
)
def test_rules_that_cannot_be_are_refused_before_any_score(arguments, message):
    with pytest.raises(UserError, match=message):
        PerQuery(**arguments)


def test_scores_that_are_not_numbers_are_refused():
    with pytest.raises(UserError, match="NaN"):
        PerQuery().add(np.array([[0.1, np.nan]]), np.array([[True, False]]))


def test_eleven_points_of_each_query():
    """Hits at ranks 2 and 3 of 4, at rank 1, and both items tied with two others."""
    scores = np.array([[4.0, 3, 2, 1], [4, 3, 2, 1], [1, 1, 1, 1]])
    relevance = np.array([[0, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 1]], bool)
    found = eleven_point_precision(relevant_groups(scores, relevance))
    assert found.shape == (3, 11)
    np.testing.assert_allclose(found[0], [2 / 3] * 11)
    np.testing.assert_allclose(found[1], [1] * 11)
    np.testing.assert_allclose(found[2], [1 / 2] * 11)
    optimistic = eleven_point_precision(relevant_groups(scores, relevance, ties="optimistic"))
    np.testing.assert_allclose(optimistic[2], [1] * 11)


def test_eleven_points_never_rise_with_recall():
    scores, relevance, _ = problem()
    kept = relevance.any(1)
    found = eleven_point_precision(relevant_groups(scores[kept], relevance[kept]))
    assert (np.diff(found, axis=1) <= 1e-12).all()
