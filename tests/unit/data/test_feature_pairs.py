"""The Wikipedia reader and the tfds dataset of feature pairs: round trip, order, and one sentence for bad input."""

import dataclasses

import numpy as np
import pytest
import scipy.io

from avx.core.errors import UserError
from avx.data.sets import feature_pairs, wikipedia

CLASSES = ("art", "biology", "geography")
ITEMS = {"train": 5, "test": 3}


def arrays_of(seed=0):
    rng = np.random.default_rng(seed)
    found = {}
    for kind, (name, *keys) in wikipedia.ARRAYS.items():
        for split, key in zip(wikipedia.LISTS, keys, strict=True):
            found.setdefault(name, {})[key] = rng.random((ITEMS[split], wikipedia.SIZES[kind]))
    return found


def write(folder, arrays, label=lambda row: row % 3 + 1):
    """The published layout; text ids run against the order of rows, so that order by id is another one."""
    folder.mkdir(exist_ok=True)
    for name, content in arrays.items():
        scipy.io.savemat(folder / name, content)
    (folder / "categories.list").write_text("\n".join(CLASSES) + "\n")
    for split, name in wikipedia.LISTS.items():
        lines = [f"{split}-{9 - row}\tpicture-{row}\t{label(row)}" for row in range(ITEMS[split])]
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "published", arrays_of())


def test_rows_stay_with_their_ids_in_order_of_id(folder):
    table, stored = wikipedia.read(folder), arrays_of()
    assert table.item_ids == ("test-7", "test-8", "test-9", *(f"train-{place}" for place in range(5, 10)))
    assert table.class_names == CLASSES
    np.testing.assert_array_equal(table.label, [2, 1, 0, 1, 0, 2, 1, 0])
    np.testing.assert_array_equal(table.rows("train"), np.arange(3, 8))
    for kind, (name, train, test) in wikipedia.ARRAYS.items():
        expected = np.concatenate([stored[name][test][::-1], stored[name][train][::-1]]).astype(np.float32)
        np.testing.assert_array_equal(table.features[kind], expected)


def test_tfds_round_trip(folder, tmp_path):
    table = wikipedia.read(folder)
    builder = wikipedia.build(tmp_path / "data", folder)
    found = feature_pairs.load(builder)
    assert feature_pairs.digest(found) == feature_pairs.digest(table)
    assert found.item_ids == table.item_ids and found.name == "wikipedia"
    one = next(iter(builder.as_data_source(split="test")))
    assert set(one) == {"item_id", "image", "text", "text_tfidf", "label", "split"}
    assert wikipedia.build(tmp_path / "data", folder).data_path == builder.data_path
    other = write(folder, arrays_of(seed=1))
    assert wikipedia.build(tmp_path / "data", other).data_path != builder.data_path


def changed(name, key, change):
    arrays = arrays_of()
    arrays[name][key] = change(arrays[name][key])
    return arrays


RAW, TFIDF = "raw_features.mat", "raw_features_tfidf.mat"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (changed(RAW, "I_tr", lambda it: it[:, 1:]), r"I_tr in .* has shape \(5, 127\); .* lists 5 items of 128"),
        (changed(RAW, "T_te", lambda it: it[1:]), r"T_te in .* has shape \(2, 10\); .* lists 3 items of 10"),
        (
            changed(TFIDF, "T_tfidf_tr", lambda it: np.where(np.arange(5)[:, None] == 2, np.nan, it)),
            "text_tfidf of item train-7 holds NaN or infinity",
        ),
    ],
)
def test_bad_features_are_named(tmp_path, arrays, message):
    with pytest.raises(UserError, match=message):
        wikipedia.read(write(tmp_path / "published", arrays))


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (lambda row: 4 if row == 1 else 1, "item train-8 has class 4, but only classes 1 to 3 are listed"),
        (lambda row: 0 if row == 1 else 1, "item train-8 has class 0, but only"),
        (lambda row: "art", "Line 1 of .* must be: text id, image id, class number"),
    ],
)
def test_bad_labels_are_named(tmp_path, label, message):
    with pytest.raises(UserError, match=message):
        wikipedia.read(write(tmp_path / "published", arrays_of(), label))


def test_missing_and_broken_files_are_named(folder):
    (folder / RAW).write_bytes(b"no matlab file" * 20)
    with pytest.raises(UserError, match=r"raw_features.mat is no MATLAB file"):
        wikipedia.read(folder)
    (folder / "categories.list").unlink()
    with pytest.raises(UserError, match=r"There is no file .*categories\.list"):
        wikipedia.read(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"item_ids": ("a", "b", "a")}, "item a is listed twice"),
        ({"split": np.array(["train", "dev", "test"])}, "split 'dev' is unknown"),
        ({"split": np.array(["train"] * 3)}, "the test split is empty"),
        ({"features": {"image": np.zeros((2, 4))}}, r"image has shape \(2, 4\) for 3 listed items"),
        ({"label": np.array([0, 1])}, "every row of the list needs both"),
    ],
)
def test_inconsistent_tables_are_named(change, message):
    good = feature_pairs.PairTable(
        "toy", CLASSES, ("a", "b", "c"), {"image": np.zeros((3, 4))}, np.arange(3), np.array(["train", "val", "test"])
    )
    feature_pairs.checked(good)
    with pytest.raises(UserError, match=message):
        feature_pairs.checked(dataclasses.replace(good, **change))


def test_the_published_files_read(real_data):
    table = wikipedia.read(real_data / "wikipedia_xmodal")
    assert (len(table.rows("train")), len(table.rows("test"))) == (2173, 693)
    assert len(table.class_names) == 10
