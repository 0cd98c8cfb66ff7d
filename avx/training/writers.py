"""Where metrics go: JSON lines for programs, event files for TensorBoard."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.summary import scalar

from avx.core.errors import UserError
from avx.media.atomic import write_bytes


class MetricWriter:
    """Appends metrics to `metrics.jsonl` and to TensorBoard event files of a workdir.

    Lines after `resume_step` are dropped on opening: a run that was killed and goes on from its last checkpoint writes
    them again, and the file reads as if it had never stopped. Everything is written by the caller's own thread, so that
    a full disk raises OSError here, where a background writer would die unseen and leave the run waiting for it.

    Raises:
      UserError: a line of `metrics.jsonl` is damaged.
    """

    def __init__(self, workdir: Path, resume_step: int = 0):
        self._path = workdir / "metrics.jsonl"
        if self._path.exists():
            kept = [line for line in _whole_lines(self._path) if _step_of(self._path, *line) <= resume_step]
            write_bytes(self._path, "".join(f"{line}\n" for _, line in kept).encode())
        self._file = self._path.open("a", encoding="utf-8")
        (workdir / "tensorboard").mkdir(parents=True, exist_ok=True)
        self._events = EventsWriter(str(workdir / "tensorboard" / "events"))
        # TensorBoard forgets what an earlier start recorded from this step on.
        self._events.write_event(Event(step=resume_step + 1, session_log=SessionLog(status=SessionLog.START)))

    def write(self, step: int, epoch: float, split: str, metrics: Mapping[str, float]) -> None:
        """One line for one moment of the run; `split` is "train" or "validation"."""
        line = {"step": step, "epoch": epoch, "split": split, "metrics": dict(metrics)}
        self._file.write(json.dumps(line, allow_nan=False) + "\n")
        self._file.flush()
        for name, value in metrics.items():
            summary = scalar(f"{split}/{name}", value)
            self._events.write_event(Event(wall_time=time.time(), step=step, summary=summary))

    def close(self) -> None:
        """Flushes everything to disk."""
        self._file.close()
        self._events.close()


def _whole_lines(path: Path) -> list[tuple[int, str]]:
    """(number, line) of the lines that were written to their end; a torn last line is not one of them."""
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
    return list(enumerate(lines, start=1))


def _step_of(path: Path, number: int, line: str) -> int:
    """The step of a line. Raises UserError for a line that no run writes."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise UserError(
            f"{path} line {number} is damaged: it is no JSON object with a step; delete that line, and run again."
        ) from error
