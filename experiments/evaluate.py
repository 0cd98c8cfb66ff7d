"""Evaluates the best checkpoint of a run again, from its workdir alone, and rewrites its results and report.

python -m experiments.evaluate --workdir=runs/quickstart
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from experiments import cluster, command, results
from experiments import run as run_room
from experiments import workdir as workdir_room


def evaluate(workdir: Path) -> None:
    """Restores the best checkpoint and writes what training wrote, from the same numbers.

    Raises:
      UserError: the folder is no run's, or holds no whole checkpoint.
    """
    begin = time.perf_counter()
    run = run_room.prepare(workdir_room.load_config(workdir), workdir)
    template, checkpointer = run.blank_state(), run.checkpointer()
    _, progress = checkpointer.restore(template)
    best = run_room.restore_best(run, checkpointer, progress, template)
    checkpointer.close()
    earlier = workdir / "results" / "test.json"
    before = json.loads(earlier.read_text(encoding="utf-8"))["rows"] if earlier.exists() else None
    results.write(run, best, progress, seconds=time.perf_counter() - begin)
    if before is not None:
        same = before == json.loads(earlier.read_text(encoding="utf-8"))["rows"]
        print("every number equals the one before" if same else "some numbers differ from the ones before")


def main(argv: Sequence[str]) -> None:
    cluster.initialize()
    evaluate(Path(str(_WORKDIR.value)))


if __name__ == "__main__":
    _WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.")
    flags.mark_flag_as_required("workdir")
    command.run(main)
