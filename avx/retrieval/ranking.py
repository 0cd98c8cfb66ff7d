"""Ranks scores under an explicit tie policy: ranked lists with tied groups, and best ranks counted without a sort.

Scores are larger-is-better. Equal scores form a *tied group*, and the policy defines the order within a group:

- "expected": every order of the group is equally likely, and metrics are expectations over it (docs/methods.md 14.6);
- "optimistic" / "pessimistic": relevant items come first / last in their group;
- "stable": items keep the order of the gallery.

Whatever the policy, a list is a sequence of groups; the last three simply have groups of one item. Functions here
work on NumPy arrays in the precision they are given. The counts of `best_rank_counts` also trace under `jax.jit`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from avx.core.errors import UserError

TIES = ("expected", "optimistic", "pessimistic", "stable")


@dataclasses.dataclass(frozen=True)
class RankedLists:
    """Q ranked lists over a gallery of G items, position 0 the best. Arrays are (Q, G) unless stated.

    Attributes:
      start: int, position at which the tied group that covers this position begins.
      size: int, number of items in that group.
      hits: int, number of relevant items in that group.
      hits_before: int, number of relevant items ranked before that group.
      gain: float64, expected gain at this position: the mean gain of its group, 0 for irrelevant items.
      relevant: (Q,) int, relevant items in the whole list, at least 1.
      ideal_gain: float64, the gains of each query in descending order.
    """

    start: np.ndarray
    size: np.ndarray
    hits: np.ndarray
    hits_before: np.ndarray
    gain: np.ndarray
    relevant: np.ndarray
    ideal_gain: np.ndarray

    @property
    def gallery_size(self) -> int:
        return self.start.shape[1]

    @functools.cached_property
    def relevance(self) -> np.ndarray:
        """(Q, G) probability that the item at each position is relevant."""
        return self.hits / self.size

    def hits_at(self, k: int) -> np.ndarray:
        """(Q,) expected number of relevant items among the first k."""
        last = min(k, self.gallery_size) - 1
        drawn = last + 1 - self.start[:, last]
        return self.hits_before[:, last] + self.hits[:, last] * drawn / self.size[:, last]

    @functools.cached_property
    def precision_at_hit(self) -> np.ndarray:
        """(Q, G) expected precision at each position, given that its item is relevant (McSherry & Najork 2008)."""
        position = np.arange(self.gallery_size)
        others_ahead = (position - self.start) * (self.hits - 1) / np.maximum(self.size - 1, 1)
        return (self.hits_before + 1 + others_ahead) / (position + 1)


def check_scores(scores: np.ndarray, relevance: np.ndarray) -> None:
    """Raises UserError unless scores and relevance are (Q, G) of one shape, not empty, and no score is NaN."""
    if scores.ndim != 2 or scores.shape != relevance.shape:
        raise UserError(
            f"scores {scores.shape} and relevance {relevance.shape} must both be (queries, gallery); "
            "compute them for the same queries and gallery"
        )
    if scores.size == 0:
        raise UserError(f"scores have shape {scores.shape}: give at least one query and one gallery item")
    if np.isnan(scores).any():
        row, column = np.argwhere(np.isnan(scores))[0]
        raise UserError(
            f"the score of query {row} and gallery item {column} is NaN; "
            "fix the embeddings, or score missing items -inf"
        )


def check_ties(ties: str) -> None:
    """Raises UserError for an unknown tie policy."""
    if ties not in TIES:
        raise UserError(f"ties={ties!r} is unknown; choose one of {', '.join(TIES)}")


def rank_lists(
    scores: np.ndarray, relevance: np.ndarray, *, weights: np.ndarray | None = None, ties: str = "expected"
) -> RankedLists:
    """Sorts each row of scores into a ranked list and finds its tied groups.

    Args:
      scores: (Q, G) larger is better; infinities are allowed.
      relevance: (Q, G) bool; each row has at least one True.
      weights: (Q, G) non-negative gains of the relevant items; None for a gain of 1 each.
      ties: the policy, one of TIES.

    Raises:
      UserError: shapes differ, a score is NaN, a query has no relevant item, or the policy is unknown.

    >>> ranked = rank_lists(np.array([[0.5, 0.9, 0.5]]), np.array([[True, False, False]]))
    >>> ranked.start.tolist(), ranked.relevance.tolist()
    ([[0, 1, 1]], [[0.0, 0.5, 0.5]])
    """
    check_ties(ties)
    check_scores(scores, relevance)
    relevance = np.asarray(relevance, bool)
    relevant = relevance.sum(1)
    if not relevant.all():
        raise UserError(f"query {int(np.argmin(relevant))} has no relevant item; exclude such queries before ranking")
    # Negation keeps the precision of the scores: a cast could make two of them equal.
    descending = -(scores if scores.dtype.kind == "f" else scores.astype(np.float64))
    order = _order(descending, relevance, ties)
    position = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    start, stop = position, position + 1
    if ties == "expected":
        start, stop = _tied_groups(np.take_along_axis(descending, order, 1), position)

    hits_until = _leading_zero(np.cumsum(np.take_along_axis(relevance, order, 1), axis=1))
    hits_before = np.take_along_axis(hits_until, start, 1)
    hits = np.take_along_axis(hits_until, stop, 1) - hits_before
    if weights is None:
        group_gain, ideal_gain = hits, 1.0 * (position < relevant[:, None])
    else:
        gain = np.where(relevance, weights, 0.0)
        gain_until = _leading_zero(np.cumsum(np.take_along_axis(gain, order, 1), axis=1))
        group_gain = np.take_along_axis(gain_until, stop, 1) - np.take_along_axis(gain_until, start, 1)
        ideal_gain = -np.sort(-gain, axis=1)
    size = stop - start
    return RankedLists(
        start=start,
        size=size,
        hits=hits,
        hits_before=hits_before,
        gain=group_gain / size,
        relevant=relevant,
        ideal_gain=ideal_gain,
    )


def _order(descending: np.ndarray, relevance: np.ndarray, ties: str) -> np.ndarray:
    """(Q, G) gallery ids from best to worst; within a tied group as the policy says, in any order for "expected"."""
    if ties == "expected":
        return np.argsort(descending, axis=1)
    if ties == "stable":
        return np.argsort(descending, axis=1, kind="stable")
    return np.lexsort((relevance if ties == "pessimistic" else ~relevance, descending), axis=1)


def _tied_groups(ordered: np.ndarray, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(Q, G) first position of the group that covers each position, and the position after its last."""
    changes = ordered[:, 1:] != ordered[:, :-1]
    if changes.all():
        return position, position + 1
    edge = np.ones((len(ordered), 1), bool)
    first, last = np.concatenate([edge, changes], axis=1), np.concatenate([changes, edge], axis=1)
    start = np.maximum.accumulate(np.where(first, position, 0), axis=1)
    last_position = np.where(last, position, ordered.shape[1])
    return start, 1 + np.minimum.accumulate(last_position[:, ::-1], axis=1)[:, ::-1]


def _leading_zero(cumulative: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros_like(cumulative[:, :1]), cumulative], axis=1)


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
