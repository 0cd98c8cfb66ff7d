"""Search against a stable NumPy sort of all scores."""

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.retrieval.index import Index, InnerProductIndex, Shortlist, rerank, search


def grid_vectors(seed, count, width=6):
    """Small integers: inner products are exact in float32 and tie often."""
    return np.random.default_rng(seed).integers(-2, 3, (count, width)).astype(np.float32)


def by_sorting(queries, gallery, k):
    scores = queries @ gallery.T
    ids = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, ids, 1), ids


@pytest.mark.parametrize(("k", "gallery_block"), [(1, 4), (5, 16), (23, 4), (23, 100)])
def test_blocks_do_not_change_the_result(k, gallery_block):
    queries, gallery = grid_vectors(0, 7), grid_vectors(1, 23)
    scores, ids = by_sorting(queries, gallery, k)
    found = search(queries, gallery, k, query_block=3, gallery_block=gallery_block)
    np.testing.assert_array_equal(found.scores, scores)
    np.testing.assert_array_equal(found.ids, ids)


def test_ties_go_to_the_lowest_id_across_blocks():
    found = search(np.ones((1, 2), np.float32), np.ones((9, 2), np.float32), 5, gallery_block=2)
    assert found.ids.tolist() == [[0, 1, 2, 3, 4]]


def test_negative_scores_beat_the_padding():
    """Zero rows that fill up the last block score 0, above every real item here."""
    found = search(
        np.ones((1, 2), np.float32), -np.ones((5, 2), np.float32) * np.arange(1, 6)[:, None], 5, gallery_block=4
    )
    assert found.ids.tolist() == [[0, 1, 2, 3, 4]] and found.scores[0, -1] == -10


def test_index_interface_and_no_queries():
    index: Index = InnerProductIndex(grid_vectors(2, 11))
    assert index.size == 11
    assert index.search(np.zeros((0, 6), np.float32), 3).ids.shape == (0, 3)
    np.testing.assert_array_equal(
        index.search(grid_vectors(3, 2), 4).ids, by_sorting(grid_vectors(3, 2), grid_vectors(2, 11), 4)[1]
    )


@pytest.mark.parametrize("query_block", [1, 2, 64])
def test_rerank_by_hand(query_block):
    shortlist = Shortlist(
        np.float32([[0.9, 0.8, 0.7], [0.5, 0.4, 0.3], [0.2, 0.1, 0.0]]), np.int32([[4, 2, 7], [1, 0, 3], [3, 4, 2]])
    )
    table = np.full((3, 8), np.nan)
    table[0, [4, 2, 7]], table[1, [1, 0, 3]], table[2, [3, 4, 2]] = [0.1, 0.5, 0.1], [1, 2, 3], [-2, -1, -3]
    shapes = set()

    def pair_score(queries, ids):
        shapes.add(ids.shape)
        return table[queries[:, None], ids]

    found = rerank(shortlist, pair_score, query_block=query_block)
    assert found.ids.tolist() == [[2, 4, 7], [3, 0, 1], [4, 3, 2]]
    np.testing.assert_allclose(found.scores, [[0.5, 0.1, 0.1], [3, 2, 1], [-1, -2, -3]])
    assert shapes == {(min(query_block, 3), 3)}


@pytest.mark.parametrize(
    ("queries", "gallery", "k", "message"),
    [
        (np.ones((1, 2)), np.ones((3, 4)), 1, "one embedding width"),
        (np.ones((1, 2)), np.ones((3, 2)), 4, "ask for 1 to 3"),
        (np.ones((1, 2)), np.ones((3, 2)), 0, "k=0 is out of range"),
        (np.full((1, 2), np.nan), np.ones((3, 2)), 1, "must be finite"),
    ],
)
def test_bad_input_is_named(queries, gallery, k, message):
    with pytest.raises(UserError, match=message):
        search(queries, gallery, k)


def test_rerank_refuses_nan():
    shortlist = Shortlist(np.float32([[1.0], [1.0]]), np.int32([[4], [2]]))
    with pytest.raises(UserError, match="query 1 and gallery item 2 is nan"):
        rerank(shortlist, lambda queries, ids: np.array([[0.5], [np.nan]]))
