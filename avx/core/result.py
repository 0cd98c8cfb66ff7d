"""What an evaluation found: plain arrays that know no path."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Direction:
    """How one method did in one direction: Q queries of one side against G items of the other.

    Attributes:
      levels: {"class" | "instance": {metric: value}}; a level in which no query has a relevant item is left out.
      intervals: {level: {metric: (low, high)}} 95 % confidence intervals of some of them, over queries.
      queries: (Q,) rows of the dataset that ask.
      per_query: "<level>/ap" and "<level>/rank" (best relevant, expected under ties) -> (Q,) float32, NaN for queries
        without a relevant item. Empty for chance.
      top: (Q, k) rows of the best items, best first; of equal scores the earlier row first.
      top_scores: (Q, k) their scores.
      confusion: (C + 1, C + 1) counts of the queries of a class by the class found at rank 1, unknown last; items that
        share the best score count in equal parts. (0, 0) where there are no classes.
      curve: "recall" and "precision" -> (11,) at class level, interpolated; or {}.
      radius: of hash codes, "recall", "precision" and "answered" (share of queries with an item in reach) ->
        (bits + 1,) at Hamming radius 0 to b; {} for other methods.
    """

    levels: Mapping[str, Mapping[str, float]]
    intervals: Mapping[str, Mapping[str, tuple[float, float]]] = dataclasses.field(default_factory=dict)
    queries: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, np.int64))
    per_query: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    top: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 0), np.int64))
    top_scores: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 0), np.float32))
    confusion: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 0)))
    curve: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    radius: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class ResultRow:
    """One method under one protocol.

    Attributes:
      name: of the method, as printed.
      role: "system", "variant" (the system under another rule), "baseline" or "chance".
      gallery: the split that is searched, such as "test" or "train".
      note: what was chosen, or how it was asked; "" for nothing.
      directions: "<query side>_to_<gallery side>" -> figures.
    """

    name: str
    role: str
    gallery: str
    note: str
    directions: Mapping[str, Direction]


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """What an evaluation found; plain arrays, knows no path.

    Attributes:
      protocol: what was measured and how, JSON-able, to stand beside every number.
      rows: the system first, then its variants, baselines, and chance.
      validation: {metric: value} of the system on the validation split, in the form of `training` curves; {} without.
      training: steps, seconds, parameters, constants that were chosen with their candidates; JSON-able.
    """

    protocol: Mapping[str, Any]
    rows: tuple[ResultRow, ...]
    validation: Mapping[str, float] = dataclasses.field(default_factory=dict)
    training: Mapping[str, Any] = dataclasses.field(default_factory=dict)
