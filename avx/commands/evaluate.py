"""Evaluates the fitted model of a run: again on its own data, or on any other.

    avx evaluate --workdir=runs/quickstart
    avx evaluate --workdir=runs/folder --config.data.root=OTHER_FOLDER --split=all [--out=DIR]

On its own test split the results and the report of the run are written again; anything else is written into
`evaluations/` of the workdir, or into DIR.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from absl import flags
from ml_collections import ConfigDict
from ml_collections.config_flags import config_flags

from avx import registry
from avx.commands.extract import quarantine_path
from avx.core import processes
from avx.core.errors import UserError
from avx.core.result import Result
from avx.media.quarantine import Quarantine
from avx.reports.files import RESULT, read_result
from avx.reports.tables import render_text
from avx.runs import bundle, job, lock, settings
from avx.runs import workdir as workdirs
from avx.runs.baselines import read_baselines
from avx.runs.fit import data_record


def define_flags() -> None:
    """The config is that of the run, so its workdir is looked for before the flags are read."""
    given = [match[1] for match in map(re.compile(r"--?workdir=(.+)").match, sys.argv) if match]
    known = given and (Path(given[-1]) / workdirs.CONFIG).exists()
    config = workdirs.load_config(Path(given[-1])) if known else ConfigDict()
    config_flags.DEFINE_config_dict("config", config, "Fields of the run's config to change, as --config.FIELD=VALUE.")
    flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
    flags.DEFINE_string("split", "test", "Which items ask: test, val, train, several as train+val, or all.")
    flags.DEFINE_string("out", "", "Folder of the results on other data or another split.")


def main(argv: Sequence[str]) -> None:
    processes.initialize()
    workdir = Path(flags.FLAGS.workdir)
    evaluate(workdir, flags.FLAGS.config, flags.FLAGS.split, flags.FLAGS.out)


def evaluate(workdir: Path, config: ConfigDict, split: str, out: str = "") -> None:
    """Evaluates the model of `workdir` on the data of `config`.

    Raises:
      UserError: no fitted model, data that cannot be used, or a run that is writing into the same folder.
    """
    begin = time.perf_counter()
    workdirs.load_config(workdir)  # a folder that is no run's is told as one
    settings.check(config)
    retriever, _ = bundle.read(workdir)
    front_end = None if retriever.clips is None else retriever.clips.front_end
    quarantine = _quarantine_of(workdir, config, out)
    dataset = registry.dataset(config, quarantine, front_end)
    differences = workdirs.data_differences(
        workdirs.read_json(workdir / workdirs.DATA), data_record(dataset, retriever.clips)
    )
    own = split == "test" and not differences and not out
    target = workdir
    if not own:
        digest = dataset.digest()
        target = Path(out) if out else workdir / "evaluations" / f"{dataset.name}_{split}_{digest['ids'][:8]}"
    asked = dataclasses.replace(retriever, config=_with_evaluation(retriever.config, config))
    with lock.leading(target):
        if not own and processes.is_leader():
            shutil.copyfile(workdir / "environment.json", target / "environment.json")
            workdirs.write_json(target / workdirs.CONFIG, settings.as_plain(config))
        if differences and processes.is_leader():
            print(f"these are not the data of training: {', '.join(differences)}")
        before = _result_before(workdir)
        result = job.report(
            asked,
            read_baselines(workdir),
            dataset,
            target,
            split,
            begin=begin,
            validate=own,
            trained={} if before is None else before.training,
        )
    if processes.is_leader():
        print(render_text(result))
        if own and before is not None:
            same = [_levels(row) for row in before.rows] == [_levels(row) for row in result.rows]
            print("every number equals the one before" if same else "some numbers differ from the ones before")
        print(f"report: {target / 'report.html'}")


def _quarantine_of(workdir: Path, config: ConfigDict, out: str) -> Quarantine:
    """Where problems of the data are recorded: those of other data than the run's are no lines of the run's file."""
    if out:
        return Quarantine(Path(out) / "quarantine.jsonl")
    run = workdirs.load_config(workdir)
    own = not registry.reads_clips(config) or quarantine_path(config).name == quarantine_path(run).name
    return Quarantine(workdir / "quarantine.jsonl" if own else quarantine_path(config))


def _result_before(workdir: Path) -> Result | None:
    """The result that the run has now; None where there is none, or it is damaged and about to be written again."""
    if not (workdir / RESULT).exists():
        return None
    try:
        return read_result(workdir)
    except UserError as error:
        if processes.is_leader():
            print(f"the result before is left out of account: {error}", file=sys.stderr)
        return None


def _levels(row) -> dict:
    return {name: direction.levels for name, direction in row.directions.items()}


def _with_evaluation(of_run: ConfigDict, asked: ConfigDict) -> ConfigDict:
    """The run's config with the groups that only evaluation reads taken from what was asked."""
    merged = of_run.copy_and_resolve_references().unlock()
    for group in ("data", "evaluation"):
        if group in asked:
            merged[group] = asked[group]
    if merged.name != asked.name:
        raise UserError("the name of a run cannot be changed by an evaluation; leave config.name out.")
    return merged.lock()
