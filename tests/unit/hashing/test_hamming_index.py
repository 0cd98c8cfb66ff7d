import jax
import jax.numpy as jnp
import numpy as np
import pytest

from avx.core.errors import UserError
from avx.core.types import HashCodes
from avx.hashing import hamming_index


def random_words(count, bits, seed, density=0.5):
    """Packed random codes; a low density makes masses of ties."""
    ones = np.random.default_rng(seed).random((count, bits)) < density
    padded = np.pad(ones, [(0, 0), (0, -bits % 32)])
    return np.packbits(padded, axis=1, bitorder="little").view(np.uint32)


def brute_force(queries, gallery, k):
    """Distances from the bit strings, a stable sort for ties to the lowest id."""
    bits = [np.unpackbits(words.view(np.uint8), axis=1) for words in (queries, gallery)]
    distance = (bits[0][:, None] != bits[1][None]).sum(-1)
    ids = np.argsort(distance, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distance, ids, 1), ids


@pytest.mark.parametrize(
    ("size", "bits", "queries", "k", "density"),
    [
        (1, 8, 1, 1, 0.5),
        (17, 32, 3, 17, 0.5),
        (693, 64, 5, 10, 0.5),
        (5000, 16, 7, 50, 0.1),
        (4000, 96, 300, 3, 0.02),
        (3000, 288, 2, 5, 0.5),
    ],
)
def test_top_k_is_the_stable_sort_of_all_distances(size, bits, queries, k, density):
    gallery, asked = random_words(size, bits, 1, density), random_words(queries, bits, 2, density)
    index = hamming_index.build(HashCodes(jnp.asarray(gallery), bits))
    distance, ids = hamming_index.top_k(jnp.asarray(asked), index, k)
    expected_distance, expected_ids = brute_force(asked, gallery, k)
    np.testing.assert_array_equal(distance, expected_distance)
    np.testing.assert_array_equal(ids, expected_ids)
    assert ids.dtype == jnp.int32


def test_only_arrays_of_an_index_are_traced():
    """Sizes fix shapes: they must stay numbers under `jit`."""
    index = hamming_index.build(HashCodes(jnp.asarray(random_words(9, 40, 1)), 40), first_id=5)
    assert len(jax.tree.leaves(index)) == 3
    assert jax.jit(lambda index: (index.size, index.bits, index.first_id))(index) == (9, 40, 5)
    kept = jax.tree.map(lambda leaf: leaf, index)
    assert (type(kept.size), type(kept.bits)) == (int, int)


def test_equal_codes_come_out_by_id():
    """All at one distance: any other tie rule, and any block wrongly dropped, shows."""
    gallery = jnp.ones((5000, 2), jnp.uint32)
    index = hamming_index.build(HashCodes(gallery, 64))
    assert len(index.blocks) > 40, "the case needs more blocks than neighbours"
    distance, ids = hamming_index.top_k(jnp.zeros((2, 2), jnp.uint32), index, 40)
    np.testing.assert_array_equal(ids, np.tile(np.arange(40), (2, 1)))
    np.testing.assert_array_equal(distance, 2)


def test_the_copies_that_fill_the_last_block_are_never_found():
    gallery = random_words(1001, 64, 3)
    index = hamming_index.build(HashCodes(jnp.asarray(gallery), 64))
    assert len(index.blocks) * index.block_size > 1001
    asked = jnp.asarray(gallery[-1:])
    distance, ids = hamming_index.top_k(asked, index, 1001)
    assert sorted(np.asarray(ids)[0]) == list(range(1001))
    assert ids[0, 0] == 1000 and distance[0, 0] == 0
    assert hamming_index.count_within(asked, index, 0)[0] == 1
    assert hamming_index.count_within(asked, index, 64)[0] == 1001


def test_any_layout_gives_the_same_answer():
    gallery, asked = random_words(2000, 64, 4), jnp.asarray(random_words(4, 64, 5))
    results = []
    for neighbours in (1, 10, 2000):
        index = hamming_index.build(HashCodes(jnp.asarray(gallery), 64), neighbours=neighbours)
        results.append((index.block_size, *hamming_index.top_k(asked, index, 20)))
    assert len({block_size for block_size, *_ in results}) == 3
    for _, distance, ids in results[1:]:
        np.testing.assert_array_equal(distance, results[0][1])
        np.testing.assert_array_equal(ids, results[0][2])


def test_lookup_returns_the_whole_ball():
    gallery, asked = random_words(3000, 32, 6, 0.1), random_words(6, 32, 7, 0.1)
    index = hamming_index.build(HashCodes(jnp.asarray(gallery), 32))
    distance, ids, counts = hamming_index.chosen(jnp.asarray(asked), index, 2)
    all_distance, all_ids = brute_force(asked, gallery, 3000)
    inside = (all_distance <= 2).sum(1)
    assert 0 < inside.min() < inside.max()
    np.testing.assert_array_equal(counts, inside)
    assert ids.shape == (6, inside.max())
    for row, count in enumerate(inside):
        np.testing.assert_array_equal(ids[row, :count], all_ids[row, :count])
        np.testing.assert_array_equal(distance[row, :count], all_distance[row, :count])
        assert (np.asarray(ids[row, count:]) == -1).all()
    nothing = hamming_index.chosen(jnp.full((1, 1), 0xFFFFFFFF, jnp.uint32), index, 0)
    assert nothing[1].shape == (1, 0) and nothing[2][0] == 0
    with pytest.raises(UserError, match="negative"):
        hamming_index.chosen(jnp.asarray(asked), index, -1)


def test_shards_merge_to_the_whole():
    gallery, asked = random_words(1500, 16, 8, 0.2), jnp.asarray(random_words(5, 16, 9, 0.2))
    whole = hamming_index.build(HashCodes(jnp.asarray(gallery), 16))
    expected = hamming_index.top_k(asked, whole, 30)
    parts = []
    for first, last in ((900, 1500), (0, 20), (20, 900)):
        shard = hamming_index.build(HashCodes(jnp.asarray(gallery[first:last]), 16), first_id=first)
        parts.append(hamming_index.top_k(asked, shard, min(30, last - first)))
    merged = hamming_index.merge(parts, 30)
    np.testing.assert_array_equal(merged[0], expected[0])
    np.testing.assert_array_equal(merged[1], expected[1])
    by_distance_alone = np.argsort(np.concatenate([part[0] for part in parts], 1), axis=1, kind="stable")[:, :30]
    joined = np.take_along_axis(np.concatenate([part[1] for part in parts], 1), by_distance_alone, 1)
    assert (joined != np.asarray(expected[1])).any(), "merging without the id order must be seen to fail"
    with pytest.raises(UserError, match="outside"):
        hamming_index.merge(parts, 81)


def test_rerank_orders_the_shortlist_by_exact_scores():
    rng = np.random.default_rng(10)
    gallery, queries = rng.normal(size=(50, 8)), rng.normal(size=(3, 8))
    shortlist = np.stack([rng.permutation(50)[:20] for _ in range(3)])
    score, ids = hamming_index.rerank(
        *(jnp.asarray(a, jnp.float32) for a in (queries, gallery)), jnp.asarray(shortlist), 6
    )
    for row in range(3):
        listed = sorted(shortlist[row])
        exact = gallery[listed] @ queries[row]
        order = np.argsort(-exact, kind="stable")[:6]
        np.testing.assert_array_equal(ids[row], np.asarray(listed)[order])
        np.testing.assert_allclose(score[row], exact[order], rtol=1e-5)
    same = hamming_index.rerank(jnp.ones((1, 8)), jnp.ones((50, 8)), jnp.array([[40, 7, 30]]), 3)
    np.testing.assert_array_equal(same[1], [[7, 30, 40]])


def test_bad_requests_are_named():
    index = hamming_index.build(HashCodes(jnp.zeros((3, 1), jnp.uint32), 32))
    query = jnp.zeros((1, 1), jnp.uint32)
    for k in (0, 4):
        with pytest.raises(UserError, match=r"outside 1\.\.3"):
            hamming_index.top_k(query, index, k)
    with pytest.raises(AssertionError):
        hamming_index.top_k(jnp.zeros((1, 2), jnp.uint32), index, 1)
    with pytest.raises(UserError, match="no query"):
        hamming_index.top_k(query[:0], index, 1)
    with pytest.raises(UserError, match="at least one code"):
        hamming_index.build(HashCodes(jnp.zeros((0, 1), jnp.uint32), 32))
    with pytest.raises(UserError, match="shortlist"):
        hamming_index.rerank(jnp.ones((1, 2)), jnp.ones((5, 2)), jnp.zeros((1, 3), jnp.int32), 4)


def test_the_search_runs_inside_jit():
    index = hamming_index.build(HashCodes(jnp.asarray(random_words(100, 32, 11)), 32))
    query = jnp.asarray(random_words(2, 32, 12))
    inside = jax.jit(lambda asked, held: hamming_index.top_k(asked, held, 4))(query, index)
    np.testing.assert_array_equal(inside[1], hamming_index.top_k(query, index, 4)[1])
