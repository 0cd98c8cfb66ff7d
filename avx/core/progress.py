"""How far a long task has come, told on stderr: a live bar in a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def duration(seconds: float) -> str:
    """Writes a time in its largest fitting unit: "41 s", "3 min", "2.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


class ProgressBar:
    """Shows the progress of one task.

    In a terminal the bar holds count, time left and a status. Where stderr is a file or a pipe, as in a cluster's log,
    `update` prints a line from time to time.

    Args:
      total: steps, clips or whatever `update` counts.
      description: what is done, in a word or two.
      visible: False prints nothing at all, as in all processes but the first.
      line_seconds: least time between the lines that `update` prints without a terminal; 0 for none.
    """

    def __init__(self, total: int, description: str, *, visible: bool = True, line_seconds: float = 60.0):
        console = Console(stderr=True)
        self._total, self._description, self._visible = total, description, visible
        self._terminal = console.is_terminal
        self._line_seconds = line_seconds
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[status]}"),
            console=console,
            disable=not (visible and self._terminal),
        )
        self._task = self._progress.add_task(description, total=total, status="")
        self._last_line = time.monotonic()

    def __enter__(self) -> ProgressBar:
        self._progress.start()
        return self

    def __exit__(self, *exception) -> None:
        self._progress.stop()

    def update(self, completed: int, status: str = "") -> None:
        """Moves the bar to `completed` and shows `status` behind it."""
        self._progress.update(self._task, completed=completed, status=escape(status))
        now = time.monotonic()
        if self._line_seconds and now - self._last_line >= self._line_seconds:
            self._last_line = now
            self.line(f"{self._description} {completed} of {self._total}  {status}".rstrip())

    def line(self, text: str) -> None:
        """Prints `text` with the time of day where there is no terminal to draw a bar in."""
        if not self._terminal:
            self.say(f"{time.strftime('%H:%M:%S')}  {text}")

    def say(self, text: str) -> None:
        """Prints a sentence, above the bar where there is one."""
        if self._visible and self._terminal:
            self._progress.console.print(text, markup=False, highlight=False)
        elif self._visible:
            print(text, file=sys.stderr, flush=True)
