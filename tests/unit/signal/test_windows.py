"""Windows against scipy's, and Kaldi's by its formula."""

import numpy as np
import pytest
import scipy.signal

from avx.core.errors import UserError
from avx.signal.windows import window


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("length", [1, 2, 25, 400])
@pytest.mark.parametrize("name", ["hann", "hamming"])
def test_windows_equal_scipys(name, length, periodic):
    expected = scipy.signal.get_window(name, length, fftbins=periodic)
    np.testing.assert_allclose(window(name, length, periodic), expected, atol=1e-7)


def test_povey_is_the_symmetric_hann_to_the_power_085():
    expected = [(0.5 - 0.5 * np.cos(2 * np.pi * n / 4)) ** 0.85 for n in range(5)]
    np.testing.assert_allclose(window("povey", 5, periodic=False), expected, atol=1e-7)
    assert not np.allclose(window("povey", 5, periodic=False), window("hann", 5, periodic=False), atol=1e-2)


def test_impossible_windows_are_refused():
    with pytest.raises(UserError, match="unknown window 'kaiser'"):
        window("kaiser", 8)
    with pytest.raises(UserError, match="at least 1 sample"):
        window("hann", 0)
