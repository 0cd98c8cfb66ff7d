"""Fits a method to a dataset, evaluates it and writes the report; the same command goes on with a stopped run.

    avx train --config=configs/quickstart.py [--workdir=runs/quickstart] [--config.FIELD=VALUE ...]

Trained and closed-form methods alike, on clips and on tables of features.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from absl import flags
from ml_collections.config_flags import config_flags

from avx.core import processes
from avx.reports.tables import render_text
from avx.runs import job


def define_flags() -> None:
    config_flags.DEFINE_config_file("config", None, "Path of the config file.", lock_config=True)
    flags.DEFINE_string("workdir", "", "Folder of the run; runs/NAME of the config if not given.")
    flags.DEFINE_bool("accept_changed_data", False, "Go on with a run although its data have changed since it began.")
    flags.mark_flag_as_required("config")


def main(argv: Sequence[str]) -> None:
    processes.initialize()
    config = flags.FLAGS.config
    workdir = Path(flags.FLAGS.workdir or f"runs/{config.name}")
    result = job.run(config, workdir, accept_changed_data=flags.FLAGS.accept_changed_data)
    if processes.is_leader():
        print(render_text(result))
        print(f"{result.training['wall_seconds'] / 60:.1f} minutes; report: {workdir / 'report.html'}")
