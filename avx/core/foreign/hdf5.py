"""What is followed and read of an HDF5 file of foreign origin: hard links, and numbers that lie in the file itself.

HDF5 can refer to other files in four ways (external links, external storage, virtual data sets, and soft links that
pass through one of them); a hostile file would have the machine's own files read as weights. Runs in a child process,
see `child`.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from avx.core.foreign.boundary import COMPRESSION, check_declared, declared_bytes, printable

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SIGNATURE_PLACES = (0, 512, 1024, 2048)
FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}
NUMBERS = "biuf"


def is_hdf5(path: Path) -> bool:
    """Tells a file by its signature, which may stand behind a block of the user's."""
    with path.open("rb") as stream:
        start = stream.read(_SIGNATURE_PLACES[-1] + len(SIGNATURE))
    return any(start[place:].startswith(SIGNATURE) for place in _SIGNATURE_PLACES)


def member(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    """The object under a name in a group, or under names set apart by "/".

    Raises:
      ValueError: a link that may lead out of the file, or something that is neither a group nor numbers.
      KeyError: no such object.
    """
    found: h5py.Group | h5py.Dataset = group
    for part in filter(None, name.split("/")):
        if not isinstance(found, h5py.Group):
            raise KeyError(f"{printable(name, 60)} is not in it")
        if part in (".", "..") or not found.id.links.exists(part.encode()):
            raise KeyError(f"{printable(name, 60)} is not in it")
        if found.id.links.get_info(part.encode()).type != h5py.h5l.TYPE_HARD:
            raise ValueError(f"{printable(name, 60)} is a link that may lead out of the file, which is not followed")
        found = found[part]
        if not isinstance(found, h5py.Group | h5py.Dataset):
            raise ValueError(f"{printable(name, 60)} is neither a group nor an array")
    return found


class Reader:
    """Reads numbers of one file, whose arrays may not outgrow it together.

    Attributes:
      path: the file.
      declared: bytes that were read so far.
    """

    def __init__(self, path: Path):
        self.path, self.stored, self.declared = path, path.stat().st_size, 0

    def numbers(self, dataset: h5py.Group | h5py.Dataset) -> np.ndarray:
        """The numbers of an array, in the machine's byte order.

        Raises:
          ValueError: they lie outside of the file, are no numbers, or are compressed by a plug-in.
          UserError: they are more than the file can hold.
        """
        self._check(dataset)
        if dataset.dtype.kind not in NUMBERS:
            raise ValueError(f"{printable(str(dataset.name), 60)} holds no numbers")
        self._count(declared_bytes(dataset.shape or (), dataset.dtype))
        return np.asarray(dataset[()])

    def references(self, dataset: h5py.Group | h5py.Dataset) -> np.ndarray:
        """The references of an array, to objects of the same file; raises as `numbers`."""
        self._check(dataset)
        if h5py.check_ref_dtype(dataset.dtype) is not h5py.Reference:
            raise ValueError(f"{printable(str(dataset.name), 60)} holds no references")
        # Each one is an object of its own in memory.
        self._count(128 * int(np.prod(dataset.shape, dtype=object)))
        return np.asarray(dataset[()])

    def _check(self, dataset: h5py.Group | h5py.Dataset) -> None:
        """Judges how an array is stored, before its shape is asked for, which may open other files."""
        if not isinstance(dataset, h5py.Dataset):
            raise ValueError(f"{printable(str(dataset.name), 60)} is no array")
        created = dataset.id.get_create_plist()
        if created.get_layout() == h5py.h5d.VIRTUAL or created.get_external_count():
            raise ValueError(f"{printable(str(dataset.name), 60)} lies in another file, which is not read")
        used = {created.get_filter(place)[0] for place in range(created.get_nfilters())}
        if used - FILTERS:
            raise ValueError(f"{printable(str(dataset.name), 60)} is compressed by a plug-in, which is not loaded")

    def _count(self, size: int) -> None:
        self.declared += size
        check_declared(self.path, self.declared, self.stored, COMPRESSION)
