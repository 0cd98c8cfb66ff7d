"""Reads MATLAB files of any version; runs in a child process, see `avx.core.foreign.child`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io
import scipy.sparse

from avx.core.foreign import child
from avx.core.foreign.hdf5 import Reader, is_hdf5, member

ANNOTATIONS = "annos"


def mat_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a MATLAB file.

    Returns:
      Name -> numbers, or texts (N,) as an array of str; whatever is neither is left out.

    Raises:
      UserError: arrays beyond what the file can hold. Others, of scipy and HDF5: damage.
    """
    stored = _mat_73(path) if is_hdf5(path) else scipy.io.loadmat(path)
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


def annotation_arrays(path: Path) -> dict[str, np.ndarray]:
    """The columns of a MATLAB 7.3 file of annotations: annos.fileName, activity (texts), startFrame, endFrame."""
    reader = Reader(path)
    with h5py.File(path, "r") as file:
        columns = {}
        for key in ("fileName", "activity"):
            cells = np.ravel(reader.references(member(file, f"{ANNOTATIONS}/{key}")))
            columns[key] = np.array([_text(reader, file[cell]) for cell in cells], object)
        for key in ("startFrame", "endFrame"):
            columns[key] = np.ravel(reader.numbers(member(file, f"{ANNOTATIONS}/{key}"))).astype(float)
        return columns


def _text(reader: Reader, stored: Any) -> str:
    """A string: an array of UTF-16 units; an empty one is stored as its shape, marked by an attribute."""
    units = reader.numbers(stored)
    if bool(np.any(stored.attrs.get("MATLAB_empty", 0))):
        return ""
    return np.ravel(units.T).astype("<u2").tobytes().decode("utf-16-le")


def _mat_73(path: Path) -> dict[str, np.ndarray]:
    """Arrays of a MATLAB 7.3 file, which is HDF5 with the axes in reverse order and texts as UTF-16 units."""
    reader = Reader(path)
    arrays: dict[str, np.ndarray] = {}
    with h5py.File(path, "r") as file:
        for name in file:
            stored = member(file, name)
            if not isinstance(stored, h5py.Dataset):
                continue
            kind = stored.attrs.get("MATLAB_class", b"")
            if kind == b"char":
                arrays[name] = np.array([_text(reader, stored)], object)
            elif kind == b"cell":
                cells = np.ravel(reader.references(stored).T)
                arrays[name] = np.array([_text(reader, file[cell]) for cell in cells], object)
            elif stored.dtype.kind in "fiub":
                arrays[name] = reader.numbers(stored).T
    return arrays


if __name__ == "__main__":
    child.serve({"arrays": mat_arrays, "annotations": annotation_arrays})
