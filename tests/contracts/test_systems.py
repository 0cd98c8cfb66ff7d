"""Every method of the one list is fitted, evaluated, loaded and asked through the same contract."""

import dataclasses
import runpy
from pathlib import Path

import numpy as np
import pytest
from toy_dataset import SIDES, toy_dataset, without

import avx
from avx import registry
from avx.core.errors import UserError
from avx.runs import job, results
from avx.runs.fit import fit
from avx.runs.studies import overridden

pytestmark = pytest.mark.usefixtures("one_device")

ROOT = Path(__file__).parents[2]
TRAINED = {
    "train.batch_size": 16,
    "train.epochs": 12,
    "train.patience": 0,
    "train.evaluate_every": 4,
    "optimizer.learning_rate": 1e-2,
    "baselines.cca.dimensions": (3,),
    "baselines.cca.ridge": (0.1,),
}
SMALL = {
    "configs/semantic_hashing.py": TRAINED | {"model.hidden_sizes": (16,), "model.bits": 16},
    "configs/ssah.py": TRAINED
    | {"model.hidden_size": 32, "model.feature_size": 16, "model.bits": 16, "model.discriminator_sizes": (8,)}
    | {"loss.adversarial": 0.01, "loss.feature_similarity": 0.0, "alternation.rates": (1.0,) * 4}
    | {"train.epochs": 60, "train.evaluate_every": 20},
    "configs/dssah.py": TRAINED
    | {"model.hidden_size": 16, "model.feature_size": 8, "model.bits": 16, "model.discriminator_sizes": (8,)},
    "configs/comparators/pca.py": {"model.dimensions": 4, "grid.dimensions": (2, 4)},
    "configs/comparators/cca.py": {"model.dimensions": 3, "grid.dimensions": (2, 3)},
    "configs/comparators/kcca.py": {"model.dimensions": 3, "grid.dimensions": ()},
    "configs/comparators/cvh_linear.py": {"model.bits": 8},
    "configs/comparators/cvh_anchors.py": {"model.bits": 8, "model.anchors": 12, "grid.anchors": (12,)},
    "configs/comparators/smfh.py": {"model.bits": 8},
    "configs/comparators/sm.py": {},
    "configs/comparators/scm.py": {"model.dimensions": 3, "grid.dimensions": (2, 3)},
}


def config_of(path, **changes):
    config = runpy.run_path(str(ROOT / path))["get_config"]().lock()
    known = {"evaluation.batch_size": 16, "data.kind": "features", "data.root": "."}
    grid = {name: value for name, value in SMALL[path].items() if not name.startswith("grid.")}
    asked = {name: value for name, value in SMALL[path].items() if name.startswith("grid.")}
    present = {name: value for name, value in asked.items() if name.split(".")[1] in config.get("grid", {})}
    return overridden(config, known | grid | present | changes)


@pytest.fixture(scope="module")
def dataset():
    lacking = without(toy_dataset(), "text", np.array([1, 50, 90]))
    return lacking


@pytest.mark.parametrize("path", SMALL, ids=lambda path: Path(path).stem)
def test_a_method_is_fitted_evaluated_loaded_and_asked(path, dataset, tmp_path):
    config = config_of(path)
    retriever = fit(config, dataset, tmp_path / "run")
    result, evaluator = results.evaluate(retriever, dataset)
    # It has learnt: on the items that were fitted no method stays near chance.
    fitted, _ = results.evaluate(retriever, dataset, "train", validate=False)
    rows = {(row.role, row.gallery): row for row in fitted.rows}
    gallery = fitted.rows[0].gallery
    system, chance = rows["system", gallery], rows["chance", gallery]
    for direction, found in system.directions.items():
        assert found.levels["class"]["map"] > chance.directions[direction].levels["class"]["map"] + 0.05, direction
    assert result.rows[-1].role == "chance" and result.protocol["sides"] == list(SIDES)
    assert config.evaluation.score in result.validation
    # The bundle alone gives the same numbers.
    loaded = avx.load(tmp_path / "run")
    again, _ = results.evaluate(loaded, dataset)
    assert [row.directions["image_to_text"].levels for row in again.rows] == [
        row.directions["image_to_text"].levels for row in result.rows
    ]
    # Arrays that no dataset holds are embedded as its rows are.
    test = dataset.rows("test")[:5]
    vectors = np.concatenate([dataset.load(row)["image"] for row in test.tolist()])
    asked = loaded.embed("image", vectors)
    np.testing.assert_allclose(asked.vectors, evaluator.embedded("test")["image"].vectors[:5], atol=1e-6)
    gallery = loaded.embed_rows(dataset, dataset.rows("train")[2:])["text"]
    best = loaded.nearest(asked, gallery, k=3)
    scores = loaded.score(asked, gallery)
    np.testing.assert_allclose(np.take_along_axis(scores, best.ids, 1), best.scores, atol=1e-6)
    np.testing.assert_allclose(best.scores[:, 0], scores.max(1), atol=1e-6)


@pytest.mark.parametrize("path", ["configs/comparators/cca.py", "configs/semantic_hashing.py"])
def test_a_finished_run_is_found_done(path, dataset, tmp_path):
    config = config_of(path)
    first = fit(config, dataset, tmp_path / "run")
    files = {file: file.read_bytes() for file in (tmp_path / "run" / "model").iterdir()}
    again = fit(config, dataset, tmp_path / "run")
    np.testing.assert_array_equal(
        first.embed_rows(dataset, dataset.rows("test"))["text"].vectors,
        again.embed_rows(dataset, dataset.rows("test"))["text"].vectors,
    )
    arrays = tmp_path / "run" / "model" / "arrays.npz"
    assert arrays.read_bytes() == files[arrays]


def test_a_closed_form_chooses_on_validation_and_keeps_the_record(dataset, tmp_path):
    config = config_of("configs/comparators/cca.py", **{"grid.ridge": (1e-3, 10.0)})
    retriever = fit(config, dataset, tmp_path / "run")
    record = retriever.training
    # Beside the four that were asked for others stand, since 3 dimensions were the largest or 10 the best ridge.
    asked = [(one["constants"]["dimensions"], one["constants"]["ridge"]) for one in record["candidates"]]
    assert asked[:4] == [(2, 1e-3), (2, 10.0), (3, 1e-3), (3, 10.0)] and len(set(asked)) == len(asked)
    best = max(record["candidates"], key=lambda one: one["class/map"])
    assert record["constants"] == best["constants"]
    assert retriever.config.model.dimensions == best["constants"]["dimensions"]


def test_other_data_under_a_run_are_refused_by_what_differs(dataset, tmp_path):
    config = config_of("configs/semantic_hashing.py")
    fit(config, dataset, tmp_path / "run")
    renamed = dataclasses.replace(dataset, class_names=("a", "b", "c", "d"))
    with pytest.raises(UserError, match=r"begun on other data \(now other class names\)"):
        fit(config, renamed, tmp_path / "run")
    moved = dict(dataset.split) | {"val": dataset.split["test"], "test": dataset.split["val"]}
    with pytest.raises(UserError, match="now another split"):
        fit(config, dataclasses.replace(dataset, split=moved), tmp_path / "run")


def test_operational_fields_are_no_part_of_a_run(dataset, tmp_path):
    config = config_of("configs/semantic_hashing.py")
    first = fit(config, dataset, tmp_path / "run")
    moved = overridden(
        config, {"data.root": "elsewhere", "evaluation.batch_size": 8, "train.loader_threads": 1, "data.cache_dir": "x"}
    )
    again = fit(moved, dataset, tmp_path / "run")
    assert again.training["steps"] == first.training["steps"]
    with pytest.raises(UserError, match=r"another config \(it differs in model.bits\)"):
        fit(overridden(config, {"model.bits": 8}), dataset, tmp_path / "run")


def test_features_of_another_size_and_nan_are_refused(dataset, tmp_path):
    retriever = fit(config_of("configs/comparators/cca.py"), dataset, tmp_path / "run")
    with pytest.raises(UserError, match="image"):
        retriever.embed("image", np.zeros((2, 5), np.float32))
    with pytest.raises(UserError, match="the side 'sound' is unknown"):
        retriever.embed("sound", np.zeros((2, 5), np.float32))
    with pytest.raises(UserError, match="reads feature vectors, not files"):
        retriever.embed("image", [Path("clip.mp4")])
    spoilt = dataclasses.replace(dataset, load=lambda row: {"image": np.full((1, 12), np.nan, np.float32)})
    with pytest.raises(UserError, match="hold NaN or infinity"):
        retriever.embed_rows(spoilt, dataset.rows("test"))


def test_every_name_of_the_list_is_tested_here():
    clips = {"skm_embedding", "feature_memory"}
    tested = {config_of(path).system for path in SMALL}
    assert tested | clips == set(registry.SYSTEMS)


def test_a_run_leaves_a_report(dataset, tmp_path, monkeypatch):
    config = config_of("configs/comparators/cvh_linear.py")
    monkeypatch.setattr(job, "prepare", lambda *given: job.Prepared(dataset, None, {}))
    result = job.run(config, tmp_path / "run")
    assert (tmp_path / "run" / "report.html").stat().st_size > 1000
    read = job.run(config, tmp_path / "run")
    assert [row.name for row in read.rows] == [row.name for row in result.rows]
    assert read.protocol["digest"] == result.protocol["digest"]
