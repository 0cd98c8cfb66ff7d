"""One direction of retrieval: by hand, chance for what knows nothing, and whatever the size of the blocks."""

import itertools
import tracemalloc

import numpy as np
import pytest
from asked import LABELS, blocks_of, dataset_of, measured, protocols

from avx.core.errors import UserError
from avx.evaluation import measure as room
from avx.evaluation.measure import chance, measure
from avx.retrieval.curves import eleven_point_precision
from avx.retrieval.metrics import evaluate
from avx.retrieval.ranking import relevant_groups

EVERYONE = np.arange(7)


def assert_scores_chance(found, expected):
    """Every figure that chance has, the measured levels have too; counts and rank errors stand there alone."""
    assert found.levels.keys() == expected.levels.keys() == {"class", "instance"}
    for level, values in expected.levels.items():
        assert {"hit@1", "hit@5", "map", "mdr", "mnr"} <= values.keys() <= found.levels[level].keys()
        for name, value in values.items():
            assert found.levels[level][name] == pytest.approx(value, rel=1e-6), (level, name)


def test_a_constant_score_scores_chance_in_both_directions_at_both_levels():
    dataset = dataset_of(LABELS)
    for protocol in protocols():
        expected = chance(dataset, protocol, EVERYONE, EVERYONE)
        assert expected.levels["instance"]["hit@1"] == pytest.approx(1 / 7)
        assert expected.levels["instance"]["hit@5"] == pytest.approx(5 / 7)
        # Three queries have 3 relevant items of 7, two have 2, one has 1; the one without a class does not ask.
        assert expected.levels["class"]["hit@1"] == pytest.approx((3 * 3 + 2 * 2 + 1) / 7 / 6)
        constant = np.full((7, 7), 0.3, np.float32)
        assert_scores_chance(measure(blocks_of(constant), dataset, protocol, EVERYONE, EVERYONE), expected)


def test_chance_is_the_mean_over_every_order():
    """Three items ask five others, among which their classes have 3, 1 and no item."""
    dataset = dataset_of([0, 1, 2, 0, 0, 1, 0, 3], test=[0, 1, 2], train=[3, 4, 5, 6, 7])
    queries, gallery = dataset.rows("test"), dataset.rows("train")
    protocol, _ = protocols(ks=(1, 2, 9), gallery="train")
    found = chance(dataset, protocol, queries, gallery)
    assert found.levels.keys() == {"class"}, "no query can find itself"
    relevance = dataset.relevance(queries, gallery)
    orders = [np.tile(np.array(order, float), (3, 1)) for order in itertools.permutations(range(5))]
    reports = [evaluate(scores, relevance, ks=(1, 2, 9), weights=relevance.astype(float)) for scores in orders]
    for name, value in found.levels["class"].items():
        if name != "mdr":  # the median over queries of expected ranks, which is not the expected median
            assert value == pytest.approx(np.mean([report[name] for report in reports])), name
    assert found.levels["class"]["mdr"] == pytest.approx(np.median([6 / 4, 6 / 2]))
    curves = [eleven_point_precision(relevant_groups(scores[:2], relevance[:2])) for scores in orders]
    np.testing.assert_allclose(found.curve["precision"], np.mean(curves, axis=(0, 1)), atol=0.01)
    np.testing.assert_allclose(found.curve["recall"], np.arange(11) / 10)


def test_chance_of_a_set_without_classes_is_of_instances_alone():
    protocol, _ = protocols()
    found = chance(dataset_of(np.full(7, -1)), protocol, EVERYONE, EVERYONE)
    assert found.levels.keys() == {"instance"} and found.curve == {}


def test_three_by_three_by_hand():
    # Rows are queries, columns the gallery; items 0 and 2 share a class. Items 0 and 1 rank 1 2 0, item 2 ranks 0 1 2.
    scores = np.array([[0.1, 0.9, 0.5], [0.2, 0.8, 0.3], [0.7, 0.6, 0.4]], np.float32)
    found = measured(scores, [1, 0, 1])
    own, of_class = found.levels["instance"], found.levels["class"]
    # Itself at ranks 3, 1, 3.
    assert own["hit@1"] == pytest.approx(1 / 3) and own["hit@2"] == pytest.approx(1 / 3)
    assert own["map"] == pytest.approx((1 / 3 + 1 + 1 / 3) / 3)
    assert (own["mnr"], own["mdr"]) == (pytest.approx(7 / 3), pytest.approx(3))
    # Its class: item 0 at ranks 2 and 3, item 1 at 1, item 2 at 1 and 3.
    precisions = [(1 / 2 + 2 / 3) / 2, 1, (1 + 2 / 3) / 2]
    assert of_class["hit@1"] == pytest.approx(2 / 3)
    assert of_class["map"] == pytest.approx(np.mean(precisions))
    np.testing.assert_allclose(found.per_query["class/ap"], precisions, rtol=1e-6)
    np.testing.assert_allclose(found.per_query["class/rank"], [2, 1, 1])
    np.testing.assert_allclose(found.per_query["instance/rank"], [3, 1, 3])
    np.testing.assert_array_equal(found.queries, [0, 1, 2])
    np.testing.assert_array_equal(found.top, [[1, 2, 0], [1, 2, 0], [0, 1, 2]])
    np.testing.assert_array_equal(found.top_scores, -np.sort(-scores, axis=1))
    # Item 0 of class 1 finds class 0, item 1 of class 0 finds class 0, item 2 of class 1 finds class 1.
    np.testing.assert_array_equal(found.confusion, [[1, 0, 0], [1, 1, 0], [0, 0, 0]])
    # Interpolated precision: 2/3 at every recall; 1; 1 up to recall 1/2, then 2/3.
    np.testing.assert_allclose(found.curve["precision"], [(2 / 3 + 1 + 1) / 3] * 6 + [(2 / 3 + 1 + 2 / 3) / 3] * 5)


def test_several_classes_of_one_item_are_relevant_by_any_of_them():
    labels = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 0], [0, 0, 0]], bool)
    scores = np.array([[0.1, 0.2, 0.3, 0.4]] * 4)  # all rank 3 2 1 0
    found = measured(scores, labels, ks=(2,))
    # Item 0 shares with 0, 1, 2 at ranks 4, 3, 2; item 1 with 0, 1 at 4, 3; item 2 with 0, 2 at 4, 2; item 3 with none.
    precisions = [(1 / 2 + 2 / 3 + 3 / 4) / 3, (1 / 3 + 2 / 4) / 2, (1 / 2 + 2 / 4) / 2]
    assert found.levels["class"]["map"] == pytest.approx(np.mean(precisions))
    assert (found.levels["class"]["queries"], found.levels["class"]["excluded"]) == (3, 1)
    np.testing.assert_allclose(found.per_query["class/ap"], [*precisions, np.nan], rtol=1e-6)
    # Counted by the first class of each: 0, 1, 0 and none; all find item 3, which has none.
    np.testing.assert_array_equal(found.confusion[:, 3], [2, 1, 0, 1])


def problem(queries=23, gallery=17, levels=6):
    """Scores with ties, of queries and a gallery of different splits that share ten items."""
    generator = np.random.default_rng(4)
    labels = generator.integers(-1, 4, 30)
    dataset = dataset_of(labels, test=np.arange(queries), train=np.arange(30 - gallery, 30))
    scores = (generator.integers(0, levels, (queries, gallery)) / levels).astype(np.float32)
    protocol, _ = protocols(ks=(1, 5), gallery="train", map_cutoffs=(4,))
    return scores, dataset, protocol, dataset.rows("test"), dataset.rows("train")


def assert_equal_directions(first, second):
    assert first.levels == second.levels and first.intervals == second.intervals
    for name in ("queries", "top", "top_scores"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    np.testing.assert_allclose(first.confusion, second.confusion, atol=1e-12)
    for name in first.per_query.keys() | second.per_query.keys():
        np.testing.assert_array_equal(first.per_query[name], second.per_query[name])
    for name in first.curve.keys() | second.curve.keys():
        np.testing.assert_allclose(first.curve[name], second.curve[name], atol=1e-12)


@pytest.mark.parametrize("rows", [1, 4, 22])
def test_scores_in_blocks_give_what_one_block_gives(rows):
    scores, *rest = problem()
    whole = measure(blocks_of(scores, len(scores)), *rest)
    assert whole.levels.keys() == {"class", "instance"} and len(whole.top) == 23
    assert_equal_directions(measure(blocks_of(scores, rows), *rest), whole)


def test_the_size_of_what_is_ranked_at_once_changes_nothing(monkeypatch):
    scores, *rest = problem()
    whole, counted = measure(blocks_of(scores, 23), *rest), chance(*rest)
    monkeypatch.setattr(room, "BLOCK_ELEMENTS", 40)  # two queries
    assert_equal_directions(measure(blocks_of(scores, 23), *rest), whole)
    assert chance(*rest).levels == counted.levels


def test_figures_are_those_of_the_whole_score_matrix():
    scores, dataset, protocol, queries, gallery = problem()
    found = measure(blocks_of(scores, 5), dataset, protocol, queries, gallery)
    relevance = {"class": dataset.relevance(queries, gallery), "instance": queries[:, None] == gallery[None]}
    for level, relevant in relevance.items():
        expected = evaluate(scores, relevant, ks=(1, 5), map_cutoffs=(4,), weights=relevant.astype(float))
        assert found.levels[level] == pytest.approx(expected, rel=1e-12), level
        precisions = found.per_query[f"{level}/ap"]
        np.testing.assert_array_equal(np.isnan(precisions), ~relevant.any(1))
        assert np.nanmean(precisions) == pytest.approx(found.levels[level]["map"], rel=1e-6)
        assert np.nanmean(found.per_query[f"{level}/rank"]) == pytest.approx(found.levels[level]["mnr"], rel=1e-6)


def test_queries_search_the_items_of_another_split():
    """Rows 0 and 1 ask rows 2, 3 and 4; nobody can find itself, and what is found is named by its row."""
    dataset = dataset_of([1, 0, 0, 1, 1], test=[0, 1], train=[2, 3, 4])
    protocol, _ = protocols(ks=(1,), gallery="train")
    scores = np.array([[0.1, 0.2, 0.9], [0.3, 0.8, 0.5]])
    found = measure(blocks_of(scores), dataset, protocol, dataset.rows("test"), dataset.rows("train"))
    assert found.levels.keys() == {"class"}
    np.testing.assert_array_equal(found.top, [[4, 3, 2], [3, 4, 2]])
    assert found.levels["class"]["hit@1"] == 0.5
    assert found.levels["class"]["map"] == pytest.approx((1 + 1 / 3) / 2)


def test_of_equal_scores_the_earlier_item_stands_first_and_all_share_the_confusion():
    scores = np.array([[0.5, 0.9, 0.9, 0.9], [0.2, 0.2, 0.2, 0.2], [0.1, 0.0, 0.3, 0.3], [0.7, 0.7, 0.1, 0.2]])
    found = measured(scores, [0, 1, 1, -1])
    np.testing.assert_array_equal(found.top, [[1, 2, 3, 0], [0, 1, 2, 3], [2, 3, 0, 1], [0, 1, 3, 2]])
    # Item 0 finds two of class 1 and an unknown one; item 1, of class 1, one of class 0, two of 1, an unknown one;
    # item 2, of class 1, one of 1 and an unknown one; item 3, unknown, one of class 0 and one of 1.
    expected = [[0, 2 / 3, 1 / 3], [1 / 4, 2 / 4 + 1 / 2, 1 / 4 + 1 / 2], [1 / 2, 1 / 2, 0]]
    np.testing.assert_allclose(found.confusion, expected)
    assert found.confusion.sum() == pytest.approx(4), "every query counts once"


def test_no_more_than_ten_of_the_best_are_kept():
    scores = np.random.default_rng(0).permutation(30 * 30).reshape(30, 30).astype(np.float32)
    found = measured(scores, np.zeros(30, int), rows=7)
    np.testing.assert_array_equal(found.top, np.argsort(-scores, axis=1)[:, :10])
    np.testing.assert_array_equal(found.top_scores, -np.sort(-scores, axis=1)[:, :10])


def test_shares_and_averages_have_intervals_around_them():
    scores, *rest = problem()
    found = measure(blocks_of(scores, 23), *rest)
    for level, values in found.levels.items():
        named = {"hit@1", "hit@5", "tp_recall@1", "tp_recall@5", "precision@1", "ndcg@5", "map", "map@r", "map_hash@4"}
        named |= {"wmap", "wmap_printed"}
        assert named <= found.intervals[level].keys() <= values.keys()
        assert not {"mdr", "mnr", "queries", "excluded"} & found.intervals[level].keys()
        for name, (low, high) in found.intervals[level].items():
            assert 0 <= low <= values[name] <= high <= 1, (level, name)
        low, high = found.intervals[level]["map"]
        assert high - low > 0.1, "of some twenty queries"
    # Wilson's of hit@1 counts the queries that have an answer, not those that ask.
    asked = found.levels["instance"]
    assert asked["excluded"] > 0
    centre = (asked["hit@1"] + 3.8415 / (2 * asked["queries"])) / (1 + 3.8415 / asked["queries"])
    assert found.intervals["instance"]["hit@1"][0] > 0
    assert np.mean(found.intervals["instance"]["hit@1"]) == pytest.approx(centre, abs=1e-4)


def test_only_the_levels_where_nothing_is_shown():
    scores, *rest = problem()
    found = measure(blocks_of(scores), *rest, whole=False)
    assert found.levels == measure(blocks_of(scores), *rest).levels
    assert not (found.intervals or found.per_query or found.curve or found.top.size or found.confusion.size)


def test_without_any_answer_there_are_no_levels():
    dataset = dataset_of([-1, -1, -1], test=[0], train=[1, 2])
    protocol, _ = protocols(gallery="train")
    found = measure(blocks_of(np.ones((1, 2))), dataset, protocol, np.array([0]), np.array([1, 2]))
    assert (found.levels, found.curve, found.per_query) == ({}, {}, {})
    assert found.top.tolist() == [[1, 2]]


def test_a_score_that_is_not_a_number_is_refused():
    scores = np.ones((3, 3))
    scores[2, 1] = np.nan
    with pytest.raises(UserError, match="NaN"):
        measured(scores, [0, 0, 1], rows=1)


def test_memory_does_not_grow_with_the_number_of_pairs(monkeypatch):
    """Sixteen times the queries against one gallery: less than half a byte more for each pair more."""
    monkeypatch.setattr(room, "BLOCK_ELEMENTS", 2**15)
    generator, gallery = np.random.default_rng(0), 2000

    def peak(queries):
        dataset = dataset_of(np.arange(max(queries, gallery)) % 7)
        protocol, _ = protocols(ks=(1,))
        scores = ((slice(at, at + 32), generator.random((32, gallery), np.float32)) for at in range(0, queries, 32))
        tracemalloc.start()
        measure(scores, dataset, protocol, np.arange(queries), np.arange(gallery))
        _, largest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return largest

    peak(64)  # what is compiled or imported on first use
    few, many = peak(64), peak(1024)
    assert many - few < (1024 - 64) * gallery / 2
    assert few > 32 * gallery * 4, "the measurement sees at least a block of scores"


def test_every_result_states_the_weighted_precisions():
    """Of equal weights: wmap is the average precision, wmap_printed the share of the relevant items in five."""
    dataset = dataset_of([0, 0, 0, 0, 1, 1, 1])
    protocol, _ = protocols()
    # Item 0 finds its class at ranks 1, 2, 6 and 7; the other queries do alike or better.
    scores = np.tile(np.array([7, 6, 2, 1, 5, 4, 3], np.float32), (7, 1))
    found = measure(blocks_of(scores), dataset, protocol, EVERYONE, EVERYONE).levels["class"]
    first, second = (1 + 1 + 3 / 6 + 4 / 7) / 4, (1 / 3 + 2 / 4 + 3 / 5) / 3
    assert found["wmap"] == pytest.approx((4 * first + 3 * second) / 7)
    assert found["wmap"] == pytest.approx(found["map"])
    assert found["wmap_printed"] == pytest.approx((4 * 2 / 4 + 3 * 3 / 3) / 7)
