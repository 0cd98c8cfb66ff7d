"""Metric values by hand, by loops over explicit lists, and by averages over random tie orders."""

import itertools
import math

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.retrieval import metrics
from avx.retrieval.chance import chance_levels, similarity_errors
from avx.retrieval.curves import eleven_point_precision
from avx.retrieval.metrics import evaluate, evaluate_streamed
from avx.retrieval.ranking import relevant_groups


def loop_metrics(relevant, gains, k, cutoff):
    """All metrics of one strictly ordered list, item by item."""
    total, places = sum(relevant), range(1, len(relevant) + 1)
    hits = [sum(relevant[:j]) for j in places]
    terms = [relevant[j - 1] * hits[j - 1] / j for j in places]
    ideal = sorted(gains, reverse=True)
    first = next(j for j in places if relevant[j - 1])
    return {
        f"hit@{k}": float(any(relevant[:k])),
        f"tp_recall@{k}": sum(relevant[:k]) / total,
        f"precision@{k}": sum(relevant[:k]) / k,
        f"ndcg@{k}": sum(gains[j - 1] / math.log2(j + 1) for j in places if j <= k)
        / sum(ideal[j - 1] / math.log2(j + 1) for j in places if j <= k),
        "map": sum(terms) / total,
        "map@r": sum(terms[:total]) / total,
        f"map_std@{cutoff}": sum(terms[:cutoff]) / min(cutoff, total),
        f"map_hash@{cutoff}": sum(terms[:cutoff]) / hits[cutoff - 1] if hits[cutoff - 1] else 0.0,
        "wmap": sum(gains[j - 1] * hits[j - 1] / j for j in places) / sum(gains),
        "wmap_printed": sum(gains[:5]) / sum(gains),
        "mdr": first,
        "mnr": first,
        "rank_mae": math.log2(first),
        "rank_rmse": math.log2(first) ** 2,
    }


def one_query(seed, gallery=12, levels=None):
    rng = np.random.default_rng(seed)
    scores = (
        rng.permutation(gallery).astype(float) if levels is None else rng.integers(0, levels, gallery).astype(float)
    )
    relevant = np.zeros(gallery, bool)
    relevant[rng.choice(gallery, 4, replace=False)] = True
    gains = np.where(relevant, rng.random(gallery) + 0.1, 0.0)
    return scores, relevant, gains


@pytest.mark.parametrize("seed", range(6))
def test_strict_lists_match_loops(seed):
    scores, relevant, gains = one_query(seed)
    order = np.argsort(-scores)
    expected = loop_metrics(relevant[order].tolist(), gains[order].tolist(), 3, 5)
    expected["rank_rmse"] = math.sqrt(expected["rank_rmse"])  # of one query, the root of its squared error
    found = evaluate(scores[None], relevant[None], ks=(3,), weights=gains[None], map_cutoffs=(5,))
    assert found.pop("queries") == 1 and found.pop("excluded") == 0
    assert found == pytest.approx(expected)


def test_values_by_hand():
    scores = np.array([[4.0, 3, 2, 1], [1, 2, 3, 4], [1, 1, 1, 1]])
    relevance = np.array([[1, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]], bool)
    found = evaluate(scores, relevance, ks=(1, 3))
    assert found["hit@1"] == 0.5 and found["hit@3"] == 0.5
    assert found["tp_recall@1"] == 0.25 and found["tp_recall@3"] == 0.5
    assert found["map"] == pytest.approx(((1 + 2 / 3) / 2 + 1 / 4) / 2)
    assert found["mdr"] == 2.5 and found["mnr"] == 2.5
    assert found["rank_mae"] == pytest.approx((0 + 2) / 2) and found["rank_rmse"] == pytest.approx(math.sqrt(2))
    assert found["queries"] == 2 and found["excluded"] == 1


def test_four_truncations_of_ap_differ():
    """Ranked relevance 1 0 0 1 1: the full list, the three truncations at 3, and two of them at 4."""
    scores, relevance = np.array([[5.0, 4, 3, 2, 1]]), np.array([[1, 0, 0, 1, 1]], bool)
    found = evaluate(scores, relevance, map_cutoffs=(3, 4))
    assert found["map"] == pytest.approx((1 + 2 / 4 + 3 / 5) / 3)
    assert (found["map_hash@3"], found["map_std@3"]) == pytest.approx((1, 1 / 3))
    assert (found["map_hash@4"], found["map_std@4"]) == pytest.approx((1.5 / 2, 1.5 / 3))
    assert found["map@r"] == pytest.approx(1 / 3)


def test_weighted_map_of_the_paper_weights():
    """Weights .45 .25 .15 .10 .05 at ranks 2, 1, 4, 3, 6, by hand."""
    weights = np.array([[0.25, 0.45, 0.10, 0.15, 0, 0.05]])
    scores = np.array([[6.0, 5, 4, 3, 2, 1]])
    found = evaluate(scores, weights > 0, weights=weights)
    assert found["wmap"] == pytest.approx(0.25 + 0.45 + 0.10 + 0.15 + 0.05 * 5 / 6)
    assert found["wmap_printed"] == pytest.approx(0.95)
    assert found["map"] == pytest.approx((4 + 5 / 6) / 5)
    equal = evaluate(scores, weights > 0, weights=np.where(weights > 0, 0.2, 0))
    assert equal["wmap"] == pytest.approx(found["map"])
    filled = evaluate(scores[:, [5, 4, 3, 2, 0, 1]], weights > 0, weights=weights)
    assert filled["wmap"] < 1 and evaluate(weights, weights > 0, weights=weights)["wmap"] == pytest.approx(1)


@pytest.mark.parametrize("seed", range(2))
def test_ties_are_the_mean_over_random_orders(seed):
    """Expected values lie within four standard errors of 20,000 random orders of the same tied list."""
    scores, relevant, gains = one_query(seed, gallery=30, levels=4)
    found = evaluate(scores[None], relevant[None], ks=(3,), weights=gains[None], map_cutoffs=(11,))
    rng = np.random.default_rng(seed)
    shuffled = np.argsort(rng.random((20_000, 30)), axis=1)
    order = np.take_along_axis(shuffled, np.argsort(-scores[shuffled], axis=1, kind="stable"), 1)
    strict = relevant_groups(-np.broadcast_to(np.arange(30.0), order.shape), relevant[order], weights=gains[order])
    for name, metric in metrics.METRICS.items():
        if name in ("rank_rmse", "mdr"):  # roots and medians do not average; the exact test below covers them
            continue
        k = {"ks": 3, "map_cutoffs": 11}.get(metric.at)
        samples = metric.per_query(strict, *([k] if k else []))
        key = f"{name}@{k}" if k else name
        error = samples.std() / math.sqrt(len(samples))
        assert abs(samples.mean() - found[key]) < 4 * error + 1e-12, key


def every_order(groups):
    """All orders of a list whose tied groups hold these items."""
    for parts in itertools.product(*(itertools.permutations(group) for group in groups)):
        yield [item for part in parts for item in part]


@pytest.mark.parametrize("cutoff", range(1, 9))
def test_ties_are_the_exact_mean_over_all_orders(cutoff):
    """Groups of 1, 4 and 3 items with 0, 2 and 1 relevant ones, 144 orders; the cut-off falls inside of each, too."""
    groups, relevant = [[0], [1, 2, 3, 4], [5, 6, 7]], np.array([0, 1, 0, 0, 1, 0, 1, 0], bool)
    gains = np.where(relevant, np.array([1, 0.5, 1, 1, 2.0, 1, 0.25, 1]), 0)
    scores = np.array([[9, 5, 5, 5, 5, 2, 2, 2.0]])
    lists = np.array(list(every_order(groups)))
    strict = relevant_groups(-np.broadcast_to(np.arange(8.0), lists.shape), relevant[lists], weights=gains[lists])
    tied = relevant_groups(scores, relevant[None], weights=gains[None])
    for name, metric in metrics.METRICS.items():
        arguments = (cutoff,) if metric.at else ()
        expected = metric.per_query(strict, *arguments).mean()
        assert metric.per_query(tied, *arguments)[0] == pytest.approx(expected, rel=1e-12), name


def test_rank_errors_of_one_relevant_among_eight_tied_items():
    """The mean and the root mean square of log2 of 1 to 8; that of the expected rank, 4.5, would be 2.170 twice."""
    found = evaluate(np.zeros((1, 8)), np.eye(8, dtype=bool)[:1])
    assert found["rank_mae"] == pytest.approx(math.log2(math.factorial(8)) / 8) == pytest.approx(1.912, abs=5e-4)
    assert found["rank_rmse"] == pytest.approx(2.135, abs=5e-4)


def test_mid_rank_average_precision_would_differ():
    """The mutant that puts tied relevant items at their mid-ranks fails: 3 items, all tied, 2 relevant."""
    found = evaluate(np.zeros((1, 3)), np.array([[1, 1, 0]], bool))["map"]
    orders = [(1 + 1) / 2, (1 + 2 / 3) / 2, (1 / 2 + 2 / 3) / 2]
    assert found == pytest.approx(sum(orders) / 3)
    assert found != pytest.approx((1 / 2 + 2 / 2) / 2)


def test_constant_scores_are_chance_and_rank_by_equality_is_not():
    rng = np.random.default_rng(0)
    relevance = rng.random((40, 25)) < 0.15
    relevance[:, 3] = True
    constant = np.full((40, 25), 0.7)
    chance, found = chance_levels(relevance.sum(1), 25, (1, 5, 10)), evaluate(constant, relevance, weights=relevance)
    for name, level in chance.items():
        assert found[name] == pytest.approx(level, rel=1e-12), name
    assert evaluate(constant, relevance, ties="optimistic")["hit@1"] == 1.0
    r = relevance.sum(1)
    exact = np.mean([1 - math.comb(25 - int(n), 5) / math.comb(25, 5) for n in r])
    assert chance["hit@5"] == pytest.approx(exact, rel=1e-12)


def test_collapsed_embeddings_score_chance():
    """A model that maps everything to one vector gets chance; the mutant that counts better items only gets 100%."""
    vectors = np.tile(np.float32([0.6, 0.8]), (50, 1))
    found = evaluate(vectors @ vectors.T, np.eye(50, dtype=bool))
    assert found["hit@1"] == pytest.approx(1 / 50) and found["mdr"] == pytest.approx(25.5)
    assert evaluate(vectors @ vectors.T, np.eye(50, dtype=bool), ties="optimistic")["hit@1"] == 1.0


def test_policies_bracket_the_expectation():
    rng = np.random.default_rng(4)
    scores, relevance = rng.integers(0, 3, (20, 15)), rng.random((20, 15)) < 0.3
    by_policy = {
        ties: evaluate(scores, relevance, ties=ties)["map"] for ties in ("optimistic", "expected", "pessimistic")
    }
    assert by_policy["optimistic"] > by_policy["expected"] > by_policy["pessimistic"]


def test_streamed_equals_dense(monkeypatch):
    rng = np.random.default_rng(5)
    scores, relevance = rng.integers(0, 6, (31, 20)) * 0.5, rng.random((31, 20)) < 0.1
    weights = rng.random((31, 20)) + 0.01
    dense = evaluate(scores, relevance, weights=weights, map_cutoffs=(7,))
    monkeypatch.setattr(metrics, "BLOCK_ELEMENTS", 20 * 4)
    asked = []

    def score_rows(rows):
        asked.append(rows)
        return scores[rows]

    streamed = evaluate_streamed(
        score_rows,
        relevance.__getitem__,
        num_queries=31,
        num_gallery=20,
        weight_rows=weights.__getitem__,
        map_cutoffs=(7,),
    )
    assert streamed == pytest.approx(dense, rel=1e-12)
    assert len(asked) == 8 and dense["excluded"] > 0


def test_interpolated_precision_by_hand():
    """Relevance 0 1 1 0 has precision 0 1/2 2/3 1/2 and recall 0 1/2 1 1: the largest ahead is 2/3 everywhere."""
    scores = np.array([[4.0, 3, 2, 1], [4, 3, 2, 1]])
    curve = eleven_point_precision(relevant_groups(scores, np.array([[0, 1, 1, 0], [1, 0, 0, 0]], bool)))
    np.testing.assert_allclose(curve, [np.full(11, 2 / 3), np.ones(11)])
    flat = eleven_point_precision(relevant_groups(np.zeros((3, 10)), np.eye(10, dtype=bool)[:3]))
    np.testing.assert_allclose(flat, 0.1)


def test_interpolated_precision_within_a_tied_group_by_hand():
    """One hit first, then two tied items of which one is relevant: expected hits 1, 1.5 and 2 at ranks 1 to 3."""
    groups = relevant_groups(np.array([[3.0, 2, 2, 1]]), np.array([[1, 1, 0, 0]], bool))
    expected = [1] * 6 + [1.5 / 2] * 2 + [2 / 3] * 3
    np.testing.assert_allclose(eleven_point_precision(groups), [expected])


def test_eleven_points_take_the_first_rank_that_reaches_the_recall():
    relevance = np.zeros((1, 30), bool)
    relevance[0, [0, 3, 9, 10, 11, 12, 13, 20, 21, 29]] = True
    curve = eleven_point_precision(relevant_groups(-np.arange(30.0)[None], relevance))
    hits = np.cumsum(relevance[0])
    expected = [max(hits[j] / (j + 1) for j in range(30) if hits[j] >= level) for level in range(11)]
    np.testing.assert_allclose(curve[0], expected)


def test_sums_over_places_are_exact_deep_in_the_list():
    """A relevant item at place 99,991 of 100,000: the difference of two plain running sums is off by 1e-10."""
    relevance = np.arange(100_000)[None] == 99_990
    found = evaluate(-np.arange(100_000.0)[None], relevance, ks=(100_000,))
    assert found["map"] == pytest.approx(1 / 99_991, rel=1e-15, abs=0)
    assert found["ndcg@100000"] == pytest.approx(1 / math.log2(99_992), rel=1e-14, abs=0)


def test_similarity_errors_balance_the_classes():
    found = similarity_errors(np.array([[1.0, 0, -1, 0]]), np.array([[0, 1, 0, 0]], bool))
    assert found["sim_mae"] == pytest.approx((0.5 + (1 + 0 + 0.5) / 3) / 2)
    assert found["sim_rmse"] == pytest.approx(math.sqrt((0.25 + (1 + 0 + 0.25) / 3) / 2))
    with pytest.raises(UserError, match="normalise"):
        similarity_errors(np.array([[2.0, 0]]), np.array([[1, 0]], bool))
    with pytest.raises(UserError, match="both relevant and irrelevant"):
        similarity_errors(np.array([[0.5, 0]]), np.array([[1, 1]], bool))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scores": [[np.nan, 1.0]]}, "NaN"),
        ({"relevance": [[False, False]]}, "none of the 1 queries"),
        ({"ks": (0,)}, "ks=.* below 1"),
        ({"map_cutoffs": (0,)}, "map_cutoffs=.* below 1"),
        ({"weights": np.array([[-1.0, 0]])}, "not negative"),
        ({"weights": np.array([[0.0, 1]])}, "all have weight 0"),
        ({"weights": np.array([[1.0]])}, "one shape"),
        ({"ties": "best"}, "unknown"),
    ],
)
def test_bad_input_is_named(arguments, message):
    given = {"scores": [[0.5, 1.0]], "relevance": [[True, False]]} | arguments
    with pytest.raises(UserError, match=message):
        evaluate(**given)


def test_chance_is_the_mean_over_every_order():
    """Of six items; queries have 1, 2, 4, 6 and no relevant ones, and the last does not count."""
    relevance = np.arange(6) < np.array([1, 2, 4, 6, 0])[:, None]
    orders = [np.tile(np.array(order, float), (5, 1)) for order in itertools.permutations(range(6))]
    reports = [evaluate(scores, relevance, ks=(1, 3, 8), weights=relevance) for scores in orders]
    chance = chance_levels(relevance.sum(1), 6, (1, 3, 8))
    assert {"hit@3", "tp_recall@3", "precision@8", "ndcg@3", "map", "map@r", "mnr"} < chance.keys()
    for name, level in chance.items():
        if name != "mdr":  # the median over queries of expected ranks, which is not the expected median
            assert level == pytest.approx(np.mean([report[name] for report in reports])), name
    assert chance["mdr"] == pytest.approx(np.median([7 / 2, 7 / 3, 7 / 5, 7 / 7]))


def test_chance_levels_refuse_empty_relevance():
    with pytest.raises(UserError, match="no query has a relevant item"):
        chance_levels(np.zeros(2, int), 3)
    with pytest.raises(UserError, match="below 1"):
        chance_levels(np.ones(2, int), 3, (0,))
