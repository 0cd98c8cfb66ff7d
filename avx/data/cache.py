"""Extracted features on disk, found again by a fingerprint of everything they depend on."""

from __future__ import annotations

import hashlib
import io
import json
import re
import time
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from avx.media.atomic import atomic_path
from avx.media.quarantine import MediaProblem, Reason

_KEY = re.compile(r"[0-9a-f]{8,128}")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # The first date that a zip file can state, so that equal arrays give equal files.

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
    """sha256 in hex of a file's content, read in pieces. Raises MediaProblem (missing_file)."""
    if isinstance(media, bytes):
        return hashlib.sha256(media).hexdigest()
    try:
        with media.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise MediaProblem(Reason.MISSING_FILE, str(media), "there is no such file") from error


class FeatureCache:
    """Named arrays by key, one npz file each, without pickle.

    Any number of processes may read and write: a file appears whole (see `avx.media.atomic`), and writers of one key
    write the same content, so the last one wins. A torn or damaged file counts as absent and is replaced by the next
    `put`.
    """

    def __init__(self, root: Path):
        self.root = Path(root)

    def path(self, key: str) -> Path:
        """Where a key's file lies: in one of 256 folders. Raises ValueError for anything but a hex digest."""
        if not _KEY.fullmatch(key):
            raise ValueError(f"a cache key is a hex digest of 8 to 128 lower-case digits, got {key!r}")
        return self.root / key[:2] / f"{key}.npz"

    def get(self, key: str) -> dict[str, np.ndarray] | None:
        """The arrays under `key`, or None where there are none or the checksums of the file do not hold."""
        try:
            content = self.path(key).read_bytes()
        except FileNotFoundError:
            return None
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                if archive.comment != _seal(archive):
                    return None
                return {name.removesuffix(".npy"): _read(archive, name) for name in archive.namelist()}
        except _DAMAGED:
            return None

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

    def __contains__(self, key: str) -> bool:
        """True where `get` would give arrays; it reads the file, since only that tells a damaged one."""
        return self.get(key) is not None

    def remove_leftovers(self, older_than_seconds: float = 86400.0) -> int:
        """Deletes the temporary files of killed writers, told from live ones by age. Returns how many."""
        oldest = time.time() - older_than_seconds
        stale = [path for path in self.root.glob("*/.*.partial.npz") if path.stat().st_mtime < oldest]
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale)


def _seal(archive: zipfile.ZipFile) -> bytes:
    """Digest of the list of members: a zip has a CRC for each of them, but none for the list."""
    members = [(info.filename, info.CRC, info.file_size) for info in archive.infolist()]
    return hashlib.sha256(repr(members).encode()).hexdigest().encode()


def _read(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One array. The member is read, and its CRC checked, before its header is believed."""
    return np.lib.format.read_array(io.BytesIO(archive.read(name)), allow_pickle=False)
