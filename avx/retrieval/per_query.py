"""Retrieval measures of single queries, from ranked lists with tied groups (docs/methods.md 14).

Names differ wherever definitions differ: `hit` is not `tp_recall`, and the truncated APs have a name each. Under the
"expected" tie policy every value is the exact expectation over random orders of the tied groups.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from avx.retrieval.ranking import RankedLists


def hit_probability(better: np.ndarray, tied: np.ndarray, tied_relevant: np.ndarray, k: int) -> np.ndarray:
    """(Q,) probability that the first k places hold a relevant item, in a random order of the tied group.

    Args:
      better: (Q,) items ranked before the group of the best relevant item; none of them is relevant.
      tied: (Q,) size n of that group.
      tied_relevant: (Q,) relevant items r in it.
      k: places.

    Returns:
      1 - C(n - r, m) / C(n, m), where m = min(max(k - better, 0), n) places fall into the group.
    """
    drawn = np.clip(k - better, 0, tied)
    turn = np.arange(max(int(drawn.max(initial=0)), 1))
    misses = np.maximum((tied - tied_relevant)[:, None] - turn, 0) / np.maximum(tied[:, None] - turn, 1)
    return 1.0 - np.where(turn < drawn[:, None], misses, 1.0).prod(1)


def _best_group(ranked: RankedLists) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(Q,) start, size and hits of the first tied group that holds a relevant item."""
    first = np.argmax(ranked.hits > 0, axis=1)[:, None]
    start, size, hits = (np.take_along_axis(x, first, 1)[:, 0] for x in (ranked.start, ranked.size, ranked.hits))
    return start, size, hits


def hit(ranked: RankedLists, k: int) -> np.ndarray:
    """(Q,) 1 where at least one relevant item is among the first k (docs/methods.md 14.1 a); expected under ties."""
    return hit_probability(*_best_group(ranked), k)


def tp_recall(ranked: RankedLists, k: int) -> np.ndarray:
    """(Q,) share of the relevant items among the first k (Li 2022, eq. 5); expected under ties."""
    return ranked.hits_at(k) / ranked.relevant


def precision(ranked: RankedLists, k: int) -> np.ndarray:
    """(Q,) share of relevant items in the first k places; a gallery smaller than k leaves places empty."""
    return ranked.hits_at(k) / k


def ndcg(ranked: RankedLists, k: int) -> np.ndarray:
    """(Q,) discounted cumulative gain of the first k, discount log2(1 + rank), over the best possible one.

    The gain is linear in the weights; pass weights 2**grade - 1 for the exponential form.
    """
    k = min(k, ranked.gallery_size)
    discount = 1 / np.log2(np.arange(k) + 2)
    return (ranked.gain[:, :k] @ discount) / (ranked.ideal_gain[:, :k] @ discount)


def best_rank(ranked: RankedLists) -> np.ndarray:
    """(Q,) 1-based rank of the best relevant item; under ties the expectation start + (n + 1) / (r + 1)."""
    start, size, hits = _best_group(ranked)
    return start + (size + 1) / (hits + 1)


def log2_best_rank(ranked: RankedLists) -> np.ndarray:
    """(Q,) log2 of the best rank, 0 is perfect: the scale on which the errors of ranks are measured (D14.8)."""
    return _expected_over_best_rank(ranked, np.log2)


def squared_log2_best_rank(ranked: RankedLists) -> np.ndarray:
    """(Q,) square of log2 of the best rank, whose mean over queries is the squared rank_rmse (D14.8)."""
    return _expected_over_best_rank(ranked, lambda rank: np.square(np.log2(rank)))


def _expected_over_best_rank(ranked: RankedLists, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """(Q,) expectation of a function of the 1-based best rank, over random orders of the group that holds it.

    Of n tied places with r relevant items the first relevant one is place t with probability
    C(n - t, r - 1) / C(n, r) = (r / (n - t + 1)) prod_{s < t} (n - r - s + 1) / (n - s + 1).
    """
    start, size, hits = (part[:, None] for part in _best_group(ranked))
    ahead = np.arange(size.max())
    left = np.maximum(size - ahead, 1)
    none_yet = np.cumprod(np.maximum(size - hits - ahead, 0) / left, axis=1)
    none_before = np.concatenate([np.ones_like(none_yet[:, :1]), none_yet[:, :-1]], axis=1)
    return (none_before * hits / left * function(start + ahead + 1)).sum(1)


def _precision_sum(ranked: RankedLists, value: np.ndarray, stop: np.ndarray | int) -> np.ndarray:
    """(Q,) sum over the first `stop` positions of value (Q, G) times the precision given a hit there."""
    inside = np.arange(ranked.gallery_size) < np.reshape(stop, (-1, 1))
    return (value * ranked.precision_at_hit * inside).sum(1)


def average_precision(ranked: RankedLists) -> np.ndarray:
    """(Q,) AP over the full list, expected under ties (docs/methods.md 14.3, 14.6; McSherry & Najork 2008)."""
    return _precision_sum(ranked, ranked.relevance, ranked.gallery_size) / ranked.relevant


def average_precision_std(ranked: RankedLists, cutoff: int) -> np.ndarray:
    """(Q,) AP of the first `cutoff` places, divided by min(cutoff, relevant)."""
    return _precision_sum(ranked, ranked.relevance, cutoff) / np.minimum(cutoff, ranked.relevant)


def average_precision_musgrave(ranked: RankedLists) -> np.ndarray:
    """(Q,) Musgrave's MAP@R: AP of the first R places divided by R, R the relevant items of the query."""
    return _precision_sum(ranked, ranked.relevance, ranked.relevant) / ranked.relevant


def average_precision_hash(ranked: RankedLists, cutoff: int) -> np.ndarray:
    """(Q,) AP of the first `cutoff` places divided by the hits among them, 0 without a hit.

    The optimistic form of hashing scripts (docs/methods.md 14.3). Where the cut-off falls inside a tied group, the
    number of hits is random too: the expectation runs over its hypergeometric distribution.
    """
    cutoff = min(cutoff, ranked.gallery_size)
    last = cutoff - 1
    start, size, hits, hits_before = (x[:, last] for x in (ranked.start, ranked.size, ranked.hits, ranked.hits_before))
    before = _precision_sum(ranked, ranked.relevance, start)
    result = np.empty(len(start))
    for query in range(len(start)):
        drawn = cutoff - start[query]
        places = start[query] + 1 + np.arange(drawn)
        possible, probability = _hypergeometric(int(size[query]), int(hits[query]), int(drawn))
        # Sum over the drawn places t of (h/m) (R_b + 1 + (t-1)(h-1)/(m-1)) / (i+t), for every number of hits h.
        level, slope = (1 / places).sum(), (np.arange(drawn) / places).sum()
        inside = possible / drawn * ((hits_before[query] + 1) * level + slope * (possible - 1) / max(drawn - 1, 1))
        total = hits_before[query] + possible
        result[query] = probability @ np.where(total > 0, (before[query] + inside) / np.maximum(total, 1), 0.0)
    return result


def _hypergeometric(size: int, hits: int, drawn: int) -> tuple[np.ndarray, np.ndarray]:
    """Possible numbers of hits among `drawn` of `size` items, and their probabilities."""
    possible = np.arange(max(0, drawn - (size - hits)), min(hits, drawn) + 1)
    ahead = possible[:-1]
    steps = (hits - ahead) * (drawn - ahead) / ((ahead + 1.0) * (size - hits - drawn + ahead + 1))
    log_mass = np.concatenate([[0.0], np.cumsum(np.log(steps))])
    mass = np.exp(log_mass - log_mass.max())
    return possible, mass / mass.sum()


def weighted_average_precision(ranked: RankedLists) -> np.ndarray:
    """(Q,) wmap: sum over ranks j of p_j rel(j) hits@j / j, the headline reading of Sun 2024, eq. 23 (erratum).

    Weights are divided by their sum over the query's relevant items (1 in the paper), so that equal weights give AP
    and a list that starts with all relevant items gives 1.
    """
    return _precision_sum(ranked, ranked.gain, ranked.gallery_size) / ranked.gain.sum(1)


def weighted_recall(ranked: RankedLists, cutoff: int = 5) -> np.ndarray:
    """(Q,) wmap_printed: sum over the first five ranks of p_j rel(j), Sun 2024, eq. 23 as printed without its 1/N.

    The printed form has no precision term: it is a weighted recall@5.
    """
    return ranked.gain[:, :cutoff].sum(1) / ranked.gain.sum(1)
