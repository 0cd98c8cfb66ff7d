"""Decides how the features of a dataset reach a method: its sides, their scaling, and the layout of batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ml_collections import ConfigDict

from avx import registry
from avx.core.dataset import Dataset
from avx.core.errors import UserError
from avx.core.types import VECTORS, System
from avx.data import batches, scaling
from avx.data.batches import ModalitySpec
from avx.data.scaling import Scaling
from avx.registry.systems import Facts


def sides_of(config: ConfigDict) -> tuple[str, str]:
    """Returns the sides that a config asks for; clips have a video and a sound."""
    first, second = config.features.get("sides", ("video", "audio"))
    return first, second


def fitted_scaling(config: ConfigDict, dataset: Dataset, standardise: bool | None = None) -> dict[str, Scaling]:
    """Returns how feature vectors are scaled: by `features.normalise` and `features.standardise` of the config.

    Args:
      config: of a run; one without these fields leaves features as they are.
      dataset: its training split gives the statistics.
      standardise: in place of the config's.
    """
    normalise = config.features.get("normalise", False)
    asked = config.features.get("standardise", False) if standardise is None else standardise
    if not normalise and not asked:
        return {}
    rows = dataset.rows("train")
    return scaling.fitted(dataset, sides_of(config), rows, normalise=normalise, standardise=asked)


def specs_for(config: ConfigDict, system: System, dataset: Dataset) -> tuple[ModalitySpec, ...]:
    """Returns how the dataset's features become batches for a system; lengths come from the data where not stated."""
    if system.reads == VECTORS:
        return vector_specs(dataset, tuple(system.sides))
    return sized(registry.clip_specs(config), dataset)


def facts_of(config: ConfigDict, dataset: Dataset) -> Facts:
    """Returns what a system is told of a dataset."""
    steps = 1
    if "train" in config:
        steps = batches.steps_per_epoch(len(dataset.rows("train")), config.train.batch_size)
    return Facts(len(dataset.class_names), sides_of(config), steps, len(dataset.rows("train")))


def vector_specs(dataset: Dataset, sides: Sequence[str]) -> tuple[ModalitySpec, ...]:
    """Returns how the fixed-length description of each side becomes a batch: of clips its summary, else its vector.

    Raises:
      UserError: no item of the dataset has such features.
    """
    specs = []
    for side in sides:
        found = None
        for row in range(len(dataset)):
            shapes = dataset.shapes(row)
            found = next(((key, shapes[key]) for key in (f"{side}_summary", side) if key in shapes), None)
            if found is not None:
                break
        if found is None:
            raise UserError(f"no item of {dataset.name} has features of the side {side!r}; choose other sides.")
        key, shape = found
        steps = 1 if key != side else max(dataset.shapes(row).get(side, (1,))[0] for row in range(len(dataset)))
        specs.append(ModalitySpec(side, steps, shape[-1:], key=key))
    return tuple(specs)


def sized(specs: Sequence[ModalitySpec], dataset: Dataset) -> tuple[ModalitySpec, ...]:
    """Returns the specs with a length of 0 replaced by that of the dataset's longest item."""

    def longest(spec: ModalitySpec) -> int:
        return max([1, *(dataset.shapes(row).get(spec.feature, (1,))[0] for row in range(len(dataset)))])

    return tuple(spec if spec.length else dataclasses.replace(spec, length=longest(spec)) for spec in specs)
