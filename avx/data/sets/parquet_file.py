"""Reads parquet files of feature vectors; runs in a child process, see `avx.core.foreign.child`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pyarrow import parquet, types

from avx.core.errors import UserError
from avx.core.foreign import child
from avx.data.sets.vector_files import SEVERAL, numbered_columns


def parquet_arrays(path: Path) -> dict[str, np.ndarray]:
    """The columns of a file; those that are numbered, such as video_0, video_1, ..., as one array (N, D).

    Returns:
      Name -> numbers (N,), (N, D) or (N, T, D), or texts (N,) as an array of str, where a cell holds several of them
      joined by "|".

    Raises:
      UserError: an empty cell, or vectors of several lengths. Others, of pyarrow: damage.
    """
    table = parquet.read_table(path, use_threads=False)
    arrays = {}
    for name in table.column_names:
        parts = [_chunk(chunk, f"{name} in {path}") for chunk in table.column(name).chunks]
        if parts:
            arrays[name] = np.concatenate(parts)
    for stem, places in numbered_columns(table.column_names).items():
        names = [table.column_names[place] for place in places]
        if all(name in arrays and arrays[name].ndim == 1 and arrays[name].dtype.kind in "fiub" for name in names):
            arrays[stem] = np.stack([arrays.pop(name) for name in names], 1)
    return arrays


def _chunk(values: Any, where: str) -> np.ndarray:
    """A chunk of a column: numbers (N,), (N, D) or (N, T, D), or texts (N,)."""
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
    inner = _chunk(values.flatten(), where)
    if inner.dtype.kind == "O" or (len(lengths) > 1 and inner.dtype.kind in "iu"):
        return np.array([SEVERAL.join(map(str, one)) for one in values.to_pylist()], object)
    if len(lengths) != 1:
        raise UserError(f"{where} has rows of {min(lengths)} and of {max(lengths)} numbers: all need as many.")
    return inner.reshape(len(values), lengths.pop(), *inner.shape[1:])


if __name__ == "__main__":
    child.serve({"arrays": parquet_arrays})
