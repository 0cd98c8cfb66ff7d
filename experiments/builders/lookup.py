"""Finding an object by the name that a config gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from avx.core.errors import UserError

Value = TypeVar("Value")


def lookup(table: Mapping[str, Value], field: str, name: str) -> Value:
    """The entry `name` of `table`; UserError with the config's field and the names that there are, if it has none."""
    if name not in table:
        raise UserError(f"{field} = {name!r} is unknown; choose one of {', '.join(sorted(table))}.")
    return table[name]
