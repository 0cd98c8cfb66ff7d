"""Computes MAP of hash codes over the full list by counting items at each distance instead of sorting.

A Hamming distance is one of 0..bits, so a ranked list is bits + 1 tied groups: how many items and how many relevant
items lie at each distance determines every measure. Counting takes one pass over the pairs in any order and holds one
block.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import chex
import numpy as np

from avx.core.errors import UserError
from avx.core.types import Array, HashCodes
from avx.retrieval.per_query import average_precision
from avx.retrieval.ranking import RelevantGroups

BLOCK_PAIRS = 2**20
"""Pairs counted at a time; they take about 40 bytes each, and the columns of a block then stay in cache."""


@dataclasses.dataclass(frozen=True)
class DistanceCounts:
    """Items and relevant items of the gallery at each distance from each query, both (Q, bits + 1) int64."""

    items: np.ndarray
    relevant: np.ndarray


def distance_counts(
    queries: HashCodes, gallery: HashCodes, relevance_rows: Callable[[slice], np.ndarray]
) -> DistanceCounts:
    """Counts the items and relevant items of the gallery at each distance from each query.

    Args:
      queries: Q codes.
      gallery: G codes of the same length.
      relevance_rows: slice of queries -> (q, G) bool, as for `metrics.evaluate_streamed`.

    Raises:
      UserError: codes of different lengths, no code on one side, or relevance of another shape.

    >>> codes = HashCodes(np.array([[0b00], [0b11]], np.uint32), bits=2)
    >>> distance_counts(codes, codes, lambda rows: np.eye(2, dtype=bool)[rows]).items.tolist()
    [[1, 0, 1], [1, 0, 1]]
    """
    if queries.bits != gallery.bits:
        raise UserError(
            f"The queries are codes of {queries.bits} bits and the gallery holds codes of {gallery.bits}: "
            "encode both with one model."
        )
    query_words, gallery_words = _wide_words(queries.words), _wide_words(gallery.words)
    if not len(query_words) or not len(gallery_words):
        raise UserError(
            f"There are {len(query_words)} queries and {len(gallery_words)} codes in the gallery: "
            "give at least one of each."
        )
    columns, bins = np.ascontiguousarray(gallery_words.T), queries.bits + 1
    counts = np.empty((len(query_words), bins, 2), np.int64)
    rows_per_block = max(1, BLOCK_PAIRS // len(gallery_words))
    for begin in range(0, len(query_words), rows_per_block):
        rows = slice(begin, min(begin + rows_per_block, len(query_words)))
        relevance = np.asarray(relevance_rows(rows), bool)
        if relevance.shape != (rows.stop - begin, len(gallery_words)):
            raise UserError(
                f"relevance of queries {begin} to {rows.stop - 1} has shape {relevance.shape}: "
                f"give ({rows.stop - begin}, {len(gallery_words)}), one column for each item of the gallery."
            )
        for row in range(begin, rows.stop):
            distance = np.bitwise_count(columns[0] ^ query_words[row, 0]).astype(np.uint16)
            for word in range(1, len(columns)):
                distance += np.bitwise_count(columns[word] ^ query_words[row, word])
            counts[row] = _row_counts(distance, relevance[row - begin], bins)
    return DistanceCounts(counts.sum(2), counts[:, :, 1])


def counts_of_distances(distances: np.ndarray, relevance: np.ndarray, bits: int) -> DistanceCounts:
    """Counts items at each distance from a given matrix of distances.

    Args:
      distances: (Q, G) whole numbers in 0..bits.
      relevance: (Q, G) bool.
      bits: code length.

    >>> counts_of_distances(np.array([[0, 2, 2]]), np.array([[True, False, True]]), bits=2).relevant.tolist()
    [[1, 0, 1]]
    """
    chex.assert_equal_shape([distances, relevance])
    assert distances.size == 0 or 0 <= distances.min() <= distances.max() <= bits, f"distances outside 0..{bits}"
    rows = zip(distances, relevance, strict=True)
    counts = np.stack([_row_counts(distance, relevant, bits + 1) for distance, relevant in rows])
    return DistanceCounts(counts.sum(2), counts[:, :, 1])


def _row_counts(distance: np.ndarray, relevant: np.ndarray, bins: int) -> np.ndarray:
    """Counts irrelevant and relevant items of one query at each distance, (bins, 2)."""
    # One count for both: even bins hold irrelevant items, odd bins relevant ones.
    return np.bincount(2 * distance + relevant, minlength=2 * bins).reshape(bins, 2)


def expected_average_precision(counts: DistanceCounts) -> np.ndarray:
    """(Q,) AP over the full list, expected over the orders of items at equal distance; NaN without a relevant item.

    >>> expected_average_precision(DistanceCounts(np.array([[0, 2]]), np.array([[0, 1]]))).tolist()
    [0.75]
    """
    items, hits = counts.items, counts.relevant
    relevant = hits.sum(1)
    groups = RelevantGroups(
        start=np.cumsum(items, axis=1) - items,
        size=np.maximum(items, 1),
        hits=hits,
        gain=hits,
        relevant=np.maximum(relevant, 1),
        gallery_size=int(items[0].sum()),
    )
    return np.where(relevant > 0, average_precision(groups), np.nan)


def hamming_map(
    queries: HashCodes, gallery: HashCodes, relevance_rows: Callable[[slice], np.ndarray]
) -> dict[str, float]:
    """Computes `map`, `queries` and `excluded` as `metrics.evaluate_streamed` does for Hamming scores, without a sort.

    Arguments as in `distance_counts`.

    Raises:
      UserError: see `distance_counts`, and where no query has a relevant item.

    >>> codes = HashCodes(np.array([[0b00], [0b11]], np.uint32), bits=2)
    >>> hamming_map(codes, codes, lambda rows: np.eye(2, dtype=bool)[rows])["map"]
    1.0
    """
    precision = expected_average_precision(distance_counts(queries, gallery, relevance_rows))
    counted = int(np.isfinite(precision).sum())
    if not counted:
        raise UserError(
            f"none of the {len(precision)} queries has a relevant item in the gallery; check labels and split"
        )
    return {
        "map": float(np.nanmean(precision)),
        "queries": float(counted),
        "excluded": float(len(precision) - counted),
    }


def _wide_words(words: Array) -> np.ndarray:
    """(n, ceil(W / 2)) uint64 of uint32 words (n, W): half as many to count."""
    narrow = np.asarray(words)
    return np.ascontiguousarray(np.pad(narrow, [(0, 0), (0, narrow.shape[1] % 2)])).view(np.uint64)
