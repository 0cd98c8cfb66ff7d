"""Named arrays of the files that people keep feature vectors in: npz, mat, csv, parquet, and folders of npy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from avx.core.errors import UserError
from avx.core.foreign.boundary import check_many, reading
from avx.core.foreign.child import read_in_child
from avx.core.foreign.numpy_files import SAVE_AGAIN, read_npy, read_npz
from avx.data.manifest import csv_rows

SEVERAL = "|"
"""Stands between the classes of an item that a text cell names several of."""
_NUMBERED = re.compile(r"(.+?)[_.\-\[ ]?([0-9]+)\]?")


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Reads every array of a file or folder; nothing is unpickled.

    Numbers keep their dtype, and those of npy files stay on the disk until they are used. Texts are arrays of str,
    where a cell holds several of them joined by "|". Columns of a csv or parquet file that are numbered from 0 or 1,
    such as video_0, video_1, ..., are one array (N, D).

    Args:
      path: a npz, mat (any version), csv or parquet file, or a folder of npy files and of txt files of one line for
        each item, whose names are those of the arrays.

    Raises:
      UserError: no such file, another format, damage, or objects in place of numbers and texts.
    """
    if path.is_dir():
        arrays = dict(_folder(path))
    elif not path.is_file():
        raise UserError(f"There is no file {path}: give the features as {', '.join(sorted(READERS))}, or a folder.")
    elif path.suffix.lower() == ".npy":
        raise UserError(f"{path} is one array: put the npy files of all modalities in one folder, and give the folder.")
    elif path.suffix.lower() not in READERS:
        raise UserError(f"{path} is no file of features: give {', '.join(sorted(READERS))}, or a folder of npy files.")
    else:
        with reading(path, "readable file of features", "save it again"):
            arrays = READERS[path.suffix.lower()](path)
    stored = sum(file.stat().st_size for file in (path.iterdir() if path.is_dir() else (path,)))
    for name, array in arrays.items():
        check_many(path, f"rows or columns in {name}", max(array.shape, default=0), stored)
    if not arrays:
        raise UserError(f"{path} holds no array: give features of at least one modality.")
    return arrays


def text_column(path: Path, number: int | None) -> np.ndarray:
    """Reads a column of a text file as (N,) str; cells are set apart by tabs, else by commas, else by blanks.

    Args:
      path: UTF-8 file; blank lines are passed over.
      number: of the column, from 1; None for whole lines.

    Raises:
      UserError: the file cannot be read, or a line has too few cells.
    """
    found = []
    for place, line in enumerate(_lines(path), start=1):
        cells = [line]
        if number is not None:
            cells = line.split("\t") if "\t" in line else line.split(",") if "," in line else line.split()
        if number is not None and len(cells) < number:
            raise UserError(f"Line {place} of {path} has {len(cells)} cells, but column {number} is asked for.")
        found.append(cells[(number or 1) - 1].strip())
    return np.array(found, object)


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no text file in UTF-8: {error}; save it as one.") from error


def _decoded(array: np.ndarray) -> np.ndarray:
    """Numbers as they are; bytes as texts."""
    return np.char.decode(array, "utf-8", "replace") if array.dtype.kind == "S" else array


def _folder(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    for file in sorted(path.iterdir()):
        if file.suffix == ".npy" and not file.name.startswith("."):
            yield file.stem, _decoded(read_npy(file))
        elif file.suffix == ".txt" and not file.name.startswith("."):
            yield file.stem, text_column(file, None)


def _npz(path: Path) -> dict[str, np.ndarray]:
    arrays = read_npz(path, kind="npz file of arrays", remedy=SAVE_AGAIN)
    return {name: _decoded(array) for name, array in arrays.items()}


def _csv(path: Path) -> dict[str, np.ndarray]:
    rows = csv_rows(path)
    _, columns = next(rows)
    vectors: dict[str, list[int]] = {}
    numbers: dict[str, list[np.ndarray]] = {}
    texts: dict[str, list[str]] = {}
    for place, (line, cells) in enumerate(rows):
        if place == 0:
            vectors = {
                name: places
                for name, places in numbered_columns(columns).items()
                if all(_is_number(cells[at]) for at in places)
            }
            inside = {at for places in vectors.values() for at in places}
            numbers = {name: [] for name in vectors}
            texts = {name: [] for at, name in enumerate(columns) if at not in inside}
        for name, places in vectors.items():
            try:
                numbers[name].append(np.array([cells[at] for at in places], np.float32))
            except ValueError as error:
                raise UserError(f"Row {line} of {path} has something else than a number in {name}: mend it.") from error
        for at, name in enumerate(columns):
            if name in texts:
                texts[name].append(cells[at])
    return {name: np.stack(found) for name, found in numbers.items()} | {
        name: np.array(found, object) for name, found in texts.items()
    }


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def numbered_columns(columns: Sequence[str]) -> dict[str, list[int]]:
    """Finds the columns that are one array, being numbered from 0 or 1 without a gap.

    Returns:
      Stem -> places of its columns in order of their numbers.
    """
    places: dict[str, dict[int, int]] = {}
    for place, name in enumerate(columns):
        if found := _NUMBERED.fullmatch(name):
            places.setdefault(found[1], {})[int(found[2])] = place
    complete = {}
    for stem, by_number in places.items():
        first = min(by_number)
        if (
            sorted(by_number) == list(range(first, first + len(by_number)))
            and first <= 1
            and (len(by_number) > 1 or first == 0)
        ):
            complete[stem] = [by_number[number] for number in sorted(by_number)]
    return complete


def _parquet(path: Path) -> dict[str, np.ndarray]:
    return read_in_child(path, "avx.data.sets.parquet_file:arrays", "parquet file", "save it again")


def _mat(path: Path) -> dict[str, np.ndarray]:
    return read_in_child(path, "avx.data.sets.matlab_file:arrays", "MATLAB file", "save it again")


READERS: Mapping[str, Callable[[Path], dict[str, np.ndarray]]] = {
    ".npz": _npz,
    ".mat": _mat,
    ".csv": _csv,
    ".parquet": _parquet,
}
