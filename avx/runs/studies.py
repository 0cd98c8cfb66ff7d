"""Runs studies over seeds, each once: finished runs are found by the hash of their config, whoever asked for them."""

from __future__ import annotations

import dataclasses
import runpy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median_low
from typing import Any

import jax
from ml_collections import ConfigDict

from avx.core.errors import UserError
from avx.core.result import Result
from avx.data.batches import steps_per_epoch
from avx.runs import job, settings

DATA_GROUPS = ("data", "decode", "keyframes")
OWN_SCALING = ("normalise", "standardise")


@dataclasses.dataclass(frozen=True)
class Study:
    """A config with some fields changed, under a name.

    Attributes:
      name: of the row; "" where the table has one study alone.
      config: locked.
      overrides: dotted field -> value.
    """

    name: str
    config: ConfigDict
    overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def seeded(self, seed: int) -> ConfigDict:
        """Returns the config of one run. Raises UserError as `overridden`."""
        return overridden(self.config, {**self.overrides, "seed": seed})


@dataclasses.dataclass(frozen=True, eq=False)
class Finished:
    """One run of a study."""

    study: Study
    seed: int
    workdir: Path
    result: Result


def read_config(path: str) -> ConfigDict:
    """Returns the locked config of a file.

    Args:
      path: of the file, or "FILE:ARGUMENT" where its `get_config` takes one.

    Raises:
      UserError: no such file, or one without `get_config()`.
    """
    file, *argument = path.split(":", 1)
    if not Path(file).exists():
        raise UserError(f"the config file {file} does not exist; name a file of configs/.")
    found = runpy.run_path(file).get("get_config")
    if found is None:
        raise UserError(f"{file} has no get_config(); see configs/quickstart.py.")
    return found(*argument).lock()


def overridden(config: ConfigDict, overrides: Mapping[str, Any]) -> ConfigDict:
    """Returns a locked copy of a config with some fields changed; they must exist and keep their types.

    Raises:
      UserError: an unknown field or a wrong type.
    """
    changed = ConfigDict(config.to_dict()).lock()
    try:
        changed.update_from_flattened_dict(dict(overrides))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"an override cannot be applied: {str(error).splitlines()[0]}") from error
    return changed


def variants(path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yields the ablations of a file; the config as it is, without one.

    Raises:
      UserError: no such file, or a file without `variants()`.
    """
    if not path:
        yield "", {}
        return
    if not Path(path).exists():
        raise UserError(f"the ablation file {path} does not exist; see configs/ablations.")
    found = runpy.run_path(path).get("variants")
    if found is None:
        raise UserError(f"{path} has no variants(); give a generator of (name, overrides).")
    yield from found()


def on_data_of(config: ConfigDict, other: ConfigDict) -> ConfigDict:
    """Returns a config that runs on the data and features of another one and is judged as that is.

    How a method scales its features stays its own.
    """
    merged = config.to_dict()
    merged |= {group: other[group].to_dict() for group in (*DATA_GROUPS, "evaluation") if group in other}
    own = {name: config.features[name] for name in OWN_SCALING if name in config.features}
    merged["features"] = other.features.to_dict() | own
    return ConfigDict(merged).lock()


def workdir_of(root: Path, config: ConfigDict) -> Path:
    """Returns the folder of a config's run below `root`."""
    return root / "runs" / f"{config.name}_{settings.config_hash(config)}"


def run_all(studies: Sequence[Study], seeds: Sequence[int], root: Path) -> Iterator[Finished]:
    """Runs every study with every seed, seed by seed, so that a sweep that is stopped leaves whole seeds.

    Raises:
      UserError: a study that cannot be run.
    """
    for seed in seeds:
        for study in studies:
            config = study.seeded(seed)
            workdir = workdir_of(root, config)
            finished = job.is_finished(config, workdir)
            yield Finished(study, seed, workdir, job.run(config, workdir))
            if not finished:
                # Every fit compiles a step of its own; kept, they would add up to gigabytes.
                jax.clear_caches()


def choose(
    config: ConfigDict, candidates: Sequence[Mapping[str, Any]], cuts: Sequence[int], root: Path
) -> tuple[Mapping[str, Any], list[dict[str, Any]]]:
    """Chooses among sets of constants by validation alone.

    Args:
      config: of the study; its `evaluation.score` decides.
      candidates: overrides that are tried.
      cuts: seeds of the validation part that a candidate is averaged over.
      root: of the runs.

    Returns:
      The best candidate, and a record of all with their scores. Of a method that is trained the number of epochs is
      chosen too: that of the best checkpoint, of the cut in the middle.

    Raises:
      UserError: the data leave no validation items.
    """
    tried: list[dict[str, Any]] = []
    for candidate in candidates:
        scores, epochs = [], []
        for cut in cuts:
            study = Study("", config, {**candidate, "data.split_seed": cut})
            (found,) = run_all([study], [config.seed], root)
            if config.evaluation.score not in found.result.validation:
                raise UserError("there are no validation items to choose by; give data.validation_share such as 0.2.")
            scores.append(found.result.validation[config.evaluation.score])
            chosen = study.seeded(config.seed)
            if "train" in chosen:
                steps = steps_per_epoch(found.result.protocol["items"]["train"], chosen.train.batch_size)
                epochs.append(max(1, found.result.training["best_step"] // steps))
        stopped = {"train.epochs": median_low(epochs)} if epochs else {}
        tried.append({"constants": {**candidate, **stopped}, "validation": fmean(scores)})
    best = max(tried, key=lambda one: one["validation"])
    return best["constants"], tried
