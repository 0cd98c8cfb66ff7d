"""Finds exact nearest codes in large galleries, without a distance matrix.

The gallery is cut into blocks of consecutive ids. One pass keeps only the smallest distance of each block to each
query. The k nearest codes, ties to the lowest id, lie in the k blocks that come first by (smallest distance, block):
were one of them in another block, each of those k blocks would hold a code at least as near with a lower id. So the
second pass looks at k blocks only.

The first pass is elementwise XOR, population count and minimum over vectors of blocks, which compilers turn into full
vector registers; hence words are stored with the block as the fastest axis. Queries and blocks are tiled so that the
running minima stay in cache.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import chex
import jax
import jax.numpy as jnp
from flax import struct

from avx.core.arrays import product
from avx.core.errors import UserError
from avx.core.types import HashCodes

QUERY_TILE = 256
LANES = 256
WORDS_PER_STEP = 16
"""Words folded per loop step. With fewer the CPU compiler leaves the loop scalar, ten times slower (measured)."""
CANDIDATE_WORDS = 1 << 22
"""Words gathered at once in the second pass, 16 MiB."""


@struct.dataclass
class HammingIndex:
    """A gallery of G codes of W words, laid out for scanning.

    Attributes:
      blocks: (blocks, W, block_size) uint32, the codes in id order, the last one repeated to fill the last blocks.
      tiles: (tiles, steps, members, W, lanes) uint32, the same words: block `tile * lanes + lane` has its item
        `step * members + member` there.
      first_id: () int32 id of the first code, for a gallery that is one shard of a larger one.
      size: G.
      bits: code length.
    """

    blocks: jax.Array
    tiles: jax.Array
    first_id: jax.Array
    size: int = struct.field(pytree_node=False)
    bits: int = struct.field(pytree_node=False)

    @property
    def block_size(self) -> int:
        return self.blocks.shape[2]


def build(codes: HashCodes, first_id: int = 0, neighbours: int = 10) -> HammingIndex:
    """Lays out a gallery for `top_k`, `count_within` and `lookup`; it takes twice the memory of the packed codes.

    Args:
      codes: words (G, W).
      first_id: id of the first row; ids count up from it.
      neighbours: the k for which `top_k` is fastest; any k is exact.

    Raises:
      UserError: an empty gallery.
    """
    chex.assert_rank(codes.words, 2)
    chex.assert_type(codes.words, jnp.uint32)
    size, words = codes.words.shape
    if size == 0:
        raise UserError("A Hamming index needs at least one code.")
    members = math.ceil(WORDS_PER_STEP / words)
    # A query selects among size / block_size minima, then among k * block_size candidates: this balances the two.
    balanced = max(1.0, math.sqrt(size / max(neighbours, 1)))
    steps = max(1, 2 ** round(math.log2(balanced)) // members)
    block_size = steps * members
    lanes = min(LANES, math.ceil(size / block_size))
    tiles = math.ceil(size / (block_size * lanes))
    rows = jnp.pad(codes.words, [(0, tiles * lanes * block_size - size), (0, 0)], mode="edge")
    blocks = rows.reshape(tiles * lanes, block_size, words).transpose(0, 2, 1)
    tiled = rows.reshape(tiles, lanes, steps, members, words).transpose(0, 2, 3, 4, 1)
    return HammingIndex(blocks, tiled, jnp.asarray(first_id, jnp.int32), size, codes.bits)


def top_k(queries: jax.Array, index: HammingIndex, k: int) -> tuple[jax.Array, jax.Array]:
    """Finds the k nearest codes of each query, nearest first, ties to the lowest id.

    Args:
      queries: (Q, W) uint32 words.
      index: from `build`.
      k: at most G.

    Returns:
      distances (Q, k) int32 and ids (Q, k) int32.

    Raises:
      UserError: k outside 1..G.
    """
    if not 1 <= k <= index.size:
        raise UserError(f"k = {k} is outside 1..{index.size}, the number of codes in the index.")
    return _top_k(queries, index, k)


@functools.partial(jax.jit, static_argnames="k")
def _top_k(queries: jax.Array, index: HammingIndex, k: int) -> tuple[jax.Array, jax.Array]:
    block_size, words = index.block_size, index.blocks.shape[1]
    real_blocks = math.ceil(index.size / block_size)
    kept_blocks = min(k, real_blocks)

    def refine(query, chosen):
        # In id order, so that equal distances come out by id: lax.top_k keeps the earlier of equals.
        chosen = jnp.sort(chosen)
        columns = index.blocks[chosen].transpose(1, 0, 2)
        distance = _differing_bits(query, columns).reshape(-1)
        ids = (chosen[:, None] * block_size + jnp.arange(block_size)).reshape(-1)
        distance = jnp.where(ids < index.size, distance, 2 * index.bits + 1)
        nearest, place = _smallest(distance, k)
        return nearest, ids[place] + index.first_id

    def tile(query_tile):
        smallest = _fold(query_tile, index, jnp.minimum, index.bits + 1)
        _, chosen = _smallest(smallest[:, :real_blocks], kept_blocks)
        at_once = _divisor(len(query_tile), CANDIDATE_WORDS // (kept_blocks * block_size * words))
        return jax.lax.map(lambda pair: refine(*pair), (query_tile, chosen), batch_size=at_once)

    return _over_query_tiles(tile, queries)


@jax.jit
def count_within(queries: jax.Array, index: HammingIndex, radius: int | jax.Array) -> jax.Array:
    """Counts the codes within `radius` differing bits of each query (Q, W); (Q,) int32."""
    repeated = len(index.blocks) * index.block_size - index.size
    last = index.blocks[-1, :, -1]

    def tile(query_tile):
        inside = _fold(query_tile, index, lambda count, distance: count + (distance <= radius), 0).sum(1)
        copies = repeated * (_differing_bits(query_tile.T, last[:, None]) <= radius)
        return (inside - copies).astype(jnp.int32)

    return _over_query_tiles(tile, queries)


def chosen(queries: jax.Array, index: HammingIndex, radius: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Finds all codes within `radius` differing bits of each query, nearest first, ties to the lowest id.

    Not for use under `jit`: the width of the result depends on the data. It is the largest count over the queries.

    Args:
      queries: (Q, W) uint32 words.
      index: from `build`.
      radius: bits, at least 0.

    Returns:
      distances (Q, N) int32, ids (Q, N) int32 with -1 in the places beyond a query's count, and counts (Q,) int32.
    """
    if radius < 0:
        raise UserError(f"radius = {radius} is negative: pass 0 or more bits.")
    counts = count_within(queries, index, radius)
    width = int(counts.max(initial=0))
    # Searched at the next power of two, so that a new query set rarely means a new compilation.
    searched = min(index.size, 1 << max(width - 1, 0).bit_length())
    nearest, ids = top_k(queries, index, searched)
    nearest, ids = nearest[:, :width], ids[:, :width]
    return nearest, jnp.where(nearest <= radius, ids, -1), counts


@functools.partial(jax.jit, static_argnames="k")
def merge(parts: Sequence[tuple[jax.Array, jax.Array]], k: int) -> tuple[jax.Array, jax.Array]:
    """Merges the k nearest of several shards' results for the same queries, each searched with its own `first_id`.

    Args:
      parts: (distances (Q, k_i), ids (Q, k_i)) per shard; exact where every k_i is k or the whole shard.
      k: at most the sum of all k_i.

    Returns:
      distances (Q, k) int32 and ids (Q, k) int32, nearest first, ties to the lowest id.
    """
    joined = [jnp.concatenate(column, 1) for column in zip(*parts, strict=True)]
    if not 1 <= k <= joined[0].shape[1]:
        raise UserError(f"k = {k} is outside 1..{joined[0].shape[1]}, the number of results of all shards.")
    distance, ids = jax.lax.sort(joined, dimension=1, num_keys=2)
    return distance[:, :k], ids[:, :k]


@functools.partial(jax.jit, static_argnames="k")
def rerank(queries: jax.Array, gallery: jax.Array, shortlist: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
    """Orders a Hamming shortlist by exact inner products of the real vectors.

    Args:
      queries: (Q, D) float32.
      gallery: (G, D) float32, row i being item i.
      shortlist: (Q, R) int32 ids, such as those of `top_k` with R > k.
      k: at most R.

    Returns:
      scores (Q, k) float32, largest first, and ids (Q, k) int32, ties to the lowest id.
    """
    chex.assert_rank([queries, gallery, shortlist], 2)
    chex.assert_equal_shape_prefix([queries, shortlist], 1)
    if len(queries) == 0:
        raise UserError("There is no query to rerank for.")
    if not 1 <= k <= shortlist.shape[1]:
        raise UserError(f"k = {k} is outside 1..{shortlist.shape[1]}, the length of the shortlist.")
    shortlist = jnp.sort(shortlist, axis=1)

    def one(pair):
        query, ids = pair
        return product(gallery[ids], query)

    at_once = _divisor(len(queries), CANDIDATE_WORDS // (shortlist.shape[1] * gallery.shape[1]))
    score = jax.lax.map(one, (queries, shortlist), batch_size=at_once)
    best, place = jax.lax.top_k(score, k)
    return best, jnp.take_along_axis(shortlist, place, axis=1)


def _fold(
    queries: jax.Array, index: HammingIndex, combine: Callable[[jax.Array, jax.Array], jax.Array], start: int
) -> jax.Array:
    """(Q, blocks): `combine` over the distances of each block's items, from `start`."""
    chex.assert_axis_dimension(queries, 1, index.blocks.shape[1])
    chex.assert_type(queries, jnp.uint32)

    def one_tile(tile):
        def step(folded, words):
            for member in range(words.shape[0]):
                folded = combine(folded, _differing_bits(queries.T[:, :, None], words[member][:, None]))
            return folded, None

        initial = jnp.full((len(queries), tile.shape[-1]), start, jnp.uint32)
        return jax.lax.scan(step, initial, tile)[0]

    folded = jax.lax.map(one_tile, index.tiles)
    return folded.transpose(1, 0, 2).reshape(len(queries), -1)


def _differing_bits(left: jax.Array, right: jax.Array) -> jax.Array:
    """Population count of the XOR summed over the leading axis of words; uint32."""
    total = jax.lax.population_count(left[0] ^ right[0])
    for word in range(1, len(left)):
        total = total + jax.lax.population_count(left[word] ^ right[word])
    return total


def _smallest(values: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
    """The k smallest along the last axis with their places, equals in order of place.

    Through float32, exact for distances below 2^24: `lax.top_k` on integers is a full sort on CPU.
    """
    largest, place = jax.lax.top_k(-values.astype(jnp.float32), k)
    return (-largest).astype(jnp.int32), place


def _divisor(count: int, limit: int) -> int:
    """The largest divisor of `count` that is at most `limit`, so that no remainder is compiled a second time."""
    return max(size for size in range(1, count + 1) if count % size == 0 and (size == 1 or size <= limit))


def _over_query_tiles(function: Callable, queries: jax.Array):
    """Applies a function of (tile, W) queries tile by tile, the last tile filled up; results joined to (Q, ...)."""
    chex.assert_rank(queries, 2)
    count = len(queries)
    if count == 0:
        raise UserError("There is no query to search for.")
    tiles = math.ceil(count / QUERY_TILE)
    tile = math.ceil(count / tiles)
    padded = jnp.pad(queries, [(0, tiles * tile - count), (0, 0)]).reshape(tiles, tile, -1)
    results = jax.lax.map(function, padded)
    return jax.tree.map(lambda part: part.reshape(-1, *part.shape[2:])[:count], results)
