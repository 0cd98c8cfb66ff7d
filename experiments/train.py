"""Trains a system, evaluates its best checkpoint and writes the report.

    python -m experiments.train --config=configs/quickstart.py [--workdir=runs/quickstart] [--config.FIELD=VALUE ...]

The same command again goes on where a stopped run stood.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from absl import flags
from ml_collections import ConfigDict
from ml_collections.config_flags import config_flags

from avx.training import loop
from avx.training.checkpoint import Progress
from avx.training.step import make_train_step
from avx import registry, cluster, command, results
from experiments import run as run_room
from avx.runs import workdir as workdir_room


def train(config: ConfigDict, workdir: Path) -> None:
    """The main job: data, features, training, test of the best checkpoint, report.

    Raises:
      UserError: bad input; nothing that was there is lost.
    """
    begin = time.perf_counter()
    run_room.check(config)
    registry.check_clips(config)
    if processes.is_leader():
        workdir_room.claim(workdir, config)
        workdir_room.write_environment(workdir)
    processes.barrier("workdir claimed")
    run = run_room.prepare(config, workdir)

    iterator, checkpointer = run.train_iterator(), run.checkpointer()
    if checkpointer.latest_step() is None:
        state, progress = run.initial_state(), Progress()
    else:
        state, progress = checkpointer.restore(run.blank_state(), iterator)
    step = make_train_step(run.system, run.optimizer, config.seed, ema_decay=config.train.ema_decay)
    state, progress = loop.train(
        step,
        state,
        iterator,
        schedule=run.schedule,
        evaluate=run.validate,
        checkpointer=checkpointer,
        workdir=workdir,
        progress=progress,
    )
    best = run_room.restore_best(run, checkpointer, progress, state)
    checkpointer.close()
    if processes.is_leader():
        results.write(run, best, progress, seconds=time.perf_counter() - begin)
    processes.barrier("results written")


def main(argv: Sequence[str]) -> None:
    processes.initialize()
    config = _CONFIG.value
    train(config, Path(_WORKDIR.value or f"runs/{config.name}"))


if __name__ == "__main__":
    _CONFIG = config_flags.DEFINE_config_file("config", None, "Path of the config file.", lock_config=True)
    _WORKDIR = flags.DEFINE_string("workdir", "", "Folder of the run; runs/NAME of the config if not given.")
    flags.mark_flag_as_required("config")
    app.run(main)
