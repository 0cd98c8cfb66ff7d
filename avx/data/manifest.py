"""Tables as csv files, read strictly: what a row holds is used or refused by its number, never dropped."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from avx.core.errors import UserError
from avx.data.splits import split_named

# Column of a manifest -> the names under which it is found, the first present one counts.
COLUMN_ALIASES: dict[str, tuple[str, ...]] = {
    "clip_id": ("clip_id", "id"),
    "file": ("file", "video", "path"),
    "label": ("label", "class", "instrument"),
    "caption": ("caption", "text", "sentence", "transcript"),
    "audio": ("audio",),
    "speech": ("speech",),
    "split": ("split",),
    "group": ("group",),
}


@dataclasses.dataclass(frozen=True)
class Table:
    """A csv file.

    Attributes:
      path: of the file.
      columns: names in lower case, without blanks around them.
      rows: the cells of each row, as many as there are columns, without blanks around them.
      numbers: the line in which each row begins, from 1.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...]

    def where(self, row: int) -> str:
        """Names a row for a message."""
        return f"Row {self.numbers[row]} of {self.path}"


def read_table(path: Path) -> Table:
    """Reads a csv file in UTF-8; blanks after commas and blank lines are passed over.

    Raises:
      UserError: no such file, not UTF-8, no header, a column without a name or named twice, a quote that is not closed
        or not at the ends of its cell, or a row with more or fewer cells than the header.
    """
    columns: tuple[str, ...] = ()
    rows: list[tuple[str, ...]] = []
    numbers: list[int] = []
    for number, cells in csv_rows(path):
        if columns:
            rows.append(cells)
            numbers.append(number)
        else:
            columns = cells
    return Table(path, columns, tuple(rows), tuple(numbers))


def csv_rows(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yields (line in which it begins, cells) of the header and then of each row, as `read_table` reads them.

    Raises:
      UserError: as `read_table`, when reached.
    """
    if not path.is_file():
        raise UserError(f"There is no csv file {path}: correct its name.")
    columns: tuple[str, ...] = ()
    line = 1
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.reader(lines, strict=True, skipinitialspace=True)
            for read in reader:
                cells = [cell.strip() for cell in read]
                if any(cells) and not columns:
                    columns = _columns(path, cells)
                    yield line, columns
                elif any(cells):
                    yield line, _whole(path, line, cells, len(columns))
                line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(
            f"Row {line} of {path} is not valid csv ({error}): close its quotes, and double those within a cell."
        ) from error
    except (UnicodeDecodeError, OSError) as error:
        raise UserError(f"{path} is no csv file in UTF-8: {error}; save it as one.") from error
    if not columns:
        raise UserError(f"{path} has no header: name its columns in the first row.")


def _whole(path: Path, number: int, cells: Sequence[str], columns: int) -> tuple[str, ...]:
    """The cells of a row, as many as there are columns; empty ones behind these are dropped."""
    if len(cells) < columns or any(cells[columns:]):
        raise UserError(
            f"Row {number} of {path} has {len(cells)} cells for {columns} columns: put quotes around a cell that holds "
            "a comma, and leave a cell empty rather than out."
        )
    return tuple(cells[:columns])


def _columns(path: Path, header: Sequence[str]) -> tuple[str, ...]:
    columns = [name.lower() for name in header]
    while columns and not columns[-1]:  # Spreadsheets leave empty columns at the end.
        columns.pop()
    for place, name in enumerate(columns):
        if not name:
            raise UserError(f"Column {place + 1} of {path} has no name: name it or remove it.")
        if name in columns[:place]:
            raise UserError(f"{path} has two columns named {name}: rename or remove one of them.")
    return tuple(columns)


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The rows of a list of clips, and the columns that nothing reads.

    Attributes:
      rows: cells by the names of `COLUMN_ALIASES`, "" for what is absent; splits are "train", "val" or "test".
      ignored: columns of other names, apart from those that begin with "_".
    """

    rows: tuple[Mapping[str, str], ...]
    ignored: tuple[str, ...]


def read_manifest(path: Path) -> Manifest:
    """Reads a list of clips.

    Raises:
      UserError: as `read_table`, and no column of files, a row without one, a split of another name, or a column whose
        name is one slip of the pen away from one that is missing.
    """
    table = read_table(path)
    found = {
        column: next((alias for alias in aliases if alias in table.columns), "")
        for column, aliases in COLUMN_ALIASES.items()
    }
    ignored = tuple(name for name in table.columns if name not in found.values() and not name.startswith("_"))
    for name in ignored:
        for column, aliases in COLUMN_ALIASES.items():
            meant = next((alias for alias in aliases if one_slip(name, alias)), "")
            if meant and not found[column]:
                raise UserError(
                    f"{path} has a column {name}; did you mean {meant}? Rename it, or begin its name with _ if it is "
                    "not for reading."
                )
    if not found["file"]:
        expected = " or ".join(COLUMN_ALIASES["file"])
        raise UserError(f"{path} has the columns {', '.join(table.columns)}: it needs one named {expected}.")
    place = {column: table.columns.index(alias) for column, alias in found.items() if alias}
    rows = []
    for number, cells in enumerate(table.rows):
        row = {column: cells[place[column]] if column in place else "" for column in COLUMN_ALIASES}
        if not row["file"]:
            raise UserError(f"{table.where(number)} names no file: fill in its {found['file']} or remove it.")
        rows.append(row | {"split": split_named(row["split"], table.where(number))})
    return Manifest(tuple(rows), ignored)


def one_slip(written: str, meant: str) -> bool:
    """True where a word of four letters or more lacks a letter, has one too many, a wrong one, or two swapped."""
    if written == meant or min(len(written), len(meant)) < 4 or abs(len(written) - len(meant)) > 1:
        return False
    if len(written) != len(meant):
        short, long = sorted((written, meant), key=len)
        return any(long[:place] + long[place + 1 :] == short for place in range(len(long)))
    wrong = [place for place in range(len(meant)) if written[place] != meant[place]]
    if len(wrong) == 1:
        return True
    first, last = wrong[0], wrong[-1]
    return len(wrong) == 2 and last == first + 1 and written[first] == meant[last] and written[last] == meant[first]
