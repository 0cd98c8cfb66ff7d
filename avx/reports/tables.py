"""Lays out result tables and writes them for a terminal or as Markdown; the page's template writes them as HTML."""

import dataclasses
import io
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from avx.core.result import Result, ResultRow
from avx.reports.headline import galleries, measured
from avx.reports.metric_names import (
    between,
    direction_words,
    format_value,
    is_count,
    is_main,
    is_share,
    last_digit,
    lower_is_better,
    printable,
)

WIDTH = 120
UNITS = "Shares in percent, larger is better; mdr and mnr are ranks, smaller is better."
_INTERVALS = "Ranges are 95 % confidence intervals over queries."
_SHORT = {"tp_recall": "tp_rec", "precision": "prec", "video": "vid", "audio": "aud", "speech": "spe", "image": "img"}


@dataclasses.dataclass(frozen=True)
class Table:
    """Finished cells.

    Attributes:
      title: printed above.
      header: names of the columns, the first of which names the rows; a line break may split a name.
      rows: one cell for each column.
      best: (row, column) of the cells that are marked.
      under: (row, column) -> what stands below a cell, such as an interval.
      note: printed below.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    best: frozenset[tuple[int, int]] = frozenset()
    under: Mapping[tuple[int, int], str] = dataclasses.field(default_factory=dict)
    note: str = ""

    def __post_init__(self):
        assert all(len(row) == len(self.header) for row in self.rows), "every row has one cell per column"


def best_cells(columns: Sequence[tuple[str, Sequence[float | None]]]) -> frozenset[tuple[int, int]]:
    """(row, column) of the best values, columns counted from 1.

    `columns` are (metric name, values by row); the name decides whether small or large is good. A value that the shown
    digits cannot tell from the best one (equal digits, or less than half a unit of the last one apart) is marked too;
    where that is every value, where there is only one, and for counts, none is.
    """
    best: set[tuple[int, int]] = set()
    for column, (name, values) in enumerate(columns, start=1):
        known = {row: value for row, value in enumerate(values) if value is not None and value == value}
        if len(known) < 2 or is_count(name):
            continue
        target = (min if lower_is_better(name) else max)(known.values())
        apart, shown = last_digit(name, target) / 2, format_value(name, target)
        alike = [row for row, v in known.items() if format_value(name, v) == shown or abs(v - target) < apart]
        best |= {(row, column) for row in alike if len(alike) < len(known)}
    return frozenset(best)


def result_tables(result: Result, wanted: Callable[[str], bool] = is_main) -> list[Table]:
    """A table for each gallery, direction and level, methods down and metrics across, intervals below the shares.

    The columns are the metrics whose name is `wanted`, all where none is.
    """
    tables = []
    for searched, rows in galleries(result).items():
        for way in dict.fromkeys(way for row in rows for way in row.directions):
            there = [row for row in rows if way in row.directions]
            for level in dict.fromkeys(level for row in there for level in row.directions[way].levels):
                title = f"{direction_words(way)}, {level} level{searched}"
                tables.append(_result_table(title, there, way, level, wanted))
    return tables


def _result_table(title: str, rows: list[ResultRow], way: str, level: str, wanted: Callable[[str], bool]) -> Table:
    rows = [row for row in rows if level in row.directions[way].levels]
    names = list(dict.fromkeys(name for row in rows for name in row.directions[way].levels[level]))
    names = [name for name in names if wanted(name)] or names
    columns = [(name, [measured(row, way, level, name) for row in rows]) for name in names]
    lines = zip(*([format_value(name, value) for value, _ in of] for name, of in columns), strict=True)
    return Table(
        title=title,
        header=("", *names),
        rows=tuple((row.name, *line) for row, line in zip(rows, lines, strict=True)),
        best=best_cells([(name, [value for value, _ in of]) for name, of in columns]),
        under={
            (row, column): between(name, *limits)
            for column, (name, of) in enumerate(columns, start=1)
            for row, (_, limits) in enumerate(of)
            if limits and is_share(name)
        },
    )


def notes(result: Result) -> list[str]:
    """What a reader of the tables must know: units, and what was chosen for a row."""
    noted = [(row.name + where, row.note) for where, rows in galleries(result).items() for row in rows if row.note]
    return [UNITS, _INTERVALS, *(f"{name}: {note}." for name, note in dict.fromkeys(noted))]


def render_text(result: Result) -> str:
    """All result tables as plain text for a terminal."""
    return "\n".join([*map(table_text, result_tables(result)), *notes(result), "* best of its column."]) + "\n"


def table_text(table: Table, width: int = WIDTH) -> str:
    """`table` as plain text at most `width` columns wide; `*` stands before the best of a column.

    Heads are abbreviated, and a table that is still too wide is split into several, each with the first column.
    """
    console, boundless = (Console(file=io.StringIO(), width=most, color_system=None) for most in (width, 10_000))
    parts = [[0]]
    for column in range(1, len(table.header)):
        if len(parts[-1]) > 1 and boundless.measure(_rich(table, [*parts[-1], column])).maximum > width:
            parts.append([0])
        parts[-1].append(column)
    with console.capture() as captured:
        for place, columns in enumerate(parts):
            console.print(Text(printable(table.title) + (", continued" if place else "")))
            console.print(_rich(table, columns))
        console.print(Text(printable(table.note)), end="\n" if table.note else "")
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def _rich(table: Table, columns: Sequence[int]) -> RichTable:
    drawn = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        head = "\n".join(map(printable, table.header[column].split("\n")))
        for long, short in _SHORT.items():
            head = head.replace(long, short)
        look: dict[str, Any] = (
            {"justify": "right", "no_wrap": True} if column else {"max_width": 20, "overflow": "fold"}
        )
        drawn.add_column(Text(head), **look)
    for place, row in enumerate(table.rows):
        lines = [("*" if (place, column) in table.best else "") + printable(row[column]) for column in columns]
        below = [printable(table.under.get((place, column), "")) for column in columns]
        drawn.add_row(*(Text(f"{cell}\n{under}" if under else cell) for cell, under in zip(lines, below, strict=True)))
    return drawn


def table_markdown(table: Table) -> str:
    """`table` in GitHub-flavoured Markdown, the best of a column in bold."""

    def cell(text: str) -> str:
        # A table cell may carry inline HTML and links: neither may come from a name.
        safe = escape(printable(text), quote=False).replace("\\", "\\\\")
        for mark in "|*_`[]":
            safe = safe.replace(mark, f"\\{mark}")
        return safe

    lines = [[cell(text) for text in table.header]]
    for place, row in enumerate(table.rows):
        cells = [
            f"**{cell(text)}**" if (place, column) in table.best else cell(text) for column, text in enumerate(row)
        ]
        under = [table.under.get((place, column), "") for column in range(len(row))]
        lines.append([f"{text} ({cell(below)})" if below else text for text, below in zip(cells, under, strict=True)])
    body = ["| " + " | ".join(line) + " |" for line in lines]
    body.insert(1, "|" + " --- |" + " ---: |" * (len(table.header) - 1))
    return f"### {cell(table.title)}\n\n" + "\n".join(body) + (f"\n\n{cell(table.note)}" if table.note else "")
