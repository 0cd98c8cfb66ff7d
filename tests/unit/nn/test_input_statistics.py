"""Standardised inputs: one pass in any batches equals two, padding counts for nothing, rare inputs stay small."""

import jax.numpy as jnp
import numpy as np
import pytest

from avx.core.types import Batch, Padded
from avx.nn.input_statistics import SMALLEST_SHARE, identity_statistics, streamed_statistics

NAN = float("nan")


def batch_of(values, mask, real=None):
    size = len(values)
    sequence = Padded(np.asarray(values, np.float32), np.asarray(mask, bool))
    example_mask = np.ones(size, bool) if real is None else np.asarray(real)
    return Batch({"audio": sequence}, np.zeros(size, np.int32), np.arange(size), example_mask)


def streamed(batches):
    names = {"audio": identity_statistics(batches[0].modalities["audio"])}
    return streamed_statistics(iter(batches), names)["audio"]


def test_real_steps_have_mean_zero_and_deviation_one():
    """Coefficients 0, 8, 4 around 4 and 5, 1, 3 around 3; masked steps and filler rows are not read."""
    values = [[[0, 5], [NAN, NAN]], [[8, 1], [4, 3]], [[NAN, 99], [99, NAN]]]
    batch = batch_of(values, [[1, 0], [1, 1], [1, 1]], [True, True, False])
    found = streamed([batch])
    np.testing.assert_allclose(found.mean, [4, 3], rtol=1e-6)
    np.testing.assert_allclose(found.deviation, [(32 / 3) ** 0.5, (8 / 3) ** 0.5], rtol=1e-6)
    shown = found.standardise(Padded(jnp.asarray(values, jnp.float32), batch.modalities["audio"].mask))
    np.testing.assert_allclose(shown[:2, :, 0], [[-(1.5**0.5), 0], [1.5**0.5, 0]], atol=1e-6)


def corpus(rows=37, steps=6, size=5):
    """Ragged sequences whose coefficients lie far from 0 and differ a thousandfold in spread."""
    generator = np.random.default_rng(0)
    spread = np.array([30.0, 3.0, 0.5, 10.0, 0.003])[:size]
    values = 1000 + (generator.normal(size=(rows, steps, size)) + generator.normal(size=(rows, 1, 1))) * spread
    mask = np.arange(steps) < generator.integers(0, steps + 1, (rows, 1))
    return np.where(mask[:, :, None], values, NAN).astype(np.float32), mask


def cut(values, mask, rows):
    """Batches of `rows`, the last one filled up with rows that are not real."""
    batches = []
    for begin in range(0, len(values), rows):
        part = slice(begin, begin + rows)
        missing = rows - len(values[part])
        filled = np.concatenate([values[part], np.full((missing, *values.shape[1:]), 7e7, np.float32)])
        shown = np.concatenate([mask[part], np.ones((missing, mask.shape[1]), bool)])
        batches.append(batch_of(filled, shown, np.arange(rows) < rows - missing))
    return batches


@pytest.mark.parametrize("rows", [1, 2, 8, 37])
def test_one_pass_equals_two_passes_whatever_the_batches(rows):
    values, mask = corpus()
    real = values[mask].astype(np.float64)
    found = streamed(cut(values, mask, rows))
    np.testing.assert_allclose(found.mean, real.mean(0), rtol=1e-6)
    deviation = real.std(0)
    floor = SMALLEST_SHARE * np.sqrt(np.square(deviation).mean())
    assert (deviation < floor).any() and (deviation > floor).any(), "the floor must matter to some"
    np.testing.assert_allclose(found.deviation, np.maximum(deviation, floor), rtol=1e-5)


def test_the_floor_is_relative_to_all_coefficients():
    """Features in other units: means and deviations follow, what is standardised does not change."""
    values, mask = corpus()
    shown = np.nan_to_num(values)
    one, other = streamed(cut(values, mask, 8)), streamed(cut(values * 1024, mask, 8))
    np.testing.assert_allclose(other.deviation, 1024 * np.asarray(one.deviation), rtol=1e-6)
    np.testing.assert_allclose(
        other.standardise(Padded(shown * 1024, mask)), one.standardise(Padded(shown, mask)), atol=1e-3
    )


def test_rare_coefficients_do_not_outweigh_the_rest():
    """One coefficient is silent in 199 steps of 200; without a floor its one sound would hold most of the norm."""
    generator = np.random.default_rng(1)
    values = generator.normal(size=(20, 10, 8)).astype(np.float32)
    values[:, :, 3] = 0
    values[4, 2, 3] = 0.01
    mask = np.ones((20, 10), bool)
    shown = np.asarray(streamed(cut(values, mask, 20)).standardise(Padded(values, mask)))
    assert np.abs(shown[4, 2, 3]) < 1
    assert values[:, :, 3].std() < 1e-3 and np.abs((0.01 - values[:, :, 3].mean()) / values[:, :, 3].std()) > 10


def test_constant_and_absent_inputs_stay_finite():
    constant = streamed([batch_of(np.full((2, 3, 4), 6.0), np.ones((2, 3), bool))])
    np.testing.assert_array_equal(constant.mean, [6] * 4)
    np.testing.assert_array_equal(constant.deviation, [1] * 4)
    absent = streamed([batch_of(np.full((2, 3, 4), NAN), np.zeros((2, 3), bool))])
    np.testing.assert_array_equal(absent.mean, [0] * 4)
    np.testing.assert_array_equal(absent.deviation, [1] * 4)
