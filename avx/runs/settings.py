"""The groups of a config that runs themselves read, and the checks of a whole config."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import jax
from ml_collections import ConfigDict

from avx import registry
from avx.core.dataset import SPLITS
from avx.core.errors import UserError, chosen
from avx.data.splits import check_fractions
from avx.evaluation.protocol import LEVELS
from avx.retrieval.metrics import PerQuery
from avx.runs.field_ranges import check_ranges

OPERATIONAL = (
    "data.root",
    "data.cache_dir",
    "data.workers",
    "train.loader_threads",
    "evaluation.batch_size",
    "evaluation.sweep_metrics",
    "evaluation.report_items",
    "features.video_weights",
    "features.flow_weights",
    "features.audio_weights",
    "features.image_weights",
)
"""Fields that change where and how fast a run runs, and none of its numbers; weights count by their content."""

_MISFITS = (AttributeError, LookupError, TypeError, ValueError)
"""What readers of a config raise where its fields are others than they know."""


@dataclasses.dataclass(frozen=True)
class Training:
    """The group `train`.

    Attributes:
      batch_size: rows of the global batch, over all devices of all processes.
      epochs: upper bound.
      patience: evaluations without gain before training stops; 0 for never.
      evaluate_every: epochs between evaluations.
      ema_decay: of the parameter average; 0 keeps none.
      loader_threads: threads that load ahead.
    """

    batch_size: int
    epochs: int
    patience: int
    evaluate_every: int
    ema_decay: float
    loader_threads: int

    def __post_init__(self):
        if self.batch_size % jax.device_count():
            raise UserError(
                f"train.batch_size = {self.batch_size} does not divide by the {jax.device_count()} devices."
            )


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The group `evaluation`.

    Attributes:
      batch_size: rows of a device that are embedded at once; it changes no number.
      ks: cut-offs of the metrics at k.
      map_cutoffs: cut-offs of the truncated average precisions.
      score: validation metric that picks the best checkpoint and the constants, larger is better.
      galleries: splits that the test items are asked of; the first is the headline.
      validation_galleries: splits that the validation items are asked of.
      sweep_metrics: columns of the table of a sweep.
      report_items: items with a key-frame sheet.
      test_time_update: also report a memory that goes on learning during the test.
    """

    batch_size: int
    ks: tuple[int, ...]
    map_cutoffs: tuple[int, ...]
    score: str
    galleries: tuple[str, ...]
    validation_galleries: tuple[str, ...]
    sweep_metrics: tuple[str, ...] = ()
    report_items: int = 12
    test_time_update: bool = False

    def __post_init__(self):
        for field in ("galleries", "validation_galleries"):
            if not getattr(self, field):
                raise UserError(f"evaluation.{field} is empty; give at least one.")
        for field in ("galleries", "validation_galleries"):
            for part in "+".join(getattr(self, field)).split("+"):
                chosen(dict.fromkeys((*SPLITS, "all")), f"evaluation.{field}", part)
        level, _, metric = "/".join(self.score.split("/")[-2:]).partition("/")
        if level not in LEVELS or metric not in PerQuery(self.ks, self.map_cutoffs).values():
            raise UserError(
                f"evaluation.score = {self.score!r} is unknown; choose class/map, instance/map or the like."
            )


def training(config: ConfigDict) -> Training:
    """Returns the checked group `train`."""
    return Training(**config.train)


def evaluation(config: ConfigDict) -> Evaluation:
    """Returns the checked group `evaluation`."""
    return Evaluation(**config.evaluation)


def check(config: ConfigDict) -> None:
    """Refuses values that cannot be, before any work.

    Raises:
      UserError: the first such field; or one that is missing, misspelt, or of another kind than its reader expects.
    """
    try:
        _check(config)
    except _MISFITS as error:
        told = error.args[0] if error.args else type(error).__name__
        raise UserError(
            f"the config has a field that is missing, misspelt or of another kind ({' '.join(str(told).split())}); "
            "compare it with a file of configs/."
        ) from error


def _check(config: ConfigDict) -> None:
    check_ranges(flattened(config))
    if "split_fractions" in config.data:
        check_fractions(config.data.split_fractions)
    evaluation(config)
    if "train" in config:
        training(config)
    registry.reads_clips(config)
    registry.check_choices(config)
    if "kinds" in config.features:
        registry.kinds_of(config)
    if "decode" in config:
        registry.check_inputs(config)
    # The method is built for two imagined classes, so that its own fields are looked at before data are read.
    first, second = config.features.get("sides", ("video", "audio"))
    registry.system(config, registry.Facts(2, (first, second)))
    if "optimizer" in config:
        registry.optimizer(config, 1)
    if config.evaluation.get("test_time_update", False) and not config.get("memory", {}).get("enabled", False):
        raise UserError("evaluation.test_time_update = True needs a memory that can learn: set memory.enabled = True.")


def flattened(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields (dotted field, value) of a config or of nested dicts."""
    for name, value in config.items():
        if isinstance(value, ConfigDict | dict):
            yield from flattened(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def as_plain(config: ConfigDict) -> dict[str, Any]:
    """Returns the config as nested dicts, lists and scalars, as it comes back from JSON."""
    return json.loads(json.dumps(config.to_dict(), default=list))


def identity(config: ConfigDict | dict[str, Any]) -> dict[str, Any]:
    """Returns {dotted field: value} of what decides a run's numbers: all fields but the operational ones."""
    plain = as_plain(config) if isinstance(config, ConfigDict) else config
    return {name: value for name, value in flattened(plain) if name not in OPERATIONAL}


def config_hash(config: ConfigDict | dict[str, Any]) -> str:
    """Returns 16 hex digits that name what decides a run's numbers, whatever the order of the fields."""
    text = json.dumps(identity(config), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
