"""Survivors that were looked at and compute the same, each with the reason; a changed line must be judged again."""

SPEED = "changes only how much is computed at a time, or how a search is laid out; the results are the same"
ROUNDING = "differs by rounding alone"

JUDGED: dict[str, str] = {}
