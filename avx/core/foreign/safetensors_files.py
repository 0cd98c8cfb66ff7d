"""Reads safetensors files of foreign origin: a length, a JSON header of that length, and the numbers one after another.

bfloat16 arrives as float32, as it does from PyTorch's own files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from avx.core.foreign.boundary import SHARED, check_declared, checked_name, checked_shape, printable, reading, sound

LENGTH_BYTES = 8
MAX_HEADER = 16 << 20
METADATA = "__metadata__"
DTYPES: dict[str, np.dtype] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Reads every tensor of a file.

    Returns:
      Name -> array; bfloat16 as float32.

    Raises:
      UserError: the file cannot be read, or its header does not account for each byte once.
    """
    with reading(path, "intact safetensors file"), path.open("rb") as stream:
        size = path.stat().st_size
        header, start = _header(stream.read(LENGTH_BYTES), stream, size)
        header.pop(METADATA, None)
        places = {checked_name(name): _place(name, described) for name, described in header.items()}
        end = 0
        for name in sorted(places, key=lambda name: places[name][2:]):
            _, _, first, last = places[name]
            if first != end:
                raise ValueError(f"{name} overlaps another tensor or leaves a gap")
            end = last
        if start + end != size:
            raise ValueError(f"its header describes {start + end} bytes, but it has {size}")
        check_declared(path, 2 * end, size, SHARED)  # bfloat16 doubles.
        tensors = {}
        for name in sorted(places, key=lambda name: places[name][2:]):
            kind, shape, first, last = places[name]
            raw = np.frombuffer(bytearray(stream.read(last - first)), DTYPES[kind]).reshape(shape)
            tensors[name] = widened(raw) if kind == "BF16" else sound(raw)
        return tensors


def _header(length: bytes, stream: Any, size: int) -> tuple[dict[str, Any], int]:
    count = int.from_bytes(length, "little")
    if len(length) < LENGTH_BYTES or count > min(MAX_HEADER, size - LENGTH_BYTES):
        raise ValueError(f"it states a header of {count} bytes")
    header = json.loads(stream.read(count).decode("utf-8"), object_pairs_hook=_once)
    if not isinstance(header, dict):
        raise ValueError("its header is no table of tensors")
    return header, LENGTH_BYTES + count


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("its header names a thing twice")
    return found


def _place(name: str, described: Any) -> tuple[str, tuple[int, ...], int, int]:
    """(dtype, shape, first byte, byte behind the last) of a tensor."""
    kind, shape, offsets = described["dtype"], described["shape"], described["data_offsets"]
    if kind not in DTYPES:
        raise ValueError(f"{name} is of the type {printable(str(kind), 20)}, which is not read")
    first, last = offsets
    if not (type(first) is int and type(last) is int and 0 <= first <= last and isinstance(shape, list)):
        raise ValueError(f"{name} lies nowhere")
    count = 1
    for axis in checked_shape(shape):
        count *= axis
    if count * DTYPES[kind].itemsize != last - first:
        raise ValueError(f"{name} has another shape than its {last - first} bytes")
    return kind, tuple(shape), first, last


def widened(brain: np.ndarray) -> np.ndarray:
    """float32 from the bits of bfloat16, which are its upper half."""
    return (brain.astype(np.uint32) << np.uint32(16)).view(np.float32)
