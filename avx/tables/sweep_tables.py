"""Lays out the runs of a sweep: means over seeds on validation and test, and differences to the first row."""

import dataclasses
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

import numpy as np

from avx.reports.headline import ROLES
from avx.reports.metric_names import MISSING, direction_words, format_value, lower_is_better
from avx.reports.tables import Table, best_cells
from avx.retrieval.significance import paired_permutation

DRAWS, SEED = 10_000, 0


@dataclasses.dataclass(frozen=True, eq=False)
class SweepRun:
    """One row of the result of one run.

    Attributes:
      name, role, gallery: as in `ResultRow`; the name also tells the variant of the config.
      seed: of the run.
      values: of the test split, by flat name: "video_to_audio/class/map", or "class/map" for the mean of both.
      validation: of the validation split; {} where it was not measured.
      per_query: "<direction>/<level>/ap" -> (Q,), NaN for queries without a relevant item.
    """

    name: str
    role: str
    gallery: str
    seed: int
    values: Mapping[str, float]
    validation: Mapping[str, float] = dataclasses.field(default_factory=dict)
    per_query: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)


Rows = dict[str, list[SweepRun]]


def sweep_tables(runs: Sequence[SweepRun], metrics: Sequence[str]) -> list[Table]:
    """For each gallery a table of the validation split, where it was measured, and one of the test split.

    Rows stand in the order system, variant, baseline, chance. Cells are means over seeds with the sample deviation
    (n - 1); one run, or runs that agree, have none. "v" marks the system row whose first metric is best on validation.
    The table of the test split also holds, for each MAP, the difference to its first row and the p-value of a paired
    permutation test over queries, whose values are averaged over seeds before.

    Args:
      runs: in any order; equal runs of one name and seed count once, different ones make two rows.
      metrics: flat names, the first of which chooses.
    """
    tables = []
    for gallery in dict.fromkeys(run.gallery for run in runs):
        rows = _rows([run for run in runs if run.gallery == gallery])
        validated = {name: of for name, of in rows.items() if any(run.validation for run in of)}
        chosen = _best_on_validation(rows, metrics[0])
        note = f"v: best {metrics[0]} on validation." if chosen else ""
        if validated:
            tables.append(_table(f"Validation, gallery: {gallery}", validated, "validation", metrics, chosen, note))
        tables.append(_table(f"Test, gallery: {gallery}", rows, "values", metrics, chosen, note))
    return tables


def _rows(runs: Sequence[SweepRun]) -> Rows:
    """Runs by row, in order of roles; the runs of a baseline that every variant repeats count once."""
    rows: Rows = {}
    for run in sorted(runs, key=lambda run: ROLES.index(run.role)):
        name, number = run.name, 1
        while any(run.seed == other.seed and run.values != other.values for other in rows.get(name, [])):
            number += 1
            name = f"{run.name} ({number})"
        if all(run.seed != other.seed for other in rows.setdefault(name, [])):
            rows[name].append(run)
    return rows


def _best_on_validation(rows: Rows, metric: str) -> str | None:
    scores = {name: _values(of, "validation", metric) for name, of in rows.items() if of[0].role == "system"}
    known = {name: fmean(values) for name, values in scores.items() if values}
    pick = min if lower_is_better(metric) else max
    return pick(known, key=lambda name: known[name]) if known else None


def _table(title: str, rows: Rows, field: str, metrics: Sequence[str], chosen: str | None, note: str) -> Table:
    values = {metric: [_values(of, field, metric) for of in rows.values()] for metric in metrics}
    columns = {
        _head(metric): list(map(_cell, [metric] * len(rows), values[metric], rows.values())) for metric in metrics
    }
    if field == "values" and len(rows) > 1:
        for metric in metrics:
            if metric.endswith("/map"):
                columns[f"{_head(metric)}\nto first row (p)"] = _differences(rows, metric, values[metric])
    seeds = len({run.seed for of in rows.values() for run in of})
    return Table(
        title=f"{title}: mean ± deviation over {seeds} seed{'s' if seeds > 1 else ''}",
        header=("", *columns),
        rows=tuple(
            (f"{name}  v" if name == chosen else name, *(cells[place] for cells in columns.values()))
            for place, name in enumerate(rows)
        ),
        best=best_cells([(metric, [fmean(of) if of else None for of in values[metric]]) for metric in metrics]),
        note=note,
    )


def _head(name: str) -> str:
    """A flat name in lines: `video → audio`, `class map`."""
    direction, found, rest = name.partition("/") if name.count("/") == 2 else ("", "", name)
    return (f"{direction_words(direction)}\n" if found else "") + rest.replace("/", " ")


def _values(runs: Sequence[SweepRun], field: str, metric: str) -> list[float]:
    found = [getattr(run, field).get(metric) for run in runs]
    return [float(value) for value in found if value is not None and value == value]


def _cell(metric: str, values: list[float], runs: Sequence[SweepRun]) -> str:
    """`81.2 ± 7.6`; where fewer runs than the row's have the metric, the cell says how many."""
    cell = format_value(metric, fmean(values) if values else None)
    if len(set(values)) > 1:
        cell += f" ± {format_value(metric, stdev(values))}"
    return f"{cell} (n={len(values)})" if 0 < len(values) < len(runs) else cell


def _differences(rows: Rows, metric: str, values: Sequence[list[float]]) -> list[str]:
    """The difference of each row's mean to that of the first row, with its p-value where both have per-query values."""
    first, cells = next(iter(rows.values())), [MISSING]
    for runs, theirs in list(zip(rows.values(), values, strict=True))[1:]:
        if not theirs or not values[0]:
            cells.append(MISSING)
            continue
        difference = fmean(theirs) - fmean(values[0])
        one, other = _paired(first, runs, metric.removesuffix("map") + "ap")
        remark = f" ({_p_words(paired_permutation(one, other, DRAWS, SEED))})" if one.size else ""
        cells.append(f"{'+' if difference >= 0 else ''}{format_value(metric, difference)}{remark}")
    return cells


def _p_words(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def _paired(first: Sequence[SweepRun], second: Sequence[SweepRun], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Per-query values of two rows, averaged over seeds, for the queries that both have; empty where they do not pair.

    `name` is "<direction>/<level>/ap", or "<level>/ap" for the mean of directions, which are weighted so that the mean
    of all values is the mean of the directions' means.
    """
    nothing = np.zeros(0)
    parts = []
    for key in first[0].per_query:
        if key != name and not key.endswith(f"/{name}"):
            continue
        sides = [[np.asarray(run.per_query.get(key, nothing), np.float64) for run in runs] for runs in (first, second)]
        if len({values.shape for side in sides for values in side}) > 1:
            return nothing, nothing
        pair = np.stack([np.mean(side, axis=0) for side in sides])
        parts.append(pair[:, np.isfinite(pair).all(axis=0)])
    parts = [part for part in parts if part.size]
    total = sum(part.shape[1] for part in parts)
    weighted = [part * total / (len(parts) * part.shape[1]) for part in parts]
    one, other = np.concatenate(weighted, axis=1) if weighted else (nothing, nothing)
    return one, other
