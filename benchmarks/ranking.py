"""All metrics of retrieval at both levels, with the curve, from one sort, against what evaluation scripts do."""

from __future__ import annotations

import tracemalloc

import numpy as np

from avx.retrieval.curves import eleven_point_precision
from avx.retrieval.metrics import BLOCK_ELEMENTS, PerQuery
from avx.retrieval.ranking import best_first
from benchmarks.harness import Row, timed

CLASSES = 20
KS = (1, 5, 10)


def run(sizes: tuple[tuple[int, int], ...] = ((160, 160), (64, 10_000), (64, 100_000))) -> list[Row]:
    """(queries, gallery) of random scores without ties; one item in twenty has the query's class.

    The rivals compute less: the first one the same metrics without the rank errors, ties broken by index; the second
    one the average precision alone.
    """
    rows = []
    for queries, gallery in sizes:
        rng = np.random.default_rng(gallery)
        scores = rng.normal(size=(queries, gallery))
        kinds = (
            rng.integers(0, CLASSES, queries)[:, None] == rng.integers(0, CLASSES, gallery),
            np.arange(queries)[:, None] == np.arange(gallery),
        )
        name = f"metrics of two levels, {queries} queries, gallery of {gallery}"
        _, ours = timed(lambda: _ours(scores, kinds), 3)
        _, argsort = timed(lambda: [_argsort(scores, kind) for kind in kinds], 1)
        _, sklearn = timed(lambda: [_sklearn(scores, kind) for kind in kinds], 1)
        tracemalloc.start()
        found = _ours(scores, kinds)
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        agree = np.allclose(found, _argsort(scores, kinds[0]), rtol=1e-12)
        note = f"{ours / queries * 1e3:.2f} ms a query; peak {peak:.0f} MiB; values {'agree' if agree else 'DISAGREE'}"
        rows.append(Row(name, ours, "numpy argsort and cumsum of every row", argsort, note))
        rows.append(Row(name, ours, "sklearn average_precision_score, AP alone", sklearn))
    return rows


def _ours(scores: np.ndarray, kinds: tuple[np.ndarray, ...]) -> np.ndarray:
    """(queries, 5 + 11): some metrics of the first kind of relevance, and its curve."""
    counted, curves = [PerQuery(KS) for _ in kinds], []
    rows = max(1, BLOCK_ELEMENTS // scores.shape[1])
    for begin in range(0, len(scores), rows):
        part = scores[begin : begin + rows]
        ordered = best_first(part)
        first, *_ = (
            one.add(part, kind[begin : begin + rows], ordered=ordered) for one, kind in zip(counted, kinds, strict=True)
        )
        assert first is not None
        curves.append(eleven_point_precision(first))
    values = counted[0].values()
    columns = [values[name] for name in ("map", "map@r", "mnr", "tp_recall@10", "ndcg@10")]
    return np.concatenate([np.stack(columns, axis=1), np.concatenate(curves)], axis=1)


def _argsort(scores: np.ndarray, relevance: np.ndarray) -> np.ndarray:
    """The same numbers query by query, from the relevance at every position of the sorted row."""
    found = []
    place = np.arange(1, scores.shape[1] + 1)
    for row, relevant in zip(scores, relevance, strict=True):
        ranked = relevant[np.argsort(-row)]
        hits, total = np.cumsum(ranked), ranked.sum()
        precision = hits / place
        reached = np.searchsorted(hits, np.maximum(np.arange(11) / 10 * total - 1e-9, 0.5))
        best_from = np.maximum.accumulate(precision[::-1])[::-1]
        interpolated = np.append(precision.max(), best_from[reached[1:]])
        discount = 1 / np.log2(place[:10] + 1)
        values = (
            precision[ranked].mean(),
            precision[:total][ranked[:total]].sum() / total,
            1 + np.argmax(ranked),
            hits[9] / total,
            ranked[:10] @ discount / discount[:total].sum(),
        )
        found.append(np.concatenate([values, interpolated]))
    return np.stack(found)


def _sklearn(scores: np.ndarray, relevance: np.ndarray) -> list[float]:
    from sklearn.metrics import average_precision_score

    return [average_precision_score(relevant, row) for row, relevant in zip(scores, relevance, strict=True)]
