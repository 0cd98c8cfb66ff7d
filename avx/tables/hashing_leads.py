"""Who is first in each cell of a hashing table, and whether that holds beyond the seeds and the queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

import numpy as np

from avx.reports.tables import Table
from avx.retrieval.significance import paired_permutation

Precision = Mapping[tuple[str, int, str, str], Sequence[np.ndarray]]
"""(row, bits, database, direction) -> average precision (Q,) of each query, of every seed."""
SIGNIFICANT = 0.05


def leads(precision: Precision) -> list[dict[str, Any]]:
    """Compares the first two rows of every cell.

    A first place holds where the lead is larger than the larger sample deviation over seeds of the two, and where a
    paired permutation test over queries, their values averaged over seeds, gives p < 0.05. With one seed there is no
    deviation, and no first place holds.

    Args:
      precision: of all rows; a cell with one row alone is left out.

    Returns:
      For each cell bits, database, direction, first and second row, lead, deviation (None for one seed), p, holds.
    """
    found = []
    for bits, database, direction in dict.fromkeys(key[1:] for key in precision):
        rows = {key[0]: values for key, values in precision.items() if key[1:] == (bits, database, direction)}
        ranked = sorted(rows, key=lambda name: -_mean(rows[name]))
        if len(ranked) < 2:
            continue
        first, second = (rows[name] for name in ranked[:2])
        lead = _mean(first) - _mean(second)
        deviation = max(map(_deviation, (first, second))) if min(len(first), len(second)) > 1 else None
        averaged = np.stack([np.stack(values).astype(np.float64).mean(0) for values in (first, second)])
        counted = averaged[:, ~np.isnan(averaged).any(0)]
        p = paired_permutation(counted[0], counted[1])
        holds = deviation is not None and lead > deviation and p < SIGNIFICANT
        found.append(
            {"bits": bits, "database": database, "direction": direction, "first": ranked[0], "second": ranked[1]}
            | {"lead": lead, "deviation": deviation, "p": p, "holds": holds}
        )
    return found


def leads_table(found: Sequence[Mapping[str, Any]]) -> Table:
    """`leads` as a table."""
    lines = tuple(
        (
            f"{one['database']} items, {one['direction'].replace('_to_', ' to ')}, {one['bits']} bits",
            one["first"],
            one["second"],
            f"{one['lead']:.3f}",
            "-" if one["deviation"] is None else f"{one['deviation']:.3f}",
            f"{one['p']:.4f}",
            "yes" if one["holds"] else "no",
        )
        for one in found
    )
    header = ("database, direction, length", "first", "second", "lead", "deviation", "p", "holds")
    return Table("First places: beyond a deviation over seeds, and p < 0.05 over queries", header, lines)


def _mean(seeds: Sequence[np.ndarray]) -> float:
    return fmean(float(np.nanmean(values)) for values in seeds)


def _deviation(seeds: Sequence[np.ndarray]) -> float:
    return stdev(float(np.nanmean(values)) for values in seeds)
