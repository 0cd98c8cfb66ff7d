"""Per-clip normalisation and the loudness invariance that it buys."""

import jax
import numpy as np

from avx.nn.encoders import audio_cnn
from avx.nn.encoders.audio_cnn import AudioCNN

GENERATOR = np.random.default_rng(0)
EXAMPLES = GENERATOR.normal(3, 2, (2, 3, 8, 16)).astype(np.float32)
MASK = np.array([[True, True, False], [True, False, False]])
standardized = jax.jit(audio_cnn.standardized)


def test_each_clip_has_mean_zero_and_deviation_one_over_its_real_examples():
    values = np.asarray(standardized(EXAMPLES, MASK))
    for clip, real in zip(values, MASK, strict=True):
        np.testing.assert_allclose(clip[real].mean(), 0, atol=1e-5)
        np.testing.assert_allclose(clip[real].std(), 1, rtol=1e-4)
        assert (clip[~real] == 0).all()


def test_masked_examples_do_not_count():
    spoiled = np.where(MASK[:, :, None, None], EXAMPLES, np.nan)
    np.testing.assert_array_equal(standardized(EXAMPLES, MASK), standardized(spoiled, MASK))


def test_a_constant_clip_is_zero_and_has_finite_gradients():
    constant = np.full((1, 1, 4, 4), 2.5, np.float32)
    mask = np.ones((1, 1), bool)
    np.testing.assert_array_equal(standardized(constant, mask), 0)
    assert np.isfinite(jax.jit(jax.grad(lambda x: standardized(x, mask).sum()))(constant)).all()


def test_a_louder_clip_has_the_same_tokens():
    """Gain adds a constant to a log spectrum: the tokens must not move, and without the normalisation they would."""
    network = AudioCNN(widths=(8,), features=(4,))
    params = jax.jit(network.init)(jax.random.key(0), EXAMPLES, MASK)
    encode = jax.jit(network.apply)
    quiet, loud = (encode(params, EXAMPLES + gain, MASK).tokens for gain in (0.0, 1.5))
    np.testing.assert_allclose(quiet, loud, atol=1e-4)


def test_an_event_counts_alike_wherever_it_falls():
    """Moving an event in time by the pooling stride permutes the map over time, which mean and maximum don't see."""
    quiet = np.zeros((1, 1, 32, 16), np.float32)
    early, late = quiet.copy(), quiet.copy()
    early[0, 0, 8:10, 5], late[0, 0, 16:18, 5] = 4, 4
    network = AudioCNN(widths=(8,), features=(4,))
    mask = np.ones((1, 1), bool)
    params = jax.jit(network.init)(jax.random.key(1), early, mask)
    encode = jax.jit(network.apply)
    first, second = (encode(params, sound, mask).tokens for sound in (early, late))
    np.testing.assert_allclose(first, second, atol=1e-5)
