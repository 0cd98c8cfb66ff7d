"""Hamming search and its rerank through the `Index` interface, against numpy over all pairs."""

import jax
import numpy as np
import pytest

from avx.core.errors import UserError
from avx.hashing.pack import pack
from avx.retrieval.hamming_search import HammingSearch, RerankedSearch
from avx.retrieval.index import Index, InnerProductIndex

BITS, GALLERY, QUERIES, K = 20, 90, 6, 12
RNG = np.random.default_rng(4)
VECTORS = RNG.normal(size=(GALLERY, BITS)).astype(np.float32)
ASKED = RNG.normal(size=(QUERIES, BITS)).astype(np.float32)


def signs(values):
    return np.where(values >= 0, 1, -1)


def best(scores, k):
    """The k largest of each row, ties to the lowest column."""
    ids = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, ids, 1), ids


def index_of():
    return HammingSearch(pack(VECTORS))


def test_scores_are_inner_products_of_signs():
    found = index_of().search(ASKED, K)
    scores, ids = best(signs(ASKED) @ signs(VECTORS).T, K)
    np.testing.assert_array_equal(found.scores, scores)
    np.testing.assert_array_equal(found.ids, ids)
    assert found.scores.dtype == np.float32 and (found.scores != BITS - scores).any()


def test_packed_queries_find_the_same():
    index = index_of()
    for one, other in zip(index.search(ASKED, K), index.search_codes(pack(ASKED), K), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("devices", [2, 8])
def test_shards_on_devices_find_the_same(devices):
    """4 bits and 90 codes: nearly all are ties, over shards of 11 and 12 codes, with k below and above a shard's."""
    assert len(jax.local_devices()) == 8, "the tests run on eight fake devices"
    gallery, asked = pack(VECTORS[:, :4]), pack(ASKED[:, :4])
    index = HammingSearch(gallery, devices=jax.local_devices()[:devices])
    assert {shard.blocks.device for shard in index._shards} == set(jax.local_devices()[:devices])
    for k in (5, 60, GALLERY):
        found, expected = index.search_codes(asked, k), HammingSearch(gallery).search_codes(asked, k)
        np.testing.assert_array_equal(found.scores, expected.scores)
        np.testing.assert_array_equal(found.ids, expected.ids)
    scores, ids = best(signs(ASKED[:, :4]) @ signs(VECTORS[:, :4]).T, 5)
    np.testing.assert_array_equal(index.search(ASKED[:, :4], 5).ids, ids)
    assert (scores[:, 0] == scores[:, -1]).any(), "the case needs ties over shards"


def test_more_devices_than_codes_hold_one_each():
    found = HammingSearch(pack(VECTORS[:3]), devices=jax.local_devices()).search(ASKED, 3)
    np.testing.assert_array_equal(found.ids, best(signs(ASKED) @ signs(VECTORS[:3]).T, 3)[1])


def test_rerank_orders_the_shortlist_by_the_real_vectors():
    found = RerankedSearch(index_of(), VECTORS, shortlist=30).search(ASKED, K)
    _, kept = best(signs(ASKED) @ signs(VECTORS).T, 30)
    products = ASKED @ VECTORS.T
    only = np.full_like(products, -np.inf)
    np.put_along_axis(only, kept, np.take_along_axis(products, kept, 1), 1)
    scores, ids = best(only, K)
    np.testing.assert_array_equal(found.ids, ids)
    np.testing.assert_allclose(found.scores, scores, rtol=1e-5)
    assert (found.ids != best(products, K)[1]).any(), "the shortlist must matter in this case"


def test_rerank_of_everything_is_exact_search():
    found = RerankedSearch(index_of(), VECTORS, shortlist=GALLERY).search(ASKED, K)
    exact = InnerProductIndex(VECTORS).search(ASKED, K)
    np.testing.assert_array_equal(found.ids, exact.ids)
    np.testing.assert_allclose(found.scores, exact.scores, rtol=1e-5)


def test_a_shortlist_below_k_grows_to_k():
    found = RerankedSearch(index_of(), VECTORS, shortlist=2).search(ASKED, K)
    assert found.ids.shape == (QUERIES, K)


@pytest.mark.parametrize("make", [index_of, lambda: RerankedSearch(index_of(), VECTORS)])
def test_both_are_indexes_and_refuse_alike(make):
    index: Index = make()
    assert index.size == GALLERY
    assert index.search(ASKED[:0], 3).ids.shape == (0, 3)
    for k in (0, GALLERY + 1):
        with pytest.raises(UserError, match=f"k={k} is out of range: ask for 1 to 90"):
            index.search(ASKED, k)
    with pytest.raises(UserError, match=r"queries have shape \(6, 19\), the gallery is of width 20"):
        index.search(ASKED[:, 1:], 3)
    with pytest.raises(UserError, match="queries must be finite"):
        index.search(np.where(np.arange(BITS) == 3, np.nan, ASKED), 3)


def test_codes_of_another_length_and_vectors_of_other_items_are_named():
    with pytest.raises(UserError, match="queries are codes of 19 bits and the gallery holds codes of 20"):
        index_of().search_codes(pack(ASKED[:, 1:]), 3)
    with pytest.raises(UserError, match=r"vectors \(89, 20\) must have one row for each of the index's 90 items"):
        RerankedSearch(index_of(), VECTORS[1:])
    with pytest.raises(UserError, match="vectors must be finite"):
        RerankedSearch(index_of(), np.full_like(VECTORS, np.nan))
    with pytest.raises(UserError, match="shortlist=0 is out of range"):
        RerankedSearch(index_of(), VECTORS, shortlist=0)
