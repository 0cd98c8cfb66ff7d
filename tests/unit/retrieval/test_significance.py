import itertools

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.retrieval.significance import paired_permutation


def exact(first, second):
    """The share of all 2^Q assignments of signs whose mean difference is as far from 0, by enumeration."""
    difference = np.asarray(first) - second
    signs = np.array(list(itertools.product((-1, 1), repeat=len(difference))))
    return float((np.abs(signs @ difference) >= abs(difference.sum()) - 1e-12).mean())


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.3, -0.3])
@pytest.mark.parametrize("queries", [3, 8, 12])
def test_random_flips_agree_with_the_enumeration(queries, shift):
    rng = np.random.default_rng(queries)
    first = rng.uniform(size=queries)
    second = first + shift + rng.normal(0, 0.2, size=queries)
    assert paired_permutation(first, second, 20_000, 1) == pytest.approx(exact(first, second), abs=0.012)


def test_equal_differences_count_as_equal_whatever_their_order():
    """0.1 + 0.2 + 0.3 is not 0.3 + 0.2 + 0.1 in floating point: only all plus and all minus reach the observed sum."""
    p = paired_permutation(np.array([0.1, 0.2, 0.3]), np.zeros(3), 40_000, 0)
    assert p == pytest.approx(2 / 8, abs=0.01)


def test_it_is_two_sided_symmetric_and_never_zero():
    first, second = np.arange(40.0), np.arange(40.0) - 1
    assert paired_permutation(first, second, 999) == paired_permutation(second, first, 999) == 1 / 1000
    assert paired_permutation(first, first) == 1.0


def test_the_seed_decides_and_blocks_do_not(monkeypatch):
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 50))
    whole = paired_permutation(first, second, 500, 3)
    monkeypatch.setattr("avx.retrieval.significance._BLOCK_ELEMENTS", 50 * 7)
    assert paired_permutation(first, second, 500, 3) == pytest.approx(whole, abs=0.08)
    assert paired_permutation(first, second, 500, 3) == paired_permutation(first, second, 500, 3)


@pytest.mark.parametrize(
    ("first", "second", "draws"), [([1.0], [1.0, 2.0], 9), ([], [], 9), ([np.nan], [1.0], 9), ([1.0], [1.0], 0)]
)
def test_bad_input_is_one_sentence(first, second, draws):
    with pytest.raises(UserError):
        paired_permutation(np.array(first), np.array(second), draws)
