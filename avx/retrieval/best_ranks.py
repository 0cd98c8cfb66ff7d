"""Computes the rank of the best relevant item by counting scores, without a sort and block by block of the gallery.

Scores are larger-is-better; the tie policies are those of `ranking`. `best_rank_counts` also traces under `jax.jit`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from avx.retrieval.ranking import check_scores, check_ties


@dataclasses.dataclass(frozen=True)
class BestRankCounts:
    """Counts that give the rank of the best relevant item of each of Q queries; all fields (Q,) int.

    Attributes:
      better: irrelevant items with a strictly larger score.
      tied: items, relevant ones included, with the same score.
      tied_relevant: relevant items among them; 0 where the query has no relevant item.
      tied_ahead: irrelevant tied items that stand before the first relevant tied one in the gallery.
    """

    better: Any
    tied: Any
    tied_relevant: Any
    tied_ahead: Any

    def rank(self, ties: str = "expected") -> np.ndarray:
        """(Q,) 1-based rank of the best relevant item, NaN where there is none.

        The expected rank is better + (tied + 1) / (tied_relevant + 1): the smallest of r places drawn from n. With
        one relevant item in the group it is the mid-rank 1 + #{>} + (#{=} - 1) / 2 of docs/methods.md 14.2.
        """
        check_ties(ties)
        better, tied, tied_relevant = (np.asarray(x, np.float64) for x in (self.better, self.tied, self.tied_relevant))
        ahead = {
            "expected": (tied + 1) / (tied_relevant + 1),
            "optimistic": np.ones_like(tied),
            "pessimistic": tied - tied_relevant + 1,
            "stable": np.asarray(self.tied_ahead, np.float64) + 1,
        }[ties]
        return np.where(tied_relevant > 0, better + ahead, np.nan)


def best_relevant(scores: Any, relevance: Any) -> Any:
    """Finds the largest score of a relevant item (Q,), -inf where there is none. NumPy or JAX arrays (Q, G).

    >>> best_relevant(np.array([[0.5, 0.9]]), np.array([[True, False]])).tolist()
    [0.5]
    """
    xp = scores.__array_namespace__()
    return xp.where(relevance, scores, -xp.inf).max(1)


def best_rank_counts(scores: Any, relevance: Any, best: Any) -> BestRankCounts:
    """Counts one block of the gallery against the best relevant score, by comparison only: no sort.

    Args:
      scores: (Q, G) NumPy or JAX array.
      relevance: (Q, G) bool.
      best: (Q,) best relevant score over the *whole* gallery.

    Returns:
      Counts of this block; `merge_counts` adds up the blocks in gallery order.

    >>> counts = best_rank_counts(np.array([[0.5, 0.9, 0.5]]), np.array([[True, False, False]]), np.array([0.5]))
    >>> counts.better.tolist(), counts.tied.tolist(), counts.rank().tolist()
    ([1], [2], [2.5])
    """
    xp = scores.__array_namespace__()
    tied = scores == best[:, None]
    tied_relevant = tied & relevance
    none_yet = xp.cumsum(tied_relevant, axis=1) == 0
    return BestRankCounts(
        better=(scores > best[:, None]).sum(1),
        tied=tied.sum(1),
        tied_relevant=tied_relevant.sum(1),
        tied_ahead=(tied & none_yet).sum(1),
    )


def merge_counts(earlier: BestRankCounts, later: BestRankCounts) -> BestRankCounts:
    """Adds the counts of two adjacent gallery blocks, the earlier one first.

    >>> scores, relevance, best = np.array([[0.5, 0.9]]), np.array([[True, False]]), np.array([0.5])
    >>> halves = [best_rank_counts(scores[:, [i]], relevance[:, [i]], best) for i in (0, 1)]
    >>> merge_counts(*halves).rank().tolist()
    [2.0]
    """
    unseen = earlier.tied_relevant == 0
    return BestRankCounts(
        better=earlier.better + later.better,
        tied=earlier.tied + later.tied,
        tied_relevant=earlier.tied_relevant + later.tied_relevant,
        tied_ahead=earlier.tied_ahead + unseen * later.tied_ahead,
    )


def stream_best_ranks(
    score_block: Callable[[slice, slice], Any],
    relevance_block: Callable[[slice, slice], Any],
    *,
    num_queries: int,
    num_gallery: int,
    query_block: int = 1024,
    gallery_block: int = 8192,
    ties: str = "expected",
) -> np.ndarray:
    """Computes the best ranks of all queries, holding one (query_block, gallery_block) of scores at a time.

    Reads each block twice: once for the best relevant score, once for the counts; `score_block` must therefore give
    the same values on both calls.

    Args:
      score_block: (query slice, gallery slice) -> (q, g) scores, larger is better.
      relevance_block: the same slices -> (q, g) bool.
      num_queries: Q.
      num_gallery: G.
      query_block: queries per block.
      gallery_block: gallery items per block.
      ties: the policy, one of TIES.

    Returns:
      (Q,) float64 1-based ranks, NaN for a query without a relevant item.

    Raises:
      UserError: a score is NaN, shapes differ, or the policy is unknown.

    >>> scores, relevance = np.array([[0.5, 0.9], [0.8, 0.1]]), np.eye(2, dtype=bool)
    >>> blocks = (lambda q, g: scores[q, g], lambda q, g: relevance[q, g])
    >>> stream_best_ranks(*blocks, num_queries=2, num_gallery=2, gallery_block=1).tolist()
    [2.0, 2.0]
    """
    check_ties(ties)

    def blocks(rows: slice):
        for begin in range(0, num_gallery, gallery_block):
            columns = slice(begin, min(begin + gallery_block, num_gallery))
            yield np.asarray(score_block(rows, columns)), np.asarray(relevance_block(rows, columns), bool)

    ranks = []
    for begin in range(0, num_queries, query_block):
        rows = slice(begin, min(begin + query_block, num_queries))
        best = np.full(rows.stop - rows.start, -np.inf)
        for scores, relevance in blocks(rows):
            check_scores(scores, relevance)
            best = np.maximum(best, best_relevant(scores, relevance))
        zero = np.zeros(len(best), np.int64)
        counts = BestRankCounts(zero, zero, zero, zero)
        for scores, relevance in blocks(rows):
            counts = merge_counts(counts, best_rank_counts(scores, relevance, best))
        ranks.append(counts.rank(ties))
    return np.concatenate(ranks)
