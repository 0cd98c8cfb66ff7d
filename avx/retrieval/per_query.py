"""Computes the retrieval metrics of single queries from their tied groups (docs/methods.md 14).

Names differ wherever definitions differ: `hit` is not `tp_recall`, and the truncated APs have a name each. Under the
"expected" tie policy every value is the exact expectation over random orders of the tied groups.

A group contributes sums over consecutive places, of 1 / place to an average precision and of 1 / log2(1 + place) to a
discounted gain: each is a difference of two running sums, so that a query costs as much as it has groups.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from avx.retrieval.ranking import RelevantGroups


class PlaceSums:
    """Sums terms over consecutive places 1, 2, .., as exactly as the terms are given.

    The difference of two running sums loses what the sums have in common. What each addition rounds off is therefore
    computed (two-sum: Knuth, The Art of Computer Programming 2, 4.2.2) and summed up beside them.

    Args:
      terms: (G,) one for each place.

    >>> PlaceSums(np.array([1.0, 2.0, 4.0])).over(np.array([1]), 2).tolist()
    [6.0]
    """

    def __init__(self, terms: np.ndarray):
        self._sums = np.concatenate([[0.0], np.cumsum(terms)])
        before, after = self._sums[:-1], self._sums[1:]
        added = after - before
        self._rounded_off = np.concatenate([[0.0], np.cumsum((before - (after - added)) + (terms - added))])

    def over(self, start: np.ndarray | int, count: np.ndarray | int) -> np.ndarray:
        """Sums the terms of `count` places after the first `start`."""
        stop = start + count
        return (self._sums[stop] - self._sums[start]) + (self._rounded_off[stop] - self._rounded_off[start])


@functools.lru_cache(maxsize=4)
def harmonic(gallery: int) -> PlaceSums:
    """Makes the sums of 1 / place."""
    return PlaceSums(1 / np.arange(1, gallery + 1))


@functools.lru_cache(maxsize=16)
def discounts(gallery: int) -> PlaceSums:
    """Makes the sums of 1 / log2(1 + place)."""
    return PlaceSums(1 / np.log2(np.arange(2, gallery + 2)))


def hit_probability(better: np.ndarray, tied: np.ndarray, tied_relevant: np.ndarray, k: int) -> np.ndarray:
    """(Q,) probability that the first k places hold a relevant item, in a random order of the tied group.

    Args:
      better: (Q,) items ranked before the group of the best relevant item; none of them is relevant.
      tied: (Q,) size n of that group.
      tied_relevant: (Q,) relevant items r in it.
      k: places.

    Returns:
      1 - C(n - r, m) / C(n, m), where m = min(max(k - better, 0), n) places fall into the group.

    >>> hit_probability(better=np.array([0]), tied=np.array([4]), tied_relevant=np.array([1]), k=2).tolist()
    [0.5]
    """
    drawn = np.clip(k - better, 0, tied)
    turn = np.arange(max(int(drawn.max(initial=0)), 1))
    misses = np.maximum((tied - tied_relevant)[:, None] - turn, 0) / np.maximum(tied[:, None] - turn, 1)
    return 1.0 - np.where(turn < drawn[:, None], misses, 1.0).prod(1)


def _best_group(groups: RelevantGroups) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(Q,) start, size and hits of the first group."""
    return groups.start[:, 0], groups.size[:, 0], groups.hits[:, 0]


def hit(groups: RelevantGroups, k: int) -> np.ndarray:
    """(Q,) 1 where at least one relevant item is among the first k (docs/methods.md 14.1 a); expected under ties.

    >>> from avx.retrieval.ranking import relevant_groups
    >>> groups = relevant_groups(np.array([[3.0, 2.0, 1.0]]), np.array([[False, True, True]]))
    >>> hit(groups, 1).tolist(), hit(groups, 2).tolist()
    ([0.0], [1.0])
    """
    return hit_probability(*_best_group(groups), k)


def tp_recall(groups: RelevantGroups, k: int) -> np.ndarray:
    """(Q,) share of the relevant items among the first k (Li 2022, eq. 5); expected under ties.

    >>> from avx.retrieval.ranking import relevant_groups
    >>> tp_recall(relevant_groups(np.array([[3.0, 2.0, 1.0]]), np.array([[False, True, True]])), 2).tolist()
    [0.5]
    """
    return groups.hits_at(k) / groups.relevant


def precision(groups: RelevantGroups, k: int) -> np.ndarray:
    """(Q,) share of relevant items in the first k places; a gallery smaller than k leaves places empty.

    >>> from avx.retrieval.ranking import relevant_groups
    >>> precision(relevant_groups(np.array([[3.0, 2.0, 1.0]]), np.array([[False, True, True]])), 2).tolist()
    [0.5]
    """
    return groups.hits_at(k) / k


def ndcg(groups: RelevantGroups, k: int) -> np.ndarray:
    """(Q,) discounted cumulative gain of the first k, discount log2(1 + rank), over the best possible one.

    The gain is linear in the weights; pass weights 2**grade - 1 for the exponential form.

    >>> from avx.retrieval.ranking import relevant_groups
    >>> ndcg(relevant_groups(np.array([[3.0, 2.0, 1.0]]), np.array([[False, False, True]])), 3).tolist()
    [0.5]
    """
    k = min(k, groups.gallery_size)
    discount, head = discounts(k), groups.head(k)
    start, places = np.minimum(head.start, k), head.places(k)
    found = (head.gain / head.size * discount.over(start, places)).sum(1)
    if groups.ideal_gain is None:
        return found / discount.over(0, np.minimum(k, groups.relevant))
    ideal = groups.ideal_gain[:, :k]
    return found / (ideal / np.log2(np.arange(ideal.shape[1]) + 2)).sum(1)


def best_rank(groups: RelevantGroups) -> np.ndarray:
    """(Q,) 1-based rank of the best relevant item; under ties the expectation start + (n + 1) / (r + 1).

    >>> from avx.retrieval.ranking import relevant_groups
    >>> best_rank(relevant_groups(np.zeros((1, 3)), np.array([[True, False, False]]))).tolist()
    [2.0]
    """
    start, size, hits = _best_group(groups)
    return start + (size + 1) / (hits + 1)


def log2_best_rank(groups: RelevantGroups) -> np.ndarray:
    """(Q,) log2 of the best rank, 0 is perfect: the scale on which the errors of ranks are measured (D14.8).

    >>> from avx.retrieval.ranking import relevant_groups
    >>> log2_best_rank(relevant_groups(np.zeros((1, 2)), np.array([[True, False]]))).tolist()
    [0.5]
    """
    return _expected_over_best_rank(groups, np.log2)


def squared_log2_best_rank(groups: RelevantGroups) -> np.ndarray:
    """(Q,) square of log2 of the best rank, whose mean over queries is the squared rank_rmse (D14.8).

    >>> from avx.retrieval.ranking import relevant_groups
    >>> squared_log2_best_rank(relevant_groups(np.array([[4.0, 3, 2, 1]]), np.array([[False] * 3 + [True]]))).tolist()
    [4.0]
    """
    return _expected_over_best_rank(groups, lambda rank: np.square(np.log2(rank)))


def _expected_over_best_rank(groups: RelevantGroups, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """(Q,) expectation of a function of the 1-based best rank, over random orders of the group that holds it.

    Of n tied places with r relevant items the first relevant one is place t with probability
    C(n - t, r - 1) / C(n, r) = (r / (n - t + 1)) prod_{s < t} (n - r - s + 1) / (n - s + 1).
    """
    start, size, hits = (part[:, None] for part in _best_group(groups))
    ahead = np.arange(size.max())
    left = np.maximum(size - ahead, 1)
    none_yet = np.cumprod(np.maximum(size - hits - ahead, 0) / left, axis=1)
    none_before = np.concatenate([np.ones_like(none_yet[:, :1]), none_yet[:, :-1]], axis=1)
    return (none_before * hits / left * function(start + ahead + 1)).sum(1)


def _precision_sum(groups: RelevantGroups, gain: np.ndarray, stop: np.ndarray | int) -> np.ndarray:
    """(Q,) sum over the first `stop` places of the expected gain there times the precision given a hit there.

    A group of n items with r relevant, behind i items with h relevant, has the gain g / n at each of its places t, and
    there the precision (h + 1 + (t - 1)(r - 1) / (n - 1)) / (i + t) (McSherry & Najork 2008; docs/methods.md 14.6).
    With s = sum of 1 / (i + t) over m places, (t - 1) / (i + t) sums up to m - (i + 1) s.
    """
    places = groups.places(stop)
    level = harmonic(groups.gallery_size).over(groups.start, places)
    slope = (places - (groups.start + 1) * level) * (groups.hits - 1) / np.maximum(groups.size - 1, 1)
    return (gain / groups.size * ((groups.hits_before + 1) * level + slope)).sum(1)


def average_precision(groups: RelevantGroups) -> np.ndarray:
    """(Q,) AP over the full list, expected under ties (docs/methods.md 14.3, 14.6; McSherry & Najork 2008).

    >>> from avx.retrieval.ranking import relevant_groups
    >>> average_precision(relevant_groups(np.array([[3.0, 2.0, 1.0]]), np.array([[True, False, False]]))).tolist()
    [1.0]
    """
    return _precision_sum(groups, groups.hits, groups.gallery_size) / groups.relevant


def average_precision_std(groups: RelevantGroups, cutoff: int) -> np.ndarray:
    """(Q,) AP of the first `cutoff` places, divided by min(cutoff, relevant).

    >>> from avx.retrieval.ranking import relevant_groups
    >>> average_precision_std(relevant_groups(np.array([[3.0, 2.0, 1.0]]), np.array([[True, False, True]])), 2).tolist()
    [0.5]
    """
    head = groups.head(cutoff)
    return _precision_sum(head, head.hits, cutoff) / np.minimum(cutoff, groups.relevant)


def average_precision_musgrave(groups: RelevantGroups) -> np.ndarray:
    """(Q,) Musgrave's MAP@R: AP of the first R places divided by R, R the relevant items of the query.

    >>> from avx.retrieval.ranking import relevant_groups
    >>> groups = relevant_groups(np.array([[3.0, 2.0, 1.0]]), np.array([[True, False, True]]))
    >>> average_precision_musgrave(groups).tolist()
    [0.5]
    """
    return _precision_sum(groups, groups.hits, groups.relevant) / groups.relevant


def average_precision_hash(groups: RelevantGroups, cutoff: int) -> np.ndarray:
    """(Q,) AP of the first `cutoff` places divided by the hits among them, 0 without a hit.

    The optimistic form of hashing scripts (docs/methods.md 14.3). Where the cut-off falls inside a tied group, the
    number of hits is random too: the expectation runs over its hypergeometric distribution.

    >>> from avx.retrieval.ranking import relevant_groups
    >>> groups = relevant_groups(np.array([[3.0, 2.0, 1.0]]), np.array([[True, False, True]]))
    >>> average_precision_hash(groups, 2).tolist()
    [1.0]
    """
    cutoff = min(cutoff, groups.gallery_size)
    head = groups.head(cutoff)
    places = head.places(cutoff)
    cut = (places > 0) & (places < head.size)
    whole = np.where(cut, 0, places > 0)
    before, total = _precision_sum(head, head.hits * whole, cutoff), (head.hits * whole).sum(1)
    result = before / np.maximum(total, 1)
    for query, group in np.argwhere(cut):
        start, size, hits, drawn = (int(part[query, group]) for part in (head.start, head.size, head.hits, places))
        place = start + 1 + np.arange(drawn)
        possible, probability = _hypergeometric(size, hits, drawn)
        # Sum over the drawn places t of (h/m) (R_b + 1 + (t-1)(h-1)/(m-1)) / (i+t), for every number of hits h.
        level, slope = (1 / place).sum(), (np.arange(drawn) / place).sum()
        inside = possible / drawn * ((total[query] + 1) * level + slope * (possible - 1) / max(drawn - 1, 1))
        hits_until = total[query] + possible
        result[query] = probability @ ((before[query] + inside) / np.maximum(hits_until, 1))
    return result


def _hypergeometric(size: int, hits: int, drawn: int) -> tuple[np.ndarray, np.ndarray]:
    """Possible numbers of hits among `drawn` of `size` items, and their probabilities."""
    possible = np.arange(max(0, drawn - (size - hits)), min(hits, drawn) + 1)
    ahead = possible[:-1]
    steps = (hits - ahead) * (drawn - ahead) / ((ahead + 1.0) * (size - hits - drawn + ahead + 1))
    log_mass = np.concatenate([[0.0], np.cumsum(np.log(steps))])
    mass = np.exp(log_mass - log_mass.max())
    return possible, mass / mass.sum()


def weighted_average_precision(groups: RelevantGroups) -> np.ndarray:
    """(Q,) wmap: sum over ranks j of p_j rel(j) hits@j / j, the headline reading of Sun 2024, eq. 23 (erratum).

    Weights are divided by their sum over the query's relevant items (1 in the paper), so that equal weights give AP
    and a list that starts with all relevant items gives 1.

    >>> from avx.retrieval.ranking import relevant_groups
    >>> relevance, weights = np.array([[True, True]]), np.array([[0.25, 0.75]])
    >>> weighted_average_precision(relevant_groups(np.array([[2.0, 1.0]]), relevance, weights=weights)).tolist()
    [1.0]
    """
    return _precision_sum(groups, groups.gain, groups.gallery_size) / groups.gain.sum(1)


def weighted_recall(groups: RelevantGroups, cutoff: int = 5) -> np.ndarray:
    """(Q,) wmap_printed: sum over the first five ranks of p_j rel(j), Sun 2024, eq. 23 as printed without its 1/N.

    The printed form has no precision term: it is a weighted recall@5.

    >>> from avx.retrieval.ranking import relevant_groups
    >>> relevance, weights = np.array([[True, True]]), np.array([[0.25, 0.75]])
    >>> weighted_recall(relevant_groups(np.array([[2.0, 1.0]]), relevance, weights=weights), cutoff=1).tolist()
    [0.25]
    """
    head = groups.head(cutoff)
    return (head.gain * head.places(cutoff) / head.size).sum(1) / groups.gain.sum(1)
