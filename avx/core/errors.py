"""The one exception that a person is meant to read, and the checks that raise it for values of config fields."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeVar

Value = TypeVar("Value")


class UserError(Exception):
    """Bad input. The message is one clear sentence that names the thing and the remedy; commands print it alone.

    Messages quote names and cells of other people's files. Whatever does not print in them, such as line breaks and the
    codes that a terminal obeys, is shown as an escape: \\n, \\x1b, \\u202e.
    """

    def __init__(self, message: str):
        super().__init__(one_line(str(message)))


def one_line(text: str) -> str:
    """`text` with an escape for everything that does not print, see `UserError`."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


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


def check_positive(field: str, value: float) -> None:
    """Refuses a value that is not greater than 0 and finite.

    Raises:
      UserError: it names the field.
    """
    if not (value > 0 and math.isfinite(value)):
        raise UserError(f"{field} = {value} must be greater than 0 and finite.")


def check_not_negative(field: str, value: float) -> None:
    """Refuses a value that is below 0 or not finite.

    Raises:
      UserError: it names the field.
    """
    if not (value >= 0 and math.isfinite(value)):
        raise UserError(f"{field} = {value} must be at least 0 and finite.")


def check_share(field: str, value: float) -> None:
    """Refuses a value outside [0, 1).

    Raises:
      UserError: it names the field.
    """
    if not 0 <= value < 1:
        raise UserError(f"{field} = {value} must lie in [0, 1).")


def check_weights(group: str, options: Any) -> None:
    """Refuses a negative or infinite number in a dataclass of loss weights and margins.

    Args:
      group: of the config, such as "loss", for the message.
      options: the dataclass; fields that are no numbers are passed over.

    Raises:
      UserError: it names the first such field.
    """
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if isinstance(value, int | float):
            check_not_negative(f"{group}.{field.name}", value)
