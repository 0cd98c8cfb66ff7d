"""Standardised inputs by hand: masked steps and filler rows count for nothing, rare coefficients stay bounded."""

import jax.numpy as jnp
import numpy as np

from avx.core.types import Batch, Padded
from avx.nn.input_statistics import SMALLEST_SHARE, identity_statistics, streamed_statistics

NAN = float("nan")


def batch(values, mask, real):
    count = len(real)
    return Batch({"video": Padded(values, mask)}, jnp.zeros(count, int), jnp.arange(count), jnp.array(real))


def test_real_steps_of_all_batches_have_mean_zero_and_deviation_one():
    """Coefficient 0 holds 0, 8 and 4 (variance 32/3), coefficient 1 hardly varies and meets the floor."""
    first = jnp.array([[[0.0, 5.0001], [NAN, NAN]], [[900.0, 900.0], [900.0, 900.0]]])
    second = jnp.array([[[8.0, 4.9999], [4.0, 5.0]]])
    mask = jnp.array([[True, False], [True, True]])
    batches = [batch(first, mask, [True, False]), batch(second, mask[1:], [True])]
    start = identity_statistics(Padded(second, mask[1:]))
    found = streamed_statistics(batches, {"video": start})["video"]
    np.testing.assert_allclose(found.mean, [4, 5], rtol=1e-6)
    np.testing.assert_allclose(found.deviation, [(32 / 3) ** 0.5, SMALLEST_SHARE * (16 / 3) ** 0.5], rtol=1e-5)
    shown = found.standardise(Padded(first[:1], mask[:1]))
    np.testing.assert_allclose(shown[0, :, 0], [-(1.5**0.5), 0], rtol=1e-5)
    assert jnp.isfinite(shown).all()
