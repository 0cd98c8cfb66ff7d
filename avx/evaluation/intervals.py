"""95 % confidence intervals of averages over queries.

Test sets of this field are small, so every share is printed with one. Queries are treated as independent draws; items
of one recording are not, which an interval cannot know.
"""

from __future__ import annotations

import numpy as np

NORMAL_QUANTILE = 1.959963984540054
RESAMPLES = 1000


def wilson(mean: float, count: int) -> tuple[float, float]:
    """Returns the Wilson score interval of a share.

    Args:
      mean: the share, in [0, 1].
      count: trials, at least 1.

    >>> low, high = wilson(0.5, 4)
    >>> round(low, 3), round(high, 3)
    (0.15, 0.85)
    """
    square = NORMAL_QUANTILE**2
    centre = (mean + square / (2 * count)) / (1 + square / count)
    half = NORMAL_QUANTILE / (1 + square / count) * np.sqrt(mean * (1 - mean) / count + square / (4 * count**2))
    # At 0 and 1 the end is the share itself but for rounding.
    return float(max(0.0, min(mean, centre - half))), float(min(1.0, max(mean, centre + half)))


def bootstrap(values: np.ndarray, seed: int = 0) -> np.ndarray:
    """Returns percentile bootstrap intervals of means.

    Args:
      values: (M, Q) M metrics of Q queries.
      seed: of the resamples; equal values give equal intervals.

    Returns:
      (M, 2) low and high ends.
    """
    generator = np.random.default_rng(seed)
    count = values.shape[1]
    means = np.empty((RESAMPLES, len(values)))
    for resample in range(RESAMPLES):
        drawn = np.bincount(generator.integers(count, size=count), minlength=count)
        means[resample] = values @ drawn / count
    return np.quantile(means, (0.025, 0.975), axis=0).T
