"""Searches with scores that do not factor into an inner product: all pairs in tiles, streamed top k, or reranking.

A pair score is a jitted function of two pytrees of item arrays (embeddings, or whatever a system computes once for each
item), whose leaves have the item axis first: (Q items, G items) -> (Q, G), larger is better. Every call here has one
shape: the last tile is filled up with its first item, so that the function sees real items only. Parameters
are bound by `jax.tree_util.Partial`: they then stay arguments of what is compiled.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from avx.core.errors import UserError
from avx.retrieval.index import RERANKED_AT_ONCE, Index, Shortlist, check_count, check_finite, merge_best, rerank

Items = Any
"""A pytree of arrays (N, ...)."""
PairScore = Callable[[Items, Items], jax.Array]

QUERY_TILE, GALLERY_TILE = 256, 512
"""A table of 512 KiB: it stays in a core's own cache while it is summed up."""
IN_FLIGHT = 4
"""Tiles that run while the oldest is fetched; the runtime spreads them over the cores."""


class EmbeddedItems(Protocol):
    """Items with unit `vectors` (N, D) for a shortlist by inner product, beside what the pair score reads."""

    @property
    def vectors(self) -> Any: ...


class Tile(NamedTuple):
    """`real` items from `begin` on, filled up to the tile's length."""

    begin: int
    real: int
    items: Items


def item_count(items: Items) -> int:
    """Counts the items N of a pytree of arrays (N, ...).

    Raises:
      UserError: there are no arrays, or they differ in N.

    >>> item_count({"vectors": np.zeros((3, 2)), "length": np.zeros(3)})
    3
    """
    counts = {len(leaf) for leaf in jax.tree.leaves(items)}
    if len(counts) != 1:
        raise UserError(f"the arrays of one gallery hold {sorted(counts)} items; give each one row for every item.")
    return counts.pop()


def _tiles(items: Items, length: int) -> Iterator[Tile]:
    total = item_count(items)
    for begin in range(0, total, length):
        real = min(length, total - begin)
        yield Tile(begin, real, jax.tree.map(lambda leaf: _rows(leaf, begin, real, length), items))


def _rows(leaf: np.ndarray, begin: int, real: int, length: int) -> np.ndarray:
    rows = np.asarray(leaf)[begin : begin + real]
    return rows if real == length else np.concatenate([rows, np.repeat(rows[:1], length - real, axis=0)])


def tiled_scores(
    score: PairScore,
    queries: Items,
    gallery: Items,
    *,
    query_tile: int = QUERY_TILE,
    gallery_tile: int = GALLERY_TILE,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Computes the scores of all pairs in tiles of one shape; memory beside the result is a few tiles.

    Args:
      score: a jitted pair score.
      queries: Q items, on the host.
      gallery: G items, on the host.
      query_tile: queries of a tile, at most.
      gallery_tile: gallery items of a tile, at most.
      progress: called with the number of pairs done, after each row of tiles.

    Returns:
      (Q, G) float32; (0, G) or (Q, 0) where there is nothing to score.

    Raises:
      UserError: a score is NaN or infinite, or the arrays of one side differ in length.

    >>> nearness = jax.jit(lambda queries, gallery: -jnp.abs(queries[:, None] - gallery))
    >>> tiled_scores(nearness, np.array([1.0]), np.array([0.0, 1.5]), gallery_tile=1).tolist()
    [[-1.0, -0.5]]
    """
    result = np.empty((item_count(queries), item_count(gallery)), np.float32)
    if result.size == 0:
        return result
    query_tile, gallery_tile = min(query_tile, result.shape[0]), min(gallery_tile, result.shape[1])
    waiting: collections.deque[tuple[Tile, Tile, jax.Array]] = collections.deque()

    def fetch() -> None:
        row, column, table = waiting.popleft()
        found = np.asarray(table)[: row.real, : column.real]
        check_finite(found, row.begin, column.begin + np.arange(column.real))
        result[row.begin : row.begin + row.real, column.begin : column.begin + column.real] = found
        if progress is not None and column.begin + column.real == result.shape[1]:
            progress((row.begin + row.real) * result.shape[1])

    for row in _tiles(queries, query_tile):
        for column in _tiles(gallery, gallery_tile):
            waiting.append((row, column, score(row.items, column.items)))
            if len(waiting) > IN_FLIGHT:
                fetch()
    while waiting:
        fetch()
    return result


class Best(NamedTuple):
    """The best of the gallery so far: scores (Q, k), ids (Q, k), and whether all scores were finite, ()."""

    scores: jax.Array
    ids: jax.Array
    finite: jax.Array


@jax.jit
def _keep_best(best: Best, table: jax.Array, first_id: jax.Array, real: jax.Array) -> Best:
    """Merges a table (Q, T), of which `real` columns count, into the best so far."""
    counts = jnp.arange(table.shape[1]) < real
    k = best.scores.shape[1]
    top, place = jax.lax.top_k(jnp.where(counts, table, -jnp.inf), min(k, table.shape[1]))
    merged = merge_best((best.scores, best.ids), (top, first_id + place), k)
    return Best(*merged, best.finite & (jnp.isfinite(table) | ~counts).all())


class PairScoreIndex:
    """An exact `Index` whose queries are items too; of the (Q, G) scores it holds a few tiles at a time.

    Args:
      score: a jitted pair score.
      gallery: G items; leave out items without the modality, as in every index.
      query_tile: queries of a tile, at most.
      gallery_tile: gallery items of a tile, at most.

    Raises:
      UserError: the gallery's arrays differ in length.

    >>> nearness = jax.jit(lambda queries, gallery: -jnp.abs(queries[:, None] - gallery))
    >>> PairScoreIndex(nearness, np.array([0.0, 1.5, 9.0])).search(np.array([1.0]), k=2).ids.tolist()
    [[1, 0]]
    """

    def __init__(
        self, score: PairScore, gallery: Items, *, query_tile: int = QUERY_TILE, gallery_tile: int = GALLERY_TILE
    ):
        self._score, self._size, self._query_tile = score, item_count(gallery), query_tile
        tiles = _tiles(gallery, max(1, min(gallery_tile, self._size)))
        self._gallery = [tile._replace(items=jax.device_put(tile.items)) for tile in tiles]

    @property
    def size(self) -> int:
        return self._size

    def search(self, queries: Items, k: int) -> Shortlist:
        """Finds the k best gallery items of each query; ties to the lowest id.

        Raises:
          UserError: k outside 1..G, a score that is NaN or infinite, or queries whose arrays differ in length.
        """
        check_count(k, self._size)
        count = item_count(queries)
        found = Shortlist(np.empty((count, k), np.float32), np.empty((count, k), np.int32))
        rows = max(1, min(self._query_tile, count))
        for begin, real, items in _tiles(queries, rows):
            best = Best(jnp.full((rows, k), -jnp.inf), jnp.full((rows, k), -1, jnp.int32), jnp.asarray(True))
            for tile in self._gallery:
                best = _keep_best(best, self._score(items, tile.items), tile.begin, tile.real)
            if not best.finite:
                raise UserError(
                    f"the pair scores of queries {begin} to {begin + real - 1} are not all finite; "
                    "leave missing items out and check the embeddings for NaN."
                )
            found.scores[begin : begin + real] = np.asarray(best.scores)[:real]
            found.ids[begin : begin + real] = np.asarray(best.ids)[:real]
        return found


class RerankedPairs:
    """An `Index` that takes a shortlist from a fast one, by inner products, and orders it by a pair score.

    Args:
      index: the fast one, such as `InnerProductIndex` over `gallery.vectors`.
      score: a jitted pair score.
      gallery: the index's items, in its order.
      shortlist: items that are scored for each query; k where that is more. With G the result is exact.
      query_block: queries that are scored at a time, at most.

    Raises:
      UserError: a gallery of another size than the index, or a shortlist below 1.
    """

    def __init__(
        self,
        index: Index,
        score: PairScore,
        gallery: Items,
        *,
        shortlist: int = 100,
        query_block: int = RERANKED_AT_ONCE,
    ):
        if item_count(gallery) != index.size:
            raise UserError(
                f"the gallery has {item_count(gallery)} items and its index {index.size}: build both from the same."
            )
        if shortlist < 1:
            raise UserError(f"shortlist={shortlist} is out of range: ask for at least 1.")
        self._score = score if isinstance(score, Partial) else Partial(score)
        self._index, self._gallery = index, jax.tree.map(jnp.asarray, gallery)
        self._shortlist, self._query_block = shortlist, query_block

    @property
    def size(self) -> int:
        return self._index.size

    def search(self, queries: EmbeddedItems, k: int) -> Shortlist:
        """Finds the k best of each query's shortlist by pair score; ties and errors as in `PairScoreIndex`."""
        check_count(k, self.size)
        found = self._index.search(np.asarray(queries.vectors), min(max(k, self._shortlist), self.size))
        # By id, since reranking keeps the order of equal scores.
        order = np.argsort(found.ids, axis=1)
        by_id = Shortlist(*(np.take_along_axis(part, order, 1) for part in found))

        def scores(positions: np.ndarray, ids: np.ndarray) -> np.ndarray:
            asking = jax.tree.map(lambda leaf: np.asarray(leaf)[positions], queries)
            return np.asarray(_score_lists(self._score, asking, self._gallery, ids))

        ranked = rerank(by_id, scores, query_block=self._query_block)
        return Shortlist(ranked.scores[:, :k], ranked.ids[:, :k])


@jax.jit
def _score_lists(score: Partial, queries: Items, gallery: Items, ids: jax.Array) -> jax.Array:
    """(B, k) scores of each of B queries with its own gallery items, ids (B, k)."""

    def of_query(query: Items, listed: jax.Array) -> jax.Array:
        alone = jax.tree.map(lambda leaf: leaf[None], query)
        return score(alone, jax.tree.map(lambda leaf: leaf[listed], gallery))[0]

    return jax.vmap(of_query)(queries, ids)
