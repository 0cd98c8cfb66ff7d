"""Reads .npy and .npz files of foreign origin: never a pickle, and no array before its declared size is judged."""

from __future__ import annotations

import io
import math
import os
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO

import numpy as np

from avx.core.errors import UserError
from avx.core.foreign.archives import opened
from avx.core.foreign.boundary import (
    MAX_EMPTY_AXIS,
    check_many,
    checked_name,
    checked_shape,
    declared_bytes,
    printable,
    reading,
    sound,
)

SUFFIX = ".npy"
SAVE_AGAIN = "save it again by numpy.savez"
_PIECE = 1 << 20


class MissingArray(LookupError):
    """An archive lacks an array that was asked for."""


def read_npz(
    path: str | Path,
    names: Collection[str] | None = None,
    *,
    content: bytes | None = None,
    kind: str = "intact npz archive of plain arrays",
    remedy: str = SAVE_AGAIN,
) -> dict[str, np.ndarray]:
    """Reads the arrays of an archive.

    Args:
      path: the file.
      names: the arrays to read; None for all. Others are not looked at.
      content: its bytes, where they have been read already.
      kind: what it is called in messages.
      remedy: what to do where it is damaged.

    Returns:
      Name -> array in the machine's byte order.

    Raises:
      MissingArray: one of `names` is not there.
      UserError: the file cannot be read, is damaged, holds objects, or declares more than it can hold.
    """
    with reading(path, kind, remedy), io.BytesIO(content) if content is not None else open(path, "rb") as stream:
        found = {}
        stored = stream.seek(0, os.SEEK_END)
        with opened(path, stream) as archive:
            members = {member.filename.removesuffix(SUFFIX): member for member in archive.infolist()}
            missing = [name for name in names or () if name not in members]
            if not missing:
                for name in members if names is None else names:
                    found[checked_name(name)] = _member(path, archive, members[name], stored)
    if missing:
        raise MissingArray(missing[0])
    return found


def _member(path: str | Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, stored: int) -> np.ndarray:
    if not member.filename.endswith(SUFFIX):
        raise ValueError(f"its member {printable(member.filename, 60)} is no array")
    with archive.open(member) as stream:
        name = f"{printable(member.filename.removesuffix(SUFFIX), 60)} in {path}"
        array = _array(stream, member.file_size, name)
    if array.dtype.kind in "US":
        check_many(path, "texts", array.size, stored)
    return array


def _array(stream: IO[bytes], size: int, name: str) -> np.ndarray:
    """The array `name` of a stream of `size` bytes, whose header must account for all of them."""
    shape, fortran, dtype = _header(stream, name)
    if stream.tell() + declared_bytes(shape, dtype) != size:
        if dtype.itemsize or stream.tell() != size or math.prod(shape) > MAX_EMPTY_AXIS:
            raise ValueError(f"the header of {name} does not describe what follows it")
        return np.zeros(shape, f"{dtype.kind}1")  # Texts of no letters.
    array = np.empty(shape, dtype, order="F" if fortran else "C")
    target = array.reshape(-1, order="A").view(np.uint8).data if array.size else memoryview(b"")
    filled = 0
    while filled < len(target):
        piece = stream.read(min(_PIECE, len(target) - filled))
        if not piece:
            raise EOFError(f"{name} ends early")
        target[filled : filled + len(piece)] = piece
        filled += len(piece)
    if stream.read(1):  # The end of a member is where its checksum is compared.
        raise ValueError(f"{name} goes on behind its array")
    return sound(array)


def _header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    if dtype.hasobject:
        raise UserError(f"{name} holds Python objects, which are not read: save plain arrays of numbers or texts.")
    return checked_shape(shape), fortran, dtype


def read_npy(path: Path) -> np.ndarray:
    """Reads a .npy file: numbers stay on the disk until they are used, texts are read.

    Raises:
      UserError: the file cannot be read, is damaged, holds objects, or declares more than it holds.
    """
    with reading(path, "intact npy file of numbers or texts", "save it again by numpy.save"), path.open("rb") as stream:
        size, name = path.stat().st_size, f"{printable(path.name)} in {path.parent}"
        shape, fortran, dtype = _header(stream, name)
        if stream.tell() + declared_bytes(shape, dtype) != size or dtype.kind in "bUS" or not size or 0 in shape:
            stream.seek(0)
            return _array(stream, size, name)
        return np.memmap(path, dtype, "r", stream.tell(), shape, "F" if fortran else "C")
