"""Codes files at their limits: the shortest code, and vectors that contradict a single bit by little."""

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.hashing.codes_file import CodedItems, code_arrays, item_arrays, read_codes, read_items
from avx.hashing.pack import pack

VECTORS = np.array([[0.5, -0.25, 3.0], [-0.125, 0.75, -2.0]], np.float32)


def test_a_code_of_one_bit_is_a_code(tmp_path):
    codes = pack(np.array([[1.0], [-1.0], [1.0]]))
    np.savez(tmp_path / "codes.npz", **code_arrays(codes))
    np.testing.assert_array_equal(read_codes(tmp_path / "codes.npz", 1).words, [[1], [0], [1]])


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 1), (1, 0), (1, 2)])
def test_one_small_number_of_the_wrong_sign_is_a_contradiction(tmp_path, row, column):
    items = CodedItems(pack(VECTORS), VECTORS, ("a", "b"), np.array([0, 0]), ("art",))
    np.savez(tmp_path / "items.npz", **item_arrays(items))
    assert read_items(tmp_path / "items.npz").item_ids == ("a", "b")
    wrong = VECTORS.copy()
    wrong[row, column] *= -0.5
    np.savez(tmp_path / "items.npz", **item_arrays(items) | {"vectors": wrong})
    with pytest.raises(UserError, match=f"a code of {'ab'[row]} that its vector contradicts"):
        read_items(tmp_path / "items.npz")
