"""Ranges of numbers, and the sentence that refuses what lies outside of one."""

from __future__ import annotations

import dataclasses
from typing import Any

from avx.core.errors import UserError

HUGE = 2**31 - 1
"""Bound of counts and seeds that nothing else bounds."""


@dataclasses.dataclass(frozen=True)
class Range:
    """An interval of finite numbers.

    Attributes:
      low, high: its ends.
      whole: whole numbers alone.
      open_low, open_high: leave the end itself out.
      multiple_of: step from 0 that values lie on; 0 for none.
      at_least: values that a list of such numbers holds at least.
    """

    low: float
    high: float
    whole: bool = False
    open_low: bool = False
    open_high: bool = False
    multiple_of: float = 0.0
    at_least: int = 1

    def __contains__(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        if not (above and below):
            return False
        steps = float(value) / self.multiple_of if self.multiple_of else 0.0
        return abs(steps - round(steps)) <= 1e-6

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        if self.multiple_of:
            kind = f"a multiple of {self.multiple_of:g}"
        first, last = ("(" if self.open_low else "["), (")" if self.open_high else "]")
        return f"{kind} in {first}{self.low}, {self.high}{last}"

    def check(self, field: str, value: Any) -> None:
        """Refuses a number, or a list that holds one, outside of the range, and a list that holds too few.

        Args:
          field: names the value in the message.
          value: a number, or a tuple or list of numbers.

        Raises:
          UserError: it names the field, what it holds and the range.
        """
        if not isinstance(value, tuple | list):
            if value not in self:
                raise UserError(f"{field} = {value} must be {self}.")
            return
        if len(value) < self.at_least:
            raise UserError(f"{field} is empty; give at least one value, {self}.")
        for one in value:
            if one not in self:
                raise UserError(f"each of {field} = {tuple(value)} must be {self}, not {one!r}.")


def whole(low: int, high: int = HUGE, at_least: int = 1) -> Range:
    """Whole numbers from `low` to `high`."""
    return Range(low, high, whole=True, at_least=at_least)


def positive(high: float) -> Range:
    """Numbers above 0, up to `high`."""
    return Range(0, high, open_low=True)


SHARE = Range(0, 1, open_high=True)
"""Numbers from 0 on, below 1."""
FINITE = Range(-1.7e308, 1.7e308)
"""All numbers but infinite ones and what is no number."""
