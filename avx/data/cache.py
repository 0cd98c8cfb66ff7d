"""Extracted features on disk, found again by a fingerprint of everything they depend on."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import math
import os
import re
import time
import zipfile
import zlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import IO, TypeVar

import numpy as np

from avx.core.errors import UserError
from avx.media.atomic import atomic_path
from avx.media.frame_folder import pictures_in
from avx.media.quarantine import MediaProblem, Reason

_KEY = re.compile(r"[0-9a-f]{8,128}")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # The first date that a zip file can state, so that equal arrays give equal files.

Found = TypeVar("Found")

# What zipfile and the npy reader raise on bytes that are not what was written.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OverflowError, NotImplementedError)


def fingerprint(*parts: bytes | str | int | float | dict) -> str:
    """sha256 in hex of a sequence of parts, with type and length: ("a", "bc") differs from ("ab", "c"), 1 from "1".

    Dicts count by content whatever their order; their values may nest whatever JSON holds.

    Raises:
      TypeError: a part, or a value inside a dict, of another type.
    """
    digest = hashlib.sha256()
    for part in parts:
        kind = next((kind for kind in (bytes, str, bool, int, float, dict) if isinstance(part, kind)), None)
        if kind is None:
            raise TypeError(f"a fingerprint is made of bytes, str, int, float and dict, not {type(part).__name__}")
        content = part if isinstance(part, bytes) else json.dumps(part, sort_keys=True).encode()
        digest.update(f"{kind.__name__} {len(content)} ".encode() + content)
    return digest.hexdigest()


def media_hash(media: Path | bytes) -> str:
    """Hashes a file's content, read in pieces, or the names and contents of the pictures in a folder.

    Returns:
      A sha256 in hex.

    Raises:
      MediaProblem: missing_file, unreadable; zero_frames for a folder without pictures.
    """
    if isinstance(media, bytes):
        return hashlib.sha256(media).hexdigest()
    try:
        if media.is_dir():
            return fingerprint(*(part for path in pictures_in(media) for part in (path.name, media_hash(path))))
        if media.exists() and not media.is_file():  # Opening a pipe would wait for a writer.
            raise MediaProblem(Reason.UNREADABLE, str(media), "is no ordinary file")
        with media.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise MediaProblem(Reason.MISSING_FILE, str(media), "there is no such file") from error
    except OSError as error:
        raise MediaProblem(Reason.UNREADABLE, str(media), f"reading fails: {error.strerror}") from error


class FeatureCache:
    """Named arrays by key, one npz file each, without pickle.

    Any number of processes may read and write: a file appears whole (see `avx.media.atomic`), and writers of one key
    write the same content, so the last one wins. A torn or damaged file counts as absent and is replaced by the next
    `put`; damage inside an array shows when that array is read, and the file is removed then.
    """

    def __init__(self, root: Path):
        self.root = Path(root)

    def path(self, key: str) -> Path:
        """Where a key's file lies: in one of 256 folders. Raises ValueError for anything but a hex digest."""
        if not _KEY.fullmatch(key):
            raise ValueError(f"a cache key is a hex digest of 8 to 128 lower-case digits, got {key!r}")
        return self.root / key[:2] / f"{key}.npz"

    def get(self, key: str, names: Collection[str] | None = None) -> dict[str, np.ndarray] | None:
        """Reads the arrays under `key`, checksums included.

        Args:
          key: see `fingerprint`.
          names: the arrays to read, those that are not there left out; None reads all.

        Returns:
          Arrays by name, or None where there is no whole file.

        Raises:
          UserError: the file is there but may not or cannot be read.
        """

        def read(archive: zipfile.ZipFile) -> dict[str, np.ndarray]:
            stored = [info.filename for info in archive.infolist()]
            wanted = [name for name in stored if names is None or name.removesuffix(".npy") in names]
            return {name.removesuffix(".npy"): _read(archive, name) for name in wanted}

        return self._asked(key, read)

    def shapes(self, key: str) -> dict[str, tuple[int, ...]] | None:
        """Reads the shape of every array under `key` from its header alone; None where there is no whole file.

        Raises:
          UserError: as `get`.
        """

        def read(archive: zipfile.ZipFile) -> dict[str, tuple[int, ...]]:
            return {info.filename.removesuffix(".npy"): _shape(archive, info) for info in archive.infolist()}

        return self._asked(key, read)

    def __contains__(self, key: str) -> bool:
        """True where a whole file lies: its list of members, their sizes and the seal hold. No array is read."""
        return self._asked(key, lambda archive: True) is not None

    def put(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Stores arrays under `key`, replacing what was there.

        Raises:
          UserError: the disk is full; nothing is left half-written.
          TypeError: an array of a dtype that the npy format cannot name (objects, bfloat16).
        """
        target = self.path(key)
        for name, array in arrays.items():
            if array.dtype.kind in "OV":
                raise TypeError(
                    f"feature {name!r} has dtype {array.dtype}: store a plain numeric dtype such as float32"
                )
        with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for name, array in arrays.items():
                member = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
                with archive.open(member, "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)
            archive.comment = _seal(archive)

    def remove_leftovers(self, older_than_seconds: float = 86400.0) -> int:
        """Deletes the temporary files of killed writers, told from live ones by age. Returns how many."""
        oldest = time.time() - older_than_seconds
        stale = [path for path in self.root.glob("*/.*.partial.npz") if path.stat().st_mtime < oldest]
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale)

    def _asked(self, key: str, read: Callable[[zipfile.ZipFile], Found]) -> Found | None:
        """What `read` finds in the sealed archive of a key; None where there is none.

        A damaged file is removed, so that whoever asks next finds it absent and makes it again.
        """
        path = self.path(key)
        try:
            with path.open("rb") as file:
                try:
                    return read(_sealed(file))
                except _DAMAGED:
                    _remove(path, file)
                except OSError as error:
                    if error.errno != errno.EINVAL:
                        raise
                    _remove(path, file)  # A damaged list of members made zipfile look before the start of the file.
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise UserError(
                f"The cached features {path} cannot be read ({error.strerror or error}): mend the rights or the disk, "
                "or choose another data.cache_dir."
            ) from error
        return None


def _sealed(file: IO[bytes]) -> zipfile.ZipFile:
    """The archive. Raises BadZipFile unless its seal holds and the file has room for its members."""
    archive = zipfile.ZipFile(file)
    stored = sum(info.compress_size for info in archive.infolist())
    if archive.comment != _seal(archive) or stored >= archive.start_dir:
        raise zipfile.BadZipFile("the list of members is not the one that was written")
    return archive


def _remove(path: Path, file: IO[bytes]) -> None:
    """Deletes a damaged file, unless another writer has replaced it by now or the folder cannot be written."""
    with contextlib.suppress(OSError):
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):
            path.unlink()


def _seal(archive: zipfile.ZipFile) -> bytes:
    """Digest of the list of members: a zip has a CRC for each of them, but none for the list."""
    members = [(info.filename, info.CRC, info.file_size) for info in archive.infolist()]
    return hashlib.sha256(repr(members).encode()).hexdigest().encode()


def _read(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One array. The member is read, and its CRC checked, before its header is believed."""
    return np.lib.format.read_array(io.BytesIO(archive.read(name)), allow_pickle=False)


def _shape(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[int, ...]:
    """Shape by the header of a member, which must account for the member's size."""
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        if file.tell() + math.prod(shape) * dtype.itemsize != info.file_size:
            raise ValueError("the header does not describe the array that follows it")
    return shape
