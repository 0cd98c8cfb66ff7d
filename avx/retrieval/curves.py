"""Computes precision-recall curves by rank, and of hash codes by Hamming radius."""

from __future__ import annotations

import dataclasses

import numpy as np

from avx.core.errors import UserError
from avx.retrieval.hamming_map import DistanceCounts
from avx.retrieval.metrics import BLOCK_ELEMENTS
from avx.retrieval.ranking import check_scores, rank_lists


@dataclasses.dataclass(frozen=True)
class PrecisionRecallCurve:
    """precision (G,) and recall (G,) at ranks 1..G, averaged over queries; eleven_point (11,) at recall 0 to 1."""

    precision: np.ndarray
    recall: np.ndarray
    eleven_point: np.ndarray


@dataclasses.dataclass(frozen=True)
class RadiusCurve:
    """precision, recall and answered, each (b + 1,), at Hamming radius 0..b, averaged over queries.

    `answered` is the share of queries to which the radius returns anything.
    """

    precision: np.ndarray
    recall: np.ndarray
    answered: np.ndarray


def precision_recall(scores: np.ndarray, relevance: np.ndarray, *, ties: str = "expected") -> PrecisionRecallCurve:
    """Computes the pooled precision-recall curve and 11-point interpolated precision (docs/methods.md 14.5).

    The interpolated precision of a query at recall r is the largest precision at any rank that reaches recall r.
    Under ties both curves are drawn through the expected hits at each rank.

    Args:
      scores: (Q, G) larger is better.
      relevance: (Q, G) bool; queries without a relevant item are left out.
      ties: the tie policy.

    Raises:
      UserError: shapes differ, a score is NaN, or no query has a relevant item.

    >>> curve = precision_recall(np.array([[3.0, 2.0, 1.0]]), np.array([[True, False, True]]))
    >>> curve.recall.tolist(), curve.precision[:2].tolist()
    ([0.5, 0.5, 1.0], [1.0, 0.5])
    """
    scores, relevance = np.asarray(scores), np.asarray(relevance, bool)
    check_scores(scores, relevance)
    kept = np.flatnonzero(relevance.any(1))
    if not kept.size:
        raise UserError("no query has a relevant item in the gallery; check labels and split")
    gallery = scores.shape[1]
    precision_sum, recall_sum, interpolated_sum = np.zeros(gallery), np.zeros(gallery), np.zeros(11)
    for rows in np.array_split(kept, -(-kept.size * gallery // BLOCK_ELEMENTS)):
        at_rank, reached = _by_rank(scores[rows], relevance[rows], ties)
        precision_sum += at_rank.sum(0)
        recall_sum += reached.sum(0)
        interpolated_sum += _interpolated(at_rank, reached).sum(0)
    return PrecisionRecallCurve(precision_sum / kept.size, recall_sum / kept.size, interpolated_sum / kept.size)


def eleven_point_precision(scores: np.ndarray, relevance: np.ndarray, *, ties: str = "expected") -> np.ndarray:
    """(Q, 11) interpolated precision of each query at recall 0, 0.1, .. 1; see `precision_recall`.

    Args:
      scores: (Q, G) larger is better.
      relevance: (Q, G) bool, with a relevant item in each row.
      ties: the tie policy.
    """
    return _interpolated(*_by_rank(scores, relevance, ties))


def _by_rank(scores: np.ndarray, relevance: np.ndarray, ties: str) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall (Q, G) at ranks 1..G."""
    ranked = rank_lists(scores, relevance, ties=ties)
    hits = np.cumsum(ranked.relevance, axis=1)
    return hits / np.arange(1, scores.shape[1] + 1), hits / ranked.relevant[:, None]


def _interpolated(at_rank: np.ndarray, reached: np.ndarray) -> np.ndarray:
    best_from = np.maximum.accumulate(at_rank[:, ::-1], axis=1)[:, ::-1]
    levels = []
    for level in range(11):
        # The tolerance keeps a recall of 3/10, summed in floating point, from missing the level 0.3.
        place = np.argmax(reached >= level / 10 - 1e-9, axis=1)
        levels.append(np.take_along_axis(best_from, place[:, None], 1)[:, 0])
    return np.stack(levels, axis=1)


def radius_curve(counts: DistanceCounts) -> RadiusCurve:
    """Computes precision and recall within each Hamming radius, exactly: a radius cuts no tied group.

    A query to which a radius returns nothing has precision 0 there, as usual for hash lookup; precision over
    `answered` is the mean over those that are answered. Queries without a relevant item are left out
    (docs/methods.md 14.5).

    Args:
      counts: (Q, b + 1) items and relevant items at each distance.

    Raises:
      UserError: no query has a relevant item.

    >>> curve = radius_curve(DistanceCounts(np.array([[1, 3]]), np.array([[1, 0]])))
    >>> curve.precision.tolist(), curve.recall.tolist()
    ([1.0, 0.25], [1.0, 1.0])
    """
    kept = counts.relevant.any(1)
    if not kept.any():
        raise UserError("no query has a relevant item in the gallery; check labels and split")
    items, hits = (np.cumsum(part[kept], axis=1) for part in (counts.items, counts.relevant))
    return RadiusCurve(
        precision=(hits / np.maximum(items, 1)).mean(0),
        recall=(hits / hits[:, -1:]).mean(0),
        answered=(items > 0).mean(0),
    )
