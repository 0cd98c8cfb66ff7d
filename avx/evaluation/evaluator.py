"""Evaluates a fitted method on any dataset under any protocol: every split is embedded once, scores come in blocks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import numpy as np

from avx.core.dataset import Dataset
from avx.core.result import Direction
from avx.core.types import Embedded, System
from avx.evaluation.measure import Blocks, chance, measure
from avx.evaluation.protocol import Protocol as Asked
from avx.evaluation.protocol import both_directions
from avx.retrieval.curves import radius_curve
from avx.retrieval.hamming_map import distance_counts


class Items(Protocol):
    """Embedded items of one side."""

    @property
    def present(self) -> np.ndarray: ...

    @property
    def embedded(self) -> Embedded: ...

    def take(self, rows: np.ndarray) -> Any: ...


class Fitted(Protocol):
    """A method that can be evaluated; `avx.runs.Retriever` is one."""

    @property
    def system(self) -> System: ...

    @property
    def sides(self) -> tuple[str, str]: ...

    def embed_rows(self, dataset: Dataset, rows: np.ndarray) -> Mapping[str, Any]: ...

    def score_blocks(self, queries: Any, gallery: Any) -> Blocks: ...


class Limits(Protocol):
    """The cut-offs and galleries of a config's group `evaluation`."""

    @property
    def ks(self) -> tuple[int, ...]: ...

    @property
    def map_cutoffs(self) -> tuple[int, ...]: ...

    @property
    def validation_galleries(self) -> tuple[str, ...]: ...


@dataclasses.dataclass(eq=False)
class Evaluator:
    """A fitted method on a dataset. Each split is embedded once, whatever is then asked of it.

    Attributes:
      fitted: the method.
      dataset: what is searched.
    """

    fitted: Fitted
    dataset: Dataset
    _embedded: dict[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)

    def embedded(self, split: str) -> Mapping[str, Any]:
        """Embedded items of a split, by side."""
        if split not in self._embedded:
            self._embedded[split] = self.fitted.embed_rows(self.dataset, self.dataset.rows(split))
        return self._embedded[split]

    def asked(self, protocol: Asked) -> tuple[Any, np.ndarray, Any, np.ndarray]:
        """(queries, their rows, gallery, its rows) of a protocol; items that lack the side are left out."""
        found: list[Any] = []
        for side, split in (
            (protocol.query_side, protocol.query_split),
            (protocol.gallery_side, protocol.gallery_split),
        ):
            items, rows = self.embedded(split)[side], self.dataset.rows(split)
            present = np.flatnonzero(items.present)
            found += [items.take(present), rows[present]]
        queries, query_rows, gallery, gallery_rows = found
        return queries, query_rows, gallery, gallery_rows

    def direction(
        self, protocol: Asked, blocks: Callable[[Any, Any], Blocks] | None = None, *, whole: bool = True
    ) -> Direction:
        """Measures one direction.

        Args:
          protocol: who asks whom.
          blocks: (queries, gallery) -> scores, in place of the method's own.
          whole: with all that a report shows.
        """
        queries, query_rows, gallery, gallery_rows = self.asked(protocol)
        if not len(query_rows) or not len(gallery_rows):
            return Direction({})
        scores = (blocks or self.fitted.score_blocks)(queries, gallery)
        found = measure(scores, self.dataset, protocol, query_rows, gallery_rows, whole=whole)
        codes = queries.embedded.codes, gallery.embedded.codes
        if not whole or codes[0] is None or "class" not in found.levels:
            return found
        counts = distance_counts(*codes, lambda rows: self.dataset.relevance(query_rows[rows], gallery_rows))
        return dataclasses.replace(found, radius=dataclasses.asdict(radius_curve(counts)))

    def directions(self, protocols: Iterable[Asked], *, whole: bool = True) -> dict[str, Direction]:
        """Measures several directions, by name."""
        return {protocol.direction: self.direction(protocol, whole=whole) for protocol in protocols}

    def chance(self, protocols: Iterable[Asked]) -> dict[str, Direction]:
        """What a random order scores in the same directions."""
        found = {}
        for protocol in protocols:
            _, query_rows, _, gallery_rows = self.asked(protocol)
            found[protocol.direction] = chance(self.dataset, protocol, query_rows, gallery_rows)
        return found


def validation_levels(
    fitted: Fitted, dataset: Dataset, limits: Limits
) -> dict[str, dict[str, Mapping[str, Mapping[str, float]]]]:
    """Measures the validation items against each of `evaluation.validation_galleries`, both directions.

    A method that only learns its training items by heart does well against them and not against validation items.

    Returns:
      {gallery: {direction: {level: {metric: value}}}}.
    """
    evaluator = Evaluator(fitted, dataset)
    return {
        gallery: {
            name: found.levels
            for name, found in evaluator.directions(
                both_directions(fitted.sides, "val", gallery, limits.ks, limits.map_cutoffs), whole=False
            ).items()
        }
        for gallery in limits.validation_galleries
    }
