"""Measures one direction of retrieval, block of queries by block: memory grows with the gallery, never with Q x G."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from avx.core.dataset import Dataset
from avx.core.result import Direction
from avx.evaluation.intervals import bootstrap, wilson
from avx.evaluation.protocol import LEVELS, Protocol
from avx.retrieval.chance import chance_levels
from avx.retrieval.curves import eleven_point_precision
from avx.retrieval.metrics import BLOCK_ELEMENTS, PerQuery
from avx.retrieval.ranking import RelevantGroups, best_first

Blocks = Iterable[tuple[slice, np.ndarray]]
"""Slices of the queries with their scores (q, G), in order."""

TOP = 10
RECALL_LEVELS = np.linspace(0, 1, 11).round(1)
SHARES = ("hit", "tp_recall", "precision", "ndcg", "map", "map@r", "map_std", "map_hash", "wmap", "wmap_printed")
CHANCE_ORDERS, CHANCE_ITEMS = 64, 2**16
"""Least random orders, and items in all of them together, over which the curve of chance is averaged."""


def relevance(dataset: Dataset, level: str, queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """(Q, G) bool of two lists of rows: "class" is a shared class, "instance" the same item."""
    return dataset.relevance(queries, gallery) if level == "class" else queries[:, None] == gallery[None, :]


def measure(
    blocks: Blocks,
    dataset: Dataset,
    protocol: Protocol,
    queries: np.ndarray,
    gallery: np.ndarray,
    *,
    whole: bool = True,
) -> Direction:
    """Metrics of one direction from scores that come in blocks.

    Args:
      blocks: scores of the queries against the whole gallery, larger is better.
      dataset: says who is relevant to whom.
      protocol: cut-offs.
      queries: (Q,) rows that ask.
      gallery: (G,) rows that are searched.
      whole: False leaves out what only a report shows: intervals, the best items, confusion and curve.

    Raises:
      UserError: a score is NaN.
    """
    # Items weigh the same here: wmap is then the average precision, and wmap_printed the share found in five.
    per_query = {level: PerQuery(protocol.ks, protocol.map_cutoffs, weighted=True) for level in LEVELS}
    shown = _Shown(dataset, queries, gallery) if whole else None
    rows_at_once = max(1, BLOCK_ELEMENTS // max(len(gallery), 1))
    for rows, scores in blocks:
        for begin in range(0, len(scores), rows_at_once):
            part = scores[begin : begin + rows_at_once]
            asking = queries[rows][begin : begin + rows_at_once]
            ordered = best_first(part)
            groups = {
                level: counted.add(part, relevance(dataset, level, asking, gallery), ordered=ordered)
                for level, counted in per_query.items()
            }
            if shown is not None:
                shown.add(part, ordered[:, 0], groups["class"])
    found = {level: counted for level, counted in per_query.items() if counted.counted}
    levels = {level: counted.report() for level, counted in found.items()}
    if shown is None:
        return Direction(levels)
    values = {level: counted.values() for level, counted in found.items()}
    return Direction(
        levels=levels,
        intervals={level: _intervals(values[level], levels[level]) for level in levels},
        queries=np.asarray(queries, np.int64),
        per_query={
            f"{level}/{short}": values[level][name].astype(np.float32)
            for level in levels
            for short, name in (("ap", "map"), ("rank", "mnr"))
        },
        top=shown.top,
        top_scores=shown.top_scores,
        confusion=shown.confusion,
        curve=shown.curve,
    )


def _intervals(values: dict[str, np.ndarray], report: dict[str, float]) -> dict[str, tuple[float, float]]:
    """Wilson's interval for the share of queries with a hit, the bootstrap's for averages of fractions."""
    found: dict[str, tuple[float, float]] = {}
    count = int(report["queries"])
    others = [name for name in values if name.split("@")[0] in SHARES and not name.startswith("hit@")]
    for name in values:
        if name.startswith("hit@"):
            found[name] = wilson(report[name], count)
    counted = np.stack([values[name] for name in others])
    kept = counted[:, ~np.isnan(counted[0])]
    found |= {name: (float(low), float(high)) for name, (low, high) in zip(others, bootstrap(kept), strict=True)}
    return found


class _Shown:
    """What a report shows of one direction, gathered over blocks of queries."""

    def __init__(self, dataset: Dataset, queries: np.ndarray, gallery: np.ndarray):
        self._classes = len(dataset.class_names) or int(dataset.first_label.max(initial=-1)) + 1
        label = np.where(dataset.first_label < 0, self._classes, dataset.first_label)
        self._asked, self._offered, self._gallery = label[queries], label[gallery], gallery
        self._done = 0
        self._top: list[np.ndarray] = []
        self._top_scores: list[np.ndarray] = []
        self._confusion = np.zeros((self._classes + 1, self._classes + 1))
        self._curve, self._curved = np.zeros(11), 0

    def add(self, scores: np.ndarray, negated_best: np.ndarray, groups: RelevantGroups | None) -> None:
        best_scores, best = jax.device_get(_top(scores, min(TOP, scores.shape[1])))
        self._top.append(self._gallery[best])
        self._top_scores.append(best_scores)
        row, column = np.divmod(np.flatnonzero(scores == -negated_best[:, None]), scores.shape[1])
        asked = self._asked[self._done : self._done + len(scores)]
        np.add.at(self._confusion, (asked[row], self._offered[column]), 1 / np.bincount(row)[row])
        self._done += len(scores)
        if groups is not None:
            self._curve += eleven_point_precision(groups).sum(0)
            self._curved += len(groups.relevant)

    @property
    def top(self) -> np.ndarray:
        return np.concatenate(self._top).astype(np.int64)

    @property
    def top_scores(self) -> np.ndarray:
        return np.concatenate(self._top_scores).astype(np.float32)

    @property
    def confusion(self) -> np.ndarray:
        return self._confusion if self._classes else np.zeros((0, 0))

    @property
    def curve(self) -> dict[str, np.ndarray]:
        return {"recall": RECALL_LEVELS, "precision": self._curve / self._curved} if self._curved else {}


@functools.partial(jax.jit, static_argnums=1)
def _top(scores: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
    """Best scores and places of each row; of equal scores the earlier place first."""
    return jax.lax.top_k(jnp.asarray(scores, jnp.float32), count)


def chance(dataset: Dataset, protocol: Protocol, queries: np.ndarray, gallery: np.ndarray) -> Direction:
    """What a random order of the gallery scores: levels in closed form, the curve over random orders.

    Arguments as in `measure`.
    """
    levels, curve = {}, {}
    for level in LEVELS:
        counts = _relevant_counts(dataset, level, queries, gallery)
        counts = counts[counts > 0]
        if not counts.size:
            continue
        levels[level] = chance_levels(counts, len(gallery), protocol.ks)
        if level == "class":
            curve = {"recall": RECALL_LEVELS, "precision": _chance_curve(counts, len(gallery))}
    return Direction(levels, curve=curve)


def _relevant_counts(dataset: Dataset, level: str, queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """(Q,) number of relevant gallery items of each query."""
    rows = max(1, BLOCK_ELEMENTS // max(len(gallery), 1))
    parts = [
        np.count_nonzero(relevance(dataset, level, queries[begin : begin + rows], gallery), axis=1)
        for begin in range(0, len(queries), rows)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _chance_curve(counts: np.ndarray, gallery: int) -> np.ndarray:
    """(11,) expected interpolated precision of a random order, averaged over queries with `counts` relevant items."""
    generator = np.random.default_rng(0)
    total = np.zeros(11)
    numbers, times = np.unique(counts, return_counts=True)
    begins = np.cumsum(numbers) - numbers
    orders = max(CHANCE_ORDERS, CHANCE_ITEMS // gallery)
    for block in query_blocks(orders, max(1, BLOCK_ELEMENTS // gallery)):
        # The same orders serve all counts, each with the places of other items: so their errors average out.
        place = generator.permuted(np.tile(np.arange(gallery), (block.stop - block.start, 1)), axis=1)
        for number, begin, queries in zip(numbers, begins, times, strict=True):
            start = np.sort(place[:, np.arange(begin, begin + number) % gallery], axis=1)
            ones, relevant = np.ones_like(start), np.full(len(start), number)
            groups = RelevantGroups(start, ones, ones, ones, relevant, gallery)
            total += queries * eleven_point_precision(groups).sum(0) / orders
    return total / len(counts)


def flat_levels(directions: dict[str, Direction]) -> dict[str, dict[str, dict[str, float]]]:
    """{direction: {level: {metric: value}}} of measured directions."""
    return {name: {level: dict(values) for level, values in found.levels.items()} for name, found in directions.items()}


def query_blocks(count: int, rows: int) -> Sequence[slice]:
    """Slices of `rows` that cover range(count)."""
    return [slice(begin, min(begin + rows, count)) for begin in range(0, count, rows)]
