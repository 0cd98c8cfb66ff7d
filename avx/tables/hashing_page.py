"""The page and the pictures of a hashing table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

import numpy as np

from avx.reports.figures import precision_recall
from avx.reports.tables import Table, best_cells, table_markdown
from avx.tables.hashing_leads import leads_table
from avx.tables.measure_plots import over_bits

DIRECTIONS = ("image_to_text", "text_to_image")
DATABASES = ("train", "test")
"""Splits that are searched: the items that were fitted, and the test items themselves."""
RECALL = np.linspace(0, 1, 11).round(1).tolist()


def spread(
    result: Mapping[str, Any], database: str, direction: str, bits: int, metric: str = "map"
) -> tuple[float, float]:
    """(mean, sample deviation) over the seeds of a row; the deviation of one run is 0."""
    values = [run["metrics"][database][direction][metric] for run in result["runs"] if run["bits"] in (bits, 0)]
    return fmean(values), stdev(values) if len(values) > 1 else 0.0


def page(title: str, remark: str, content: Mapping[str, Any], lengths: Sequence[int]) -> str:
    """The tables of both databases as Markdown, with what they were measured on.

    Args:
      title: of the page.
      remark: what a reader must know before comparing with the printed figures.
      content: what table.json holds.
      lengths: code lengths.
    """
    described = " and ".join(content["features"]["kinds"])
    parts = [
        f"# {title}",
        f"Features: {described}, rows L2-normalised, the same for every row of the table. "
        f"{_standardisation(content['rows'])} {remark}",
        f"MAP over the full list, expected under ties; mean ± deviation over seeds. Queries are the "
        f"{content['queries']} test items; codes always come from the fitted functions. With the training items as "
        "database, the convention of hashing papers, a function that has learnt its training items by heart gives "
        "them near-perfect codes. With the test items as database nothing that is ranked was seen in training.",
    ]
    for database in DATABASES:
        titled = f"Database: {database} items (chance {content['chance_map'][database]:.3f})"
        parts.append(table_markdown(_hashed_cells(titled, content["rows"], database, lengths)))
        if real := [one for one in content["rows"] if not one["hashed"]]:
            lines = tuple(
                (one["name"], *(_cell(*spread(one, database, direction, 0)) for direction in DIRECTIONS))
                for one in real
            )
            header = ("real-valued", *map(_arrow, DIRECTIONS))
            parts.append(table_markdown(Table(f"{titled}, real-valued rows", header, lines)))
    parts.append(table_markdown(leads_table(content["first_places"])))
    return "\n\n".join(parts) + "\n"


def _standardisation(results: Sequence[Mapping[str, Any]]) -> str:
    """Which rows see the columns of the features standardised; the constants of a search may change it."""
    names = {answer: [one["name"] for one in results if one["standardised"] is answer] for answer in (True, False)}
    if not names[True]:
        return "Columns are left as they are."
    others = f", and left as they are for {', '.join(names[False])}" if names[False] else ""
    return f"Columns are then standardised by the fitted items for {', '.join(names[True])}{others}."


def _hashed_cells(title: str, results: Sequence[Mapping[str, Any]], database: str, lengths: Sequence[int]) -> Table:
    hashed = [result for result in results if result["hashed"]]
    columns = [(direction, bits) for direction in DIRECTIONS for bits in lengths]
    header = ["", *(f"{_arrow(direction)} {bits}" for direction, bits in columns)]
    means = [("map", [spread(one, database, *column)[0] for one in hashed]) for column in columns]
    cells = [[one["name"], *(_cell(*spread(one, database, *column)) for column in columns)] for one in hashed]
    if database == "train":  # the convention under which the printed figures are most likely measured
        header += [f"printed {_arrow(DIRECTIONS[0])} {bits}" for bits in lengths]
        for line, one in zip(cells, hashed, strict=True):
            line += [_printed(one, bits) for bits in lengths]
    return Table(title, tuple(header), tuple(map(tuple, cells)), best_cells(means))


def _arrow(direction: str) -> str:
    query, _, other = direction.partition("_to_")
    return f"{query} to {other}"


def _cell(mean: float, deviation: float) -> str:
    return f"{mean:.3f} ± {deviation:.3f}" if deviation else f"{mean:.3f}"


def _printed(result: Mapping[str, Any], bits: int) -> str:
    value = result["printed_image_to_text"].get(str(bits))
    return f"{value:.3f}" if value is not None else "-"


def _first_run(result: Mapping[str, Any], bits: int) -> Mapping[str, Any]:
    """The run of seed 0 at a code length, which has the curves."""
    return next(run for run in result["runs"] if (run["bits"], run["seed"]) == (bits, 0))


def pictures(content: Mapping[str, Any], lengths: Sequence[int]) -> dict[str, bytes]:
    """PNG by name, for each direction and database: MAP over code length, and for the longest codes precision over
    recall, once cut by rank ("pr_...", 11-point interpolated) and once by Hamming radius ("radius_...").
    """
    hashed = [result for result in content["rows"] if result["hashed"]]
    drawn = {}
    for database, chance in content["chance_map"].items():
        for direction in DIRECTIONS:
            spreads = {one["name"]: [spread(one, database, direction, bits) for bits in lengths] for one in hashed}
            title = f"{_arrow(direction)}, database: {database} items"
            drawn[f"map_{direction}_{database}"] = over_bits(
                lengths,
                {name: [mean for mean, _ in line] for name, line in spreads.items()},
                {name: [deviation for _, deviation in line] for name, line in spreads.items()},
                chance,
                title=title,
                measure="MAP",
            )
            longest = lengths[-1]
            first = {one["name"]: _first_run(one, longest) for one in hashed}
            by_rank = {
                name: {"recall": RECALL, "precision": run["curves"][database][direction]} for name, run in first.items()
            }
            by_radius = {name: run["radius_curves"][database][direction] for name, run in first.items()}
            level = {"chance": {"recall": RECALL, "precision": content["chance_curves"][database][direction]}}
            for file, curves, cut in (("pr", by_rank, "rank"), ("radius", by_radius, "Hamming radius")):
                title = f"{_arrow(direction)}, {database} items, {longest} bits, by {cut}"
                drawn[f"{file}_{direction}_{database}"] = precision_recall(curves | level, title)
    return drawn
