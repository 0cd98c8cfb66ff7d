"""Scaling of feature vectors: the plain formulas to the bit, from training rows alone, and the same for one row."""

import numpy as np
import pytest

from avx.core.dataset import Card, Dataset
from avx.core.errors import UserError
from avx.core.host_arrays import unit_rows
from avx.data import scaling
from avx.data.scaling import Scaling, fitted, scaled


def plain(known: np.ndarray, values: np.ndarray, normalise: bool) -> np.ndarray:
    """What runs on feature pairs have always computed, on whole float32 matrices."""
    if normalise:
        known = known / np.maximum(np.linalg.norm(known, axis=1, keepdims=True), 1e-12)
        values = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    deviation = known.std(0)
    scale = np.where(deviation > 1e-9, 1 / np.where(deviation > 1e-9, deviation, 1), 0)
    return ((values - known.mean(0)) * scale).astype(np.float32)


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (7, 1), (2000, 3), (501, 128), (300, 1001)])
@pytest.mark.parametrize("block", [1 << 22, 1000])
def test_the_plain_formulas_are_met_to_the_bit(monkeypatch, normalise, rows, columns, block):
    monkeypatch.setattr(scaling, "_BLOCK", block)
    rng = np.random.default_rng(rows)
    known = (rng.normal(size=(rows, columns)) * rng.uniform(0.01, 50, columns) + 3).astype(np.float32)
    known[:, columns // 2] = 4
    known[0] = 0
    others = rng.normal(size=(20, columns)).astype(np.float32)
    found = Scaling.fit(known, normalise=normalise, standardise=True)
    expected = plain(known, others, normalise)
    np.testing.assert_array_equal(found.apply(others), expected)
    assert found.apply(others).dtype == np.float32
    for row, result in zip(others, expected, strict=True):
        np.testing.assert_array_equal(found.apply(row[None])[0], result)
        np.testing.assert_array_equal(found.apply(row), result)


def test_values_by_hand():
    """Means 2, 6, 7 and deviations 1, 2, 0 of the training rows; the constant column becomes 0."""
    known = np.array([[1, 4, 7], [3, 8, 7]], np.float32)
    found = Scaling.fit(known, normalise=False, standardise=True)
    np.testing.assert_allclose(found.apply(np.array([[5, 0, 9], [2, 6, 7]], np.float32)), [[3, -3, 0], [0, 0, 0]])
    np.testing.assert_allclose(unit_rows(np.array([[3, 4], [0, 0]], np.float32)), [[0.6, 0.8], [0, 0]])
    only = Scaling.fit(known, normalise=True, standardise=False)
    np.testing.assert_allclose(only.apply(np.array([0, 3, 4], np.float32)), [0, 0.6, 0.8])


def test_a_scaling_survives_storage():
    known = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    for normalise, standardise in ((True, True), (False, True), (True, False), (False, False)):
        one = Scaling.fit(known, normalise=normalise, standardise=standardise)
        again = Scaling.from_arrays(one.to_arrays())
        assert again.normalise is normalise
        np.testing.assert_array_equal(again.apply(known), one.apply(known))


def dataset_of(video: list, audio: np.ndarray) -> Dataset:
    def load(row):
        return {"audio": audio[row][None]} | ({"video": video[row]} if video[row] is not None else {})

    return Dataset(
        name="toy",
        class_names=(),
        ids=tuple(map(str, range(len(video)))),
        labels=np.zeros(len(video), np.int64),
        split={},
        load=load,
        shapes=lambda row: {name: values.shape for name, values in load(row).items()},
        card=lambda row: Card(),
    )


def test_a_dataset_is_scaled_by_the_given_rows_alone_and_other_features_are_left():
    rng = np.random.default_rng(1)
    video = [rng.normal(size=(steps, 4)).astype(np.float32) for steps in (1, 3, 2)] + [None]
    audio = rng.normal(size=(4, 2)).astype(np.float32)
    dataset = dataset_of(video, audio)
    scalings = fitted(dataset, ["video"], np.array([0, 1, 3]), normalise=True, standardise=True)
    result = scaled(dataset, scalings)
    expected = plain(np.concatenate(video[:2]), video[2], True)
    np.testing.assert_array_equal(result.load(2)["video"], expected)
    np.testing.assert_array_equal(result.load(2)["audio"], audio[2:3])
    assert "video" not in result.load(3)
    with pytest.raises(UserError, match="No training item of toy has the modality video"):
        fitted(dataset, ["video"], np.array([3]), normalise=True, standardise=True)


def test_vectors_of_another_length_are_refused():
    found = Scaling.fit(np.eye(3, dtype=np.float32), normalise=False, standardise=True)
    with pytest.raises(UserError, match="have 4 numbers, but the scaling was fitted on 3"):
        found.apply(np.zeros((2, 4), np.float32))


def test_a_constant_column_is_zero_though_float32_cannot_hold_its_mean():
    """The mean of a thousand float32 tenths is off by more than a small absolute bound of the deviation."""
    values = np.stack([np.full(1000, 0.1), np.arange(1000)], 1).astype(np.float32)
    scaling = Scaling.fit(values, normalise=False, standardise=True)
    assert scaling.scale is not None and scaling.scale[0] == 0 < scaling.scale[1]
    assert not scaling.apply(values)[:, 0].any()
