"""Side-by-side timing: ours and a named rival, in one process, on the same inputs and cores."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable

import jax


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the benchmark table.

    Attributes:
      name: what is computed, with its size.
      ours_s: median seconds of this package.
      peer: name of the rival, "" where the row only states a figure.
      peer_s: median seconds of the rival on the same inputs; None without one.
      note: anything a reader needs, such as compilation seconds or memory.
    """

    name: str
    ours_s: float
    peer: str = ""
    peer_s: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times faster than the rival; None without one."""
        return None if self.peer_s is None else self.peer_s / self.ours_s


def timed(function: Callable[[], object], repeats: int = 5) -> tuple[float, float]:
    """Seconds of the first call (compilation included) and the median of `repeats` further calls.

    Waits for device results, so that asynchronous dispatch is counted.
    """
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        jax.block_until_ready(function())
        seconds.append(time.perf_counter() - start)
    return seconds[0], statistics.median(seconds[1:])


def table(rows: list[Row]) -> str:
    """Fixed-width text: name, our seconds, the rival's, the ratio, the note."""
    lines = [f"{'what':<58} {'ours':>10} {'rival':>10} {'ratio':>7}  rival and note"]
    for row in rows:
        rival = f"{row.peer_s * 1e3:.1f} ms" if row.peer_s is not None else "-"
        ratio = f"{row.ratio:.1f}x" if row.ratio is not None else "-"
        note = "; ".join(part for part in (row.peer, row.note) if part)
        lines.append(f"{row.name:<58} {row.ours_s * 1e3:>7.1f} ms {rival:>10} {ratio:>7}  {note}")
    return "\n".join(lines)
