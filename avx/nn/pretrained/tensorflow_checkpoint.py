"""Reads TensorFlow checkpoints without TensorFlow.

Both forms are sorted tables whose values are protocol buffers, see `sorted_table`. In the first form (one file, up to
2017, VGGish's release) the table holds the numbers; in the second (an .index with .data parts) it holds their places
and checksums.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from avx.core.errors import UserError
from avx.core.foreign.boundary import SHARED, check_declared, checked_shape, reading
from avx.nn.pretrained.crc32c import crc32c, masked
from avx.nn.pretrained.sorted_table import Message, content, entries, integer, message, varints

INDEX = ".index"
MAX_PARTS = 10_000
KIND = "intact TensorFlow checkpoint"


class NumberType(NamedTuple):
    """A type of numbers: its dtype, the field of TensorProto that holds its values, and if those are varints."""

    dtype: np.dtype
    field: int
    variable: bool


# By TensorFlow's number of the type.
TYPES = {
    1: NumberType(np.dtype("<f4"), 5, False),
    2: NumberType(np.dtype("<f8"), 6, False),
    3: NumberType(np.dtype("<i4"), 7, True),
    9: NumberType(np.dtype("<i8"), 10, True),
}


def read_tensorflow_checkpoint(path: Path) -> dict[str, np.ndarray]:
    """Variables of a checkpoint; those of other types than float32, float64, int32 and int64 are left out.

    Args:
      path: the .ckpt file of the first form, or the .index of the second with its .data parts beside it; the whole name
        may be ".index", as some packages ship it.

    Returns:
      Variable name -> array.

    Raises:
      UserError: a file that is torn, compressed, lacks a part, splits a variable into slices, or whose checksums do not
        hold.
    """
    with reading(path, KIND):
        listed = list(entries(memoryview(path.read_bytes())))
        return _read_bundle(path, listed) if path.name.endswith(INDEX) else _read_slices(path, listed)


def checkpoint_files(path: Path) -> list[Path]:
    """All files that a checkpoint is read from: `path` itself, and the parts of an .index.

    Raises:
      UserError: as `read_tensorflow_checkpoint`.
    """
    with reading(path, KIND):
        if not path.name.endswith(INDEX):
            return [path]
        count = _parts(dict(entries(memoryview(path.read_bytes()))))
        return [path, *(_part(path, part, count) for part in range(count))]


def _read_slices(path: Path, listed: list[tuple[bytes, memoryview]]) -> dict[str, np.ndarray]:
    """First form: the entry with the empty key lists names, shapes and types; every other one holds one tensor."""
    if not listed or listed[0][0]:
        raise ValueError("it lists no variables")
    header = message(content(message(listed[0][1]), 1))
    described = {}
    for item in (message(item) for item in header.get(1, [])):
        described[_name(item)] = (_shape(item), integer(item, 3))
    known = [shape for shape, kind in described.values() if kind in TYPES]
    check_declared(path, 8 * sum(map(math.prod, known)), path.stat().st_size, SHARED)
    tensors = {}
    for _, value in listed[1:]:
        saved = message(content(message(value), 2))
        name = _name(saved)
        shape, kind = described[name]
        if name in tensors:
            raise ValueError(f"its variable {name} is split into slices")
        if kind in TYPES:
            tensors[name] = _numbers(message(content(saved, 3)), TYPES[kind], math.prod(shape)).reshape(shape)
    missing = [name for name, (_, kind) in described.items() if kind in TYPES and name not in tensors]
    if missing:
        raise ValueError(f"it lists the variable {missing[0]} but does not hold it")
    return tensors


def _numbers(tensor: Message, kind: NumberType, count: int) -> np.ndarray:
    packed = tensor.get(kind.field, [])
    if kind.variable:
        values = [number for chunk in packed for number in ([chunk] if isinstance(chunk, int) else varints(chunk))]
        # A negative number travels as its complement in 64 bits.
        numbers = np.array(values, np.uint64).astype(np.int64).astype(kind.dtype)
    else:
        numbers = np.frombuffer(b"".join(packed), kind.dtype)
    if len(numbers) != count:
        raise ValueError(f"a variable of {count} numbers holds {len(numbers)}")
    return numbers


def _parts(table: dict[bytes, memoryview]) -> int:
    """The number of parts, by the entry with the empty key."""
    if b"" not in table:
        raise ValueError("it does not say how many parts it has")
    header = message(table[b""])
    if integer(header, 2) != 0:
        raise ValueError("its numbers are big-endian")
    parts = integer(header, 1, 1)
    if not 0 < parts <= MAX_PARTS:
        raise ValueError(f"it states {parts} parts")
    return parts


def _part(path: Path, part: int, parts: int) -> Path:
    file = path.with_name(f"{path.name.removesuffix(INDEX)}.data-{part:05d}-of-{parts:05d}")
    if not file.is_file():
        raise UserError(f"{path} needs {file.name} beside it; fetch all parts of the checkpoint.")
    return file


def _read_bundle(path: Path, listed: list[tuple[bytes, memoryview]]) -> dict[str, np.ndarray]:
    """Second form: the entry with the empty key counts the parts; every other one says where one tensor lies."""
    parts = _parts(dict(listed))
    files = [_part(path, part, parts) for part in range(parts)]
    data = [np.memmap(file, np.uint8, "r") if file.stat().st_size else np.zeros(0, np.uint8) for file in files]
    places = {}
    for key, value in listed:
        entry = message(value)
        kind = integer(entry, 1)
        if not key or kind not in TYPES:
            continue
        name = key.decode()
        if 7 in entry:
            raise ValueError(f"its variable {name} is split into slices")
        part, start, size = (integer(entry, field) for field in (3, 4, 5))
        shape, dtype = _shape(entry), TYPES[kind].dtype
        if part >= parts or start + size > len(data[part]) or size != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"its variable {name} reaches outside of its part")
        (checksum,) = struct.unpack("<I", content(entry, 6))
        places[name] = (data[part][start : start + size], dtype, shape, checksum)
    stored = sum(len(part) for part in data)
    check_declared(path, sum(len(raw) for raw, *_ in places.values()), stored, SHARED)
    tensors = {}
    for name, (raw, dtype, shape, checksum) in places.items():
        if masked(crc32c(raw)) != checksum:
            raise ValueError(f"the checksum of its variable {name} does not hold")
        tensors[name] = np.array(raw).view(dtype).reshape(shape)
    return tensors


def _name(fields: Message) -> str:
    return bytes(content(fields, 1)).decode()


def _shape(fields: Message) -> tuple[int, ...]:
    """The TensorShapeProto in field 2: repeated field 2 of dimensions, each with its size in field 1."""
    dimensions = message(content(fields, 2)).get(2, [])
    return checked_shape([integer(message(dimension), 1) for dimension in dimensions])
