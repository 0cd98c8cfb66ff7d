"""The main job at its smallest, on a table of features: trained, evaluated and reported in a second or two."""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
from pathlib import Path

import numpy as np
from tiny_job import ROOT, command_line, environment, levels, restored

from avx.runs import job
from avx.runs.studies import overridden

CONFIG = "configs/semantic_hashing.py"
SMALL = {
    "model.bits": 8,
    "model.hidden_sizes": (16,),
    "train.batch_size": 8,
    "train.epochs": 8,
    "train.patience": 0,
    "optimizer.learning_rate": 1e-2,
    "evaluation.batch_size": 16,
    "baselines.cca.dimensions": (2,),
    "baselines.cca.ridge": (0.1,),
}


def count(few: int, many: int) -> int:
    """How many cases a suite tries: few in every test run, many where AVX_TORTURE is set (`make torture`)."""
    return many if os.environ.get("AVX_TORTURE") else few


def fields(data: Path, **changes: object) -> dict[str, object]:
    """Overrides of the config; a dot in a field is written as two underscores."""
    places = {"data.root": str(data / "published"), "data.cache_dir": str(data / "tables")}
    return SMALL | places | {name.replace("__", "."): value for name, value in changes.items()}


def config_of(data: Path, **changes: object):
    """The locked config."""
    plain = runpy.run_path(str(ROOT / CONFIG))["get_config"]().lock()
    return overridden(plain, fields(data, **changes))


def run(data: Path, workdir: Path, **changes: object):
    """Runs the job in this process, silently."""
    with contextlib.redirect_stderr(io.StringIO()):
        return job.run(config_of(data, **changes), workdir)


def command(data: Path, workdir: Path, **changes: object) -> list[str]:
    """The real command for the same job."""
    given = [f"--config.{name}={value}" for name, value in fields(data, **changes).items()]
    return command_line("train", f"--config={CONFIG}", *given, f"--workdir={workdir}")


def outcome(workdir: Path) -> dict[str, object]:
    """All that must not depend on what happened to a run on its way: numbers, arrays and curves."""
    arrays, progress = restored(workdir)
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    timed = ("examples_per_second", "data_wait_share")
    curves = [
        (line["step"], line["split"], {name: value for name, value in line["metrics"].items() if name not in timed})
        for line in lines
    ]
    progress = {name: value for name, value in progress.items() if name != "train_seconds"}
    return {"arrays": arrays, "progress": progress, "curves": curves, "levels": levels(workdir)}


def assert_equal(first: dict[str, object], second: dict[str, object]) -> None:
    """Two runs ended bitwise equal."""
    for name in ("progress", "curves", "levels"):
        assert first[name] == second[name], name
    assert first["arrays"].keys() == second["arrays"].keys()
    for name, values in first["arrays"].items():
        np.testing.assert_array_equal(values, second["arrays"][name], err_msg=name)


__all__ = ["assert_equal", "command", "config_of", "count", "environment", "outcome", "run"]
