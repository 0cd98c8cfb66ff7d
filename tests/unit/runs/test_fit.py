"""What fitting decides by itself: constants on validation, what is standardised, and data that cannot be fitted."""

import dataclasses

import numpy as np
import pytest
from toy_dataset import table, toy_dataset

from avx.core.errors import UserError
from avx.registry.systems import baseline_config
from avx.runs import results
from avx.runs.baselines import fit_baselines, read_baselines
from avx.runs.feature_layout import facts_of, fitted_scaling
from avx.runs.fit import check_score, closed_form, fit
from avx.runs.studies import overridden
from configs import semantic_hashing
from configs.comparators import cca

LABELLED = {"data.kind": "features", "data.root": "made-up", "evaluation.batch_size": 16}


def config_of(module=cca, **fields):
    return overridden(module.get_config().lock(), LABELLED | fields)


def noisy():
    """Two columns that follow the class and one or two of large noise, which standardised columns tame."""
    generator = np.random.default_rng(3)
    labels = np.arange(96) % 4
    values = {}
    for side, width in (("image", 4), ("text", 3)):
        values[side] = 100 * generator.normal(size=(96, width))
        values[side][:, :2] = np.stack([labels // 2, labels % 2], 1) + 0.1 * generator.normal(size=(96, 2))
    return table({side: found.astype(np.float32) for side, found in values.items()}, labels, tuple("abcd"))


def test_constants_are_chosen_on_validation_items_alone():
    """The record holds every candidate, also those beyond an edge of the grid; the test items may be anything."""
    dataset, grid = toy_dataset(), {"dimensions": (1, 2, 3), "ridge": (1e-3, 10.0)}
    found = closed_form(config_of(), dataset, grid)
    tried = [one["constants"] for one in found.training["candidates"]]
    assert all({"dimensions": k, "ridge": ridge} in tried for k in grid["dimensions"] for ridge in grid["ridge"])
    best = max(found.training["candidates"], key=lambda one: one["class/map"])
    assert found.training["constants"] == best["constants"]
    assert {name: found.config.model[name] for name in grid} == best["constants"]
    load = dataset.load
    spoilt = dataclasses.replace(
        dataset, load=lambda row: load(row) if row < 72 else {side: 0 * values for side, values in load(row).items()}
    )
    assert closed_form(config_of(), spoilt, grid).training["candidates"] == found.training["candidates"]


def test_whether_columns_are_standardised_is_chosen_like_any_other_field():
    """The ridge is a share of the mean variance, which the columns of noise make."""
    config = config_of(**{"features.normalise": False, "model.dimensions": 2, "model.ridge": 0.1})
    found = closed_form(config, noisy(), {"standardise": (False, True)})
    assert found.training["constants"] == {"standardise": True}
    assert found.config.features.standardise and found.scaling["image"].mean is not None
    result, _ = results.evaluate(found, noisy())
    assert result.protocol["scaling"] == "columns standardised by the training items"
    assert closed_form(config, noisy(), {}).scaling == {}


def test_without_validation_items_the_values_of_the_config_stand():
    dataset = toy_dataset()
    dataset.split["val"] = np.zeros(0, int)
    found = closed_form(config_of(**{"model.dimensions": 2}), dataset, {"dimensions": (1, 3), "ridge": (1e-3, 10.0)})
    assert (found.training["constants"], found.training["candidates"]) == ({}, [])
    assert found.config.model.dimensions == 2


def test_candidates_that_the_data_do_not_allow_are_passed_over():
    found = closed_form(config_of(), toy_dataset(), {"dimensions": (2, 50)})
    tried = [one["constants"]["dimensions"] for one in found.training["candidates"]]
    assert 2 in tried and 50 not in tried and found.training["constants"]["dimensions"] in tried
    with pytest.raises(UserError, match="dimensions = 60 is outside"):
        closed_form(config_of(), toy_dataset(), {"dimensions": (50, 60)})


def test_scaling_is_that_of_the_training_items():
    dataset = toy_dataset()
    config = config_of(**{"features.normalise": True, "features.standardise": True})
    found = fitted_scaling(config, dataset)["text"]
    rows = np.concatenate([dataset.load(row)["text"] for row in dataset.rows("train")])
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(found.apply(rows), (units - units.mean(0)) / units.std(0), atol=1e-4)
    assert fitted_scaling(config_of(**{"features.normalise": False}), dataset) == {}


def test_a_system_is_told_of_classes_sides_steps_and_items():
    config = config_of(semantic_hashing, **{"train.batch_size": 16})
    assert dataclasses.astuple(facts_of(config, toy_dataset())) == (4, ("image", "text"), 3, 48)
    assert facts_of(config_of(), toy_dataset()).steps_per_epoch == 1


def test_a_label_outside_the_list_is_named(tmp_path):
    config = config_of(semantic_hashing)
    dataset = dataclasses.replace(toy_dataset(), class_names=("a", "b", "c"))
    with pytest.raises(UserError, match="Item item003 has label 3, but labels run from 0 to 2"):
        fit(config, dataset, tmp_path / "run")
    nothing = toy_dataset()
    nothing.split["train"] = np.zeros(0, int)
    with pytest.raises(UserError, match="the train split of toy holds no items"):
        fit(config, nothing, tmp_path / "other")


def test_a_validation_metric_that_the_data_cannot_have_is_named():
    unknown = dataclasses.replace(toy_dataset(), labels=np.full(96, -1))
    check_score(config_of(), toy_dataset())
    check_score(config_of(**{"evaluation.score": "instance/map"}), unknown)
    with pytest.raises(UserError, match=r"evaluation\.score = 'class/map' cannot be measured .* choose instance/map"):
        check_score(config_of(), unknown)


def test_baselines_are_fitted_once_and_kept(tmp_path):
    config = config_of(
        semantic_hashing,
        **{"baselines.cca.dimensions": (2, 3), "baselines.cca.ridge": (0.1,), "features.standardise": True},
    )
    dataset = toy_dataset()
    (first,) = fit_baselines(config, dataset, tmp_path)
    assert first.system.title == "CCA" and {one["constants"]["dimensions"] for one in first.training["candidates"]} >= {
        2,
        3,
    }
    assert not first.config.features.standardise, "columns stay as they are, whatever the run does to them"
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    (again,), (read,) = fit_baselines(config, toy_dataset(seed=5), tmp_path), read_baselines(tmp_path)
    assert {path: path.read_bytes() for path in files} == files
    vectors = [one.embed_rows(dataset, dataset.rows("test"))["text"].vectors for one in (first, again, read)]
    np.testing.assert_array_equal(vectors[0], vectors[1])
    np.testing.assert_array_equal(vectors[0], vectors[2])


def test_baselines_that_cannot_be_are_named_or_left_out(tmp_path):
    config = config_of(semantic_hashing)
    with pytest.raises(UserError, match="baselines = 'ccca' is unknown"):
        baseline_config("ccca", config, {})
    with pytest.raises(UserError, match=r"baselines\.cca\.ridge is empty"):
        baseline_config("cca", config, {"ridge": ()})
    large = overridden(config, {"baselines.cca.dimensions": (50,)})
    assert fit_baselines(large, toy_dataset(), tmp_path) == [] == read_baselines(tmp_path)
