"""Learning rates step by step."""

import numpy as np
import pytest

from avx.training import optim


@pytest.mark.parametrize(
    ("warmup", "expected"), [(4, [0.0, 0.5, 1.0, 1.5, 2.0, 2.0, 2.0]), (1, [0.0, 2.0, 2.0]), (0, [2.0, 2.0, 2.0])]
)
def test_a_constant_rate_is_reached_by_a_line_from_zero(warmup, expected):
    schedule = optim.SCHEDULES["constant"](2.0, warmup, 10)
    np.testing.assert_allclose([schedule(step) for step in range(len(expected))], expected, rtol=1e-6)
