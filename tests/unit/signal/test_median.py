"""The comparison network against scipy's median filter, borders repeated; wrong borders and a mean must differ."""

import numpy as np
import pytest
import scipy.ndimage

from avx.core.errors import UserError
from avx.signal.median import median_filter

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_equals_scipy_with_ties(size):
    maps = RNG.integers(0, 12, (2, 9, 13)).astype(np.float32)
    maps[1] = RNG.normal(size=(9, 13))
    expected = np.stack([scipy.ndimage.median_filter(one, size, mode="nearest") for one in maps])
    np.testing.assert_array_equal(median_filter(maps, size), expected)


def test_is_neither_a_mean_nor_black_outside():
    maps = RNG.gamma(1.0, size=(9, 13)).astype(np.float32)
    filtered = np.asarray(median_filter(maps, 5))
    black = scipy.ndimage.median_filter(maps, 5, mode="constant")
    mean = scipy.ndimage.uniform_filter(maps, 5, mode="nearest")
    np.testing.assert_array_equal(filtered[2:-2, 2:-2], black[2:-2, 2:-2])
    assert np.abs(filtered - black)[0].min() > 0.01
    assert np.abs(filtered - mean).mean() > 0.1


@pytest.mark.parametrize("size", [0, -1, 4])
def test_refuses_sizes_without_a_middle(size):
    with pytest.raises(UserError, match="odd size"):
        median_filter(np.zeros((8, 8), np.float32), size)
