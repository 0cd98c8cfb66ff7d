"""Writes PyTorch state dicts of both forms without PyTorch, byte by byte: whole ones, and such as no torch writes."""

import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

MAGIC = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")
PROTOCOL = b"\x80\x02M\xe9\x03."
SYSTEM = b"\x80\x02}q\x00X\x0d\x00\x00\x00little_endianq\x01\x88s."
STOP = b"."


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def integer(value: int) -> bytes:
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def integers(values: Sequence[int]) -> bytes:
    return b"(" + b"".join(map(integer, values)) + b"t"


def known(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def tensor(key: str, size: int, shape: Sequence[int], strides: Sequence[int], offset: int = 0) -> bytes:
    """A float32 tensor that is a view of the storage `key` of `size` numbers."""
    storage = b"(" + text("storage") + known("torch", "FloatStorage") + text(key) + text("cpu") + integer(size) + b"tQ"
    arguments = storage + integer(offset) + integers(shape) + integers(strides)
    hooks = b"\x89" + known("collections", "OrderedDict") + b")R"
    return known("torch._utils", "_rebuild_tensor_v2") + b"(" + arguments + hooks + b"tR"


def state_dict(entries: Mapping[str, bytes]) -> bytes:
    """The pickle of a dict of values that are given as pickled code."""
    return b"\x80\x02}(" + b"".join(text(name) + code for name, code in entries.items()) + b"u" + STOP


def entries_of(arrays: Mapping[str, np.ndarray]) -> dict[str, bytes]:
    found = {}
    for place, (name, array) in enumerate(arrays.items()):
        strides = [int(step) // 4 for step in np.ascontiguousarray(array, np.float32).strides]
        found[name] = tensor(str(place), array.size, array.shape, strides)
    return found


def storages_of(arrays: Mapping[str, np.ndarray]) -> list[bytes]:
    return [np.ascontiguousarray(array, "<f4").tobytes() for array in arrays.values()]


def write_zip(path: Path, pickled: bytes, storages: Sequence[bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    members = {"archive/data.pkl": pickled, "archive/byteorder": b"little"}
    members |= {f"archive/data/{place}": storage for place, storage in enumerate(storages)}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)  # Its date is always the same.
    return path


def write_legacy(path: Path, pickled: bytes, storages: Sequence[bytes]) -> Path:
    keys = b"\x80\x02](" + b"".join(text(str(place)) for place in range(len(storages))) + b"e."
    raw = b"".join(struct.pack("<q", len(storage) // 4) + storage for storage in storages)
    path.write_bytes(MAGIC + PROTOCOL + SYSTEM + pickled + keys + raw)
    return path


def write(path: Path, arrays: Mapping[str, np.ndarray], zipped: bool = True) -> Path:
    """Writes float32 arrays as torch.save does."""
    pickled, storages = state_dict(entries_of(arrays)), storages_of(arrays)
    return write_zip(path, pickled, storages) if zipped else write_legacy(path, pickled, storages)
