"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from avx.core import disk
from avx.core.errors import UserError

# The mode that open() would give: mkstemp's own shuts out the other users of a shared cache. The mask can only be read
# by setting it, which is no thing to do once threads write files.
_MASK = os.umask(0o022)
os.umask(_MASK)
_FILE_MODE = 0o666 & ~_MASK


@contextlib.contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """A temporary path beside `target` that replaces it when the block ends without an exception.

    The content reaches the disk (fsync) before the rename, so a reader, another process or a crash sees the old
    file or the new one, never a part. On an exception the temporary file is removed. Parent folders are made.

    Raises:
      UserError: the disk is full, cannot be written or fails; nothing is left behind.
    """
    folder, temporary = target.parent, None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The suffix stays, since encoders choose the format by it; the leading dot hides the file from scans.
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=f".partial{target.suffix}", dir=folder)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(_FILE_MODE)
            disk.sync(temporary)
            os.replace(temporary, target)
            disk.sync(folder)
        except BaseException:
            with contextlib.suppress(OSError):  # The error that brought us here is the one to tell.
                temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        if error.filename is None or ".partial" in os.fsdecode(error.filename):
            error.filename = str(target)  # People know the file by the name that it was to get.
        raise UserError(f"{disk.sentence(error)}.") from error


def write_bytes(target: Path, content: bytes) -> None:
    """Writes `content` to `target` through `atomic_path`."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)
