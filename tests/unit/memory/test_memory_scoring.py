"""The four score modes against hand-computed values; eq. 3 as printed does the opposite of the default."""

import numpy as np
import pytest

from avx.memory.scoring import FACTORS, PROBABILITIES, agreement, dissimilarity, factor

# Three slots of which two are filled. Pair 0 is confirmed by slot 1, pair 1 by none: one side knows slot 0 alone.
FIRST = np.array([[0.2, 0.9, 0.0], [0.8, -0.5, 0.0]], np.float32)
SECOND = np.array([[0.1, 0.6, 0.0], [0.0, -0.7, 0.0]], np.float32)
TWO = np.asarray(2)


def test_agreement_clamps_negative_cosines():
    np.testing.assert_allclose(agreement(FIRST, SECOND), [0.54, 0.0])


def test_agreement_clamps_both_sides():
    """One filled slot that one side resembles and the other opposes: agreement is 0, whichever side it is."""
    known, opposed = np.array([[0.8]], np.float32), np.array([[-0.5]], np.float32)
    np.testing.assert_array_equal(agreement(known, opposed), [0])
    np.testing.assert_array_equal(agreement(opposed, known), [0])


def test_dissimilarity_looks_at_filled_slots_only():
    found = dissimilarity(FIRST, SECOND, np.arange(3) < 2)
    np.testing.assert_allclose(found, [min(0.8 * 0.9, 0.1 * 0.4), min(0.2 * 1.0, 1.5 * 1.7)], rtol=1e-5)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("product", [0.54, 0.0]),
        ("printed", [1 / 0.54, 1000.0]),
        ("blend", [0.75 + 0.25 * 0.54, 0.75]),
        ("distance", [1 / 1.04, 1 / 1.2]),
    ],
)
def test_modes(mode, expected):
    np.testing.assert_allclose(factor(mode, FIRST, SECOND, TWO, blend=0.25), expected, rtol=1e-5)


def test_only_the_printed_form_prefers_the_pair_that_memory_does_not_know():
    for mode in FACTORS:
        known, unknown = factor(mode, FIRST, SECOND, TWO)
        assert (known < unknown) == (mode == "printed")
        assert mode == "printed" or mode in PROBABILITIES


@pytest.mark.parametrize("mode", FACTORS)
def test_an_empty_memory_changes_nothing(mode):
    np.testing.assert_array_equal(factor(mode, np.zeros((2, 3)), np.zeros((2, 3)), np.asarray(0)), 1)


@pytest.mark.parametrize("mode", FACTORS)
def test_all_pairs_by_broadcasting_equal_single_pairs(mode):
    rng = np.random.default_rng(0)
    first, second = rng.uniform(-1, 1, (4, 5)), rng.uniform(-1, 1, (3, 5))
    table = factor(mode, first[:, None], second[None], np.asarray(4))
    for row in range(4):
        for column in range(3):
            np.testing.assert_allclose(
                table[row, column], factor(mode, first[row], second[column], np.asarray(4)), rtol=1e-6
            )
