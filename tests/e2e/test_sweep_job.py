"""A sweep over methods of all kinds on files of one's own: one table, and nothing run twice."""

import json

import numpy as np
import pytest
from tiny_job import command
from toy_dataset import toy_dataset

from avx.reports.files import read_result


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """An .npz file of 96 items of four classes with two matrices of features, named unlike the sides."""
    dataset = toy_dataset()
    path = tmp_path_factory.mktemp("own") / "items.npz"
    sides = {
        name: np.concatenate([dataset.load(row)[side] for row in range(len(dataset))])
        for name, side in (("pixels", "image"), ("words", "text"))
    }
    split = np.empty(len(dataset), "U5")
    for name, rows in dataset.split.items():
        split[rows] = name
    np.savez(path, ids=np.array(dataset.ids), labels=dataset.labels, split=split, **sides)
    return path


def sweep(features, root, *arguments):
    return command(
        "sweep",
        "--config=configs/semantic_hashing.py",
        "--config.data.kind=features",
        f"--config.data.root={features}",
        "--config.features.kinds=('pixels', 'words')",
        "--config.model.bits=8",
        "--config.model.hidden_sizes=(16,)",
        "--config.train.batch_size=16",
        "--config.train.epochs=6",
        "--config.train.evaluate_every=3",
        "--config.optimizer.learning_rate=0.01",
        "--config.baselines.cca.dimensions=(3,)",
        "--config.baselines.cca.ridge=(0.1,)",
        "--others=configs/comparators/cvh_linear.py,configs/comparators/sm.py",
        f"--workdir={root}",
        *arguments,
    )


@pytest.mark.slow
def test_trained_and_closed_form_methods_stand_in_one_table(features, tmp_path):
    result = sweep(features, tmp_path, "--seeds=0,1")
    assert result.returncode == 0, result.stderr
    written = (tmp_path / "sweep.md").read_text()
    for gallery in ("train+val", "test"):
        assert f"Test, gallery: {gallery}" in written
    runs = json.loads((tmp_path / "sweep.json").read_text())
    systems = {run["name"] for run in runs if run["role"] == "system"}
    assert len(systems) == 3 and any("System D" in name for name in systems)
    assert {run["role"] for run in runs} == {"system", "baseline", "chance"}
    assert {run["seed"] for run in runs if run["role"] == "system"} == {0, 1}
    for name in systems:
        assert f"| {name} |" in written.replace("  v |", " |").replace("**", ""), name
        values = [run["values"] for run in runs if run["name"] == name and run["gallery"] == "test"]
        chance = next(run["values"] for run in runs if run["role"] == "chance" and run["gallery"] == "test")
        assert values[0]["class/map"] > chance["class/map"]
    assert max(map(len, written.splitlines())) > 20 and max(map(len, result.stdout.splitlines())) <= 120

    # Every method has met the same items, and a second sweep, of one more seed, fits nothing anew.
    workdirs = sorted((tmp_path / "runs").iterdir())
    assert len(workdirs) == 6
    assert len({read_result(workdir).protocol["digest"]["split"] for workdir in workdirs}) == 1
    models = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*/model/*")}
    again = sweep(features, tmp_path, "--seeds=0,1")
    assert again.returncode == 0 and again.stdout == result.stdout, again.stderr
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*/model/*")} == models


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seeds=0,one"], "--seeds=0,one must be different whole numbers from 0 on"),
        (["--seeds=0,99999999999"], "--seeds=0,99999999999 must be different whole numbers"),
        (["--others=configs/absent.py"], "configs/absent.py does not exist"),
        (["--ablations=configs/quickstart.py"], "has no variants()"),
    ],
)
@pytest.mark.slow
def test_what_a_sweep_cannot_do_is_named_before_any_run(features, tmp_path, arguments, words):
    result = sweep(features, tmp_path / "sweep", *arguments)
    assert result.returncode == 2 and words in result.stderr and "Traceback" not in result.stderr
    assert not (tmp_path / "sweep").exists()
