"""Searches packed codes by Hamming distance, and reranks any index's shortlist by exact inner products."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from avx.core.errors import UserError
from avx.core.types import HashCodes
from avx.hashing import hamming_index
from avx.hashing.pack import pack
from avx.retrieval.index import Index, Shortlist


class HammingSearch:
    """An `Index` over packed codes: the score of two codes is bits - 2 * distance, their inner product as signs.

    Args:
      codes: the gallery, words (G, W).
      neighbours: the k for which the layout is fastest; any k is exact.
      devices: where the gallery lies, a shard of consecutive ids on each; the first local device if not given. All are
        searched at once, with the same result on any number of them.

    Raises:
      UserError: an empty gallery.

    >>> gallery = pack(jnp.array([[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]]))
    >>> found = HammingSearch(gallery).search(np.array([[0.5, -0.1, -2.0]]), k=2)
    >>> found.ids.tolist(), found.scores.tolist()
    ([[1, 0]], [[1.0, -1.0]])
    """

    def __init__(self, codes: HashCodes, *, neighbours: int = 10, devices: Sequence[jax.Device] | None = None):
        self.size, self.bits = len(codes.words), codes.bits
        self._devices = list(devices or jax.local_devices()[:1])[: max(self.size, 1)]
        bounds = [self.size * place // len(self._devices) for place in range(len(self._devices) + 1)]
        self._shards = []
        for device, first, last in zip(self._devices, bounds[:-1], bounds[1:], strict=True):
            words = jax.device_put(codes.words[first:last], device)
            self._shards.append(hamming_index.build(HashCodes(words, self.bits), first, neighbours))

    def search(self, queries: np.ndarray, k: int) -> Shortlist:
        """Finds the k nearest codes of the signs of real codes (Q, bits); ties to the lowest id.

        Raises:
          UserError: queries of another length, with NaN or infinity, or k outside 1..G.
        """
        queries = _real_queries(queries, self.bits)
        if len(queries) == 0:
            self._check_count(k)
            return Shortlist(np.zeros((0, k), np.float32), np.zeros((0, k), np.int32))
        return self.search_codes(pack(jnp.asarray(queries)), k)

    def search_codes(self, queries: HashCodes, k: int) -> Shortlist:
        """Searches as `search` does, for at least one query that is packed already."""
        if queries.bits != self.bits:
            raise UserError(
                f"The queries are codes of {queries.bits} bits and the gallery holds codes of {self.bits}: "
                "encode both with one model."
            )
        self._check_count(k)
        # Each call returns at once, so that the devices search side by side.
        parts = [
            hamming_index.top_k(jax.device_put(queries.words, device), shard, min(k, shard.size))
            for device, shard in zip(self._devices, self._shards, strict=True)
        ]
        distances, ids = parts[0]
        if len(parts) > 1:
            distances, ids = hamming_index.merge(jax.device_put(parts, self._devices[0]), k)
        return Shortlist(np.asarray(self.bits - 2 * distances, np.float32), np.asarray(ids))

    def _check_count(self, k: int) -> None:
        if not 1 <= k <= self.size:
            raise UserError(f"k={k} is out of range: ask for 1 to {self.size} of the gallery's items")


class RerankedSearch:
    """An `Index` that takes a shortlist from another one and orders it by exact inner products of real vectors.

    Args:
      index: the fast one, such as `HammingSearch` over the signs of `vectors`.
      vectors: (G, D) float32, row i being item i of `index`; queries are rows of the same kind.
      shortlist: items that are scored for each query; k where that is more. With G the result is exact.

    Raises:
      UserError: vectors of another number of items, or not finite, or a shortlist below 1.

    >>> vectors = np.array([[0.1, 0.1], [0.9, 0.9], [-0.5, 0.5]], np.float32)
    >>> fast = HammingSearch(pack(jnp.asarray(vectors)))
    >>> RerankedSearch(fast, vectors, shortlist=2).search(np.array([[1.0, 1.0]]), k=1).ids.tolist()
    [[1]]
    """

    def __init__(self, index: Index, vectors: np.ndarray, *, shortlist: int = 100):
        vectors = np.asarray(vectors, np.float32)
        if vectors.ndim != 2 or len(vectors) != index.size:
            raise UserError(f"vectors {vectors.shape} must have one row for each of the index's {index.size} items.")
        if not np.isfinite(vectors).all():
            raise UserError("vectors must be finite; leave missing items out of the gallery.")
        if shortlist < 1:
            raise UserError(f"shortlist={shortlist} is out of range: ask for at least 1.")
        self._index, self._vectors, self._shortlist = index, jnp.asarray(vectors), shortlist

    @property
    def size(self) -> int:
        return self._index.size

    def search(self, queries: np.ndarray, k: int) -> Shortlist:
        """Finds the k best of each query's shortlist by inner product; ties to the lowest id. Errors as in `Index`."""
        queries = _real_queries(queries, self._vectors.shape[1])
        found = self._index.search(queries, min(max(k, self._shortlist), self.size) if k >= 1 else k)
        if len(queries) == 0:
            return Shortlist(found.scores[:, :k], found.ids[:, :k])
        if not 1 <= k <= found.ids.shape[1]:
            raise UserError(f"k={k} is out of range: ask for 1 to {self.size} of the gallery's items")
        scores, ids = hamming_index.rerank(jnp.asarray(queries), self._vectors, jnp.asarray(found.ids), k)
        return Shortlist(np.asarray(scores), np.asarray(ids))


def _real_queries(queries: np.ndarray, width: int) -> np.ndarray:
    queries = np.asarray(queries, np.float32)
    if queries.ndim != 2 or queries.shape[1] != width:
        raise UserError(f"queries have shape {queries.shape}, the gallery is of width {width}: encode both alike.")
    if not np.isfinite(queries).all():
        raise UserError("queries must be finite; leave missing items out.")
    return queries
