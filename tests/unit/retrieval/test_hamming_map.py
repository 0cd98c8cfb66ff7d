"""MAP by counts against the metric on sorted scores, a list worked by hand, and random orders of the ties."""

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.core.types import HashCodes
from avx.hashing import hamming
from avx.hashing.pack import pack
from avx.retrieval import hamming_map, metrics
from avx.retrieval.hamming_map import DistanceCounts, counts_of_distances, distance_counts, expected_average_precision

RNG = np.random.default_rng(0)


def codes_of(count, bits, seed):
    return pack(np.random.default_rng(seed).normal(size=(count, bits)).astype(np.float32))


@pytest.mark.parametrize("bits", [5, 16, 40, 64, 100])
def test_equals_the_metric_on_sorted_scores(bits, monkeypatch):
    """Few bits tie nearly everything; blocks of a few rows must join without a seam."""
    monkeypatch.setattr(hamming_map, "BLOCK_PAIRS", 200)
    queries, gallery = codes_of(13, bits, 1), codes_of(60, bits, 2)
    relevance = np.random.default_rng(3).integers(0, 4, 13)[:, None] == np.random.default_rng(4).integers(0, 4, 60)
    relevance[5] = False
    found = hamming_map.hamming_map(queries, gallery, relevance.__getitem__)
    expected = metrics.evaluate(np.asarray(hamming.scores(queries, gallery)), relevance, ks=())
    for name, value in found.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-10)
    assert found["excluded"] == 1


def test_counts_by_hand():
    signs = np.array([[1, 1, 1], [1, 1, -1], [-1, -1, -1], [1, -1, 1]], np.float32)
    counts = distance_counts(pack(signs[:1]), pack(signs), lambda rows: np.array([[True, False, True, True]]))
    np.testing.assert_array_equal(counts.items, [[1, 2, 0, 1]])
    np.testing.assert_array_equal(counts.relevant, [[1, 1, 0, 1]])


@pytest.mark.parametrize("bits", [256, 300])
def test_distances_beyond_a_byte_are_counted(bits):
    """Opposite codes of 256 bits are 256 apart, which eight bits would count as 0."""
    signs = np.stack([np.ones(bits), -np.ones(bits), np.ones(bits)]).astype(np.float32)
    counts = distance_counts(pack(signs[:1]), pack(signs), lambda rows: np.array([[False, True, True]]))
    assert np.flatnonzero(counts.items[0]).tolist() == [0, bits]
    assert counts.items[0, [0, bits]].tolist() == [2, 1] and counts.relevant[0, [0, bits]].tolist() == [1, 1]


def test_expectation_by_hand_and_over_random_orders():
    """One hit first, then one hit among two, then one: (1 + (2/2 + 2/3) / 2 + 3/4) / 3."""
    counts = DistanceCounts(np.array([[1, 2, 0, 1]]), np.array([[1, 1, 0, 1]]))
    np.testing.assert_allclose(expected_average_precision(counts), (1 + (1 + 2 / 3) / 2 + 3 / 4) / 3)
    counts = DistanceCounts(np.array([[2, 5, 3]]), np.array([[1, 3, 1]]))
    groups = [[1, 0], [1, 1, 1, 0, 0], [1, 0, 0]]
    sampled = []
    for _ in range(4000):
        order = np.concatenate([RNG.permutation(group) for group in groups])
        sampled.append((np.cumsum(order) / np.arange(1, 11))[order == 1].mean())
    assert abs(expected_average_precision(counts)[0] - np.mean(sampled)) < 4 * np.std(sampled) / 4000**0.5
    assert abs(np.mean(sampled) - 1) > 0.1
    optimistic = np.concatenate([-np.sort(-np.array(group)) for group in groups])
    best = (np.cumsum(optimistic) / np.arange(1, 11))[optimistic == 1].mean()
    assert abs(best - np.mean(sampled)) > 0.05, "the tie rule must matter in this case"


def test_counts_of_a_distance_matrix_are_those_of_the_codes():
    queries, gallery = codes_of(5, 40, 1), codes_of(30, 40, 2)
    relevance = RNG.random((5, 30)) < 0.3
    expected = distance_counts(queries, gallery, relevance.__getitem__)
    distances = np.asarray(hamming.distances(queries.words, gallery.words))
    found = counts_of_distances(distances, relevance, 40)
    np.testing.assert_array_equal(found.items, expected.items)
    np.testing.assert_array_equal(found.relevant, expected.relevant)
    with pytest.raises(AssertionError, match=r"distances outside 0\.\.9"):
        counts_of_distances(distances, relevance, 9)


def test_bad_input_is_named():
    queries, gallery = codes_of(3, 16, 1), codes_of(4, 16, 2)
    with pytest.raises(UserError, match="queries are codes of 16 bits and the gallery holds codes of 8"):
        distance_counts(queries, codes_of(4, 8, 2), lambda rows: np.ones((3, 4), bool))
    with pytest.raises(UserError, match=r"relevance of queries 0 to 2 has shape \(3, 5\): give \(3, 4\)"):
        distance_counts(queries, gallery, lambda rows: np.ones((3, 5), bool))
    with pytest.raises(UserError, match="There are 3 queries and 0 codes in the gallery"):
        distance_counts(queries, HashCodes(gallery.words[:0], 16), lambda rows: np.ones((3, 0), bool))
    with pytest.raises(UserError, match="none of the 3 queries has a relevant item"):
        hamming_map.hamming_map(queries, gallery, lambda rows: np.zeros((3, 4), bool))
