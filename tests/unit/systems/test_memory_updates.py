"""Scoring under a memory that goes on learning, against a plain loop over queries."""

import dataclasses

import jax
import numpy as np
import pytest

from avx.core.types import Embedded, MemoryBank, ModelState
from avx.memory import bank as memory
from avx.memory.bank import MemoryOptions
from avx.systems import feature_memory
from avx.systems.feature_memory import LossOptions, Options, PairTokens
from benchmarks.naive_memory import NaiveMemory, unit

WIDTHS = {"video": 6, "audio": 4}
MEMORY = MemoryOptions(capacity=4, match_threshold=0.45, merge_threshold=0.8)
OPTIONS = Options("features", (4,), 1, 2, True, 5, 7, 0.0, "cosine", MEMORY, "blend", 0.6, 0)
LOSSES = LossOptions(1.0, 0.2, "hard_and_semi_hard", 0.0, "class", "match")
SYSTEM = feature_memory.build(OPTIONS, LOSSES)
QUERIES, GALLERY = 14, 9


@pytest.fixture(scope="module")
def params():
    """Those of the fusion, by hand: under S1 = (1 + cosine) / 2 nothing reads any other."""
    generator = np.random.default_rng(1)
    side = {"kernel": generator.normal(size=(5, 7)).astype(np.float32)}
    logits = {"kernel": generator.normal(size=(7, 2)).astype(np.float32), "bias": np.zeros(2, np.float32)}
    return {"fusion": {"first": side | {"bias": np.zeros(7, np.float32)}, "second": side, "logits": logits}}


def items(count, modality, bank, seed, missing):
    """Items of a few looks, so that some resemble each other and what the memory holds."""
    generator = np.random.default_rng(seed)
    looks = np.random.default_rng(9).normal(size=(5, WIDTHS[modality]))
    raw = (looks[generator.integers(0, 5, count)] + 0.3 * generator.normal(size=(count, WIDTHS[modality]))).astype("f4")
    vectors = np.abs(generator.normal(size=(count, 5))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    present = np.arange(count) != missing
    raw[missing] = 0
    cosines = np.asarray(memory.cosines(bank, modality, raw))
    projected = generator.normal(size=(count, 7)).astype(np.float32)
    return Embedded(vectors, present, tokens=PairTokens(projected, raw, cosines))


@pytest.fixture(scope="module")
def bank():
    generator = np.random.default_rng(3)
    looks = np.random.default_rng(9)
    features = {
        name: looks.normal(size=(5, width))[:2] + 0.1 * generator.normal(size=(2, width))
        for name, width in WIDTHS.items()
    }
    ones = np.ones(2, bool)
    return memory.write(memory.empty(4, WIDTHS), features, np.ones(2), ones, ones, MEMORY, train=True)


def sides(bank, query_modality):
    gallery_modality = next(name for name in WIDTHS if name != query_modality)
    return items(QUERIES, query_modality, bank, 20, missing=5), items(GALLERY, gallery_modality, bank, 21, missing=2)


score_and_learn = jax.jit(SYSTEM.score_and_learn, static_argnames="query_modality")


def naive(bank: MemoryBank, queries, gallery, order, query_modality, learn=True):
    """Query by query, pair by pair, in float64."""
    gallery_modality = next(name for name in WIDTHS if name != query_modality)
    known = NaiveMemory(4, WIDTHS)
    known.keys = {name: np.asarray(keys, np.float64) for name, keys in bank.keys.items()}
    known.count, known.stamp = np.array(bank.count), np.array(bank.stamp)
    known.size, known.clock = int(bank.size), int(bank.clock)
    scores = np.zeros((QUERIES, GALLERY))
    for query in order:
        chance = (1 + queries.vectors[query].astype(np.float64) @ gallery.vectors.T) / 2
        for item in range(GALLERY):
            agreed = 0.0
            for slot in range(known.size):
                own = known.keys[query_modality][slot] @ unit(queries.tokens.raw[query].astype(np.float64))
                other = known.keys[gallery_modality][slot] @ unit(gallery.tokens.raw[item].astype(np.float64))
                agreed = max(agreed, max(own, 0) * max(other, 0))
            scores[query, item] = chance[item] * (0.4 + 0.6 * agreed)
        if learn and queries.present[query]:
            best = int(np.argmax(np.where(gallery.present, scores[query], -np.inf)))
            pair = {query_modality: queries.tokens.raw[query], gallery_modality: gallery.tokens.raw[best]}
            known.update(pair, chance[best], False, MEMORY, train=False)
    return scores, known


@pytest.mark.parametrize("query_modality", ["video", "audio"])
def test_a_plain_loop_gives_the_same_scores_and_the_same_memory(params, bank, query_modality):
    queries, gallery = sides(bank, query_modality)
    order = np.random.default_rng(4).permutation(QUERIES)
    state = ModelState(bank, {"steps": 3})
    kept = jax.tree.map(np.array, bank)
    scores, after = score_and_learn(params, state, queries, gallery, order, query_modality=query_modality)
    expected, known = naive(bank, queries, gallery, order, query_modality)
    np.testing.assert_allclose(scores, expected, atol=2e-6)
    for name, keys in known.keys.items():
        np.testing.assert_allclose(after.memory.keys[name], keys, atol=2e-6)
    np.testing.assert_array_equal(after.memory.count, known.count)
    np.testing.assert_array_equal(after.memory.stamp, known.stamp)
    assert (int(after.memory.size), int(after.memory.clock)) == (known.size, known.clock) == (4, 2 + QUERIES - 1)
    assert known.count.max() > 1, "some pairs merged"
    jax.tree.map(np.testing.assert_array_equal, bank, kept)
    frozen, _ = naive(bank, queries, gallery, order, query_modality, learn=False)
    assert np.abs(frozen - expected).max() > 0.02, "a memory that stands still scores differently"


def test_the_first_query_sees_the_frozen_memory_and_the_last_one_what_all_others_taught(params, bank):
    queries, gallery = sides(bank, "video")
    state = ModelState(bank, None)
    frozen = np.asarray(SYSTEM.score(params, state, queries, gallery))
    forth, back = np.arange(QUERIES), np.arange(QUERIES)[::-1]
    scores = {
        name: np.asarray(score_and_learn(params, state, queries, gallery, order, query_modality="video")[0])
        for name, order in (("forth", forth), ("back", back))
    }
    np.testing.assert_allclose(scores["forth"][0], frozen[0], atol=1e-6)
    np.testing.assert_allclose(scores["back"][-1], frozen[-1], atol=1e-6)
    assert np.abs(scores["forth"] - scores["back"]).max() > 0.02, "the order decides"


def test_without_a_memory_nothing_learns():
    assert feature_memory.build(dataclasses.replace(OPTIONS, memory=None), LOSSES).score_and_learn is None
