"""What the loop tells and when it evaluates, with steps that cost nothing."""

import json
import time

import numpy as np
import pytest

from avx.core.types import Batch
from avx.training import loop
from avx.training.checkpoint import Progress
from avx.training.schedule import Schedule
from avx.training.writers import MetricWriter

BATCH = Batch({}, np.zeros(4, np.int32), np.arange(4), np.ones(4, bool))


class Batches:
    """Endless batches, each after a wait."""

    def __init__(self, seconds=0.0):
        self.seconds = seconds

    def get_state(self):
        return {}

    def set_state(self, state):
        pass

    def __next__(self):
        time.sleep(self.seconds)
        return BATCH


def run(workdir, schedule, *, wait=0.0, work=0.0, show_progress=False):
    """Trains through `schedule`; returns the final progress and the steps after which the model was evaluated."""
    progress, evaluated = Progress(), []

    def step(state, batch, stop):
        time.sleep(work)
        numbers = {"loss": 0.5, "finite": 1.0, "examples": 4.0, "stop": 0.0}
        return state, {name: (np.float32(value), np.float32(1)) for name, value in numbers.items()}

    def evaluate(state):
        evaluated.append(progress.step)
        return {"score": float(progress.step)}

    nowhere = type("Nowhere", (), {name: lambda *arguments: None for name in ("save", "wait", "close")})()
    _, progress = loop.train(
        step,
        None,
        Batches(wait),
        schedule=schedule,
        evaluate=evaluate,
        checkpointer=nowhere,
        workdir=workdir,
        progress=progress,
        show_progress=show_progress,
    )
    return progress, evaluated


@pytest.mark.parametrize(
    ("steps_per_epoch", "epochs", "every", "expected"),
    [(1, 3, 1, [1, 2, 3]), (2, 3, 1, [2, 4, 6]), (2, 3, 2, [4, 6]), (3, 2, 5, [6])],
)
def test_the_model_is_evaluated_after_its_epochs_and_at_the_end(tmp_path, steps_per_epoch, epochs, every, expected):
    progress, evaluated = run(tmp_path, Schedule(steps_per_epoch, epochs, 0, every, "score"))
    assert evaluated == expected
    assert (progress.step, progress.examples_seen) == (steps_per_epoch * epochs, 4 * steps_per_epoch * epochs)


def test_an_epoch_that_is_not_evaluated_is_told_too(tmp_path, capsys):
    run(tmp_path, Schedule(2, 5, 0, 2, "score"), show_progress=True)
    told = capsys.readouterr().err.splitlines()
    lines = [line.split("  ") for line in told if "  epoch " in line]
    assert [line[1:3] for line in lines] == [[f"epoch {n} of 5", f"step {2 * n} of 10"] for n in range(1, 6)]
    told = [[part for part in line if part.startswith("score")] for line in lines]
    assert told == [[], ["score 4.0000"], [], ["score 8.0000"], ["score 10.0000"]]


def test_the_share_of_time_that_steps_wait_for_data(tmp_path, monkeypatch):
    """A batch takes 3 seconds and a step 1. Until the first figures are read three batches and two steps have passed;
    before an evaluation none is fetched."""
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    def clock():
        now[0] += 1e-4
        return now[0]

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "perf_counter", clock)
    run(tmp_path, Schedule(4, 2, 0, 1, "score"), wait=3, work=1)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    shares = [line["metrics"]["data_wait_share"] for line in lines if line["split"] == "train"]
    np.testing.assert_allclose(shares, [9 / 11, 3 / 4, 0, 0] * 2, atol=1e-3)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_metric_that_is_no_number_is_not_written_as_if_it_were_json(tmp_path, value):
    writer = MetricWriter(tmp_path)
    with pytest.raises(ValueError, match="JSON"):
        writer.write(1, 0.5, "train", {"loss": value})
    writer.close()
    assert "NaN" not in (tmp_path / "metrics.jsonl").read_text()
