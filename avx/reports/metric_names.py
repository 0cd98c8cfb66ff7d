"""Reads a metric's name: its unit, its better end, and the direction and level at which it was measured.

Names are paths such as `video_to_audio/class/hit@1`; only the last part decides on unit and order.
"""

import math
import re
from typing import Any

_SHARES = {"hit", "tp_recall", "recall", "precision", "ndcg", "accuracy"}
_SHARES |= {"map", "map_std", "map_hash", "wmap", "wmap_printed"}
_RANKS = {"mdr", "mnr"}
_ERRORS = {"loss", "rmse", "mae", "rank_rmse", "rank_mae"}
_COUNTS = {"queries", "excluded"}
_MAIN = {"hit", "tp_recall", "map", "wmap", "mdr", "mnr"}
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
MISSING = "-"


def stem(name: str) -> str:
    """The metric itself: `video_to_audio/class/hit@5` gives `hit`."""
    return name.rsplit("/", 1)[-1].split("@", 1)[0]


def is_share(name: str) -> bool:
    """Whether values lie in [0, 1] and are shown in percent."""
    return stem(name) in _SHARES


def lower_is_better(name: str) -> bool:
    """Whether a smaller value is the better one: ranks, losses and errors."""
    return stem(name) in _RANKS | _ERRORS


def is_count(name: str) -> bool:
    """Whether values say how much was measured, so that neither end is the better one."""
    return stem(name) in _COUNTS


def is_main(name: str) -> bool:
    """Whether the metric stands in the short tables; `map@r` and other variants do not."""
    return stem(name) in _MAIN and not name.startswith("map@")


def last_digit(name: str, value: float) -> float:
    """The worth of the last digit that `format_value` shows: 0.1 % of a share, 0.1 of a rank, else the fourth digit."""
    if is_share(name):
        return 0.001
    return 0.1 if stem(name) in _RANKS or value == 0 else 10.0 ** (math.floor(math.log10(abs(value))) - 3)


def format_value(name: str, value: float | None) -> str:
    """`value` in the unit of `name`: percent or rank with one decimal, else 4 significant digits; NaN is missing."""
    if value is None or math.isnan(value):
        return MISSING
    if is_share(name):
        return f"{100 * value:.1f}"
    return f"{value:.1f}" if stem(name) in _RANKS else f"{value:.4g}"


def between(name: str, low: float, high: float) -> str:
    """A range in the unit of `name`."""
    return f"{format_value(name, low)}\N{EN DASH}{format_value(name, high)}"


def format_fact(name: str, value: Any) -> str:
    """A fact of a run for people: seconds rounded, other floats with 4 significant digits, lists joined by commas."""
    if isinstance(value, float) and math.isfinite(value):
        if name.endswith("seconds"):
            return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"
        return f"{value:.0f}" if value == round(value) else f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(format_fact("", entry) for entry in value) or "none"
    return str(value)


def direction_words(direction: str) -> str:
    """`video_to_audio` gives `video → audio`; a name of another form is returned as it is."""
    query, found, gallery = direction.partition("_to_")
    return f"{query} → {gallery}" if found else direction


def printable(text: object) -> str:
    """`text` on one line, without what could steer a terminal, reorder a page, or not be written as UTF-8."""
    return _UNPRINTABLE.sub(" ", str(text)).encode("utf-8", "replace").decode("utf-8")


def shortened(text: object, length: int) -> str:
    """At most `length` characters of the printable text, an ellipsis standing for the rest."""
    line = printable(text)
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def both_ends(identifier: object, length: int) -> str:
    """At most `length` characters of an identifier, its middle left out: the ends are what tells clips apart."""
    line = printable(identifier)
    head = (length - 1) // 2
    return line if len(line) <= length else f"{line[:head]}…{line[len(line) - (length - 1 - head) :]}"
