"""The main job, from a config to a report: data, features, fit, evaluation, report."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from avx import registry
from avx.core import processes
from avx.core.dataset import Dataset
from avx.core.errors import UserError
from avx.core.result import Result
from avx.media.quarantine import Quarantine
from avx.reports.files import RESULT, read_result
from avx.reports.report import write_report
from avx.runs import bundle, lock, results, settings
from avx.runs import workdir as workdirs
from avx.runs.baselines import fit_baselines
from avx.runs.fit import fit
from avx.runs.retriever import Clips, Retriever


@dataclasses.dataclass(frozen=True, eq=False)
class Prepared:
    """What a config names, ready to be fitted.

    Attributes:
      dataset: its features extracted.
      clips: from files to features; None for tables of features.
      weights: of published networks.
    """

    dataset: Dataset
    clips: Clips | None
    weights: Any


def prepare(config: ConfigDict, workdir: Path) -> Prepared:
    """Finds the data of a config and extracts what is missing.

    Args:
      config: locked.
      workdir: files that cannot be used are recorded here; weights that a run has kept are taken from here.

    Raises:
      UserError: an impossible value of the config, or data that cannot be used.
    """
    settings.check(config)
    quarantine = Quarantine(workdir / "quarantine.jsonl")
    if not registry.reads_clips(config):
        return Prepared(registry.dataset(config, quarantine, None), None, {})
    weights = bundle.read_weights(workdir)
    # Once training has begun its checkpoints hold what it went on from.
    if not weights and not (registry.video_input(config).trained and _has_checkpoint(workdir)):
        weights = registry.read_weights(config)
    front_end = registry.front_end(config, weights)
    dataset = registry.dataset(config, quarantine, front_end)
    return Prepared(dataset, Clips(registry.decoding(config), front_end), weights)


def _has_checkpoint(workdir: Path) -> bool:
    return any(path.name.isdigit() for path in (workdir / "checkpoints").glob("*"))


def run(config: ConfigDict, workdir: Path, *, accept_changed_data: bool = False) -> Result:
    """Fits the method of a config, evaluates it and writes its report; a finished run is read, not repeated.

    Args:
      config: locked.
      workdir: of the run; no other run may use it meanwhile.
      accept_changed_data: go on with a run although its data have changed; the change is recorded.

    Raises:
      UserError: bad input; nothing that was there is lost.
    """
    if is_finished(config, workdir) and bundle.is_whole(workdir):
        return read_result(workdir)
    settings.check(config)
    registry.check_places(config)
    with lock.leading(workdir):
        return _run(config, workdir, accept_changed_data)


def _run(config: ConfigDict, workdir: Path, accept_changed_data: bool) -> Result:
    begin = time.perf_counter()
    processes.lead(lambda: workdirs.claim(workdir, config))
    prepared = prepare(config, workdir)
    if prepared.clips is not None:
        check_parts(prepared.dataset)
    retriever = fit(
        config, prepared.dataset, workdir, prepared.clips, prepared.weights, accept_changed_data=accept_changed_data
    )
    baselines = fit_baselines(config, prepared.dataset, workdir)
    return report(retriever, baselines, prepared.dataset, workdir, begin=begin)


def check_parts(dataset: Dataset) -> None:
    """Refuses clips of which a split holds too few to be searched.

    Raises:
      UserError: such a split.
    """
    for name, rows in dataset.split.items():
        if len(rows) < 2:
            raise UserError(f"the {name} split holds {len(rows)} clips; give more clips or other data.split_fractions.")


def is_finished(config: ConfigDict, workdir: Path) -> bool:
    """Returns whether a workdir holds the result of this very config, of data that lie where this config says.

    The result of a method whose training was stopped before its end, and evaluated then, is none.
    """
    if not (workdir / RESULT).exists() or not (workdir / workdirs.CONFIG).exists():
        return False
    recorded = workdirs.load_config(workdir)
    moved = recorded.data.get("root") != config.data.get("root")  # Another place may hold other data.
    if moved or workdirs.differing_fields(recorded, config):
        return False
    return bool(read_result(workdir).training.get("finished", False))


def report(
    retriever: Retriever,
    baselines: Sequence[Retriever],
    dataset: Dataset,
    workdir: Path,
    split: str = "test",
    *,
    begin: float,
    validate: bool = True,
    trained: Mapping[str, Any] | None = None,
) -> Result:
    """Evaluates a method, writes results and report.

    Args:
      retriever: the method.
      baselines: methods that were fitted to the same training data.
      dataset: what it is evaluated on.
      workdir: where results are written.
      split: that asks.
      begin: `time.perf_counter` when the command began.
      validate: also state the figures of the validation split.
      trained: the training record of a run that is evaluated again, which its new result keeps; None where the method
        has just been fitted.
    """
    result, evaluator = results.evaluate(retriever, dataset, split, baselines=baselines, validate=validate)
    seconds = {"wall_seconds" if trained is None else "evaluation_seconds": round(time.perf_counter() - begin, 1)}
    result = dataclasses.replace(result, training={**(trained or {}), **result.training, **seconds})
    results.write(result, evaluator, workdir)
    if processes.is_leader():
        write_report(workdir)
    processes.barrier("results written")
    return result
