"""Searches a streamed gallery for exact nearest neighbours, and reranks shortlists."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import chex
import jax
import jax.numpy as jnp
import numpy as np

from avx.core.arrays import product
from avx.core.errors import UserError

RERANKED_AT_ONCE = 16
"""Queries whose lists are scored together: what a network holds of 16 lists of 100 stays in a core's cache."""


class Shortlist(NamedTuple):
    """scores (Q, k) float32, descending, and ids (Q, k) int32 gallery positions; equal scores by ascending id."""

    scores: np.ndarray
    ids: np.ndarray


class Index(Protocol):
    """A searchable gallery: by inner products here, by Hamming codes or pair scores elsewhere."""

    @property
    def size(self) -> int:
        """Number of gallery items G."""

    def search(self, queries: Any, k: int) -> Shortlist:
        """Finds the k best gallery items of each query, larger scores first; k at most G.

        Queries are rows (Q, D), and for pair scores a pytree of items (Q, ...).
        """


def check_count(k: int, size: int) -> None:
    """Raises UserError unless k is 1 to `size`."""
    if not 1 <= k <= size:
        raise UserError(f"k={k} is out of range: ask for 1 to {size} of the gallery's items")


def check_finite(scores: np.ndarray, first_query: int, ids: np.ndarray) -> None:
    """Raises a UserError that names the first of the scores (Q, k) that is NaN or infinite.

    Args:
      scores: pair scores of the queries first_query .. first_query + Q.
      first_query: position of the first row.
      ids: gallery positions, (Q, k) or (k,) for all rows.
    """
    wrong = ~np.isfinite(scores)
    if wrong.any():
        query, place = np.argwhere(wrong)[0]
        item = np.broadcast_to(ids, scores.shape)[query, place]
        raise UserError(
            f"the pair score of query {first_query + query} and gallery item {item} is {scores[query, place]}; "
            "leave missing items out and check the embeddings for NaN."
        )


def merge_best(
    best: tuple[jax.Array, jax.Array], block: tuple[jax.Array, jax.Array], k: int
) -> tuple[jax.Array, jax.Array]:
    """Merges the k best of two lists of (scores, ids), the first one holding the smaller ids.

    >>> merged = merge_best((jnp.array([[3.0]]), jnp.array([[0]])), (jnp.array([[5.0]]), jnp.array([[1]])), k=1)
    >>> merged[1].tolist()
    [[1]]
    """
    scores = jnp.concatenate([best[0], block[0]], axis=1)
    ids = jnp.concatenate([best[1], block[1]], axis=1)
    # top_k keeps the first of equal entries, and smaller ids stand first.
    top, place = jax.lax.top_k(scores, k)
    return top, jnp.take_along_axis(ids, place, axis=1)


@functools.partial(jax.jit, static_argnames="k")
def _search_block(queries, gallery, first_id, count, best, k):
    """Merges gallery rows first_id .. first_id + len(gallery), of which `count` are real, into the best so far."""
    scores = product(queries, gallery.T)
    scores = jnp.where(jnp.arange(gallery.shape[0]) < count, scores, -jnp.inf)
    top, place = jax.lax.top_k(scores, min(k, gallery.shape[0]))
    return merge_best(best, (top, first_id + place), k)


def search(
    queries: np.ndarray,
    gallery: np.ndarray,
    k: int,
    *,
    query_block: int = 256,
    gallery_block: int = 65536,
) -> Shortlist:
    """Finds the exact top k by inner product, holding one (query_block, gallery_block) of scores at a time.

    Args:
      queries: (Q, D) float32; unit rows for cosine.
      gallery: (G, D) float32, on the host; blocks are sent to the device one at a time.
      k: results of each query, 1 to G.
      query_block: queries per block.
      gallery_block: gallery rows per block.

    Returns:
      Scores and ids; of equal scores the lowest id comes first, whatever the blocks.

    Raises:
      UserError: widths differ, k is out of range, or a vector is not finite.

    >>> found = search(np.eye(2)[:1], np.array([[0.5, 0.0], [1.0, 0.0], [0.0, 1.0]]), k=2)
    >>> found.ids.tolist(), found.scores.tolist()
    ([[1, 0]], [[1.0, 0.5]])
    """
    queries, gallery = np.asarray(queries, np.float32), np.asarray(gallery, np.float32)
    if queries.ndim != 2 or gallery.ndim != 2 or queries.shape[1] != gallery.shape[1]:
        raise UserError(f"queries {queries.shape} and gallery {gallery.shape} must be rows of one embedding width")
    check_count(k, len(gallery))
    if not (np.isfinite(queries).all() and np.isfinite(gallery).all()):
        raise UserError("queries and gallery must be finite; leave missing items out of the gallery")
    query_block, gallery_block = min(query_block, max(len(queries), 1)), min(gallery_block, len(gallery))
    found = [
        _search_rows(_padded(queries[begin : begin + query_block], query_block), gallery, k, gallery_block)
        for begin in range(0, len(queries), query_block)
    ]
    if not found:
        return Shortlist(np.zeros((0, k), np.float32), np.zeros((0, k), np.int32))
    scores, ids = (np.concatenate(parts)[: len(queries)] for parts in zip(*found, strict=True))
    return Shortlist(scores, ids)


def _search_rows(queries: np.ndarray, gallery: np.ndarray, k: int, block: int) -> tuple[np.ndarray, np.ndarray]:
    best = (jnp.full((len(queries), k), -jnp.inf, jnp.float32), jnp.full((len(queries), k), -1, jnp.int32))
    for begin in range(0, len(gallery), block):
        rows = gallery[begin : begin + block]
        best = _search_block(queries, _padded(rows, block), begin, len(rows), best, k)
    return np.asarray(best[0]), np.asarray(best[1])


def _padded(rows: np.ndarray, length: int) -> np.ndarray:
    """Fills up the last block with zeros, so that all blocks run the same compiled program."""
    return rows if len(rows) == length else np.concatenate([rows, np.zeros((length - len(rows), rows.shape[1]), "f4")])


class InnerProductIndex:
    """Exact search over stored vectors (G, D), larger inner product first.

    >>> InnerProductIndex(np.eye(3)).search(np.array([[0.1, 0.7, 0.2]]), k=2).ids.tolist()
    [[1, 2]]
    """

    def __init__(self, vectors: np.ndarray, *, gallery_block: int = 65536):
        self._vectors = np.asarray(vectors, np.float32)
        self._gallery_block = gallery_block

    @property
    def size(self) -> int:
        return len(self._vectors)

    def search(self, queries: np.ndarray, k: int) -> Shortlist:
        return search(queries, self._vectors, k, gallery_block=self._gallery_block)


def rerank(
    shortlist: Shortlist,
    pair_score: Callable[[np.ndarray, np.ndarray], np.ndarray],
    *,
    query_block: int = RERANKED_AT_ONCE,
) -> Shortlist:
    """Reorders each query's shortlist by a score that does not factor into an inner product.

    Args:
      shortlist: ids (Q, k) from a search.
      pair_score: (query positions (B,), gallery ids (B, k)) -> (B, k) scores, larger is better. It is called with one
        shape: the last query fills up the last block.
      query_block: B, at most.

    Returns:
      The same ids with the new scores, descending; equal scores keep the order of the shortlist.

    Raises:
      UserError: a pair score is NaN or infinite.

    >>> shortlist = Shortlist(np.float32([[0.9, 0.8]]), np.int32([[4, 7]]))
    >>> rerank(shortlist, lambda queries, ids: ids / 10).ids.tolist()
    [[7, 4]]
    """
    chex.assert_equal_shape(list(shortlist))
    scores = np.empty(shortlist.ids.shape, np.float32)
    block = min(query_block, max(len(scores), 1))
    for begin in range(0, len(scores), block):
        positions = np.minimum(np.arange(begin, begin + block), len(scores) - 1)
        found = np.asarray(pair_score(positions, shortlist.ids[positions]))
        scores[begin : begin + block] = found[: len(scores) - begin]
    check_finite(scores, 0, shortlist.ids)
    order = np.argsort(-scores, axis=1, kind="stable")
    return Shortlist(np.take_along_axis(scores, order, 1), np.take_along_axis(shortlist.ids, order, 1))
