"""Pairs of features: who is fitted and who is held, standardising by the fitted items, metrics, and bad input."""

import dataclasses

import numpy as np
import pytest
from experiments.pairs import Pairs, by_split, checked, evaluate, fitting_parts, joined, standardised

from avx.core.errors import UserError
from avx.data.sets.feature_pairs import PairTable


def table_of(splits):
    count = len(splits)
    rng = np.random.default_rng(0)
    features = {"image": rng.normal(size=(count, 3)), "text": 5 * rng.normal(size=(count, 2))}
    names = tuple(f"item{row:02}" for row in range(count))
    return PairTable("toy", ("a", "b"), names, features, np.arange(count) % 2, np.array(splits))


def test_splits_keep_rows_together_at_unit_norm():
    table = table_of(["test", "train", "train", "test", "train"])
    parts = by_split(table, "image", "text")
    assert set(parts) == {"train", "test"}
    assert parts["train"].item_ids == ("item01", "item02", "item04")
    np.testing.assert_array_equal(parts["train"].label, [1, 0, 0])
    for side in ("image", "text"):
        row = table.features[side][3]
        np.testing.assert_allclose(getattr(parts["test"], side)[1], row / np.linalg.norm(row))


def test_validation_items_of_the_data_come_before_a_share_of_the_training_items():
    named = by_split(table_of(["train"] * 10 + ["val"] * 4 + ["test"] * 2), "image", "text")
    fitting, held = fitting_parts(named, 0.2, 0)
    assert fitting.item_ids == named["train"].item_ids and held.item_ids == named["val"].item_ids
    cut = by_split(table_of(["train"] * 20 + ["test"] * 2), "image", "text")
    fitting, held = fitting_parts(cut, 0.2, 0)
    assert np.bincount(held.label).tolist() == [2, 2]
    assert set(fitting.item_ids) | set(held.item_ids) == set(cut["train"].item_ids) and len(fitting) == 16
    assert fitting_parts(cut, 0.0, 0)[1] is None


def test_joined_parts_keep_rows_together():
    parts = by_split(table_of(["test", "train", "train", "test", "train"]), "image", "text")
    whole = joined([parts["train"], parts["test"]])
    assert whole.item_ids == ("item01", "item02", "item04", "item00", "item03")
    assert whole.label.tolist() == [1, 0, 0, 0, 1]
    for side in ("image", "text"):
        np.testing.assert_array_equal(getattr(whole, side)[3:], getattr(parts["test"], side))


def test_unknown_features_are_named():
    with pytest.raises(UserError, match="toy has no features 'words'; choose of image, text"):
        by_split(table_of(["train", "test"]), "image", "words")


def pairs_of(**changes):
    good = Pairs(np.array([[1.0, 4, 7], [3, 8, 7]]), np.array([[0.0, 2], [10, 2]]), np.array([0, 1]), ("a", "b"))
    return dataclasses.replace(good, **changes)


def test_standardising_uses_the_reference_alone():
    """Means 2, 6, 7 and deviations 1, 2, 0 of the reference; the constant column becomes 0."""
    other = pairs_of(image=np.array([[5.0, 0, 9], [2, 6, 7]]))
    np.testing.assert_allclose(standardised(pairs_of(), other).image, [[3, -3, 0], [0, 0, 0]])
    assert not np.allclose(standardised(other, other).image, [[3, -3, 0], [0, 0, 0]])


def test_metrics_of_both_directions():
    """The query of class 1 finds its class second: average precision 1/2 in one direction, 1 in the other."""
    scores = {("image", "text"): np.array([[0.2, 0.9]]), ("text", "image"): np.array([[0.9, 0.2]])}
    found = evaluate(scores, np.array([1]), np.array([1, 0]), (1,), ())
    assert found["image_to_text"]["map"] == 0.5 and found["text_to_image"]["map"] == 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": np.ones((2, 4))}, r"image features have shape \(2, 4\), but the model takes \(2, 3\)"),
        ({"text": np.ones((3, 2))}, r"text features have shape \(3, 2\), but the model takes \(2, 2\)"),
        ({"text": np.array([[1, 2], [np.nan, 1]])}, r"text features of item b hold NaN or infinity \(1 such items\)"),
        ({"image": np.array([[1, 2, np.inf], [1, 2, 3]])}, "image features of item a hold NaN or infinity"),
        ({"label": np.array([0, 2])}, "Item b has label 2, but labels run from 0 to 1"),
        ({"label": np.array([-1, 0])}, "Item a has label -1, but labels run from 0 to 1"),
    ],
)
def test_items_that_do_not_fit_are_named(changes, message):
    checked(pairs_of(), {"image": 3, "text": 2}, classes=2)
    with pytest.raises(UserError, match=message):
        checked(pairs_of(**changes), {"image": 3, "text": 2}, classes=2)
