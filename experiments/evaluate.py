"""Evaluates the best checkpoint of a run again, from its workdir alone, and rewrites its results and report.

Runs of `experiments.train` and `experiments.train_pairs` alike.

python -m experiments.evaluate --workdir=runs/quickstart
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from absl import flags
from ml_collections import ConfigDict

from avx import registry, cluster, command, results, train_pairs
from experiments import run as run_room
from avx.runs import workdir as workdir_room


def evaluate(workdir: Path) -> None:
    """Restores the best checkpoint and writes what training wrote, from the same numbers.

    Raises:
      UserError: the folder is no run's, or holds no whole checkpoint.
    """
    config = workdir_room.load_config(workdir)
    earlier = workdir / "results" / "test.json"
    before = json.loads(earlier.read_text(encoding="utf-8")).get("rows") if earlier.exists() else None
    if config.data.kind in registry.PAIRS:
        train_pairs.show(train_pairs.evaluate(config, workdir))
    else:
        _evaluate_clips(config, workdir)
    if before is not None:
        same = before == json.loads(earlier.read_text(encoding="utf-8"))["rows"]
        print("every number equals the one before" if same else "some numbers differ from the ones before")


def _evaluate_clips(config: ConfigDict, workdir: Path) -> None:
    begin = time.perf_counter()
    run = run_room.prepare(config, workdir)
    template, checkpointer = run.blank_state(), run.checkpointer()
    _, progress = checkpointer.restore(template)
    best = run_room.restore_best(run, checkpointer, progress, template)
    checkpointer.close()
    results.write(run, best, progress, seconds=time.perf_counter() - begin)


def main(argv: Sequence[str]) -> None:
    processes.initialize()
    evaluate(Path(str(_WORKDIR.value)))


if __name__ == "__main__":
    _WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.")
    flags.mark_flag_as_required("workdir")
    app.run(main)
