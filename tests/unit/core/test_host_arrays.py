"""Unit rows and column statistics by hand, and at the cases that divide by zero."""

import numpy as np

from avx.core.host_arrays import column_statistics, unit_rows


def test_unit_rows_by_hand_and_at_the_zero_row():
    np.testing.assert_allclose(unit_rows(np.array([[3.0, -4.0], [0.0, 0.0]])), [[0.6, -0.8], [0, 0]])
    assert unit_rows(np.ones((2, 3), np.float32)).dtype == np.float32


def test_columns_are_standardised_by_hand_and_constant_ones_become_zero():
    values = np.array([[1.0, 0.1], [3.0, 0.1], [5.0, 0.1]], np.float32)
    mean, scale = column_statistics(values)
    np.testing.assert_allclose((values - mean) * scale, [[-(1.5**0.5), 0], [0, 0], [1.5**0.5, 0]], atol=1e-7)
    assert scale[1] == 0


def test_small_variation_about_a_large_mean_is_no_constant_column():
    mean, scale = column_statistics(np.array([[1e6 - 1e-3], [1e6 + 1e-3]]))
    np.testing.assert_allclose((mean[0], scale[0]), (1e6, 1e3), rtol=1e-6)


def test_importing_it_needs_no_device_library():
    import subprocess
    import sys

    code = "import sys, avx.core.host_arrays; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
