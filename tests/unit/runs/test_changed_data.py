"""A run whose data have changed goes on only when told to, and then forgets what was best on the data before."""

import dataclasses
import os
import re
import signal

import jax
import numpy as np
import pytest
from toy_dataset import toy_dataset

from avx.core.errors import UserError
from avx.runs import fit as fitting
from avx.runs import workdir as room
from avx.runs.fit import fit
from avx.runs.studies import overridden
from avx.training import loop
from configs import semantic_hashing

SMALL = {
    "data.kind": "features",
    "evaluation.batch_size": 16,
    "model.bits": 8,
    "model.hidden_sizes": (4,),
    "train.batch_size": 16,
    "train.epochs": 4,
    "train.patience": 0,
}


def config_of(**fields):
    return overridden(semantic_hashing.get_config().lock(), SMALL | fields)


def stopped_at(number, config, dataset, workdir, monkeypatch):
    """Fits until the step of that number, and is stopped there as by a cluster."""
    plain, steps = fitting.make_train_step, []

    def made(*arguments, **options):
        step = plain(*arguments, **options)

        def counted(*given):
            steps.append(1)
            if len(steps) == number:
                os.kill(os.getpid(), signal.SIGTERM)
            return step(*given)

        return counted

    with monkeypatch.context() as patch, pytest.raises(loop.Stopped):
        patch.setattr(fitting, "make_train_step", made)
        fit(config, dataset, workdir)


def relabelled(dataset):
    return dataclasses.replace(dataset, labels=(dataset.labels + 1) % 4)


def test_changed_data_are_refused_or_accepted_and_recorded(tmp_path, monkeypatch):
    config, dataset, workdir = config_of(), toy_dataset(), tmp_path / "run"
    stopped_at(5, config, dataset, workdir, monkeypatch)
    before = room.read_json(workdir / room.DATA)
    with pytest.raises(
        UserError, match=r"\(now other labels\); restore the data of that run, .* by --accept_changed_data\.$"
    ):
        fit(config, relabelled(dataset), workdir)
    assert room.read_json(workdir / room.DATA) == before and room.data_changed_at(workdir) == -1
    seen = []
    judge = loop.Schedule.judge
    monkeypatch.setattr(
        loop.Schedule,
        "judge",
        lambda self, progress, score: seen.append((progress.step, progress.best_score)) or judge(self, progress, score),
    )
    found = fit(config, relabelled(dataset), workdir, accept_changed_data=True)
    record = room.read_json(workdir / room.DATA)
    assert [change["step"] for change in record[room.CHANGES]] == [5] == [room.data_changed_at(workdir)]
    assert record[room.CHANGES][0]["before"]["labels"] == before["labels"] != record["labels"]
    assert seen[0] == (6, -np.inf), "no score of the former data is left to be compared with"
    assert found.training["data_changed_at_step"] == 5 and found.training["best_step"] > 5
    fit(config, relabelled(dataset), workdir)  # Accepted for good.
    with pytest.raises(UserError, match="now other labels"):
        fit(config, dataset, workdir)


def test_the_sentence_counts_what_is_there_now(tmp_path, monkeypatch):
    config, workdir = config_of(), tmp_path / "run"
    stopped_at(2, config, toy_dataset(), workdir, monkeypatch)
    words = (
        "then 96 items of 4 classes (train 48, val 24, test 24), now 104 items of 4 classes (train 52, val 26, test 26)"
    )
    with pytest.raises(UserError, match=rf"now other items and other labels and another split; {re.escape(words)}"):
        fit(config, toy_dataset(104), workdir)


def test_data_that_ask_for_another_model_cannot_be_accepted(tmp_path, monkeypatch):
    config, workdir = config_of(), tmp_path / "run"
    stopped_at(2, config, toy_dataset(), workdir, monkeypatch)
    with pytest.raises(UserError, match=r"is of another model: .* give a new --workdir"):
        fit(config, toy_dataset(classes=5), workdir, accept_changed_data=True)


def test_a_damaged_best_checkpoint_is_replaced_by_the_model(tmp_path, capsys):
    config, workdir = config_of(), tmp_path / "run"
    whole = fit(config, toy_dataset(), workdir)
    best = workdir / "checkpoints" / str(whole.training["best_step"])
    (best / "meta" / "metadata").write_text("{")
    latest = max(int(path.name) for path in (workdir / "checkpoints").iterdir())
    again = fit(config, toy_dataset(), workdir)
    if whole.training["best_step"] != latest:
        assert "Its model is taken from model/ instead" in capsys.readouterr().err
    rows = toy_dataset().rows("test")
    for side in ("image", "text"):
        vectors = [one.embed_rows(toy_dataset(), rows)[side].vectors for one in (whole, again)]
        np.testing.assert_array_equal(*vectors)


def test_a_run_goes_on_under_other_operational_fields_to_the_same_numbers(tmp_path, monkeypatch):
    whole = fit(config_of(), toy_dataset(), tmp_path / "whole")
    stopped_at(4, config_of(), toy_dataset(), tmp_path / "run", monkeypatch)
    elsewhere = {"data.root": "elsewhere", "data.cache_dir": "elsewhere", "train.loader_threads": 1}
    sizes = {"evaluation.batch_size": 7, "evaluation.report_items": 3}
    again = fit(config_of(**elsewhere, **sizes), toy_dataset(), tmp_path / "run")
    for name in ("best_step", "steps"):
        assert again.training[name] == whole.training[name]
    for first, second in zip(*map(leaves, (whole, again)), strict=True):
        np.testing.assert_array_equal(first, second)


def leaves(retriever):
    return [np.asarray(leaf) for leaf in jax.tree.leaves((retriever.params, retriever.model_state))]
