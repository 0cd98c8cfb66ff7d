"""Tables of feature pairs as datasets: rows and splits of the table, and a validation part where it has none."""

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.data import scaling, splits
from avx.data.sets.feature_pairs import PairTable, dataset

SIDES = {"image": "image_small", "text": "words"}


def table_of(sides):
    count = len(sides)
    rng = np.random.default_rng(0)
    features = {"image_small": rng.normal(size=(count, 3)), "words": 5 * rng.normal(size=(count, 2)), "other": None}
    features = {kind: np.asarray(values, np.float32) for kind, values in features.items() if values is not None}
    names = tuple(f"item{row:02}" for row in range(count))
    return PairTable("toy", ("a", "b"), names, features, np.arange(count) % 2, np.array(sides))


def test_rows_and_splits_are_those_of_the_table():
    table = table_of(["test", "train", "val", "test", "train"])
    found = dataset(table, SIDES, 0.2, 0)
    assert found.ids == table.item_ids and found.labels.tolist() == [0, 1, 0, 1, 0]
    assert {name: rows.tolist() for name, rows in found.split.items()} == {"train": [1, 4], "val": [2], "test": [0, 3]}
    assert set(found.load(3)) == {"image", "text"}
    np.testing.assert_array_equal(found.load(3)["image"], table.features["image_small"][3:4])
    assert found.load(3)["image"].base is table.features["image_small"], "no copy of the features is made"
    assert found.shapes(0) == {"image": (1, 3), "text": (1, 2)}
    assert found.card(1).classes == ("b",)


def test_a_share_of_the_training_items_is_cut_off_class_by_class_as_a_split_of_these_alone():
    table = table_of(["train"] * 20 + ["test"] * 4)
    found = dataset(table, SIDES, 0.2, 3)
    own = splits.split_by_item(table.item_ids[:20], table.label[:20].tolist(), (0.8, 0.2, 0.0), 3)
    assert found.split["train"].tolist() == own["train"].tolist() and len(own["train"]) == 16
    assert found.split["val"].tolist() == own["val"].tolist()
    assert np.bincount(found.labels[found.split["val"]]).tolist() == [2, 2]
    assert found.split["test"].tolist() == [20, 21, 22, 23]
    assert {name: len(rows) for name, rows in dataset(table, SIDES, 0.0, 3).split.items()} == {
        "train": 20,
        "val": 0,
        "test": 4,
    }


def test_scaled_sides_are_what_runs_on_pairs_have_always_seen():
    """Rows of unit norm over the whole table, then columns by the fitted items, in float32."""
    table = table_of(["train"] * 20 + ["test"] * 4)
    found = dataset(table, SIDES, 0.2, 0)
    scalings = scaling.fitted(found, SIDES, found.split["train"], normalise=True, standardise=True)
    seen = scaling.scaled(found, scalings)
    for side, kind in SIDES.items():
        values = table.features[kind]
        values = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
        known = values[found.split["train"]]
        deviation = known.std(0)
        scale = np.where(deviation > 1e-9, 1 / np.where(deviation > 1e-9, deviation, 1), 0)
        expected = ((values - known.mean(0)) * scale).astype(np.float32)
        np.testing.assert_array_equal(np.concatenate([seen.load(row)[side] for row in range(24)]), expected)


def test_unknown_features_are_named():
    with pytest.raises(UserError, match="toy has no features 'sound'; choose of image_small, words"):
        dataset(table_of(["train", "test"]), {"image": "sound"}, 0.0, 0)
