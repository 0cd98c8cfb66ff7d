"""Whether one method is better than another on the same queries."""

from __future__ import annotations

import numpy as np

from avx.core.errors import UserError

_BLOCK_ELEMENTS = 2**21


def paired_permutation(first: np.ndarray, second: np.ndarray, draws: int = 10_000, seed: int = 0) -> float:
    """The two-sided p-value of a paired permutation test on the mean difference, by random flips of signs.

    Under the hypothesis that the two methods do not differ, each query's difference has either sign alike (Fisher
    1935; Smucker et al. 2007 for retrieval). The observed signs count as one of the draws, so p is never 0.

    >>> values = np.array([0.2, 0.4, 0.1, 0.7])
    >>> paired_permutation(values, values)
    1.0

    Args:
      first: (Q,) one value for each query.
      second: (Q,) of the other method, for the same queries.
      draws: random assignments of signs.
      seed: of the draws.

    Returns:
      p in (0, 1]: the share of assignments whose mean difference is at least as far from 0 as the observed one.

    Raises:
      UserError: the shapes differ, a value is not finite, there is no query, or draws < 1.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.ndim != 1 or first.shape != second.shape or not first.size:
        raise UserError(f"a paired test needs two equal lists of values, not {first.shape} and {second.shape}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise UserError("a paired test needs finite values; leave out queries without a relevant item")
    if draws < 1:
        raise UserError(f"draws={draws} cannot be; give at least 1")
    difference = first - second
    total = difference.sum()
    # Sums in another order differ in their last bits: equal ones must count as equal.
    reached = abs(total) - 1e-12 * np.abs(difference).sum()
    generator = np.random.default_rng(seed)
    rows = max(1, _BLOCK_ELEMENTS // difference.size)
    as_far = 0
    for begin in range(0, draws, rows):
        flipped = generator.integers(0, 2, (min(rows, draws - begin), difference.size), dtype=np.int8)
        as_far += int((np.abs(total - 2 * (flipped @ difference)) >= reached).sum())
    return (1 + as_far) / (1 + draws)
