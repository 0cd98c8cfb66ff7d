"""The training loop.

Its order, once. A step is dispatched, the batch after it is fetched while the devices work, and only then are the
figures of the step before read, so that neither waits for the other. At an epoch's end that is evaluated, and on a stop
signal, the loop first catches up: all figures are read, no batch is held ahead. Then it evaluates and saves, in this
order: state, iterator and progress are saved after the evaluation that judged them, so that a restart knows exactly
what the stopped run knew.

A step whose loss or gradient is not finite leaves the state as it was. The loop learns of it while the next step runs;
what that one did is dropped with the run: the batch of the bad step is written to disk, nothing is saved or recorded
after it, and a restart goes on from the last checkpoint.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import grain
import jax

from avx.core.errors import UserError
from avx.core.processes import is_leader
from avx.core.progress import ProgressBar
from avx.core.types import Batch, TrainState
from avx.training.checkpoint import Checkpointer, Progress
from avx.training.journal import Dispatched, Journal
from avx.training.schedule import Schedule
from avx.training.step import TrainStep
from avx.training.writers import MetricWriter

Evaluate = Callable[[TrainState], Mapping[str, float]]


class StopSignal:
    """Turns SIGTERM and SIGINT into a flag while it is entered; the loop looks at it between steps."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._previous: dict[int, object] = {}

    def __enter__(self) -> StopSignal:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, frame) -> None:
        self.received = number


class Stopped(SystemExit):
    """The run was told to stop; its state is saved. Exit status 128 + signal number."""


class Feed:
    """Training batches, one of them fetched ahead."""

    def __init__(self, iterator: grain.DatasetIterator):
        self._waited = 0.0
        self._iterator = iterator
        self._ahead: Batch | None = None
        self._place: Any = None

    def take(self) -> Batch:
        """The next batch, at once where it was fetched before."""
        if self._ahead is None:
            self.fetch()
        batch, self._ahead = self._ahead, None
        assert batch is not None
        return batch

    def fetch(self) -> None:
        """Fetches the batch that `take` will return."""
        begin = time.perf_counter()
        self._place = self._iterator.get_state()
        self._ahead = next(self._iterator)
        self._waited += time.perf_counter() - begin

    def lap(self) -> float:
        """Seconds spent waiting for batches since the last call."""
        waited, self._waited = self._waited, 0.0
        return waited

    def put_back(self) -> None:
        """Moves the iterator to where it stands after the last batch taken, as a checkpoint must hold it."""
        if self._ahead is not None:
            self._iterator.set_state(self._place)
            self._ahead = None


def train(
    step: TrainStep,
    state: TrainState,
    iterator: grain.DatasetIterator,
    *,
    schedule: Schedule,
    evaluate: Evaluate,
    checkpointer: Checkpointer,
    workdir: Path,
    progress: Progress,
    show_progress: bool = True,
) -> tuple[TrainState, Progress]:
    """Trains to the end of the schedule or until early stopping.

    Args:
      step: from `training.step.make_train_step`.
      state: fresh, or restored together with `iterator` and `progress`; it may be donated, so do not use it again.
      iterator: endless training batches.
      schedule: see `Schedule`.
      evaluate: state -> validation metrics; must hold `schedule.score`.
      checkpointer: of this workdir; closed where training ends in an error or a stop.
      workdir: metrics and, after a non-finite step, the offending batch are written here.
      progress: where the run stands; a finished one returns at once.
      show_progress: tell on stderr how far the run is: a live line in a terminal, a line for each epoch elsewhere.

    Returns:
      The last state and the final progress.

    Raises:
      UserError: the loss or a gradient became NaN or infinite.
      Stopped: after SIGTERM or SIGINT, with everything saved.
    """
    if progress.finished:
        return state, progress
    writer = MetricWriter(workdir, progress.step) if is_leader() else None
    bar = ProgressBar(schedule.steps, "training", visible=show_progress and is_leader(), line_seconds=0)
    feed = Feed(iterator)
    try:
        with StopSignal() as stop, bar:
            if progress.step:
                bar.say(f"going on from step {progress.step} of {schedule.steps}")
            journal = Journal(schedule, progress, workdir, writer, bar)
            running: Dispatched | None = None
            while not progress.finished:
                batch = feed.take()
                state, metrics = step(state, batch, stop.received is not None)
                before, running = running, Dispatched(batch, metrics)
                evaluating = schedule.evaluates_after(progress.step + (1 if before is None else 2))
                if not evaluating:
                    feed.fetch()
                stopping = before is not None and journal.read(before, feed.lap())
                # Several processes learn of each other's signals from the figures; one alone need not wait for them.
                stopping |= stop.received is not None and jax.process_count() == 1
                if not (evaluating or stopping):
                    continue

                stopping |= journal.read(running, feed.lap())
                running, score = None, None
                feed.put_back()
                if evaluating:
                    values = dict(evaluate(state))
                    score = _score(values, schedule.score)
                    schedule.judge(progress, score)
                    journal.judged(values, score)
                checkpointer.save(state, iterator, progress, score)
                if stopping and not progress.finished:
                    checkpointer.wait()
                    bar.say(f"stopped at step {progress.step}; the same command goes on")
                    raise Stopped(128 + (stop.received or signal.SIGTERM))
                journal.resume()
            checkpointer.wait()
    except BaseException:
        checkpointer.close()
        raise
    finally:
        if writer is not None:
            writer.close()
    return state, progress


def _score(values: Mapping[str, float], name: str) -> float:
    if name not in values:
        raise UserError(f"evaluation.score = {name!r} is no validation metric; choose one of {', '.join(values)}.")
    return values[name]
