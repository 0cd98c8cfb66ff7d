import numpy as np
from fake_workdir import make_result

from avx.core.result import Direction, Result, ResultRow
from avx.reports.examples import choose_examples, shown_rows, spread


def result_of(**directions):
    return Result({}, (ResultRow("A", "system", "test", "", directions),))


def direction(ranks, instance=None, level="class", items=7):
    per_query = {f"{level}/rank": np.array(ranks, np.float32)}
    if instance is not None:
        per_query["instance/rank"] = np.array(instance, np.float32)
    top = 10 * np.arange(len(ranks))[:, None] + np.arange(items)
    return Direction({}, queries=100 + np.arange(len(ranks)), per_query=per_query, top=top, top_scores=-1.0 * top)


def test_spread_takes_both_ends_and_nothing_twice():
    np.testing.assert_array_equal(spread(np.arange(10, 20), 4), [10, 13, 16, 19])
    np.testing.assert_array_equal(spread(np.array([5, 7]), 4), [5, 7])
    assert len(set(spread(np.arange(11), 10).tolist())) == 10


def test_right_queries_come_first_then_wrong_ones_each_evenly_spread():
    ranks = [1, 2, 1, 1.5, np.nan, 1, 1, 4, 1, 3]
    chosen = choose_examples(result_of(a_to_b=direction(ranks, instance=np.ones(10))))
    # Right are 0 2 5 6 8, wrong 1 3 7 9: a tie for rank 1 (1.5) is not right, and no relevant item (NaN) is neither.
    assert chosen["a_to_b"].tolist() == [0, 5, 8, 1, 7, 9]


def test_without_classes_the_own_item_decides():
    chosen = choose_examples(result_of(a_to_b=direction([3, 1], level="instance")))
    assert chosen["a_to_b"].tolist() == [1, 0]


def test_shown_rows_are_the_queries_and_their_five_best():
    result = result_of(a_to_b=direction([1, 2], items=7), b_to_a=Direction({}))
    assert list(choose_examples(result)) == ["a_to_b"]
    assert shown_rows(result).tolist() == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 100, 101]
    assert shown_rows(Result({}, ())).tolist() == [] == shown_rows(result_of(b_to_a=Direction({}))).tolist()
    assert shown_rows(result).dtype == np.int64


def test_a_made_up_evaluation_shows_both_kinds():
    result, _ = make_result(np.random.default_rng(0), 18)
    ranks = result.rows[0].directions["video_to_audio"].per_query["class/rank"]
    chosen = choose_examples(result)["video_to_audio"]
    assert (ranks[chosen] == 1).tolist() == [True] * 3 + [False] * 3
