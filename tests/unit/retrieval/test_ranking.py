"""Tied groups and best ranks against loops over explicit orders."""

import jax
import numpy as np
import pytest

from avx.core.errors import UserError
from avx.retrieval.best_ranks import best_rank_counts, best_relevant, merge_counts, stream_best_ranks
from avx.retrieval.ranking import TIES, best_first, relevant_groups

SCORES = np.array([[0.9, 0.5, 0.5, 0.5, 0.1], [0.2, 0.2, 0.8, 0.8, 0.8]])
RELEVANT = np.array([[0, 1, 0, 1, 0], [0, 1, 0, 0, 1]], bool)


def tied_matrix(seed, queries=23, gallery=17, levels=5):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, (queries, gallery)).astype(np.float64)
    relevance = rng.random((queries, gallery)) < 0.2
    relevance[np.arange(queries), rng.integers(0, gallery, queries)] = True
    return scores, relevance


def order_under(scores, relevance, ties):
    """Ranked item indices of one query for a policy that fixes the order, by Python's sort."""
    place = {"stable": lambda j: j, "optimistic": lambda j: not relevance[j], "pessimistic": lambda j: relevance[j]}
    return sorted(range(len(scores)), key=lambda j: (-scores[j], place[ties](j)))


def test_tied_groups_by_hand():
    """One group of the first query holds its relevant items, and two of the second; the gap is filled up."""
    groups = relevant_groups(SCORES, RELEVANT)
    np.testing.assert_array_equal(groups.start, [[1, 5], [0, 3]])
    np.testing.assert_array_equal(groups.size, [[3, 1], [3, 2]])
    np.testing.assert_array_equal(groups.hits, [[2, 0], [1, 1]])
    np.testing.assert_array_equal(groups.hits_before, [[0, 2], [0, 1]])
    np.testing.assert_array_equal(groups.places(4), [[3, 0], [3, 1]])
    np.testing.assert_array_equal(groups.places(9), [[3, 0], [3, 2]])
    np.testing.assert_allclose(groups.hits_at(2), [2 / 3, 2 / 3])
    np.testing.assert_allclose(groups.hits_at(4), [2, 1.5])


def test_gains_add_up_within_a_group():
    groups = relevant_groups(SCORES, RELEVANT, weights=np.array([[9, 0.5, 9, 2, 9], [9, 3, 9, 9, 4]]))
    np.testing.assert_array_equal(groups.gain, [[2.5, 0], [4, 3]])
    assert groups.ideal_gain is not None
    np.testing.assert_array_equal(groups.ideal_gain, [[2, 0.5], [4, 3]])
    assert relevant_groups(SCORES, RELEVANT).ideal_gain is None


@pytest.mark.parametrize("ties", ["optimistic", "pessimistic", "stable"])
def test_fixed_orders_match_pythons_sort(ties):
    scores, relevance = tied_matrix(1)
    groups = relevant_groups(scores, relevance, ties=ties)
    assert (groups.size == 1).all()
    for query in range(len(scores)):
        order = order_under(scores[query], relevance[query], ties)
        places = groups.start[query][groups.hits[query] > 0]
        np.testing.assert_array_equal(places, np.flatnonzero(relevance[query][order]))


def test_one_sort_serves_several_kinds_of_relevance():
    scores, relevance = tied_matrix(4)
    ordered = best_first(scores)
    for kind in (relevance, np.eye(23, 17, dtype=bool) | (np.arange(17) == 3)):
        shared, own = relevant_groups(scores, kind, ordered=ordered), relevant_groups(scores, kind)
        for name in ("start", "size", "hits"):
            np.testing.assert_array_equal(getattr(shared, name), getattr(own, name))


@pytest.mark.parametrize("ties", TIES)
def test_best_rank_by_hand(ties):
    counts = best_rank_counts(SCORES, RELEVANT, best_relevant(SCORES, RELEVANT))
    # Query 0: one better, then three tied, two of them relevant. Query 1: three tied at the top, the last relevant.
    expected = {"expected": [1 + 4 / 3, 2], "optimistic": [2, 1], "pessimistic": [3, 3], "stable": [2, 3]}
    np.testing.assert_allclose(counts.rank(ties), expected[ties])


def test_one_relevant_item_has_the_mid_rank():
    scores = np.array([[3.0, 1, 1, 1, 1, 0]])
    relevance = np.array([[0, 0, 1, 0, 0, 0]], bool)
    counts = best_rank_counts(scores, relevance, best_relevant(scores, relevance))
    assert counts.rank()[0] == 1 + 1 + (4 - 1) / 2


def test_expected_best_rank_is_the_mean_over_orders():
    scores, relevance = tied_matrix(2, queries=4, levels=2)
    rng = np.random.default_rng(0)
    ranks = []
    for _ in range(4000):
        order = rng.permutation(scores.shape[1])
        counts = best_rank_counts(scores[:, order], relevance[:, order], best_relevant(scores, relevance))
        ranks.append(counts.rank("stable"))
    error = np.std(ranks, axis=0) / np.sqrt(len(ranks))
    expected = best_rank_counts(scores, relevance, best_relevant(scores, relevance)).rank()
    assert (np.abs(np.mean(ranks, axis=0) - expected) < 4 * error + 1e-9).all()


@pytest.mark.parametrize("ties", TIES)
def test_streamed_ranks_equal_the_dense_ones(ties):
    scores, relevance = tied_matrix(3)
    relevance[5] = False
    streamed = stream_best_ranks(
        lambda rows, columns: scores[rows, columns],
        lambda rows, columns: relevance[rows, columns],
        num_queries=23,
        num_gallery=17,
        query_block=7,
        gallery_block=4,
        ties=ties,
    )
    dense = best_rank_counts(scores, relevance, best_relevant(scores, relevance)).rank(ties)
    np.testing.assert_array_equal(streamed, dense)
    assert np.isnan(dense[5]) and np.isnan(dense).sum() == 1


def test_blocks_merge_in_gallery_order():
    best = best_relevant(SCORES, RELEVANT)
    blocks = [best_rank_counts(SCORES[:, part], RELEVANT[:, part], best) for part in (slice(0, 2), slice(2, 5))]
    whole = best_rank_counts(SCORES, RELEVANT, best)
    assert merge_counts(*blocks).rank("stable").tolist() == whole.rank("stable").tolist()
    assert merge_counts(*blocks[::-1]).rank("stable").tolist() != whole.rank("stable").tolist()


def test_counts_trace_under_jit():
    counts = jax.jit(
        lambda scores, relevance: vars(best_rank_counts(scores, relevance, best_relevant(scores, relevance)))
    )(np.float32(SCORES), RELEVANT)
    assert counts["better"].tolist() == [1, 0] and counts["tied_relevant"].tolist() == [2, 1]
    assert counts["tied_ahead"].tolist() == [0, 2]


def test_infinite_scores_are_ordered_and_tie():
    scores = np.array([[np.inf, -np.inf, -np.inf, 0.0]])
    groups = relevant_groups(scores, np.array([[0, 1, 0, 1]], bool))
    np.testing.assert_array_equal(groups.start, [[1, 2]])
    np.testing.assert_array_equal(groups.size, [[1, 2]])


@pytest.mark.parametrize(
    ("scores", "relevance", "ties", "message"),
    [
        (np.array([[0.1, np.nan]]), np.ones((1, 2), bool), "expected", "query 0 and gallery item 1 is NaN"),
        (np.zeros((2, 3)), np.ones((3, 2), bool), "expected", "must both be"),
        (np.zeros((0, 3)), np.ones((0, 3), bool), "expected", "at least one"),
        (np.zeros((2, 3)), np.array([[1, 0, 0], [0, 0, 0]], bool), "expected", "query 1 has no relevant item"),
        (np.zeros((1, 3)), np.ones((1, 3), bool), "average", "ties='average' is unknown"),
    ],
)
def test_bad_input_is_named(scores, relevance, ties, message):
    with pytest.raises(UserError, match=message):
        relevant_groups(scores, relevance, ties=ties)


def test_streaming_refuses_nan():
    with pytest.raises(UserError, match="NaN"):
        stream_best_ranks(
            lambda rows, columns: np.full((2, 3), np.nan),
            lambda rows, columns: np.ones((2, 3), bool),
            num_queries=2,
            num_gallery=3,
        )
