"""Computes what a random order scores, in closed form, and how far similarities are from relevance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from avx.core.errors import UserError
from avx.retrieval.metrics import RetrievalMetrics, selected_metrics
from avx.retrieval.ranking import RelevantGroups, check_scores


def chance_levels(relevant: np.ndarray, gallery: int, ks: Sequence[int] = (1, 5, 10)) -> RetrievalMetrics:
    """What a random order of the gallery scores in expectation, in closed form (hypergeometric, harmonic sums).

    Args:
      relevant: (Q,) number of relevant items of each query; queries without any are left out.
      gallery: G items.
      ks: cut-offs.

    Returns:
      hit@k, tp_recall@k, precision@k, ndcg@k, map, map@r, wmap, wmap_printed (weight 1 for each relevant item), mdr and
      mnr. `mdr` is the median over queries of the expected best rank (G + 1) / (r + 1), which is what a constant score
      matrix gets.

    Raises:
      UserError: no query has a relevant item, or k < 1.

    >>> levels = chance_levels(np.ones(4, int), 4, ks=(1,))
    >>> levels["hit@1"], levels["mnr"]
    (0.25, 2.5)
    """
    relevant = np.asarray(relevant)[np.asarray(relevant) > 0]
    if not relevant.size:
        raise UserError("no query has a relevant item in the gallery; check labels and split")
    column = relevant[:, None]
    everything = RelevantGroups(
        start=np.zeros_like(column),
        size=np.full_like(column, gallery),
        hits=column,
        gain=column,
        relevant=relevant,
        gallery_size=gallery,
    )
    return {
        key: float(metric.reduce(metric.per_query(everything, *arguments)))
        for key, metric, arguments in selected_metrics(ks, (), weighted=True)
        if not key.startswith("rank_")  # the sums of logarithms take time and memory that grow with the gallery
    }


def similarity_errors(cosines: np.ndarray, relevance: np.ndarray) -> RetrievalMetrics:
    """Computes sim_rmse and sim_mae of (1 + cos) / 2 against relevance, both classes weighing half each (D14.8).

    Used by the table of text-to-video systems, which is still to be added.

    Args:
      cosines: (Q, G) in [-1, 1].
      relevance: (Q, G) bool with at least one True and one False.

    Raises:
      UserError: shapes differ, a value is NaN or outside [-1, 1], or one of the two classes is empty.

    >>> similarity_errors(np.array([[1.0, 0.0]]), np.array([[True, False]]))["sim_mae"]
    0.25
    """
    cosines, relevance = np.asarray(cosines, np.float64), np.asarray(relevance, bool)
    check_scores(cosines, relevance)
    if np.abs(cosines).max() > 1 + 1e-5:
        raise UserError("similarity errors need cosines in [-1, 1]; normalise the embeddings first")
    if relevance.all() or not relevance.any():
        raise UserError("similarity errors need both relevant and irrelevant pairs")
    error = np.abs((1 + cosines) / 2 - relevance)
    halves = (error[relevance], error[~relevance])
    return {
        "sim_rmse": float(np.sqrt(np.mean([np.mean(half**2) for half in halves]))),
        "sim_mae": float(np.mean([half.mean() for half in halves])),
    }
