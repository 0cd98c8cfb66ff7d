"""Named arrays of the files that people keep feature vectors in: npz, mat, csv, parquet, and folders of npy."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io
import scipy.sparse

from avx.core.errors import UserError
from avx.data.manifest import csv_rows

SEVERAL = "|"
"""Stands between the classes of an item that a text cell names several of."""
_NUMBERED = re.compile(r"(.+?)[_.\-\[ ]?([0-9]+)\]?")
_DAMAGED = (
    *(ValueError, OSError, EOFError, KeyError, TypeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error, scipy.io.matlab.MatReadError),
)


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
        arrays = READERS[path.suffix.lower()](path)
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


def _loaded(path: Path, name: str, load: Callable[[], np.ndarray]) -> np.ndarray:
    """An array of a numpy file, of numbers or texts."""
    try:
        array = load()
    except _DAMAGED as error:
        if "allow_pickle" in str(error) or "Python objects" in str(error):
            raise UserError(
                f"{name} in {path} holds Python objects, which are not read: save numbers or fixed-length texts."
            ) from error
        raise UserError(f"{name} in {path} cannot be read: {error}; save the file again.") from error
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8", "replace")
    return array


def _folder(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    for file in sorted(path.iterdir()):
        if file.suffix == ".npy" and not file.name.startswith("."):
            yield file.stem, _loaded(path, file.name, lambda: np.load(file, mmap_mode="r", allow_pickle=False))
        elif file.suffix == ".txt" and not file.name.startswith("."):
            yield file.stem, text_column(file, None)


def _npz(path: Path) -> dict[str, np.ndarray]:
    try:
        archive = np.load(path, allow_pickle=False)
    except _DAMAGED as error:
        raise UserError(f"{path} is no npz file of arrays: save it by numpy.savez.") from error
    with archive:
        return {name: _loaded(path, name, lambda: archive[name]) for name in archive.files}


def _mat(path: Path) -> dict[str, np.ndarray]:
    try:
        stored = _mat_73(path) if h5py.is_hdf5(path) else scipy.io.loadmat(path)
    except _DAMAGED as error:
        raise UserError(f"{path} is no MATLAB file: {error}; save it again.") from error
    arrays = {}
    value: Any
    for name, value in stored.items():
        if scipy.sparse.issparse(value):
            value = value.toarray()
        if name.startswith("__") or not isinstance(value, np.ndarray) or value.dtype.kind == "V":
            continue
        if value.dtype.kind == "O":  # A cell array; those of texts are of use.
            cells = [np.ravel(cell) for cell in value.ravel()]
            if not all(cell.dtype.kind == "U" and cell.size <= 1 for cell in cells):
                continue
            value = np.array([str(cell[0]) if cell.size else "" for cell in cells], object)
        elif value.dtype.kind == "U":
            value = np.array([str(line).strip() for line in value.ravel()], object)
        arrays[name] = value
    return arrays


def _mat_73(path: Path) -> dict[str, np.ndarray]:
    """Arrays of a MATLAB 7.3 file, which is HDF5 with the axes in reverse order and texts as UTF-16 units."""

    def text(units: h5py.Dataset) -> np.ndarray:
        empty = bool(units.attrs.get("MATLAB_empty", 0))
        return np.array(["" if empty else np.ravel(units[()].T, "C").astype("<u2").tobytes().decode("utf-16-le")])

    arrays = {}
    with h5py.File(path, "r") as file:
        for name, stored in file.items():
            kind = stored.attrs.get("MATLAB_class", b"") if isinstance(stored, h5py.Dataset) else b""
            if kind == b"char":
                arrays[name] = text(stored)
            elif kind == b"cell":
                cells = np.empty(stored.size, object)
                cells[:] = [text(file[reference]) for reference in np.ravel(stored[()].T)]
                arrays[name] = cells
            elif isinstance(stored, h5py.Dataset) and stored.dtype.kind in "fiub":
                arrays[name] = stored[()].T
    return arrays


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
                for name, places in _numbered(columns).items()
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


def _numbered(columns: Sequence[str]) -> dict[str, list[int]]:
    """Stem -> places of the columns that are numbered from 0 or 1 without a gap, in order of their numbers."""
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
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{path} is no parquet file: {error}; save it again.") from error
    arrays = {}
    for name in table.column_names:
        parts = [_arrow(chunk, f"{name} in {path}") for chunk in table.column(name).chunks]
        if parts:
            arrays[name] = np.concatenate(parts)
    for stem, places in _numbered(table.column_names).items():
        names = [table.column_names[place] for place in places]
        if all(name in arrays and arrays[name].ndim == 1 and arrays[name].dtype.kind in "fiub" for name in names):
            arrays[stem] = np.stack([arrays.pop(name) for name in names], 1)
    return arrays


def _arrow(values: Any, where: str) -> np.ndarray:
    """A chunk of a parquet column: numbers (N,), (N, D) or (N, T, D), or texts (N,)."""
    from pyarrow import types

    if values.null_count:
        row = values.is_null().to_pylist().index(True)
        raise UserError(f"{where} is empty at row {row + 1} of its block: fill it in or leave the item out.")
    if types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if not (types.is_list(values.type) or types.is_large_list(values.type) or types.is_fixed_size_list(values.type)):
        if types.is_string(values.type) or types.is_large_string(values.type):
            return np.array(values.to_pylist(), object)
        return values.to_numpy(zero_copy_only=False)
    lengths = {len(one) for one in values}
    inner = _arrow(values.flatten(), where)
    if inner.dtype.kind == "O" or (len(lengths) > 1 and inner.dtype.kind in "iu"):
        return np.array([SEVERAL.join(map(str, one)) for one in values.to_pylist()], object)
    if len(lengths) != 1:
        raise UserError(f"{where} has rows of {min(lengths)} and of {max(lengths)} numbers: all need as many.")
    return inner.reshape(len(values), lengths.pop(), *inner.shape[1:])


READERS: Mapping[str, Callable[[Path], dict[str, np.ndarray]]] = {
    ".npz": _npz,
    ".mat": _mat,
    ".csv": _csv,
    ".parquet": _parquet,
}
