"""Restarted equals uninterrupted, bitwise; stop signals save; damage and foreign checkpoints are refused."""

import dataclasses
import errno
import itertools
import json
import os
import re
import shutil
import signal
import threading
import time
from pathlib import Path

import chex
import jax
import numpy as np
import optax
import pytest
from toy_system import AUDIO_SIZE, STEPS, VIDEO_SIZE, toy_features, toy_system

from avx.core.errors import UserError
from avx.core.types import Loss, ModelState, Padded, TrainState
from avx.data import batches
from avx.data.batches import ModalitySpec
from avx.training import checkpoint_files, journal, loop
from avx.training import state as train_state
from avx.training import step as train_step
from avx.training.checkpoint import Checkpointer, Progress, config_hash
from avx.training.schedule import Schedule

SPECS = (ModalitySpec("video", STEPS, (VIDEO_SIZE,)), ModalitySpec("audio", STEPS, (AUDIO_SIZE,)))
CLIPS = toy_features(22)
OPTIMIZER = optax.adam(0.05)


class Run:
    """One start of a small training run in `workdir`; restores by itself where there is a checkpoint."""

    def __init__(self, workdir, *, epochs=6, patience=0, name="a", system=None, scores=None, evaluate_every=1):
        self.system = system or toy_system()
        self.workdir = workdir
        self.checkpointer = Checkpointer(workdir / "checkpoints", config_hash({"name": name}))
        self.iterator = batches.train_iterator(CLIPS.__getitem__, np.arange(22), SPECS, batch_size=8, seed=0)
        self.schedule = Schedule(3, epochs, patience, evaluate_every, "score")
        batch = batches.assemble(CLIPS[:8], np.arange(8), SPECS)
        self.state = train_state.create(self.system, OPTIMIZER, 0, batch, ema=True)
        self.progress = Progress()
        self.scores = scores
        if self.checkpointer.latest_step() is not None:
            self.state, self.progress = self.checkpointer.restore(self.state, self.iterator)
        self.step = train_step.make_train_step(self.system, OPTIMIZER, 0, ema_decay=0.9, devices=jax.devices()[:2])
        self.steps_run = 0

    def evaluate(self, state):
        if self.scores is not None:
            return {"score": self.scores[self.progress.step // 3 - 1]}
        return {"score": float(np.abs(np.asarray(state.params["video"])).sum())}

    def train(self, interrupt_at=None, number=signal.SIGTERM, break_at=None, show_progress=False):
        def step(state, batch, stop):
            self.steps_run += 1
            if self.steps_run == interrupt_at:
                os.kill(os.getpid(), number)
            if self.steps_run == break_at:
                values = np.full_like(batch.modalities["video"].values, np.nan)
                spoiled = Padded(values, batch.modalities["video"].mask)
                batch = dataclasses.replace(batch, modalities=batch.modalities | {"video": spoiled})
            return self.step(state, batch, stop)

        try:
            return loop.train(
                step,
                self.state,
                self.iterator,
                schedule=self.schedule,
                evaluate=self.evaluate,
                checkpointer=self.checkpointer,
                workdir=self.workdir,
                progress=self.progress,
                show_progress=show_progress,
            )
        finally:
            self.checkpointer.close()


def losses(workdir):
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line["metrics"]["loss"]) for line in lines if line["split"] == "train"]


def test_stopped_and_restarted_equals_uninterrupted(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    state, progress = Run(whole).train()
    for at in (5, 4):
        with pytest.raises(loop.Stopped) as stopped:
            Run(broken).train(interrupt_at=at)
        assert stopped.value.code == 128 + signal.SIGTERM
    again, progress_again = Run(broken).train()
    chex.assert_trees_all_equal(jax.device_get(state), jax.device_get(again))
    assert losses(whole) == losses(broken)
    ignore = {"train_seconds": 0.0}
    assert dataclasses.replace(progress, **ignore) == dataclasses.replace(progress_again, **ignore)
    assert progress.step == 18
    assert progress.finished


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_stop_anywhere_in_an_epoch_saves_what_was_trained_and_no_batch_more(tmp_path, at):
    """At a stop the loop has fetched a batch ahead in the middle of an epoch, and none at its end."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    state, _ = Run(whole, epochs=2).train()
    with pytest.raises(loop.Stopped):
        Run(broken, epochs=2).train(interrupt_at=at)
    assert Checkpointer(broken / "checkpoints", config_hash({"name": "a"})).latest_step() == at
    again, _ = Run(broken, epochs=2).train()
    chex.assert_trees_all_equal(jax.device_get(state), jax.device_get(again))
    assert losses(whole) == losses(broken)


def test_the_next_step_runs_and_its_successor_is_fetched_before_figures_are_read(tmp_path, monkeypatch):
    run, events = Run(tmp_path, epochs=1), []
    run.schedule = Schedule(4, 1, 0, 1, "score")

    class Watched:
        get_state, set_state = run.iterator.get_state, run.iterator.set_state

        def __next__(self):
            events.append("fetch")
            return next(run.iterator)

    plain, read = run.step, journal.finalize

    def step(*arguments):
        events.append("dispatch")
        return plain(*arguments)

    def finalize(metrics):
        events.append("read")
        return read(metrics)

    monkeypatch.setattr(journal, "finalize", finalize)
    loop.train(
        step,
        run.state,
        Watched(),
        schedule=run.schedule,
        evaluate=lambda state: events.append("evaluate") or {"score": 0.0},
        checkpointer=type("Nowhere", (), {name: lambda *a: None for name in ("save", "wait", "close")})(),
        workdir=tmp_path,
        progress=run.progress,
        show_progress=False,
    )
    turns = ["fetch dispatch", "fetch dispatch", "fetch read dispatch", "fetch read dispatch", "read read evaluate"]
    assert events == " ".join(turns).split()


def test_rows_that_fill_up_a_batch_are_not_counted(tmp_path):
    _, progress = Run(tmp_path, epochs=2).train()
    assert progress.examples_seen == 44


def test_epochs_that_the_evaluations_do_not_divide_end_with_an_evaluation(tmp_path):
    _, progress = Run(tmp_path, epochs=3, evaluate_every=2, scores=[0.1, 0.2, 0.3]).train()
    assert (progress.step, progress.best_step, progress.best_score) == (9, 9, 0.3)


def test_without_a_terminal_a_line_for_each_epoch_and_a_sentence_at_stop_and_resume(tmp_path, capsys):
    with pytest.raises(loop.Stopped):
        Run(tmp_path, epochs=3, scores=[0.25, 0.5, 0.75]).train(interrupt_at=5, show_progress=True)
    first, last = capsys.readouterr().err.splitlines()
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d  epoch 1 of 3  step 3 of 9  loss \d\.\d{4}  \d+ examples/s  score 0\.2500  at most .* left",
        first,
    )
    assert last == "stopped at step 5; the same command goes on"
    Run(tmp_path, epochs=3, scores=[0.25, 0.5, 0.75]).train(show_progress=True)
    first, second, third = capsys.readouterr().err.splitlines()
    assert first == "going on from step 5 of 9"
    assert "epoch 2 of 3  step 6 of 9" in second and "score 0.7500" in third


def test_best_and_latest_checkpoints_are_kept(tmp_path):
    run = Run(tmp_path, scores=[0.1, 0.5, 0.2, 0.3, 0.4, 0.3])
    _, progress = run.train()
    assert progress.best_step == 6
    assert sorted(int(place.name) for place in (tmp_path / "checkpoints").iterdir() if place.name.isdigit()) == [
        6,
        15,
        18,
    ]
    checkpointer = Checkpointer(tmp_path / "checkpoints", config_hash({"name": "a"}))
    best, record = checkpointer.restore(run.state, step=6)
    assert int(best.step) == record.step == 6


def test_the_first_of_equally_good_checkpoints_is_kept(tmp_path):
    run = Run(tmp_path, scores=[0.1, 0.5, 0.5, 0.2, 0.5, 0.5])
    _, progress = run.train()
    assert progress.best_step == 6
    best, record = Checkpointer(tmp_path / "checkpoints", config_hash({"name": "a"})).restore(run.state, step=6)
    assert int(best.step) == record.step == 6


def test_early_stopping_counts_evaluations_without_gain(tmp_path):
    _, progress = Run(tmp_path, epochs=50, patience=2, scores=[0.1, 0.5, 0.2, 0.5, 0.9]).train()
    assert progress.step == 12
    assert progress.best_step == 6


def test_a_finished_run_does_not_train_again(tmp_path):
    Run(tmp_path, epochs=2).train()
    again = Run(tmp_path, epochs=2)
    again.train()
    assert again.steps_run == 0


def tear(checkpoint):
    """Cuts the arrays of a checkpoint in half."""
    for path in checkpoint.rglob("*"):
        if path.is_file() and path.stat().st_size > 200 and "state" in str(path):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_torn_latest_checkpoint_is_put_aside_and_the_one_before_it_goes_on(tmp_path, capsys):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    state, _ = Run(whole, epochs=2).train()
    Run(broken, epochs=2).train()
    places = broken / "checkpoints"
    torn = {}
    for number in ("", "2"):  # The second time beside what was put aside before.
        tear(places / "6")
        torn[f"6.damaged{number}"] = files_of(places / "6")
        again = Run(broken, epochs=2)
        assert again.progress.step == 3
        told = capsys.readouterr().err
        assert re.fullmatch(
            r"checkpoint \S+/6 is damaged \(.+\); it is kept as 6\.damaged2?, and the run goes on from step 3\n", told
        ), told
        restored, progress = again.train()
        assert progress.finished
        chex.assert_trees_all_equal(jax.device_get(state), jax.device_get(restored))
    assert losses(whole) == losses(broken)
    assert {name: files_of(places / name) for name in torn} == torn


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_where_no_checkpoint_is_whole_all_are_left_as_they_are(tmp_path):
    Run(tmp_path, epochs=2).train()
    for step in "36":
        tear(tmp_path / "checkpoints" / step)
    before = files_of(tmp_path)
    with pytest.raises(
        UserError, match=r"/6 is damaged or incomplete and was left as it is \(.*remove .*/checkpoints to start again"
    ):
        Run(tmp_path, epochs=2)
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.EMFILE])
def test_a_checkpoint_that_the_system_cannot_read_now_is_not_taken_for_a_damaged_one(tmp_path, monkeypatch, code):
    Run(tmp_path, epochs=2).train()
    before = files_of(tmp_path)

    def refused(self, *arguments, **options):
        raise OSError(code, os.strerror(code), str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", refused)
        with pytest.raises(UserError, match=r"6 cannot be read: .*/6/meta/metadata"):
            Run(tmp_path, epochs=2)
    assert files_of(tmp_path) == before and Run(tmp_path, epochs=2).progress.step == 6


@pytest.mark.parametrize("name", [".params['audio']", ".opt_state[0].mu['video']", ".ema['video']", ".step"])
def test_a_flipped_bit_of_an_array_is_not_restored(tmp_path, name):
    """Written with the digest of the right values, as if the disk had changed them."""
    run = Run(tmp_path, epochs=1)
    run.train()
    folder = tmp_path / "checkpoints" / "3"
    record = checkpoint_files.read_record(folder)
    state = checkpoint_files.read_state(folder, run.state, record)
    shutil.rmtree(folder)

    def flipped(path, leaf):
        leaf = np.array(leaf)
        if jax.tree_util.keystr(path) == name:
            leaf.reshape(-1).view(np.uint8)[-1] ^= 1
        return leaf

    plain = {key: value for key, value in record.items() if key not in ("format_version", "arrays", "digest")}
    checkpoint_files.write(folder, jax.tree_util.tree_map_with_path(flipped, state), plain)
    meta = folder / "meta" / "metadata"
    meta.write_text(json.dumps(record))
    with pytest.raises(UserError, match=re.escape(f"{name[1:]} is not as it was written")):
        Run(tmp_path, epochs=1)


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record["progress"].update(best_score=record["progress"]["best_score"] + 1),
        lambda record: record["iterator"].update(next_index=1),
        lambda record: record.update(config_hash="0" * 16),
        lambda record: record.pop("iterator"),
        lambda record: record.pop("digest"),
    ],
    ids=["score", "iterator", "config", "no iterator", "no digest"],
)
def test_a_record_that_was_changed_is_damaged(tmp_path, change):
    Run(tmp_path, epochs=1).train()
    meta = tmp_path / "checkpoints" / "3" / "meta" / "metadata"
    record = json.loads(meta.read_text())
    change(record)
    meta.write_text(json.dumps(record))
    with pytest.raises(UserError, match="its record was changed after it was written"):
        Run(tmp_path, epochs=1)


def test_a_model_of_other_arrays_is_told_from_a_damaged_checkpoint(tmp_path):
    run = Run(tmp_path, epochs=1)
    run.train()
    wider = dataclasses.replace(
        run.state, params={"audio": np.zeros((5, 5), np.float32), "video": run.state.params["video"]}
    )
    words = r"another model: params\['audio'\] is float32 \(5, 4\) in it and float32 \(5, 5\) in this run"
    with pytest.raises(UserError, match=words):
        run.checkpointer.restore(wider)


def test_two_checkpoints_stand_beside_the_best_at_any_time(tmp_path):
    """Saved at each evaluation; the best is the third, then the fifth."""
    found = []
    run = Run(tmp_path, scores=[0.1, 0.2, 0.6, 0.3, 0.7, 0.2])
    save = run.checkpointer.save

    def saved(*arguments):
        save(*arguments)
        run.checkpointer.wait()
        found.append(run.checkpointer.steps())

    run.checkpointer.save = saved
    run.train()
    assert found == [[3], [3, 6], [3, 6, 9], [6, 9, 12], [9, 12, 15], [12, 15, 18]]


def test_a_save_that_hangs_is_told_instead_of_waited_for(tmp_path, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(checkpoint_files, "write", lambda *arguments: release.wait(60))
    state = TrainState(np.int32(0), {"w": np.ones(3)}, None, ModelState())
    checkpointer = Checkpointer(tmp_path, "0" * 16, limit_seconds=0.2)
    checkpointer.save(state, None, Progress(step=1))
    begin = time.monotonic()
    with pytest.raises(UserError, match=r"did not take it within 0 seconds.*nothing was saved before it"):
        checkpointer.wait()
    checkpointer.close()
    assert time.monotonic() - begin < 10
    release.set()


@pytest.mark.parametrize("jump", [1e7, -1e7], ids=["forward", "backward"])
def test_jumps_of_the_clock_neither_hang_nor_change_a_run(tmp_path, monkeypatch, jump):
    whole, jumping = tmp_path / "whole", tmp_path / "jumping"
    whole.mkdir()
    jumping.mkdir()
    state, _ = Run(whole, epochs=3).train()
    clock, calls = time.time, itertools.count()
    monkeypatch.setattr(time, "time", lambda: clock() + jump * (next(calls) % 2))
    again, progress = Run(jumping, epochs=3).train()
    assert progress.finished and next(calls) > 10
    chex.assert_trees_all_equal(jax.device_get(state), jax.device_get(again))
    assert Run(jumping, epochs=3).progress.step == 9


def test_a_failed_write_says_why_and_what_is_intact(tmp_path, monkeypatch):
    state = TrainState(np.int32(0), {"w": np.ones(3)}, None, ModelState())
    checkpointer = Checkpointer(tmp_path, "0" * 16)
    checkpointer.save(state, None, Progress(step=1))
    checkpointer.wait()
    for error, words in [
        (OSError(errno.ENOSPC, "full"), "no space is left on the disk that holds"),
        (OSError(errno.EACCES, "no"), "permission denied for"),
        (ValueError("RESOURCE_EXHAUSTED: writing x [OS error 28: ENOSPC No space left on device]"), "no space is left"),
        (ValueError("INTERNAL: [OS error 5: EIO Input/output error]"), "has an I/O error"),
        (MemoryError(), "memory ran out"),
        (RuntimeError("some word"), "cannot be used (some word)"),
    ]:
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint_files.json, "dumps", lambda *a, error=error, **b: (_ for _ in ()).throw(error))
            checkpointer.save(state, None, Progress(step=2))
            with pytest.raises(UserError) as failure:
                checkpointer.wait()
        assert words in str(failure.value) and "the checkpoint of step 1 is intact" in str(failure.value)
        assert ("free some space" in str(failure.value)) == ("no space" in words)
        assert [path.name for path in tmp_path.iterdir()] == ["1"]
    checkpointer.save(state, None, Progress(step=2))
    checkpointer.wait()
    assert checkpointer.steps() == [1, 2]


def test_a_state_without_an_iterator_is_saved_and_restored(tmp_path):
    """As a method in closed form has none."""
    state = TrainState(np.int32(0), {"w": np.arange(6.0).reshape(2, 3)}, None, ModelState(buffers=np.ones(2)))
    checkpointer = Checkpointer(tmp_path, "0" * 16, wait=True)
    checkpointer.save(state, None, Progress(finished=True))
    blank = jax.tree.map(np.zeros_like, state)
    restored, progress = checkpointer.restore(blank)
    chex.assert_trees_all_equal(restored, state)
    assert progress.finished
    checkpointer.close()


def test_a_checkpoint_of_another_config_is_refused(tmp_path):
    Run(tmp_path, epochs=1).train()
    with pytest.raises(UserError, match="belongs to another config"):
        Run(tmp_path, epochs=1, name="b")


def test_a_newer_format_is_refused(tmp_path):
    Run(tmp_path, epochs=1).train()
    meta = tmp_path / "checkpoints" / "3" / "meta" / "metadata"
    record = json.loads(meta.read_text())
    record["format_version"] = 99
    meta.write_text(json.dumps(record))
    with pytest.raises(UserError, match="format version 99"):
        Run(tmp_path, epochs=1)


def test_a_loss_that_is_not_finite_stops_with_the_batch_on_disk(tmp_path):
    system = toy_system()

    def broken(params, model_state, batch, rngs, gather):
        loss = system.loss(params, model_state, batch, rngs, gather)
        return Loss(loss.value / 0.0, loss.metrics, loss.model_state)

    with pytest.raises(UserError, match="not finite at step 0; the batch is in"):
        Run(tmp_path, system=dataclasses.replace(system, loss=broken)).train()
    with np.load(tmp_path / "offending_batch_0.npz", allow_pickle=False) as saved:
        assert saved["video_values"].shape == (8, STEPS, VIDEO_SIZE)


def test_a_bad_step_is_named_and_what_ran_after_it_is_dropped(tmp_path, monkeypatch):
    """Step 5 is dispatched before the figures of step 4, which are not finite, are read."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    state, _ = Run(whole, epochs=3).train()
    closed, run = [], Run(broken, epochs=3)
    monkeypatch.setattr(loop.MetricWriter, "close", lambda self: closed.append("writer"))
    fetched = []
    load = run.iterator
    run.iterator = type(
        "Recorded",
        (),
        {
            "get_state": lambda self: load.get_state(),
            "set_state": lambda self, state: load.set_state(state),
            "__next__": lambda self: fetched.append(next(load)) or fetched[-1],
        },
    )()
    run.checkpointer.save = lambda state, iterator, progress, score: saved(state, load, progress, score)
    saved = Checkpointer.save.__get__(run.checkpointer)
    with pytest.raises(UserError, match="not finite at step 4"):
        run.train(break_at=5)
    assert closed == ["writer"] and run.steps_run == 6
    with np.load(broken / "offending_batch_4.npz", allow_pickle=False) as npz:
        np.testing.assert_array_equal(npz["label"], fetched[4].label)
        assert not np.array_equal(fetched[4].label, fetched[5].label)
    assert [step for step, _ in losses(broken)] == [1, 2, 3, 4]
    monkeypatch.undo()
    again = Run(broken, epochs=3)
    assert again.progress.step == 3
    again, _ = again.train()
    chex.assert_trees_all_equal(jax.device_get(state), jax.device_get(again))


def test_the_config_hash_ignores_key_order_and_sees_values():
    assert config_hash({"a": 1, "b": {"c": 2}}) == config_hash({"b": {"c": 2}, "a": 1})
    assert config_hash({"a": 1}) != config_hash({"a": 2})
