"""The metrics of ranked lists with an entry for every position: slow and plain, what faster forms are held to.

A position is described by the tied group that covers it; (Q, G) arrays are held for all positions at once. The values
were compared with means over all orders of the ties.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

RECALL_LEVELS = np.arange(11) / 10


@dataclasses.dataclass(frozen=True)
class Positions:
    """Q ranked lists of G positions, 0 the best; (Q, G) unless stated.

    Attributes:
      start, size, hits, hits_before: first position, length and relevant items of the group that covers a position, and
        the relevant items before that group.
      gain: expected gain at a position.
      relevant: (Q,) relevant items of a list.
      ideal_gain: the gains in descending order.
    """

    start: np.ndarray
    size: np.ndarray
    hits: np.ndarray
    hits_before: np.ndarray
    gain: np.ndarray
    relevant: np.ndarray
    ideal_gain: np.ndarray


def positions(scores, relevance, weights=None, ties="expected") -> Positions:
    """Sorts every row, and finds the group of each position by walking along it."""
    scores, relevance = np.asarray(scores, np.float64), np.asarray(relevance, bool)
    gains = np.where(relevance, 1.0 if weights is None else weights, 0.0)
    found = {name: np.zeros(scores.shape) for name in ("start", "size", "hits", "hits_before", "gain")}
    for query, (score, relevant) in enumerate(zip(scores, relevance, strict=True)):
        place = {"optimistic": ~relevant, "pessimistic": relevant}.get(ties, np.zeros(len(score)))
        order = np.lexsort((np.arange(len(score)), place, -score))
        begin = 0
        while begin < len(order):
            end = begin + 1
            while ties == "expected" and end < len(order) and score[order[end]] == score[order[begin]]:
                end += 1
            group = order[begin:end]
            found["start"][query, begin:end] = begin
            found["size"][query, begin:end] = len(group)
            found["hits"][query, begin:end] = relevant[group].sum()
            found["hits_before"][query, begin:end] = relevant[order[:begin]].sum()
            found["gain"][query, begin:end] = gains[query, group].mean()
            begin = end
    return Positions(**found, relevant=relevance.sum(1), ideal_gain=-np.sort(-gains, axis=1))


def metrics(scores, relevance, weights=None, ties="expected", ks=(1, 5), map_cutoffs=()) -> dict[str, np.ndarray]:
    """Name -> (Q,) values of each query under the names of `avx.retrieval.metrics.METRICS`; all have a relevant item.

    `eleven_point` is (Q, 11).
    """
    lists = positions(scores, relevance, weights, ties)
    share, gallery = lists.hits / lists.size, scores.shape[1]
    place = np.arange(gallery)
    ahead = (place - lists.start) * (lists.hits - 1) / np.maximum(lists.size - 1, 1)
    at_hit = (lists.hits_before + 1 + ahead) / (place + 1)
    discount = 1 / np.log2(place + 2)
    best = [_best_rank_distribution(lists, query) for query in range(len(scores))]
    found = {
        "map": (share * at_hit).sum(1) / lists.relevant,
        "map@r": (share * at_hit * (place < lists.relevant[:, None])).sum(1) / lists.relevant,
        "mdr": np.array([probability @ rank for rank, probability in best]),
        "mnr": np.array([probability @ rank for rank, probability in best]),
        "rank_mae": np.array([probability @ np.log2(rank) for rank, probability in best]),
        "rank_rmse": np.array([probability @ np.log2(rank) ** 2 for rank, probability in best]),
        "eleven_point": _eleven_point(share, lists.relevant),
    }
    if weights is not None:
        found["wmap"] = (lists.gain * at_hit).sum(1) / lists.gain.sum(1)
        found["wmap_printed"] = lists.gain[:, :5].sum(1) / lists.gain.sum(1)
    for k in ks:
        hits = share[:, :k].sum(1)
        found[f"hit@{k}"] = np.array([probability[rank <= k].sum() for rank, probability in best])
        found[f"tp_recall@{k}"], found[f"precision@{k}"] = hits / lists.relevant, hits / k
        dcg, ideal = (part[:, :k] @ discount[:k] for part in (lists.gain, lists.ideal_gain))
        found[f"ndcg@{k}"] = dcg / ideal
    for cutoff in map_cutoffs:
        terms = (share * at_hit)[:, :cutoff].sum(1)
        found[f"map_std@{cutoff}"] = terms / np.minimum(cutoff, lists.relevant)
        found[f"map_hash@{cutoff}"] = np.array([_hashing(lists, query, cutoff) for query in range(len(scores))])
    return found


def _best_rank_distribution(lists: Positions, query: int) -> tuple[np.ndarray, np.ndarray]:
    """Ranks that the best relevant item may have, and their probabilities C(n - t, r - 1) / C(n, r)."""
    first = int(np.argmax(lists.hits[query] > 0))
    start, size, hits = (int(part[query, first]) for part in (lists.start, lists.size, lists.hits))
    turn = range(1, size - hits + 2)
    probability = [math.comb(size - t, hits - 1) / math.comb(size, hits) for t in turn]
    return start + np.array(turn, float), np.array(probability)


def _hashing(lists: Positions, query: int, cutoff: int) -> float:
    """AP of the first places over the hits among them, averaged over the hits that the last group may give."""
    cutoff = min(cutoff, lists.start.shape[1])
    start, size, hits, before = (
        int(part[query, cutoff - 1]) for part in (lists.start, lists.size, lists.hits, lists.hits_before)
    )
    place = np.arange(cutoff)
    ahead = (place - lists.start[query, :cutoff]) * (lists.hits[query, :cutoff] - 1)
    at_hit = (lists.hits_before[query, :cutoff] + 1 + ahead / np.maximum(lists.size[query, :cutoff] - 1, 1)) / (
        place + 1
    )
    earlier = (lists.hits / lists.size)[query, :start] @ at_hit[:start]
    drawn, value = cutoff - start, 0.0
    for found in range(max(0, drawn - (size - hits)), min(hits, drawn) + 1):
        probability = math.comb(hits, found) * math.comb(size - hits, drawn - found) / math.comb(size, drawn)
        terms = sum(
            found / drawn * (before + 1 + turn * (found - 1) / max(drawn - 1, 1)) / (start + turn + 1)
            for turn in range(drawn)
        )
        value += probability * (earlier + terms) / max(before + found, 1)
    return value


def _eleven_point(share: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """(Q, 11) largest precision at any rank that reaches the recall, drawn through the expected hits at each rank."""
    hits = np.cumsum(share, axis=1)
    precision, recall = hits / np.arange(1, share.shape[1] + 1), hits / relevant[:, None]
    reached = recall[:, None, :] >= RECALL_LEVELS[:, None] - 1e-9
    return np.where(reached, precision[:, None, :], 0.0).max(2)
