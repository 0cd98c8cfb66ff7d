"""Runs the benchmarks and prints one table; every row's rival ran in the same process on the same inputs.

python -m benchmarks.run [TOPIC ...]
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable

from avx.commands.app import enable_compilation_cache
from avx.core.errors import UserError
from benchmarks import (
    cuts,
    feature_memory,
    front_ends,
    hamming,
    hamming_map,
    hashing_training,
    i3d,
    key_frames,
    keyframes_tool,
    optical_flow,
    ranking,
    reading,
    recurrent,
    structure_loss,
    train_step,
)
from benchmarks.harness import Row, table

TOPICS: dict[str, Callable[[], list[Row]]] = {
    "front_ends": front_ends.run,
    "structure_loss": structure_loss.run,
    "recurrent": recurrent.run,
    "train_step": train_step.run,
    "key_frames": key_frames.run,
    "keyframes_tool": keyframes_tool.run,
    "cuts": cuts.run,
    "hamming": hamming.run,
    "hamming_map": hamming_map.run,
    "ranking": ranking.run,
    "hashing_training": hashing_training.run,
    "optical_flow": optical_flow.run,
    "i3d": i3d.run,
    "feature_memory": feature_memory.run,
    "reading": reading.run,
}
SHORT = ("front_ends", "structure_loss", "recurrent", "train_step")
"""Topics of a few minutes together; the others take long at their full sizes and are named when wanted."""


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
        try:
            print(table(TOPICS[topic]()), flush=True)
        except UserError as error:
            parser.error(str(error))


if __name__ == "__main__":
    enable_compilation_cache()
    main()
