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


def test_only_the_last_word_has_unused_bits(tmp_path):
    """70 bits: two full words of ones and one with six; a seventh bit there is damage."""
    words = np.full((3, 3), 0xFFFFFFFF, np.uint32)
    words[:, 2] = 0b111111
    path = written(tmp_path, words=words, bits=np.asarray(70))
    np.testing.assert_array_equal(read_codes(path, 70).words, words)
    words[1, 2] = 0b1000000
    with pytest.raises(UserError, match="bits set beyond its 70"):
        read_codes(written(tmp_path, words=words, bits=np.asarray(70)), 70)


ITEMS = CodedItems(pack(REAL), REAL, tuple("abcdefg"), np.array([2, 0, 1, 1, 0, 2, 2]), ("art", "music", "war"))


FORTY_FIFTH = np.arange(280).reshape(7, 40) == 45


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
        ({"bits": np.asarray(40.0)}, "bits are no length of a code"),
        ({"bits": np.asarray(np.inf)}, "bits are no length of a code"),
        ({"bits": np.asarray("40")}, "bits are no length of a code"),
        ({"bits": np.asarray(-40)}, "bits are no length of a code"),
        ({"bits": np.asarray(2**63 - 1)}, r"words uint32 \(7, 2\), which are no codes of 9223372036854775807 bits"),
        ({"item_ids": np.array(list("abcdefa"))}, "has the item a twice: give every item an id of its own"),
        ({"item_ids": np.array([*"abcde", "", ""])}, "has the item '' twice"),
        ({"item_ids": np.arange(7)}, "item_ids of int64, which are no names"),
        ({"item_ids": np.array([b"a"] * 7)}, "item_ids of .S1, which are no names"),
        (
            {"vectors": np.where(np.arange(280).reshape(7, 40) == 45, np.nan, REAL)},
            "NaN or infinity in the vector of b",
        ),
        (
            {"vectors": np.where(np.arange(280).reshape(7, 40) == 45, np.inf, REAL)},
            "NaN or infinity in the vector of b",
        ),
        ({"vectors": REAL.astype(np.float64) * 1e300}, "NaN or infinity in the vector of a"),
        ({"vectors": REAL.astype(str)}, "vectors of <U32, which are no numbers"),
        ({"vectors": REAL * np.where(np.arange(7) == 4, -1, 1)[:, None]}, "a code of e that its vector contradicts"),
        ({"labels": np.zeros(7)}, "labels of float64, which are no integers"),
        ({"labels": np.array(["0"] * 7)}, "labels of <U1, which are no integers"),
        ({"labels": np.full(7, 2**64 - 1, np.uint64)}, "without a class name"),
        ({"labels": np.zeros(7, bool)}, "labels of bool, which are no integers"),
        ({"class_names": np.array("art")}, r"class_names <U3 \(\), which is no list"),
        ({"class_names": np.arange(3)}, r"class_names int64 \(3,\), which is no list"),
        ({"class_names": np.array([["art", "music", "war"]])}, r"class_names <U5 \(1, 3\), which is no list"),
    ],
)
def test_items_that_do_not_match_their_codes_are_named(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        read_items(items_written(tmp_path, **changes))


def test_vectors_of_zeros_and_other_precision_agree_with_their_codes(tmp_path):
    real = np.where(np.abs(REAL) < 0.3, 0.0, REAL).astype(np.float64)  # sign(0) = +1
    path = items_written(
        tmp_path, vectors=real, words=np.asarray(pack(real).words), labels=np.arange(7, dtype=np.uint8) % 3
    )
    found = read_items(path)
    assert found.vectors.dtype == np.float32 and found.labels.dtype == np.int64
    np.testing.assert_array_equal(found.vectors, real.astype(np.float32))
    short = np.where(np.arange(7)[:, None] == 3, 0.0, REAL)  # Its norm was lost; its signs are those of the code.
    assert not read_items(items_written(tmp_path, vectors=short)).vectors[3].any()


def test_a_bomb_and_a_pickle_are_refused(tmp_path):
    with np.load(items_written(tmp_path)) as whole:
        arrays = dict(whole)
    np.savez_compressed(tmp_path / "bomb.npz", **arrays | {"vectors": np.zeros((1 << 21, 40), np.float32)})
    with pytest.raises(UserError, match="out of all proportion"):
        read_items(tmp_path / "bomb.npz")
    np.savez(tmp_path / "pickle.npz", **arrays | {"item_ids": np.array([{}] * 7, object)})
    with pytest.raises(UserError, match=r"item_ids in .* holds Python objects"):
        read_items(tmp_path / "pickle.npz")


def test_codes_alone_tell_no_items(tmp_path):
    with pytest.raises(UserError, match="needs the arrays words, bits, vectors, item_ids, labels and class_names"):
        read_items(written(tmp_path))
    with pytest.raises(UserError, match="holds codes of 40 bits, but 64 are asked for"):
        read_items(items_written(tmp_path), 64)
