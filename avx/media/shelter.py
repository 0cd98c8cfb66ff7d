"""Decodes suspicious pictures in a process of their own, where memory and processor time have limits."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from avx.media.limits import Limits
from avx.media.pixels import Size
from avx.media.quarantine import MediaProblem, Reason
from avx.media.remarks import Remarks

_COMMAND = [sys.executable, "-m", "avx.media.sheltered"]
_OUT_OF_TIME = (-signal.SIGXCPU, -signal.SIGKILL)


def pictures(
    source: Path | bytes,
    name: str,
    frame_rate: float | None,
    size: Size,
    max_seconds: float | None,
    seconds: float,
    limits: Limits,
    remarks: Remarks,
) -> Iterator[tuple[float, np.ndarray]]:
    """Yields what `avx.media.pictures.decode_here` yields in the other process.

    Args:
      source: a path, or a whole file in memory.
      name: of the file.
      frame_rate, size, max_seconds: as there.
      seconds: of the file that are read, as far as they are known.
      limits: its `memory_bytes` and `processor_seconds` hold here.
      remarks: collects what was repaired.

    Raises:
      MediaProblem: as there; too_large beyond the limits; unreadable where the decoder crashes.
    """
    request = {"frame_rate": frame_rate, "size": size, "max_seconds": max_seconds}
    for answer, content in _ask(source, name, request, seconds, limits):
        if "time" in answer:
            yield answer["time"], np.frombuffer(content, np.uint8).reshape(answer["shape"])
        else:
            found = [(Reason(reason), detail) for reason, detail in answer["remarks"]]
            remarks.take(Remarks(found, answer["damaged_packets"]))


def picture_size(source: Path | bytes, name: str, limits: Limits) -> tuple[int, int]:
    """(width, height) that the header states, also where they are beyond what may be decoded; 0 where it states none.

    Raises:
      MediaProblem: as `pictures`.
    """
    answers = [answer for answer, _ in _ask(source, name, {"only_size": True}, 0.0, limits)]
    return answers[0]["width"], answers[0]["height"]


def _ask(
    source: Path | bytes, name: str, request: dict[str, Any], seconds: float, limits: Limits
) -> Iterator[tuple[dict[str, Any], bytes]]:
    """The answers of the other process, each with the bytes that follow it.

    Both sides speak JSON lines and raw bytes: a decoder that was taken over can send wrong pixels, but no objects.
    """
    allowed = limits.processor_seconds + 2 * min(seconds, limits.seconds)
    held = source if isinstance(source, bytes) else b""
    request |= {
        "path": None if isinstance(source, bytes) else os.fsencode(source).hex(),
        "bytes": len(held),
        "limits": dataclasses.asdict(limits),
        "processor_seconds": allowed,
    }
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    # The libraries of linear algebra would set memory aside for threads that nothing here needs.
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    with subprocess.Popen(
        _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            try:
                process.stdin.write(json.dumps(request).encode() + b"\n" + held)
                process.stdin.close()
            except BrokenPipeError:
                pass  # It says or shows below why it ended.
            while line := process.stdout.readline():
                answer = json.loads(line)
                if "reason" in answer:
                    raise MediaProblem(Reason(answer["reason"]), name, answer["detail"])
                content = process.stdout.read(answer.get("bytes", 0))
                if len(content) < answer.get("bytes", 0):
                    break
                yield answer, content
                if answer.get("last"):
                    return
        finally:
            process.kill()
    if process.returncode in _OUT_OF_TIME:
        detail = f"decoding takes more than {allowed:g} s of processor time"
        raise MediaProblem(Reason.TOO_LARGE, name, detail)
    raise MediaProblem(Reason.UNREADABLE, name, f"the decoder crashed (exit status {process.returncode})")
