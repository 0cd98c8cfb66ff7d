"""The closed-form methods that stand beside a run, as configs of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from avx.core.errors import UserError, chosen
from avx.registry.systems import CLOSED_FORM


def baseline_config(name: str, of: ConfigDict, grid: Mapping[str, Sequence[Any]]) -> ConfigDict:
    """Returns the config of a baseline on the data and features of a run.

    Args:
      name: a key of `CLOSED_FORM`.
      of: the config of the run. Columns of the features stay as they are, whatever the run does to them.
      grid: every option of the method -> its candidates.

    Raises:
      UserError: an unknown name, or an option without a candidate.
    """
    chosen(CLOSED_FORM, "baselines", name)
    if empty := [field for field, values in grid.items() if not len(values)]:
        raise UserError(f"baselines.{name}.{empty[0]} is empty; give at least one candidate.")
    features = ConfigDict(of.features.to_dict())
    if "standardise" in features:
        features.standardise = False
    groups = {"data": of.data, "features": features, "evaluation": of.evaluation}
    model = {field: values[0] for field, values in grid.items()}
    return ConfigDict({"name": f"{of.name}, {name}", "system": name, "seed": of.seed, "model": model, **groups}).lock()
