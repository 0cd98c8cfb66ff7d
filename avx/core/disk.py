"""One sentence, with its own remedy, for every error of the file system."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

from avx.core.errors import UserError

AWAY = "mount that disk again, or choose another folder"
SENTENCES = {
    errno.ENOSPC: "no space is left on the disk that holds {path}: free some space, or choose another folder",
    errno.EDQUOT: "the disk quota of {path} is used up: free some space, raise the quota, or choose another folder",
    errno.EFBIG: "{path} would be larger than files may be there: raise the limit (ulimit -f), free some space where a "
    "quota sets it, or choose another disk",
    errno.EACCES: "permission denied for {path}: change its owner or its mode, or choose another place",
    errno.EPERM: "the operation on {path} is not permitted: change its owner, or choose another place",
    errno.EROFS: "{path} lies on a read-only file system: choose a folder that can be written",
    errno.ENAMETOOLONG: "the path {path} is too long for the file system: choose a shorter one",
    errno.ENOTDIR: "{path} cannot exist, since {file} is a file and not a folder: choose another path",
    errno.EISDIR: "{path} is a folder, where a file is expected: choose another path",
    errno.ENOENT: "{path} does not exist: correct the path, or put the file there",
    errno.EEXIST: "{path} exists already: move it away, or choose another path",
    errno.ENOTEMPTY: "the folder {path} is not empty: move what it holds away, or choose another folder",
    errno.ELOOP: "the links of {path} run in a circle: remove that link, or choose another path",
    errno.EXDEV: "{path} cannot be moved to another disk: keep the whole folder on one disk",
    errno.EMFILE: "too many files are open in this process while opening {path}: raise the limit (ulimit -n), or lower "
    "data.workers and train.loader_threads",
    errno.ENFILE: "too many files are open on this machine while opening {path}: close other programs, and run again",
    errno.EIO: "the disk that holds {path} has an I/O error: check that disk and its cable or mount, and use another "
    "disk if it happens again",
    errno.ENXIO: f"the device that holds {{path}} is gone: {AWAY}",
    errno.ENODEV: f"the device that holds {{path}} is gone: {AWAY}",
    errno.ESTALE: f"the network disk that holds {{path}} has lost it (stale file handle): {AWAY}",
    errno.ENOTCONN: f"the network disk that holds {{path}} is not connected: {AWAY}",
    errno.ETIMEDOUT: "the disk that holds {path} does not answer: run again when it does, or choose another folder",
    errno.EHOSTDOWN: "the disk that holds {path} does not answer: run again when it does, or choose another folder",
    errno.ENOMEM: "memory ran out while using {path}: close other programs, or lower the batch sizes and data.workers",
    errno.EBUSY: "{path} is in use by another program: end that program, or choose another path",
    errno.ETXTBSY: "{path} is in use by another program: end that program, or choose another path",
    errno.ENOLCK: "the file system of {path} gives no lock: mount it with locks, or choose another folder",
    errno.EINVAL: "the file system refuses {path}: choose another name, or a folder on another disk",
    errno.EPIPE: "the program that read the output has ended: write the output to a file, or run again",
}
IN_WORDS = re.compile(r"(?:OS error |os_error_code=')(\d+)")
"""How TensorStore writes the number of an error into its messages, in two versions."""
OTHER = "{path} cannot be used ({reason}): check that path and its disk, and run again"


def sentence(error: OSError, place: Path | None = None) -> str:
    """Says what an error of the file system means and what to do about it.

    Args:
      error: raised by the operating system.
      place: what was written or read, for errors that name no file of their own.

    Returns:
      One sentence, without its full stop.
    """
    named = error.filename if isinstance(error.filename, str | bytes | os.PathLike) else place
    path = "a file" if named is None else os.fsdecode(named)
    words = SENTENCES.get(error.errno or 0, OTHER)
    if error.errno == errno.EEXIST and _is_file(path):
        words = "{path} is a file, where a folder is expected: choose another path"
    reason = error.strerror or str(error) or type(error).__name__
    return words.format(path=_short(path), file=_short(_first_file(path)), reason=reason)


@contextlib.contextmanager
def user_errors(place: Path) -> Iterator[None]:
    """Turns an `OSError` within the block into a `UserError` of one sentence.

    Args:
      place: what is written or read, for errors that name no file of their own.
    """
    try:
        yield
    except OSError as error:
        raise UserError(f"{sentence(error, place)}.") from error


def os_error_in(error: BaseException) -> OSError | None:
    """Finds the `OSError` behind an exception, also where a library in C++ only writes its number into the message."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno:
            return seen
        told = IN_WORDS.search(str(seen))
        if told:
            return OSError(int(told[1]), os.strerror(int(told[1])))
        seen = seen.__cause__ or seen.__context__
    return None


def _first_file(path: str) -> str:
    """The part of a path that stands where a folder should be; the whole path where none is found."""
    return next((str(part) for part in reversed(Path(path).parents) if _is_file(str(part))), path)


def _is_file(path: str) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return Path(path).exists() and not Path(path).is_dir()
    return False


def _short(path: str) -> str:
    """A path that a sentence can hold."""
    return path if len(path) <= 300 else f"{path[:140]}...{path[-140:]}"


def sync(path: Path) -> None:
    """Waits until a file, or the list of a folder, is on the disk and not in the system's memory alone."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
