import jax.numpy as jnp
import numpy as np
import pytest

from avx.core.types import HashCodes
from avx.hashing import hamming, hamming_index
from avx.hashing.pack import pack


def test_distances_by_hand():
    queries = jnp.array([[0b1011, 0], [0xFFFFFFFF, 1]], jnp.uint32)
    gallery = jnp.array([[0b0011, 0], [0, 0xFFFFFFFF], [0xFFFFFFFF, 1]], jnp.uint32)
    np.testing.assert_array_equal(hamming.distances(queries, gallery), [[1, 35, 30], [31, 63, 0]])


@pytest.mark.parametrize("bits", [5, 64, 77, 256])
def test_distances_and_scores_are_those_of_the_bit_strings(bits):
    rng = np.random.default_rng(bits)
    left, right = rng.normal(size=(4, bits)), rng.normal(size=(6, bits))
    queries, gallery = pack(jnp.asarray(left)), pack(jnp.asarray(right))
    expected = ((left >= 0)[:, None] != (right >= 0)[None]).sum(-1)
    np.testing.assert_array_equal(hamming.distances(queries.words, gallery.words), expected)
    signs = [np.where(side >= 0, 1, -1) for side in (left, right)]
    np.testing.assert_array_equal(hamming.scores(queries, gallery), signs[0] @ signs[1].T)


@pytest.mark.parametrize("bits", [256, 512])
def test_opposite_codes_are_all_bits_apart(bits):
    """Counts of eight bits would make a code and its complement equal."""
    words = jnp.asarray(np.random.default_rng(0).integers(0, 1 << 32, (3, bits // 32), np.uint64).astype(np.uint32))
    found = np.asarray(hamming.distances(words, ~words))
    assert np.diag(found).tolist() == [bits] * 3
    scores = hamming.scores(HashCodes(words, bits), HashCodes(~words, bits))
    assert np.diag(np.asarray(scores)).tolist() == [-bits] * 3
    index = hamming_index.build(HashCodes(jnp.concatenate([~words, words]), bits))
    distances, places = hamming_index.top_k(words, index, 6)
    assert places[:, 0].tolist() == [3, 4, 5] and distances[:, 0].tolist() == [0, 0, 0]
    assert places[:, -1].tolist() == [0, 1, 2] and distances[:, -1].tolist() == [bits] * 3


def test_mismatched_codes_are_refused():
    words = jnp.zeros((2, 2), jnp.uint32)
    with pytest.raises(AssertionError, match="33"):
        hamming.scores(HashCodes(words, 64), HashCodes(words, 33))
    with pytest.raises(AssertionError):
        hamming.distances(words, words.astype(jnp.int32))
    with pytest.raises(AssertionError):
        hamming.distances(words, words[:, :1])
