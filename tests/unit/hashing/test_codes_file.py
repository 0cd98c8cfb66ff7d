"""Codes come back from a file as they went in; what cannot be used is refused in one sentence."""

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.hashing.codes_file import CodedItems, code_arrays, item_arrays, read_codes, read_items
from avx.hashing.pack import pack

REAL = np.random.default_rng(0).normal(size=(7, 40)).astype(np.float32)


def written(folder, **changes):
    path = folder / "codes.npz"
    np.savez(path, **{**code_arrays(pack(REAL)), **changes})
    return path


def test_round_trip(tmp_path):
    found = read_codes(written(tmp_path), 40)
    np.testing.assert_array_equal(found.words, pack(REAL).words)
    assert found.bits == 40


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bits": np.asarray(64)}, "holds codes of 64 bits, but 40 are asked for"),
        ({"words": np.zeros((7, 3), np.uint32)}, r"words uint32 \(7, 3\), which are no codes of 40 bits"),
        ({"words": np.zeros((7, 2), np.int64)}, "words int64"),
        ({"words": np.full((7, 2), 1 << 8, np.uint32)}, "bits set beyond its 40"),
    ],
)
def test_unusable_codes_are_named(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        read_codes(written(tmp_path, **changes), 40)


def test_missing_and_foreign_files_are_named(tmp_path):
    with pytest.raises(UserError, match="There is no codes file"):
        read_codes(tmp_path / "none.npz", 40)
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "other.npz", vectors=REAL)
    for name in ("text.npz", "other.npz"):
        with pytest.raises(UserError, match="is no codes file"):
            read_codes(tmp_path / name, 40)


ITEMS = CodedItems(pack(REAL), REAL, tuple("abcdefg"), np.array([2, 0, 1, 1, 0, 2, 2]), ("art", "music", "war"))


def items_written(folder, **changes):
    path = folder / "items.npz"
    np.savez(path, **{**item_arrays(ITEMS), **changes})
    return path


def test_items_come_back_with_their_codes(tmp_path):
    path = items_written(tmp_path)
    found = read_items(path)
    np.testing.assert_array_equal(found.codes.words, ITEMS.codes.words)
    np.testing.assert_array_equal(found.vectors, REAL)
    np.testing.assert_array_equal(found.labels, ITEMS.labels)
    assert (found.item_ids, found.class_names) == (ITEMS.item_ids, ITEMS.class_names)
    assert found.row("f") == 5
    np.testing.assert_array_equal(read_codes(path, 40).words, ITEMS.codes.words)
    with pytest.raises(UserError, match="There is no item 'z' among the 7 coded ones"):
        found.row("z")


def test_items_of_unknown_class_are_items_too(tmp_path):
    path = items_written(tmp_path, labels=np.full(7, -1), class_names=np.zeros(0, str))
    np.testing.assert_array_equal(read_items(path).labels, [-1] * 7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vectors": REAL[:, 1:]}, "does not name one item for each of its 7 codes"),
        ({"item_ids": np.array(["a", "b"])}, "does not name one item for each of its 7 codes"),
        ({"labels": np.full(7, -2)}, "does not name one item for each of its 7 codes"),
        ({"labels": np.full(7, 3)}, "has a label 3 without a class name"),
        ({"bits": np.asarray([40, 40])}, "is no codes file"),
    ],
)
def test_items_that_do_not_match_their_codes_are_named(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        read_items(items_written(tmp_path, **changes))


def test_codes_alone_tell_no_items(tmp_path):
    with pytest.raises(UserError, match="needs the arrays words, bits, vectors, item_ids, labels and class_names"):
        read_items(written(tmp_path))
    with pytest.raises(UserError, match="holds codes of 40 bits, but 64 are asked for"):
        read_items(items_written(tmp_path), 64)
