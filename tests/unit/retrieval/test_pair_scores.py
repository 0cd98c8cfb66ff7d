"""Tiles, streams and shortlists against the whole table and a stable sort of it."""

import jax
import numpy as np
import pytest
from jax.tree_util import Partial

from avx.core.errors import UserError
from avx.core.types import Embedded
from avx.retrieval.index import Index, InnerProductIndex
from avx.retrieval.pair_scores import PairScoreIndex, RerankedPairs, tiled_scores

WEIGHT = np.float32([3, -1, 2, 0, 1])


def items(count, seed):
    """Small integers, so that scores are exact in float32 and tie often."""
    vectors = np.random.default_rng(seed).integers(-2, 3, (count, 5)).astype(np.float32)
    return Embedded(vectors, np.ones(count, bool))


@jax.jit
def score(queries, gallery):
    """What no inner product of embeddings gives, and not the same with its sides exchanged."""
    hidden = jax.numpy.maximum(queries.vectors[:, None] - 2 * gallery.vectors[None], 0)
    return hidden @ WEIGHT


def whole(queries, gallery):
    return np.maximum(queries.vectors[:, None] - 2 * gallery.vectors[None], 0) @ WEIGHT


def by_sorting(table, k):
    ids = np.argsort(-table, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(table, ids, 1), ids


@pytest.mark.parametrize(("query_tile", "gallery_tile"), [(1, 23), (3, 4), (7, 1), (4, 10), (100, 100)])
def test_tiles_of_every_shape_equal_the_whole(query_tile, gallery_tile):
    queries, gallery = items(7, 0), items(23, 1)
    found = tiled_scores(score, queries, gallery, query_tile=query_tile, gallery_tile=gallery_tile)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, whole(queries, gallery))
    assert np.abs(found - whole(gallery, queries).T).max() > 1, "the sides are not alike"


def test_one_shape_is_compiled_and_progress_ends_at_all_pairs():
    shapes, done = [], []

    @jax.jit
    def counted(queries, gallery):
        shapes.append((queries.vectors.shape, gallery.vectors.shape))
        return score(queries, gallery)

    tiled_scores(counted, items(7, 0), items(23, 1), query_tile=3, gallery_tile=4, progress=done.append)
    assert shapes == [((3, 5), (4, 5))]
    assert done == [3 * 23, 6 * 23, 7 * 23]


def test_filling_meets_the_score_with_real_items_only():
    """A score that is undefined for zeros, as a cosine without a guard, is asked about real items alone."""

    def cosine_like(queries, gallery):
        return queries.vectors[:, :1] / gallery.vectors[:, 0]

    gallery = Embedded(np.float32([[1], [2], [4]]), np.ones(3, bool))
    found = tiled_scores(jax.jit(cosine_like), gallery, gallery, query_tile=2, gallery_tile=2)
    np.testing.assert_array_equal(found, [[1, 0.5, 0.25], [2, 1, 0.5], [4, 2, 1]])


@pytest.mark.parametrize(("k", "gallery_tile"), [(1, 4), (5, 16), (23, 4), (23, 100), (6, 5)])
def test_the_stream_equals_a_stable_sort_of_the_whole(k, gallery_tile):
    queries, gallery = items(7, 2), items(23, 3)
    index: Index = PairScoreIndex(score, gallery, query_tile=3, gallery_tile=gallery_tile)
    assert index.size == 23
    scores, ids = by_sorting(whole(queries, gallery), k)
    found = index.search(queries, k)
    np.testing.assert_array_equal(found.scores, scores)
    np.testing.assert_array_equal(found.ids, ids)


def test_a_shortlist_of_everything_gives_the_full_ranking_and_a_short_one_its_own():
    queries, gallery = items(7, 4), items(23, 5)
    fast = InnerProductIndex(gallery.vectors)
    table = whole(queries, gallery)
    index: Index = RerankedPairs(fast, score, gallery, shortlist=23, query_block=3)
    assert index.size == 23
    found = index.search(queries, 9)
    np.testing.assert_array_equal(found.scores, by_sorting(table, 9)[0])
    np.testing.assert_array_equal(found.ids, by_sorting(table, 9)[1])
    assert (fast.search(queries.vectors, 9).ids != found.ids).any(), "the two scores order differently"

    listed = fast.search(queries.vectors, 6).ids
    short = np.full_like(table, -np.inf)
    np.put_along_axis(short, listed, np.take_along_axis(table, listed, 1), 1)
    found = RerankedPairs(fast, score, gallery, shortlist=6, query_block=100).search(queries, 4)
    np.testing.assert_array_equal(found.ids, by_sorting(short, 4)[1])
    assert (found.ids != by_sorting(table, 4)[1]).any(), "the shortlist left something out"


def test_bound_parameters_are_arguments():
    """Two sets of parameters, one compilation, in every route."""
    traced = []

    @jax.jit
    def weighted(weight, queries, gallery):
        traced.append(1)
        return weight * score(queries, gallery)

    queries, gallery = items(4, 6), items(6, 7)
    for weight in (np.float32(1), np.float32(-2)):
        bound = Partial(weighted, weight)
        table = weight * whole(queries, gallery)
        np.testing.assert_array_equal(tiled_scores(bound, queries, gallery), table)
        np.testing.assert_array_equal(PairScoreIndex(bound, gallery).search(queries, 6).ids, by_sorting(table, 6)[1])
        reranked = RerankedPairs(InnerProductIndex(gallery.vectors), bound, gallery, shortlist=6)
        np.testing.assert_array_equal(reranked.search(queries, 6).ids, by_sorting(table, 6)[1])
    assert len(traced) == 2, "tables once, lists once"


def test_nothing_to_score():
    nothing = items(0, 0)
    assert tiled_scores(score, nothing, items(3, 1)).shape == (0, 3)
    assert tiled_scores(score, items(3, 1), nothing).shape == (3, 0)
    assert PairScoreIndex(score, items(3, 1)).search(nothing, 2).ids.shape == (0, 2)
    reranked = RerankedPairs(InnerProductIndex(items(3, 1).vectors), score, items(3, 1))
    assert reranked.search(nothing, 2).scores.shape == (0, 2)


def test_scores_that_are_not_finite_are_refused_and_named():
    queries, gallery = items(5, 0), items(9, 1)
    spoilt = Embedded(gallery.vectors.copy(), gallery.present)
    spoilt.vectors[6, 0] = np.nan
    with pytest.raises(UserError, match="query 0 and gallery item 6 is nan"):
        tiled_scores(score, queries, spoilt, query_tile=2, gallery_tile=4)
    with pytest.raises(UserError, match="queries 0 to 1 are not all finite"):
        PairScoreIndex(score, spoilt, query_tile=2, gallery_tile=4).search(queries, 3)
    with pytest.raises(UserError, match="gallery item 6 is nan"):
        RerankedPairs(InnerProductIndex(gallery.vectors), score, spoilt).search(queries, 3)


@pytest.mark.parametrize("k", [0, 4])
def test_k_out_of_range_is_refused(k):
    gallery = items(3, 1)
    for index in (
        PairScoreIndex(score, gallery),
        RerankedPairs(InnerProductIndex(gallery.vectors), score, gallery, shortlist=1),
    ):
        with pytest.raises(UserError, match=f"k={k} is out of range: ask for 1 to 3"):
            index.search(gallery, k)


def test_other_bad_input_is_named():
    gallery = items(3, 1)
    with pytest.raises(UserError, match=r"hold \[2, 3\] items"):
        tiled_scores(score, Embedded(gallery.vectors, np.ones(2, bool)), gallery)
    with pytest.raises(UserError, match="the gallery has 3 items and its index 4"):
        RerankedPairs(InnerProductIndex(items(4, 1).vectors), score, gallery)
    with pytest.raises(UserError, match="shortlist=0 is out of range"):
        RerankedPairs(InnerProductIndex(gallery.vectors), score, gallery, shortlist=0)
