"""Restarted equals uninterrupted, bitwise; stop signals save; damage and foreign checkpoints are refused."""

import dataclasses
import json
import os
import signal

import chex
import jax
import numpy as np
import optax
import pytest
from toy_system import AUDIO_SIZE, STEPS, VIDEO_SIZE, toy_features, toy_system

from avx.core.errors import UserError
from avx.core.types import Loss
from avx.data import batches
from avx.data.batches import ModalitySpec
from avx.training import loop
from avx.training import state as train_state
from avx.training import step as train_step
from avx.training.checkpoint import Checkpointer, Progress, config_hash

SPECS = (ModalitySpec("video", STEPS, (VIDEO_SIZE,)), ModalitySpec("audio", STEPS, (AUDIO_SIZE,)))
CLIPS = toy_features(22)
OPTIMIZER = optax.adam(0.05)


class Run:
    """One start of a small training run in `workdir`; restores by itself where there is a checkpoint."""

    def __init__(self, workdir, *, epochs=6, patience=0, name="a", system=None, scores=None):
        self.system = system or toy_system()
        self.workdir = workdir
        self.checkpointer = Checkpointer(workdir / "checkpoints", config_hash({"name": name}))
        self.iterator = batches.train_iterator(CLIPS.__getitem__, np.arange(22), SPECS, batch_size=8, seed=0)
        self.schedule = loop.Schedule(3, epochs, patience, 1, "score")
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

    def train(self, interrupt_at=None, number=signal.SIGTERM):
        def step(state, batch):
            self.steps_run += 1
            if self.steps_run == interrupt_at:
                os.kill(os.getpid(), number)
            return self.step(state, batch)

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
                show_progress=False,
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


def test_best_and_latest_checkpoints_are_kept(tmp_path):
    run = Run(tmp_path, scores=[0.1, 0.5, 0.2, 0.3, 0.4, 0.3])
    _, progress = run.train()
    assert progress.best_step == 6
    assert sorted(int(place.name) for place in (tmp_path / "checkpoints").iterdir() if place.name.isdigit()) == [6, 18]
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


def test_a_torn_checkpoint_is_refused_and_left_alone(tmp_path):
    Run(tmp_path, epochs=2).train()
    latest = tmp_path / "checkpoints" / "6"
    victims = [
        path for path in latest.rglob("*") if path.is_file() and path.stat().st_size > 200 and "state" in str(path)
    ]
    for path in victims:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match="damaged or incomplete"):
        Run(tmp_path, epochs=2)
    assert latest.exists()


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


def test_the_config_hash_ignores_key_order_and_sees_values():
    assert config_hash({"a": 1, "b": {"c": 2}}) == config_hash({"b": {"c": 2}, "a": 1})
    assert config_hash({"a": 1}) != config_hash({"a": 2})
