"""The one boundary between a foreign file and the program: its errors become one sentence, its sizes are judged."""

from __future__ import annotations

import contextlib
import errno
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from avx.core.errors import UserError

MIB, GIB = 1 << 20, 1 << 30
ALWAYS_ALLOWED = 256 * MIB
"""Bytes that the arrays of a file may have in all, however small it is."""
COMPRESSION = 100
"""How many times as large as a compressed file its arrays may be, beyond that."""
SHARED = 16
"""How many times as large as a file without compression its arrays may be: views may share what is stored."""
MAX_AXES = 32
MAX_EMPTY_AXIS = 1 << 20
NAME_LENGTH = 1024
MANY = 1 << 20
"""Texts, or items of a data set, that a file may have however small it is; each becomes an object of some 60 bytes."""
PLAIN_KINDS = "biufcUS"
"""Kinds of numpy dtypes that are read: numbers and texts, neither objects nor records."""
_ERRNOS = {
    errno.EACCES: "allow yourself to read it, by chmod or its owner",
    errno.EPERM: "allow yourself to read it, by chmod or its owner",
    errno.ENOENT: "check its path",
    errno.EISDIR: "give a file, not a folder",
    errno.ENAMETOOLONG: "give a shorter path",
    errno.EIO: "check the disk, or fetch it to another one",
    errno.EMFILE: "close other files, or raise the limit by ulimit -n",
}


@contextlib.contextmanager
def reading(path: str | Path, kind: str, remedy: str = "fetch it again") -> Iterator[None]:
    """Turns whatever reading a foreign file raises into a UserError that names the file and the remedy.

    Args:
      path: the file.
      kind: what it should be, such as "intact TensorFlow checkpoint".
      remedy: what to do where it is none.

    Raises:
      UserError: instead of every other `Exception`; one from inside passes.
    """
    try:
        yield
    except UserError:
        raise
    except MemoryError as error:
        raise UserError(f"{path} asks for more memory than there is; it is damaged, or too large: {remedy}.") from error
    except OSError as error:
        if error.errno in _ERRNOS:
            raise UserError(f"{path} cannot be read ({error.strerror}); {_ERRNOS[error.errno]}.") from error
        raise UserError(f"{path} is no {kind} ({told(error)}); {remedy}.") from error
    except Exception as error:
        raise UserError(f"{path} is no {kind} ({told(error)}); {remedy}.") from error


def told(error: BaseException, limit: int = 200) -> str:
    """What an exception says, in one printable line; its text may come from the file."""
    return printable(str(error) or type(error).__name__, limit).rstrip(".")


def printable(text: str, limit: int = 200) -> str:
    """`text` in one line, without characters that a terminal would obey, cut off at `limit`."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in " ".join(text[: 4 * limit].split()))
    return shown if len(shown) <= limit else f"{shown[:limit]}..."


def checked_name(name: Any) -> str:
    """The name of an array, as a file gives it.

    Raises:
      ValueError: no text, an empty or very long one, or one that does not print.
    """
    if not isinstance(name, str) or not 0 < len(name) <= NAME_LENGTH or not name.isprintable():
        raise ValueError(f"it holds an array with the name {printable(repr(name), 60)}")
    return name


def checked_shape(shape: Sequence[Any]) -> tuple[int, ...]:
    """A shape, as a file declares it.

    Raises:
      ValueError: sizes that are no integers, are negative, or are too many or too large for any array.
    """
    if len(shape) > MAX_AXES or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"it declares an array of {len(shape)} axes that are not all sizes from 0")
    if 0 in shape and max(shape) > MAX_EMPTY_AXIS:
        raise ValueError("it declares an empty array with an axis beyond all measure")
    return tuple(shape)


def declared_bytes(shape: Sequence[Any], dtype: np.dtype) -> int:
    """Bytes of an array of a declared shape; ValueError as `checked_shape` and for dtypes of objects or records."""
    if dtype.kind not in PLAIN_KINDS or dtype.hasobject:
        raise ValueError(f"it holds an array of {printable(str(dtype), 60)}, which is neither numbers nor texts")
    return math.prod(checked_shape(shape)) * max(dtype.itemsize, 1)


def check_many(path: str | Path, what: str, count: int, stored: int) -> None:
    """Judges how many texts or items a file of `stored` bytes has: beyond `MANY` at most one a byte.

    Raises:
      UserError: it has more.
    """
    if count > max(MANY, stored):
        raise UserError(
            f"{path} of {stored} bytes has {count} {what}, which is out of all proportion; it is damaged or made to "
            "fill the memory: fetch it from whoever made it, or store it without compression."
        )


def allowed_bytes(stored: int, factor: int) -> int:
    """Bytes that the arrays of a file of `stored` bytes may have in all."""
    return max(ALWAYS_ALLOWED, factor * stored)


def check_declared(path: str | Path, declared: int, stored: int, factor: int) -> None:
    """Judges the size that a file declares, before memory is asked for.

    Args:
      path: the file, for messages.
      declared: bytes of all arrays that are to be read of it.
      stored: bytes of the file.
      factor: `COMPRESSION` or `SHARED`.

    Raises:
      UserError: it declares more than `allowed_bytes`, or more than the machine has.
    """
    if declared > allowed_bytes(stored, factor):
        raise UserError(
            f"{path} of {stored} bytes declares arrays of {declared / MIB:.0f} MiB, which is out of all proportion; it "
            "is damaged or made to fill the memory: fetch it from whoever made it, or store it without compression."
        )
    if declared > physical_memory():
        raise UserError(
            f"{path} declares arrays of {declared / GIB:.1f} GiB, but this machine has {physical_memory() / GIB:.1f}; "
            "read it on a larger one."
        )


def physical_memory() -> int:
    """Bytes of memory that the machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def sound(array: np.ndarray) -> np.ndarray:
    """An array whose bytes came from a file, in the machine's byte order.

    Raises:
      ValueError: truth values other than 0 and 1, or texts with code points that are no characters.
    """
    if array.dtype.byteorder == ">" or (array.dtype.byteorder == "<" and not array.dtype.isnative):
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind == "b" and (array.view(np.uint8) > 1).any():
        raise ValueError("it holds truth values that are neither 0 nor 1")
    if array.dtype.kind == "U" and array.size and array.dtype.itemsize:
        points = np.ascontiguousarray(array).reshape(-1).view(np.uint32)
        # 0xDC80 to 0xDCFF stand for bytes of a file's name that are no UTF-8 (PEP 383): ids of clips may have them.
        halves = (points >= 0xD800) & (points < 0xE000) & ~((points >= 0xDC80) & (points <= 0xDCFF))
        if (points > 0x10FFFF).any() or halves.any():
            raise ValueError("it holds texts with code points that are no characters")
    return array
