"""Grids of constants that widen by themselves while the choice stands on an edge.

A grid is a field -> its candidates. Where validation chooses the smallest or largest candidate of a scale, the grid has
not shown that a smaller or larger one is worse: candidates are then added beyond that edge, spaced as the grid's own,
until the choice is inside, a limit is reached, or the data allow no more (CCA has no more dimensions than features).
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Constants = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Limits:
    """How far candidates of a field may be added, both ends included; `whole` for counts."""

    smallest: float
    largest: float
    whole: bool = False


SCALES: Mapping[str, Limits] = {
    "ridge": Limits(1e-6, 1e3),
    "penalty": Limits(1e-6, 1e3),
    "prediction": Limits(1e-4, 1e4),
    "dimensions": Limits(1, 1024, whole=True),
}
"""Fields that widen: strengths of a regulariser or a term, and dimensions. Of others the candidates stand as given."""


class WideningGrid:
    """Combinations of candidates, those first that were asked for.

    >>> grid = WideningGrid({"ridge": (0.01, 0.1)})
    >>> [one["ridge"] for one in grid.start()]
    [0.01, 0.1]
    >>> [one["ridge"] for one in grid.beyond({"ridge": 0.1})]
    [1.0]
    >>> [one["ridge"] for one in grid.beyond({"ridge": 0.1})]
    []
    """

    def __init__(self, fields: Mapping[str, Sequence[Any]]):
        """Takes the candidates of each field; a field with one candidate is not searched and does not widen."""
        self._fields = {name: tuple(values) for name, values in fields.items() if len(values)}
        self._searched = {name for name, values in self._fields.items() if len(values) > 1}
        self._refused: dict[str, Any] = {}

    @property
    def fields(self) -> dict[str, tuple[Any, ...]]:
        """Every candidate of each field so far."""
        return dict(self._fields)

    def start(self) -> list[Constants]:
        """Returns the combinations that were asked for."""
        return list(_combined(self._fields))

    def beyond(self, best: Constants) -> list[Constants]:
        """Returns combinations one step beyond each edge that the best one stands on; [] where it is inside.

        Args:
          best: the best combination so far.
        """
        added: list[Constants] = []
        for name in self._fields:
            for upwards in (False, True):
                value = self._next(name, best[name], upwards)
                if value is not None:
                    added += _combined({**self._fields, name: (value,)})
                    self._fields[name] = (*self._fields[name], value) if upwards else (value, *self._fields[name])
        return added

    def refuse(self, asked: Sequence[Constants], unfit: Sequence[Constants]) -> None:
        """Takes out candidates of a count that the data refuse in every combination; smaller ones are tried instead.

        Args:
          asked: combinations that were tried.
          unfit: those of them that cannot be fitted.
        """
        for name in [name for name in self._fields if name in SCALES and SCALES[name].whole]:
            for value in {one[name] for one in unfit}:
                if all(one in unfit for one in asked if one[name] == value):
                    self._fields[name] = tuple(kept for kept in self._fields[name] if kept != value)
                    self._refused[name] = min(value, self._refused.get(name, value))

    def _next(self, name: str, chosen: Any, upwards: bool) -> Any:
        """The candidate beyond an edge that was chosen, None where there is none."""
        values, limits = sorted(set(self._fields[name])), SCALES.get(name)
        if limits is None or name not in self._searched or values[0] <= 0 or chosen != values[-1 if upwards else 0]:
            return None
        factor = 10.0 if not limits.whole else 2.0
        if len(values) > 1:
            factor = values[-1] / values[-2] if upwards else values[1] / values[0]
        value = chosen * factor if upwards else chosen / factor
        if limits.whole:
            value = math.ceil(value) if upwards else math.floor(value)
            if upwards and name in self._refused:
                value = min(value, (chosen + self._refused[name]) // 2)
        else:
            value = _rounded(value)
        value = min(max(value, limits.smallest), limits.largest)
        return None if value in values else type(chosen)(value)


def _combined(fields: Mapping[str, Sequence[Any]]) -> Iterator[Constants]:
    for values in itertools.product(*fields.values()):
        yield dict(zip(fields, values, strict=True))


def _rounded(value: float) -> float:
    """Without the last digits of a product, so that a record reads 0.1 and not 0.1000000001."""
    return float(f"{value:.6g}")
