"""The page of an accelerator run: checks and rates, as Markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Check(NamedTuple):
    """Something that the accelerator must do as the processor does: what, the figure found, and whether it holds."""

    what: str
    found: str
    holds: bool


class Rate(NamedTuple):
    """A figure of speed: what, the figure with its unit, and what a reader needs beside it."""

    what: str
    figure: str
    note: str = ""


def markdown(facts: Mapping[str, Any], checks: Sequence[Check], rates: Sequence[Rate]) -> str:
    """One list of facts and two tables."""
    return "\n".join(
        [
            *(f"- {name}: {value}" for name, value in facts.items()),
            "",
            "| check | found | holds |",
            "|---|---|---|",
            *(f"| {check.what} | {check.found} | {'yes' if check.holds else '**no**'} |" for check in checks),
            "",
            "| rate | figure | note |",
            "|---|---|---|",
            *(f"| {rate.what} | {rate.figure} | {rate.note} |" for rate in rates),
            "",
        ]
    )


def as_json(facts: Mapping[str, Any], checks: Sequence[Check], rates: Sequence[Rate]) -> str:
    """The same, one object."""
    content = {
        "facts": dict(facts),
        "checks": [check._asdict() for check in checks],
        "rates": [rate._asdict() for rate in rates],
    }
    return json.dumps(content, indent=1) + "\n"
