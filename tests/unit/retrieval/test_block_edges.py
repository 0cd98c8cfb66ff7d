"""Blocks smaller than a row, ragged last blocks, the smallest k, and one bad entry among many."""

import jax.numpy as jnp
import numpy as np
import pytest

from avx.core.errors import UserError
from avx.core.types import HashCodes
from avx.hashing.pack import pack
from avx.retrieval import hamming_map, index, metrics
from avx.retrieval.hamming_search import HammingSearch, RerankedSearch
from avx.retrieval.index import InnerProductIndex

RNG = np.random.default_rng(8)
VECTORS = RNG.normal(size=(21, 12)).astype(np.float32)
ASKED = RNG.normal(size=(5, 12)).astype(np.float32)
RELEVANCE = RNG.random((5, 21)) < 0.3


@pytest.mark.parametrize("entries", [1, 20, 43])
def test_a_gallery_larger_than_a_block_is_ranked_row_by_row(monkeypatch, entries):
    scores = ASKED @ VECTORS.T
    whole = metrics.evaluate(scores, RELEVANCE)
    monkeypatch.setattr(metrics, "BLOCK_ELEMENTS", entries)
    seen = []
    found = metrics.evaluate_streamed(
        lambda rows: seen.append(rows.stop - rows.start) or scores[rows],
        RELEVANCE.__getitem__,
        num_queries=5,
        num_gallery=21,
    )
    assert seen == ([2, 2, 1] if entries == 43 else [1] * 5)
    assert found == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("pairs", [1, 43])
def test_codes_are_counted_in_blocks_of_any_size(monkeypatch, pairs):
    queries, gallery = pack(jnp.asarray(ASKED)), pack(jnp.asarray(VECTORS))
    whole = hamming_map.hamming_map(queries, gallery, RELEVANCE.__getitem__)
    monkeypatch.setattr(hamming_map, "BLOCK_PAIRS", pairs)
    assert hamming_map.hamming_map(queries, gallery, RELEVANCE.__getitem__) == whole


def hamming_index():
    return HammingSearch(HashCodes(pack(jnp.asarray(VECTORS)).words, 12))


@pytest.mark.parametrize("kind", ["inner", "hamming", "reranked"])
def test_the_single_best_is_the_first_of_all(kind):
    made = {
        "inner": lambda: InnerProductIndex(VECTORS),
        "hamming": hamming_index,
        "reranked": lambda: RerankedSearch(hamming_index(), VECTORS, shortlist=21),
    }[kind]()
    np.testing.assert_array_equal(made.search(ASKED, 1).ids, made.search(ASKED, 21).ids[:, :1])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_one_bad_entry_of_a_gallery_is_refused(bad):
    spoiled = VECTORS.copy()
    spoiled[20, 3] = bad
    with pytest.raises(UserError, match="vectors must be finite"):
        RerankedSearch(hamming_index(), spoiled)
    with pytest.raises(UserError, match="queries and gallery must be finite"):
        InnerProductIndex(spoiled).search(ASKED, 2)
    asked = ASKED.copy()
    asked[4, 0] = bad
    with pytest.raises(UserError, match="queries and gallery must be finite"):
        InnerProductIndex(VECTORS).search(asked, 2)
    with pytest.raises(UserError, match="queries must be finite"):
        hamming_index().search(asked, 2)


def test_a_ragged_last_block_runs_the_program_of_the_others():
    before = index._search_block._cache_size()
    index.search(ASKED, VECTORS, 3, query_block=2, gallery_block=8)
    assert index._search_block._cache_size() == before + 1
