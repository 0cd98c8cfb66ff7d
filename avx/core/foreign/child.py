"""Runs a reader of foreign files in a child process with limits on processor time and memory.

For formats whose libraries are large programs in C (HDF5, MATLAB, parquet): a loop, a fill of memory or a crash in
them ends the child, and the caller gets one sentence.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from avx.core.errors import UserError
from avx.core.foreign.boundary import (
    COMPRESSION,
    allowed_bytes,
    check_declared,
    declared_bytes,
    physical_memory,
    printable,
    reading,
    sound,
)

SECONDS, BYTES_PER_SECOND = 4.0, 10 << 20
"""Processor time that a small file may take, and what is added for every so many bytes."""
CLOCK = 60
"""Seconds of the clock for each of processor time: a busy machine or a slow disk is no fault of the file."""
Arrays = Mapping[str, np.ndarray]
Reader = Callable[[Path], Arrays]
STARTED = b"started\n"
_ROOT = Path(__file__).parents[3]


def read_in_child(path: Path, reader: str, kind: str, remedy: str = "fetch it again") -> dict[str, np.ndarray]:
    """Reads a file in a child process.

    Args:
      path: the file.
      reader: "module:name" of a reader that the module, run as a program, offers by `serve`.
      kind: what the file should be, for messages.
      remedy: what to do where it is none.

    Returns:
      What the reader gives.

    Raises:
      UserError: the one of the reader; or the file is damaged, or takes too long or too much memory.
    """
    with reading(path, kind, remedy), contextlib.ExitStack() as stack:
        with path.open("rb"):
            size = path.stat().st_size
        seconds = SECONDS + size / BYTES_PER_SECOND
        memory = min(2 * allowed_bytes(size, COMPRESSION), physical_memory())
        module, _, name = reader.partition(":")
        given = (name, str(path.absolute()), kind, remedy, str(seconds), str(memory))
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(_ROOT), *filter(None, sys.path)]),
            "HDF5_PLUGIN_PRELOAD": "::",  # No filter of a file's choice is loaded from the machine's folders.
            "ARROW_DEFAULT_MEMORY_POOL": "system",  # Others reserve more addresses than a limit leaves.
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-P", "-m", module, *given]
        errors = stack.enter_context(tempfile.TemporaryFile())
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=environment
        )
        assert process.stdout
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(CLOCK * seconds, end)
        timer.start()
        try:
            with process.stdout as answer:
                started = answer.read(len(STARTED)) == STARTED
                found = _received(path, answer, size)
            status = process.wait()
        finally:
            timer.cancel()
            process.kill()
            process.wait()
        if late.is_set():
            raise UserError(f"{path} is not read after {CLOCK * seconds:.0f} s; copy it to a local disk, or {remedy}.")
        if status == -signal.SIGXCPU:
            raise UserError(
                f"{path} takes more than {seconds:.0f} s of processor time to read; it is damaged or made to: {remedy}."
            )
        if not started:
            errors.seek(0)
            *_, said = ["it said nothing", *errors.read().decode("utf-8", "replace").split("\n")[:-1]]
            raise UserError(
                f"{path} is read by a process of its own, which cannot start ({printable(said)}); install avx again."
            )
        if found is None or status != 0:
            ended = signal.Signals(-status).name if status < 0 else f"status {status}"
            raise ValueError(f"reading it ended by {ended}")
        return found


def _received(path: Path, answer: IO[bytes], stored: int) -> dict[str, np.ndarray] | None:
    """The arrays that a child sends, or its UserError; None where it ended before it sent anything."""
    length = answer.read(8)
    if len(length) < 8:
        return None
    header = json.loads(answer.read(int.from_bytes(length, "little")))
    if "error" in header:
        raise UserError(header["error"])
    listed = [(name, np.dtype(dtype), tuple(shape)) for name, dtype, shape in header["arrays"]]
    check_declared(path, sum(declared_bytes(shape, dtype) for _, dtype, shape in listed), stored, COMPRESSION)
    arrays: dict[str, np.ndarray] = {}
    for name, dtype, shape in listed:
        array = np.empty(shape, dtype)
        target = array.reshape(-1).view(np.uint8).data if array.size else memoryview(bytearray())
        filled = 0
        while filled < len(target):
            count = answer.readinto(target[filled:])  # type: ignore[attr-defined]
            if not count:
                return None
            filled += count
        arrays[name] = sound(array)
    for name, texts in header["texts"].items():
        arrays[name] = np.array(texts, object)
    return {name: arrays[name] for name in header["order"]}


def serve(readers: Mapping[str, Reader]) -> None:
    """Reads a file and sends its arrays; the program of the child, which a module of readers runs as its main.

    Args:
      readers: name -> function of the path that gives name -> array of numbers or texts, or of objects that are all
        str. What it raises is told as the damage of the file.
    """
    name, path, kind, remedy, seconds, memory = sys.argv[1:]
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    read = readers[name]
    _limit(float(seconds), int(memory))
    answer.write(STARTED)
    answer.flush()
    try:
        with reading(path, kind, remedy):
            _send(answer, read(Path(path)))
    except UserError as error:
        _send_header(answer, {"error": str(error)})
    answer.flush()
    os._exit(0)  # A library whose state is damaged may not get to clean up.


def _limit(seconds: float, memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The kernel counts whole seconds; a hard limit of one more ends a library that handles the signal.
    ends = int(time.process_time() + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (ends, ends + 1))
    held = Path("/proc/self/statm")
    if held.is_file():  # Elsewhere than on Linux a limit of addresses is not kept anyway.
        pages = int(held.read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + memory, resource.RLIM_INFINITY))


def _send(answer: IO[bytes], arrays: Arrays) -> None:
    plain = {name: array for name, array in arrays.items() if array.dtype.kind != "O"}
    texts = {name: [str(one) for one in array.ravel()] for name, array in arrays.items() if name not in plain}
    for array in plain.values():
        declared_bytes(array.shape, array.dtype)
    header = {
        "arrays": [(name, array.dtype.str, array.shape) for name, array in plain.items()],
        "texts": texts,
        "order": list(arrays),
    }
    _send_header(answer, header)
    for array in plain.values():
        if array.size:
            answer.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def _send_header(answer: IO[bytes], header: Mapping[str, Any]) -> None:
    content = json.dumps(header).encode()
    answer.write(len(content).to_bytes(8, "little") + content)
