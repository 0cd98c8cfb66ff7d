"""Ranks scores under an explicit tie policy: the tied groups of relevant items, and best ranks counted without a sort.

Scores are larger-is-better. Equal scores form a *tied group*, and the policy defines the order within a group:

- "expected": every order of the group is equally likely, and metrics are expectations over it (docs/methods.md 14.6);
- "optimistic" / "pessimistic": relevant items come first / last in their group;
- "stable": items keep the order of the gallery.

Whatever the policy, a list is a sequence of groups; the last three simply have groups of one item. Functions here
work on NumPy arrays in the precision they are given.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from avx.core.errors import UserError

TIES = ("expected", "optimistic", "pessimistic", "stable")


@dataclasses.dataclass(frozen=True)
class RelevantGroups:
    """The tied groups that hold relevant items, of Q ranked lists over a gallery of G items, best first.

    All metrics follow from these groups: irrelevant items matter only by how many stand before a group or in it. Arrays
    are (Q, M) unless stated, M the most groups of any query; a row with fewer ends in groups without items, which
    start at G, have size 1, and no hits.

    Attributes:
      start: int, items ranked before the group.
      size: int, items in the group.
      hits: int, relevant items in the group.
      gain: the sum of the gains of these.
      relevant: (Q,) int, relevant items in the whole list, at least 1.
      gallery_size: G.
      ideal_gain: (Q, R) float64, the gains of each query in descending order; None where every gain is 1.
    """

    start: np.ndarray
    size: np.ndarray
    hits: np.ndarray
    gain: np.ndarray
    relevant: np.ndarray
    gallery_size: int
    ideal_gain: np.ndarray | None = None

    @functools.cached_property
    def hits_before(self) -> np.ndarray:
        """(Q, M) relevant items ranked before the group."""
        return np.cumsum(self.hits, axis=1) - self.hits

    def places(self, stop: np.ndarray | int) -> np.ndarray:
        """(Q, M) places of each group among the first `stop`, an int or one for each query."""
        inside = np.minimum(np.reshape(stop, (-1, 1)), self.gallery_size)
        return np.clip(inside - self.start, 0, self.size)

    def head(self, k: int) -> RelevantGroups:
        """Keeps as many groups as can begin within the first k places."""
        columns = {name: getattr(self, name)[:, :k] for name in ("start", "size", "hits", "gain")}
        return dataclasses.replace(self, **columns)

    def hits_at(self, k: int) -> np.ndarray:
        """(Q,) expected number of relevant items among the first k."""
        head = self.head(k)
        return (head.hits * head.places(k) / head.size).sum(1)


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


def best_first(scores: np.ndarray) -> np.ndarray:
    """Sorts each row of scores (Q, G): negated, so that the best comes first and the order ascends.

    >>> best_first(np.array([[0.5, 0.9]])).tolist()
    [[-0.9, -0.5]]
    """
    return np.sort(_descending(scores), axis=1)


def relevant_groups(
    scores: np.ndarray,
    relevance: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    ties: str = "expected",
    ordered: np.ndarray | None = None,
) -> RelevantGroups:
    """Finds the tied groups that hold relevant items, by a search for the relevant scores in the sorted row.

    Args:
      scores: (Q, G) larger is better; infinities are allowed.
      relevance: (Q, G) bool; each row has at least one True.
      weights: (Q, G) non-negative gains of the relevant items; None for a gain of 1 each.
      ties: the policy, one of TIES.
      ordered: `best_first(scores)`, where it is at hand: several kinds of relevance then share one sort.

    Raises:
      UserError: shapes differ, a score is NaN, a query has no relevant item, or the policy is unknown.

    >>> groups = relevant_groups(np.array([[0.5, 0.9, 0.5]]), np.array([[True, False, False]]))
    >>> groups.start.tolist(), groups.size.tolist(), groups.hits.tolist()
    ([[1]], [[2]], [[1]])
    """
    check_ties(ties)
    check_scores(scores, relevance)
    relevance = np.asarray(relevance, bool)
    relevant = np.count_nonzero(relevance, axis=1)
    if not relevant.all():
        raise UserError(f"query {int(np.argmin(relevant))} has no relevant item; exclude such queries before ranking")
    # The relevant items of all queries stand in flat arrays, query by query and the best of each query first.
    begins = np.cumsum(relevant) - relevant
    ordered = best_first(scores) if ordered is None else ordered
    gain = None if weights is None else np.asarray(weights[relevance], np.float64)
    start, stop = _search(_descending(scores[relevance]), gain, ordered, begins)
    new_group = np.ones(len(start), bool)
    new_group[1:] = start[1:] != start[:-1]
    new_group[begins] = True
    first = np.flatnonzero(new_group)
    hits = np.diff(first, append=len(start))
    ideal_gain = None if gain is None else -np.sort(-_padded(gain, relevant, 0), axis=1)
    if ties == "expected":
        groups = np.add.reduceat(new_group, begins, dtype=np.int64)
        start, size = start[first], (stop - start)[first]
        gain = hits if gain is None else np.add.reduceat(gain, first)
    else:
        groups = relevant
        turn = np.arange(len(start)) - np.repeat(first, hits)
        if ties == "stable":
            start = _stable_places(scores, relevance)
        else:
            start = turn + (start if ties == "optimistic" else stop - np.repeat(hits, hits))
        size = hits = np.ones_like(start)
        gain = hits if gain is None else gain
    return RelevantGroups(
        start=_padded(start, groups, scores.shape[1]),
        size=_padded(size, groups, 1),
        hits=_padded(hits, groups, 0),
        gain=_padded(gain, groups, 0),
        relevant=relevant,
        gallery_size=scores.shape[1],
        ideal_gain=ideal_gain,
    )


def _search(
    value: np.ndarray, gain: np.ndarray | None, ordered: np.ndarray, begins: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Places where the group of each relevant item starts and stops; sorts values and gains of each query in place."""
    start, stop = np.empty((2, len(value)), np.int64)
    ends = np.append(begins[1:], len(value))
    for row, begin, end in zip(ordered, begins.tolist(), ends.tolist(), strict=True):
        mine = value[begin:end]
        if gain is None:
            mine.sort()
        else:
            order = mine.argsort(kind="stable")
            mine[:], gain[begin:end] = mine[order], gain[begin:end][order]
        start[begin:end], stop[begin:end] = row.searchsorted(mine), row.searchsorted(mine, "right")
    return start, stop


def _descending(scores: np.ndarray) -> np.ndarray:
    """Negates scores."""
    # Negation keeps the precision of the scores: a cast could make two of them equal.
    return -(scores if scores.dtype.kind == "f" else scores.astype(np.float64))


def _stable_places(scores: np.ndarray, relevance: np.ndarray) -> np.ndarray:
    """Places of the relevant items in a flat list, query by query, where equal scores keep the order of the gallery."""
    order = np.argsort(_descending(scores), axis=1, kind="stable")
    return np.nonzero(np.take_along_axis(relevance, order, 1))[1]


def _padded(values: np.ndarray, counts: np.ndarray, fill: float) -> np.ndarray:
    """(Q, M) of a flat list that holds counts[q] values of each query."""
    table = np.full((len(counts), counts.max()), fill, values.dtype)
    table[np.arange(table.shape[1]) < counts[:, None]] = values
    return table
