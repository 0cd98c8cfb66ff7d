"""Codes of 256 bits and more: distances that a byte cannot hold, in every search."""

import jax.numpy as jnp
import numpy as np
import pytest

from avx.core.types import HashCodes
from avx.hashing import hamming, hamming_index
from avx.hashing.pack import pack
from avx.retrieval.hamming_search import HammingSearch


def gallery_of(bits):
    """One query of ones; codes at distance bits, 255, 256, 0 and 1 from it, as many as the length allows."""
    distances = [distance for distance in (bits, 255, 256, 0, 1) if distance <= bits]
    signs = np.ones((len(distances), bits), np.float32)
    for row, distance in zip(signs, distances, strict=True):
        row[:distance] = -1
    return np.ones((1, bits), np.float32), signs, np.array(distances)


@pytest.mark.parametrize("bits", [256, 300, 1024])
def test_all_pairs(bits):
    query, signs, distances = gallery_of(bits)
    asked, codes = pack(jnp.asarray(query)), pack(jnp.asarray(signs))
    np.testing.assert_array_equal(hamming.distances(asked.words, codes.words), [distances])
    np.testing.assert_array_equal(hamming.scores(asked, codes), [bits - 2 * distances])


@pytest.mark.parametrize("bits", [256, 1024])
def test_nearest_codes_counts_and_whole_balls(bits):
    query, signs, distances = gallery_of(bits)
    asked, codes = pack(jnp.asarray(query)), pack(jnp.asarray(signs))
    index = hamming_index.build(HashCodes(codes.words, bits))
    order = np.argsort(distances, kind="stable")
    nearest, ids = hamming_index.top_k(asked.words, index, len(signs))
    np.testing.assert_array_equal(nearest, [distances[order]])
    np.testing.assert_array_equal(ids, [order])
    for radius in (0, 1, 254, 255, 256):
        inside = (distances <= radius).sum()
        np.testing.assert_array_equal(hamming_index.count_within(asked.words, index, radius), [inside])
    _, found, counts = hamming_index.chosen(asked.words, index, 255)
    np.testing.assert_array_equal(found, [order[: int(counts[0])]])


def test_the_search_scores_opposite_codes_lowest():
    query, signs, distances = gallery_of(256)
    found = HammingSearch(pack(jnp.asarray(signs))).search(query, k=len(signs))
    np.testing.assert_array_equal(found.scores, [np.sort(256 - 2 * distances)[::-1]])
