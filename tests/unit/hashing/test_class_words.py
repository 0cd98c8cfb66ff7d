"""Class words: how far apart, balanced, the same in every run, and those of items with several classes."""

import subprocess
import sys

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.hashing.class_words import class_words, item_words, smallest_distance


@pytest.mark.parametrize(
    ("classes", "bits", "distance"),
    [
        *((10, 16, 8), (10, 32, 16), (10, 64, 33), (3, 4, 2), (10, 8, 4), (10, 12, 6), (10, 33, 16)),
        # As many classes as bits, and more.
        *((16, 16, 8), (20, 16, 8), (32, 16, 8), (17, 16, 8), (64, 64, 32), (90, 64, 32), (128, 64, 32), (24, 48, 24)),
        # Few classes lie farther apart than half of the bits.
        *((2, 64, 64), (3, 64, 42), (4, 64, 42)),
        *((81, 16, 5), (200, 64, 22), (1000, 16, 2), (256, 8, 1), (90, 48, 16)),
    ],
)
def test_words_lie_far_apart_and_no_bit_is_constant(classes, bits, distance):
    words = class_words(classes, bits)
    assert words.shape == (classes, bits) and set(np.unique(words)) == {-1.0, 1.0}
    apart = [(words[i] != words[j]).sum() for i in range(classes) for j in range(i)]
    assert min(apart) == smallest_distance(words) >= distance
    assert (np.abs(words.sum(0)) < classes).all()


def test_words_are_the_same_in_another_process():
    script = "from avx.hashing.class_words import class_words; print(class_words(81, 16).tobytes().hex())"
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    assert other == class_words(81, 16).tobytes().hex()


def test_words_cannot_be_changed_by_a_caller():
    with pytest.raises(ValueError, match="read-only"):
        class_words(4, 8)[0, 0] = 5


def test_too_few_bits_are_named():
    with pytest.raises(UserError, match=r"model\.bits = 3 is too short to tell 10 classes apart"):
        class_words(10, 3)


def test_the_word_of_an_item_is_the_sign_of_its_classes_mean():
    words = np.array([[1, 1, -1, -1], [1, -1, -1, 1], [-1, -1, -1, 1]], np.float32)
    borne = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1], [0, 0, 0]])
    expected = [[1, 1, -1, -1], [1, 1, -1, 1], [1, -1, -1, 1], [0, 0, 0, 0]]
    np.testing.assert_array_equal(item_words(borne, words), expected)
