"""Which pairs are drawn; their cross entropy against hand-computed values, at the clip, and under masks."""

import jax
import numpy as np

from avx.losses.memory_scoring import CLIP, binary_cross_entropy, sample_pairs
from avx.losses.pairs import Pairs

MATCH = np.array([True, False, True, False])
PROBABILITY = np.array([0.9, 0.2, 0.5, 0.6], np.float32)
ALL = np.ones(4, bool)


def test_value_by_hand():
    total, weight = binary_cross_entropy(PROBABILITY, MATCH, ALL)
    np.testing.assert_allclose(total, -np.log([0.9, 0.8, 0.5, 0.4]).sum(), rtol=1e-6)
    assert weight == 4
    swapped, _ = binary_cross_entropy(PROBABILITY, ~MATCH, ALL)
    assert abs(swapped - total) > 1, "the wrong label would be seen"


def test_certain_and_wrong_is_large_but_finite():
    total, _ = binary_cross_entropy(np.array([0.0, 1.0]), np.array([True, False]), np.ones(2, bool))
    np.testing.assert_allclose(total, -2 * np.log(CLIP), rtol=1e-2)


def test_invalid_pairs_touch_neither_value_nor_gradient():
    valid = np.array([True, False, True, True])
    spoilt = np.where(valid, PROBABILITY, np.nan)
    total, weight = binary_cross_entropy(spoilt, MATCH, valid)
    np.testing.assert_allclose(total, -np.log([0.9, 0.5, 0.4]).sum(), rtol=1e-6)
    assert weight == 3
    grad = jax.grad(lambda p: binary_cross_entropy(p, MATCH, valid)[0])(spoilt)
    np.testing.assert_allclose(grad, [-1 / 0.9, 0, -1 / 0.5, 1 / 0.4], rtol=1e-5)


def test_pairs_alternate_one_positive_and_one_negative_drawn_evenly():
    positive = np.array([[1, 1, 0, 0], [0, 1, 1, 1], [0, 0, 0, 0]], bool)
    negative = np.array([[0, 0, 1, 1], [1, 0, 0, 0], [1, 1, 0, 1]], bool)
    square = Pairs(*(np.concatenate([mask, np.zeros((1, 4), bool)]) for mask in (positive, negative)))
    counts = np.zeros((8, 4), int)
    draw = jax.jit(lambda key: sample_pairs(square, key))
    for seed in range(300):
        found = jax.device_get(draw(jax.random.key(seed)))
        np.testing.assert_array_equal(found.first, [0, 0, 1, 1, 2, 2, 3, 3])
        np.testing.assert_array_equal(found.match, [True, False] * 4)
        np.testing.assert_array_equal(found.valid, [True, True, True, True, False, True, False, False])
        counts[np.arange(8), found.second] += 1
    for row in (0, 1, 2):
        np.testing.assert_array_equal(counts[2 * row] > 0, positive[row] if positive[row].any() else [1, 0, 0, 0])
        np.testing.assert_array_equal(counts[2 * row + 1] > 0, negative[row])
    assert counts[2][1:].min() > 70, "three positives, a hundred draws each"
