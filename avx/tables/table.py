"""What a table module gives to `experiments.reproduce`, and how its settings are read from the command line."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from avx.core.errors import UserError
from avx.core.ranges import HUGE, Range

NOT_NEGATIVE = Range(0, HUGE)


@dataclasses.dataclass(frozen=True)
class Table:
    """A published table.

    Attributes:
      settings: frozen dataclass of str, int, float and bool fields with defaults: what may be changed by --set.
      reproduce: (data folder, folder for the results, settings) -> Markdown of the table. It writes
        table.md, table.json and its plots; raises UserError where the data cannot serve.
    """

    settings: type
    reproduce: Callable[[Path, Path, Any], str]


def parse_settings(kind: type, assignments: Sequence[str]) -> Any:
    """An instance of the dataclass `kind` from ("name=value", ...); the rest keeps its defaults.

    Raises:
      UserError: no such name, a value of another type, or a number that is negative or not finite.
    """
    types = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or name not in types:
            raise UserError(f"--set={assignment} names no setting; choose one of {', '.join(types)} as NAME=VALUE.")
        try:
            values[name] = {"true": True, "false": False}[text.lower()] if types[name] is bool else types[name](text)
        except (KeyError, ValueError):
            raise UserError(f"--set={assignment} must be of type {types[name].__name__}.") from None
        if types[name] in (int, float):
            NOT_NEGATIVE.check(f"--set={name}", values[name])
    return kind(**values)
