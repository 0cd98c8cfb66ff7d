"""Runs the benchmarks and prints one table; every row's rival ran in the same process on the same inputs.

python -m benchmarks.run [TOPIC ...]
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable

from avx.commands.app import enable_compilation_cache
from benchmarks import (
    feature_memory,
    front_ends,
    hamming,
    hamming_map,
    hashing_training,
    i3d,
    key_frames,
    keyframes_tool,
    optical_flow,
    reading,
    recurrent,
    structure_loss,
    train_step,
)
from benchmarks.harness import Row

TOPICS: dict[str, Callable[[], list[Row]]] = {
    "front_ends": front_ends.run,
    "structure_loss": structure_loss.run,
    "recurrent": recurrent.run,
    "train_step": train_step.run,
    "key_frames": key_frames.run,
    "keyframes_tool": keyframes_tool.run,
    "hamming": hamming.run,
    "hamming_map": hamming_map.run,
    "hashing_training": hashing_training.run,
    "optical_flow": optical_flow.run,
    "i3d": i3d.run,
    "feature_memory": feature_memory.run,
    "reading": reading.run,
}
SHORT = ("front_ends", "structure_loss", "recurrent", "train_step")
"""Topics of a few minutes together; the others take long at their full sizes and are named when wanted."""


def table(rows: list[Row]) -> str:
    """Fixed-width text: name, our seconds, the rival's, the ratio, the note."""
    lines = [f"{'what':<58} {'ours':>10} {'rival':>10} {'ratio':>7}  rival and note"]
    for row in rows:
        rival = f"{row.peer_s * 1e3:.1f} ms" if row.peer_s is not None else "-"
        ratio = f"{row.ratio:.1f}x" if row.ratio is not None else "-"
        note = "; ".join(part for part in (row.peer, row.note) if part)
        lines.append(f"{row.name:<58} {row.ours_s * 1e3:>7.1f} ms {rival:>10} {ratio:>7}  {note}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("topics", nargs="*", help=f"some of {', '.join(TOPICS)}; by default {', '.join(SHORT)}")
    chosen = parser.parse_args().topics or list(SHORT)
    unknown = sorted(set(chosen) - set(TOPICS))
    if unknown:
        parser.error(f"unknown topic {', '.join(unknown)}; choose from {', '.join(TOPICS)}")
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for topic in chosen:
        print(f"\n{topic}", flush=True)
        print(table(TOPICS[topic]()), flush=True)


if __name__ == "__main__":
    enable_compilation_cache()
    main()
