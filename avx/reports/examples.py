"""Chooses the queries whose answers are shown, from the result alone: what is shown is known before it is saved.

Nobody picks by hand: right and wrong queries are taken evenly spread over the order in which they asked.
"""

import numpy as np

from avx.core.result import Result

TOP = 5
PER_KIND = 3


def spread(positions: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the `positions`, evenly spread from the first to the last."""
    if len(positions) <= count:
        return positions
    return positions[np.round(np.linspace(0, len(positions) - 1, count)).astype(int)]


def choose_examples(result: Result, count: int = PER_KIND) -> dict[str, np.ndarray]:
    """The queries to show for each direction of the first row, as places in `Direction.queries`.

    First up to `count` queries with a relevant item alone at rank 1, by class where there are classes, then up to
    `count` without. Queries without a relevant item take no part; a direction without best items is left out.
    """
    chosen = {}
    for name, direction in result.rows[0].directions.items() if result.rows else ():
        ranks = direction.per_query.get("class/rank", direction.per_query.get("instance/rank"))
        if ranks is not None and direction.top.size:
            places = [spread(np.flatnonzero(kind), count) for kind in (ranks == 1, ranks > 1)]
            chosen[name] = np.concatenate(places)
    return chosen


def shown_rows(result: Result) -> np.ndarray:
    """(n,) rows of the dataset that the page shows as queries or found items, ascending: those to save as `Items`."""
    rows = [np.zeros(0, np.int64)]
    for name, places in choose_examples(result).items():
        direction = result.rows[0].directions[name]
        rows += [direction.queries[places], direction.top[places, :TOP].ravel()]
    return np.unique(np.concatenate(rows))
