"""Closed-form methods that stand beside a run: which constants they have where their grid does not vary them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from avx.core.errors import chosen
from avx.registry.systems import CLOSED_FORM


def config(name: str, of: ConfigDict) -> ConfigDict:
    """Returns the config of a baseline on the data and features of a run.

    Args:
      name: a key of `CLOSED_FORM`.
      of: the config of the run; columns stay as they are, whatever the run does to them.

    Raises:
      UserError: an unknown name.
    """
    options: Any = chosen(CLOSED_FORM, "baselines", name)
    made = ConfigDict(
        {
            "name": f"{of.name}, {name}",
            "system": name,
            "seed": of.seed,
            "data": of.data,
            "features": of.features.copy_and_resolve_references(),
            "evaluation": of.evaluation,
            "model": defaults(options),
        }
    )
    if "standardise" in made.features:
        made.features.standardise = False
    return made.lock()


def defaults(options: type) -> Mapping[str, Any]:
    """Returns the default values of an options dataclass, as a config group."""
    return {
        field.name: field.default for field in dataclasses.fields(options) if field.default is not dataclasses.MISSING
    }
