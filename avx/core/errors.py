"""The one exception that a person is meant to read, and the lookup that raises it for unknown names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Value = TypeVar("Value")


class UserError(Exception):
    """Bad input. The message is one clear sentence that names the thing and the remedy; commands print it alone."""


def chosen(table: Mapping[str, Value], field: str, name: str) -> Value:
    """Returns the entry `name` of `table`.

    Args:
      table: every allowed name with what it stands for.
      field: the config field that holds `name`, for the message.
      name: the value of that field.

    Raises:
      UserError: no such name; the message lists those that there are.
    """
    if name not in table:
        raise UserError(f"{field} = {name!r} is unknown; choose one of {', '.join(sorted(table))}.")
    return table[name]
