"""Standardised inputs by hand: masked steps count for nothing, and constant coefficients stay finite."""

import jax.numpy as jnp
import numpy as np

from avx.core.types import Padded
from avx.nn.input_statistics import statistics_of

NAN = float("nan")


def test_real_steps_have_mean_zero_and_deviation_one():
    """Coefficients 0 and 8 around 4 (deviation 4, variance 16), and 1e-4 around 5, which meets the floor."""
    values = jnp.array([[[0.0, 5.0001], [NAN, NAN]], [[8.0, 4.9999], [4.0, 5.0]]])
    mask = jnp.array([[True, False], [True, True]])
    found = statistics_of(Padded(values, mask))
    np.testing.assert_allclose(found.mean, [4, 5], rtol=1e-6)
    np.testing.assert_allclose(found.deviation, [(32 / 3) ** 0.5, 1e-3], rtol=1e-4)
    shown = found.standardise(Padded(values, mask))
    np.testing.assert_allclose(shown[:, :, 0], [[-(1.5**0.5), 0], [1.5**0.5, 0]], rtol=1e-5)
    assert jnp.isfinite(shown).all()
