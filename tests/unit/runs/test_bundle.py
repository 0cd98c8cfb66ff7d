"""The model that a run leaves: it answers alone, whole or not at all, and says what is wrong with it."""

import json

import numpy as np
import pytest
from toy_dataset import toy_dataset

import avx
from avx.core.errors import UserError
from avx.runs import bundle
from avx.runs.fit import fit
from avx.runs.studies import overridden
from configs import semantic_hashing
from configs.comparators import cca

SMALL = {
    "data.kind": "features",
    "evaluation.batch_size": 16,
    "model.bits": 8,
    "model.hidden_sizes": (4,),
    "train.batch_size": 16,
    "train.epochs": 2,
    "optimizer.learning_rate": 0.01,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, one_device):
    """(retriever, workdir) of a trained method with scaled features; not to be changed."""
    workdir = tmp_path_factory.mktemp("bundle") / "run"
    return fit(overridden(semantic_hashing.get_config().lock(), SMALL), toy_dataset(), workdir), workdir


def copied(workdir, target):
    """The model alone, without data, checkpoints and curves."""
    (target / bundle.FOLDER).mkdir(parents=True)
    for path in (workdir / bundle.FOLDER).iterdir():
        (target / bundle.FOLDER / path.name).write_bytes(path.read_bytes())
    return target


def test_the_model_answers_alone(trained, tmp_path):
    retriever, workdir = trained
    found = avx.load(copied(workdir, tmp_path / "elsewhere"))
    dataset = toy_dataset()
    rows = dataset.rows("test")
    for side in ("image", "text"):
        first, second = (one.embed_rows(dataset, rows)[side].embedded for one in (retriever, found))
        np.testing.assert_array_equal(first.vectors, second.vectors)
        np.testing.assert_array_equal(first.codes.words, second.codes.words)
    assert (found.class_names, found.specs, found.config) == (retriever.class_names, retriever.specs, retriever.config)
    assert found.training["best_step"] == bundle.step_of(workdir) > 0
    assert found.config.is_locked and found.system.title == retriever.system.title


def test_a_closed_form_answers_alone_too(tmp_path):
    config = overridden(
        cca.get_config().lock(), {"data.kind": "features", "model.dimensions": 3, "grid.dimensions": ()}
    )
    retriever = fit(config, toy_dataset(), tmp_path / "run")
    vectors = np.abs(np.random.default_rng(0).normal(size=(5, 12))).astype(np.float32)
    found = avx.load(copied(tmp_path / "run", tmp_path / "copy"))
    np.testing.assert_array_equal(found.embed("image", vectors).vectors, retriever.embed("image", vectors).vectors)
    assert bundle.step_of(tmp_path / "run") == 0


def test_nothing_is_pickled(trained):
    with np.load(trained[1] / bundle.FOLDER / "arrays.npz", allow_pickle=False) as arrays:
        names = set(arrays.files)
        assert all(arrays[name].dtype != object for name in names)
    assert {"scaling/image/mean", "scaling/text/scale"} < names
    assert json.loads((trained[1] / bundle.FOLDER / "bundle.json").read_text())["front_end"] == ""


def changed(folder, **fields):
    path = folder / bundle.FOLDER / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / "model" / "bundle.json").unlink(), "holds no fitted model; run experiments.train"),
        (lambda folder: (folder / "model" / "bundle.json").write_text('{"config": '), "bundle.json cannot be read"),
        (lambda folder: (folder / "model" / "arrays.npz").unlink(), "arrays.npz is damaged or missing"),
        (lambda folder: (folder / "model" / "arrays.npz").write_bytes(b"PK"), "arrays.npz is damaged or missing"),
        (lambda folder: changed(folder, format_version=99), "has format version 99, this package reads"),
        (lambda folder: changed(folder, facts={"classes": 4}), "is damaged"),
        (lambda folder: changed(folder, specs=[{"name": "image"}]), "is damaged"),
    ],
    ids=["absent", "torn json", "no arrays", "torn arrays", "newer", "facts", "specs"],
)
def test_a_model_that_cannot_be_read_is_named(trained, tmp_path, harm, message):
    folder = copied(trained[1], tmp_path / "copy")
    harm(folder)
    with pytest.raises(UserError, match=message) as error:
        avx.load(folder)
    assert str(folder) in str(error.value)


def test_arrays_that_are_missing_are_named(trained, tmp_path):
    folder = copied(trained[1], tmp_path / "copy")
    path = folder / bundle.FOLDER / "arrays.npz"
    with np.load(path) as stored:
        kept = {name: stored[name] for name in stored.files if name != "scaling/text/normalise"}
    np.savez(path, **kept)
    with pytest.raises(UserError, match="is damaged"):
        avx.load(folder)
