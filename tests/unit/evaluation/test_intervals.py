"""Confidence intervals: by hand, by their coverage, and what they leave out."""

import numpy as np
import pytest
from scipy.stats import binom

from avx.evaluation.intervals import bootstrap, wilson


@pytest.mark.parametrize(
    ("share", "count", "expected"),
    # Wilson 1927 at z = 1.96: (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4 n^2)) / (1 + z^2 / n).
    [(0.9, 10, (0.5958, 0.9821)), (0.25, 40, (0.1419, 0.4019)), (0.0, 10, (0.0, 0.2775)), (1.0, 3, (0.4385, 1.0))],
)
def test_wilson_by_hand(share, count, expected):
    assert wilson(share, count) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("count", [8, 30])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_wilson_covers_the_share_nineteen_times_in_twenty(count, share):
    """Exactly: the binomial chance of the outcomes whose interval holds the true share."""
    ends = [wilson(hits / count, count) for hits in range(count + 1)]
    covered = sum(binom.pmf(hits, count, share) for hits, (low, high) in enumerate(ends) if low <= share <= high)
    assert 0.92 < covered < 0.99


def test_the_bootstrap_covers_the_mean_nineteen_times_in_twenty():
    values = np.random.default_rng(1).beta(0.5, 1.5, (400, 60))  # average precisions: many low, some high, mean 1/4
    found = bootstrap(values)
    assert found.shape == (400, 2)
    assert 0.90 < ((found[:, 0] <= 0.25) & (found[:, 1] >= 0.25)).mean() < 0.98
    # Of a mean of n draws: about 2 x 1.96 deviations / sqrt(n) wide.
    np.testing.assert_allclose(np.diff(found)[:, 0], 2 * 1.96 * values.std(1) / np.sqrt(60), rtol=0.15)


def test_the_bootstrap_of_equal_values_is_a_point_and_repeats_itself():
    values = np.random.default_rng(0).random((2, 9))
    values[0] = 0.3
    np.testing.assert_allclose(bootstrap(values)[0], [0.3, 0.3])
    np.testing.assert_array_equal(bootstrap(values), bootstrap(values))
    assert np.abs(bootstrap(values, seed=1)[1] - bootstrap(values)[1]).max() > 0
