"""A lock on a workdir: one run at a time, told from the locks of runs that have died.

The lock is a file `.lock` that names host, process and start time of its holder. On one machine a second run is kept
out by the kernel (flock), which lets go of the file when the holder dies, however it dies; where the file system has no
such locks, the process and its start time are looked for instead. A holder on another machine cannot be seen from here,
so its lock stands until it is given back or a person deletes the file.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from avx.core import disk, processes
from avx.core.errors import UserError
from avx.core.progress import duration

NAME = ".lock"
_WITHOUT_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_held: dict[Path, int] = {}
"""Folder -> thread of this process that holds it."""


@contextlib.contextmanager
def held(workdir: Path) -> Iterator[None]:
    """Holds the lock of a workdir within the block; the thread that holds it may enter again.

    Args:
      workdir: made where it is absent.

    Raises:
      UserError: another run holds it, or the folder cannot be written.
    """
    folder, thread = Path(workdir).absolute(), threading.get_ident()
    if _held.get(folder) == thread:
        yield
        return
    with disk.user_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = _taken(folder)
    _held[folder] = thread
    try:
        yield
    finally:
        del _held[folder]
        with contextlib.suppress(OSError):
            (folder / NAME).unlink()  # While the kernel's lock is held, so that nobody else's file is removed.
        os.close(descriptor)


@contextlib.contextmanager
def leading(workdir: Path) -> Iterator[None]:
    """Holds the lock of a workdir for all processes of a run within the block; the first one has it.

    Raises:
      UserError: as `held`, in every process.
    """
    with contextlib.ExitStack() as stack:
        processes.lead(lambda: stack.enter_context(held(workdir)))
        yield


def _taken(folder: Path) -> int:
    """Takes the lock; the descriptor holds it until it is closed."""
    path = folder / NAME
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                kernel = True
            except BlockingIOError:
                raise UserError(_refusal(folder, _holder(descriptor))) from None
            except OSError as error:
                if error.errno not in _WITHOUT_LOCKS:
                    raise
                kernel = False
            if not _is_at(descriptor, path):  # The holder before gave it back, and with it this file, in between.
                os.close(descriptor)
                continue
            holder = _holder(descriptor)
            if holder and not _is_dead(holder, kernel):
                raise UserError(_refusal(folder, holder))
            content = json.dumps(_me()).encode()
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, content, 0)
            os.fsync(descriptor)
            return descriptor
        except BaseException:
            with contextlib.suppress(OSError):
                os.close(descriptor)
            raise


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _me() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "boot": _boot(),
        "process": os.getpid(),
        "process_start": _process_start(os.getpid()),
        "since": time.time(),
        "command": " ".join(sys.argv)[:300],
    }


def _holder(descriptor: int) -> dict[str, Any]:
    """What the file says of who holds it; {} where it says nothing."""
    try:
        found = json.loads(os.pread(descriptor, 1 << 16, 0))
        return {"process": int(found["process"]), "host": str(found["host"]), "since": float(found["since"])} | {
            name: found.get(name) for name in ("boot", "process_start", "command")
        }
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}


def _is_dead(holder: dict[str, Any], kernel: bool) -> bool:
    """Whether the holder of a lock is certainly gone; called while nobody has the kernel's lock, where there is one."""
    if holder["host"] != socket.gethostname():
        return False
    if kernel or holder["boot"] != _boot():
        return True
    if not _exists(holder["process"]):
        return True
    # The number of a process is given out again; its start time tells whether it still is the one.
    return holder["process_start"] != _process_start(holder["process"])


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def _process_start(process: int) -> str | None:
    """Ticks from the machine's start to that of a process; None where the system does not tell, or it has ended."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _boot() -> str | None:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return None


def _refusal(folder: Path, holder: dict[str, Any]) -> str:
    if not holder:
        return f"{folder} is in use by another run that is just starting; wait for it, or give a new --workdir."
    age = f"for {duration(max(0.0, time.time() - holder['since']))}"
    if holder["host"] == socket.gethostname():
        return (
            f"{folder} is in use by another run on this machine, process {holder['process']}, {age} "
            f"({holder['command']}); wait for it, stop it, or give a new --workdir."
        )
    return (
        f"{folder} is in use by a run on the machine {holder['host']}, process {holder['process']}, {age} "
        f"({holder['command']}); wait for it, or give a new --workdir; if that run has died, which cannot be seen from "
        f"this machine, delete {folder / NAME} and run again."
    )
