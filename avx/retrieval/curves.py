"""Computes interpolated precision by recall, and precision and recall of hash codes by Hamming radius."""

from __future__ import annotations

import dataclasses

import numpy as np

from avx.core.errors import UserError
from avx.retrieval.hamming_map import DistanceCounts
from avx.retrieval.ranking import RelevantGroups


@dataclasses.dataclass(frozen=True)
class RadiusCurve:
    """precision, recall and answered, each (b + 1,), at Hamming radius 0..b, averaged over queries.

    `answered` is the share of queries to which the radius returns anything.
    """

    precision: np.ndarray
    recall: np.ndarray
    answered: np.ndarray


def eleven_point_precision(groups: RelevantGroups) -> np.ndarray:
    """Computes the interpolated precision of each query at recall 0, 0.1, .. 1, (Q, 11) (docs/methods.md 14.5).

    It is the largest precision at any rank that reaches the recall. Under ties the curve is drawn through the expected
    hits at each rank: t places into a group of n items with r relevant, behind i items with h relevant, the precision
    is (h + t r / n) / (i + t). This is monotone in t and falls between groups, so the largest one stands at the first
    rank that reaches the recall or at the end of that group or of a later one.

    >>> from avx.retrieval.ranking import relevant_groups
    >>> groups = relevant_groups(np.array([[3.0, 2.0, 1.0, 0.0]]), np.array([[True, False, False, True]]))
    >>> eleven_point_precision(groups)[0, [0, 5, 6, 10]].tolist()
    [1.0, 1.0, 0.5, 0.5]
    """
    hits_until = groups.hits_before + groups.hits
    at_end = hits_until / (groups.start + groups.size)
    best_from = np.maximum.accumulate(at_end[:, ::-1], axis=1)[:, ::-1]
    levels = []
    for level in range(11):
        # The tolerance keeps a recall of 3/10, computed in floating point, from missing the level 0.3.
        wanted = (level / 10 - 1e-9) * groups.relevant
        column = np.argmax(hits_until >= wanted[:, None], axis=1)[:, None]
        start, size, hits, before, best = (
            np.take_along_axis(part, column, 1)[:, 0]
            for part in (groups.start, groups.size, groups.hits, groups.hits_before, best_from)
        )
        places = np.clip(np.ceil((wanted - before) * size / hits), 1, size)
        levels.append(np.maximum((before + places * hits / size) / (start + places), best))
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
