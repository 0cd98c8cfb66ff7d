"""Evaluates score matrices by the table of retrieval metrics.

A metric is a row of METRICS: a function of tied groups that gives one number for each query (per_query.py), and the
way queries are averaged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from avx.core.errors import UserError
from avx.retrieval.per_query import (
    average_precision,
    average_precision_hash,
    average_precision_musgrave,
    average_precision_std,
    best_rank,
    hit,
    log2_best_rank,
    ndcg,
    precision,
    squared_log2_best_rank,
    tp_recall,
    weighted_average_precision,
    weighted_recall,
)
from avx.retrieval.ranking import RelevantGroups, check_scores, check_ties, relevant_groups

RetrievalMetrics = dict[str, float]
Rows = Callable[[slice], np.ndarray]

BLOCK_ELEMENTS = 2**21
"""Scores ranked at a time: bounds the working memory of an evaluation to a few hundred megabytes."""


def root_mean(values: np.ndarray) -> float:
    """Computes the root of the mean, which makes an RMSE of squared errors.

    >>> root_mean(np.square([3.0, 3.0]))
    3.0
    """
    return float(np.sqrt(np.mean(values)))


@dataclasses.dataclass(frozen=True)
class Metric:
    """One row of METRICS.

    Attributes:
      per_query: RelevantGroups -> (Q,), or (RelevantGroups, k) -> (Q,) where `at` names a list of k.
      reduce: (Q,) -> float.
      at: "" for the full list, "ks" or "map_cutoffs" for one value per entry of that argument of `evaluate`.
      weighted: reported only where weights are given.
    """

    per_query: Callable[..., np.ndarray]
    reduce: Callable[[np.ndarray], float] = np.mean
    at: str = ""
    weighted: bool = False


METRICS: dict[str, Metric] = {
    "hit": Metric(hit, at="ks"),
    "tp_recall": Metric(tp_recall, at="ks"),
    "precision": Metric(precision, at="ks"),
    "ndcg": Metric(ndcg, at="ks"),
    "map": Metric(average_precision),
    "map@r": Metric(average_precision_musgrave),
    "map_std": Metric(average_precision_std, at="map_cutoffs"),
    "map_hash": Metric(average_precision_hash, at="map_cutoffs"),
    "wmap": Metric(weighted_average_precision, weighted=True),
    "wmap_printed": Metric(weighted_recall, weighted=True),
    "mdr": Metric(best_rank, reduce=np.median),
    "mnr": Metric(best_rank),
    "rank_rmse": Metric(squared_log2_best_rank, reduce=root_mean),
    "rank_mae": Metric(log2_best_rank),
}


def selected_metrics(
    ks: Sequence[int], map_cutoffs: Sequence[int], weighted: bool
) -> Iterator[tuple[str, Metric, tuple[int, ...]]]:
    """Yields (result key, metric, arguments after the groups) of the metrics that are asked for."""
    cutoffs = {"ks": ks, "map_cutoffs": map_cutoffs}
    for argument, values in cutoffs.items():
        if any(value < 1 for value in values):
            raise UserError(f"{argument}={tuple(values)} holds a value below 1; ranks start at 1")
    for name, metric in METRICS.items():
        if metric.weighted and not weighted:
            continue
        if metric.at:
            for k in cutoffs[metric.at]:
                yield f"{name}@{k}", metric, (k,)
        else:
            yield name, metric, ()


def _check_weights(weights: np.ndarray, relevance: np.ndarray) -> None:
    if weights.shape != relevance.shape:
        raise UserError(f"weights {weights.shape} and relevance {relevance.shape} must have one shape")
    gains = np.where(relevance, weights, 0.0)
    if not (np.isfinite(gains).all() and (gains >= 0).all()):
        raise UserError("weights of relevant items must be finite and not negative")
    if (relevance.any(1) & (gains.sum(1) == 0)).any():
        raise UserError("a query's relevant items all have weight 0; drop them from the relevance instead")


class PerQuery:
    """Accumulates the metrics of single queries over blocks of score rows.

    Args:
      ks: cut-offs of hit, tp_recall, precision and ndcg.
      map_cutoffs: cut-offs of map_std and map_hash.
      weighted: blocks come with weights.
      ties: the tie policy, one of ranking.TIES.

    Raises:
      UserError: a cut-off below 1, or an unknown policy.
    """

    def __init__(
        self,
        ks: Sequence[int] = (1, 5, 10),
        map_cutoffs: Sequence[int] = (),
        *,
        weighted: bool = False,
        ties: str = "expected",
    ):
        check_ties(ties)
        self._selected = list(selected_metrics(ks, map_cutoffs, weighted))
        self._ties = ties
        self._parts: dict[str, list[np.ndarray]] = {key: [] for key, _, _ in self._selected}
        self.asked = self.counted = 0

    def add(
        self,
        scores: np.ndarray,
        relevance: np.ndarray,
        weights: np.ndarray | None = None,
        *,
        ordered: np.ndarray | None = None,
    ) -> RelevantGroups | None:
        """Adds a block of queries.

        Args:
          scores: (q, G) larger is better.
          relevance: (q, G) bool; queries without a relevant item are counted as excluded.
          weights: (q, G) gains of the relevant items, or None.
          ordered: `ranking.best_first(scores)`, where it is at hand.

        Returns:
          The tied groups of the counted queries, for whatever else follows from them; None where there are none.

        Raises:
          UserError: shapes differ, a score is NaN, or weights are negative.
        """
        check_scores(scores, relevance)
        if weights is not None:
            _check_weights(weights, relevance)
        kept = relevance.any(1)
        self.asked += len(scores)
        self.counted += int(kept.sum())
        groups = None
        if kept.any():
            rows = slice(None) if kept.all() else kept
            groups = relevant_groups(
                scores[rows],
                relevance[rows],
                weights=None if weights is None else weights[rows],
                ties=self._ties,
                ordered=None if ordered is None else ordered[rows],
            )
        for key, metric, arguments in self._selected:
            values = np.full(len(scores), np.nan)
            if groups is not None:
                values[kept] = metric.per_query(groups, *arguments)
            self._parts[key].append(values)
        return groups

    def values(self) -> dict[str, np.ndarray]:
        """Metric -> (Q,) float64, NaN for excluded queries."""
        return {key: np.concatenate(parts) if parts else np.zeros(0) for key, parts in self._parts.items()}

    def report(self) -> RetrievalMetrics:
        """Averages over the counted queries, with their number and that of the excluded ones.

        Raises:
          UserError: no query has a relevant item.
        """
        if self.counted == 0:
            raise UserError(
                f"none of the {self.asked} queries has a relevant item in the gallery; check labels and split"
            )
        values = self.values()
        report = {key: float(metric.reduce(values[key][~np.isnan(values[key])])) for key, metric, _ in self._selected}
        return report | {"queries": float(self.counted), "excluded": float(self.asked - self.counted)}


def evaluate_streamed(
    score_rows: Rows,
    relevance_rows: Rows,
    *,
    num_queries: int,
    num_gallery: int,
    ks: Sequence[int] = (1, 5, 10),
    weight_rows: Rows | None = None,
    ties: str = "expected",
    map_cutoffs: Sequence[int] = (),
) -> RetrievalMetrics:
    """Evaluates scores that do not fit in memory: computes them in blocks of whole rows; else as `evaluate`.

    For inner products, `score_rows` is `lambda rows: queries[rows] @ gallery.T`. Where only best ranks are wanted,
    `best_ranks.stream_best_ranks` also splits the gallery and sorts nothing.

    Args:
      score_rows: slice of queries -> (q, G) scores, larger is better.
      relevance_rows: the same slice -> (q, G) bool.
      num_queries: Q.
      num_gallery: G.
      ks: cut-offs of the metrics at k.
      weight_rows: the same slice -> (q, G) gains of the relevant items, or None.
      ties: the tie policy, one of ranking.TIES.
      map_cutoffs: cut-offs of the truncated APs.

    Returns:
      Floats by name, as `evaluate`.

    Raises:
      UserError: see `evaluate`.

    >>> scores, relevance = np.array([[0.9, 0.2], [0.1, 0.8]]), np.eye(2, dtype=bool)
    >>> evaluate_streamed(lambda rows: scores[rows], lambda rows: relevance[rows], num_queries=2, num_gallery=2)["map"]
    1.0
    """
    counted = PerQuery(ks, map_cutoffs, weighted=weight_rows is not None, ties=ties)
    rows_per_block = max(1, BLOCK_ELEMENTS // max(num_gallery, 1))
    for begin in range(0, num_queries, rows_per_block):
        rows = slice(begin, min(begin + rows_per_block, num_queries))
        weights = None if weight_rows is None else np.asarray(weight_rows(rows), np.float64)
        counted.add(np.asarray(score_rows(rows)), np.asarray(relevance_rows(rows), bool), weights)
    return counted.report()


def evaluate(
    scores: np.ndarray,
    relevance: np.ndarray,
    *,
    ks: Sequence[int] = (1, 5, 10),
    weights: np.ndarray | None = None,
    ties: str = "expected",
    map_cutoffs: Sequence[int] = (),
) -> RetrievalMetrics:
    """Evaluates one score matrix by all metrics.

    Args:
      scores: (Q, G) larger is better; NaN is an error.
      relevance: (Q, G) bool. Queries without a relevant item are left out of every average and counted.
      ks: cut-offs of hit, tp_recall, precision and ndcg.
      weights: (Q, G) gains of the relevant items; adds wmap and wmap_printed, and grades ndcg.
      ties: "expected" (chance for equal scores), "optimistic", "pessimistic" or "stable".
      map_cutoffs: cut-offs of map_std and map_hash.

    Returns:
      Floats by name: hit@k, tp_recall@k, precision@k, ndcg@k, map, map@r, map_std@R, map_hash@R, mdr, mnr, rank_rmse,
      rank_mae, with weights also wmap and wmap_printed; `queries` counted and `excluded`.

    Raises:
      UserError: shapes differ, a score is NaN, k < 1, weights are negative, or no query has a relevant item.

    >>> scores = np.array([[0.9, 0.2, 0.4], [0.1, 0.8, 0.8]])
    >>> found = evaluate(scores, np.array([[True, False, False], [False, True, False]]), ks=(1,))
    >>> found["hit@1"], found["mnr"]
    (0.75, 1.25)
    """
    scores, relevance = np.asarray(scores), np.asarray(relevance, bool)
    check_scores(scores, relevance)
    if weights is not None:
        weights = np.asarray(weights, np.float64)
        _check_weights(weights, relevance)
    queries, gallery = scores.shape
    return evaluate_streamed(
        scores.__getitem__,
        relevance.__getitem__,
        num_queries=queries,
        num_gallery=gallery,
        ks=ks,
        weight_rows=None if weights is None else weights.__getitem__,
        ties=ties,
        map_cutoffs=map_cutoffs,
    )
