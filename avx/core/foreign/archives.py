"""Zip archives of foreign origin (.npz, PyTorch's .pt), whose list of members is judged before any of them is read."""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from avx.core.foreign.boundary import COMPRESSION, check_declared, printable

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Ways of compression that are read; others ask for memory of their own accord."""
ENCRYPTED = 1


@contextlib.contextmanager
def opened(path: str | Path, stream: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """Opens an archive; within `boundary.reading`.

    Args:
      path: its name, for messages.
      stream: its content, seekable.

    Raises:
      UserError: members that are out of all proportion together; see `boundary.check_declared`.
      ValueError: a name twice, a member that is encrypted or compressed in a rare way.
      zipfile.BadZipFile: no archive.
    """
    stored = stream.seek(0, os.SEEK_END)
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        names = [member.filename for member in members]
        if len(set(names)) != len(names):
            raise ValueError("it lists a member twice")
        for member in members:
            if member.flag_bits & ENCRYPTED:
                raise ValueError(f"its member {printable(member.filename, 60)} is encrypted")
            if member.compress_type not in METHODS:
                raise ValueError(f"its member {printable(member.filename, 60)} is compressed in a rare way")
        check_declared(path, sum(member.file_size for member in members), stored, COMPRESSION)
        yield archive
