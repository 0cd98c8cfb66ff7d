"""The record of a run's steps: for the run itself, for the files of its workdir, and for people."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from avx.core.errors import UserError
from avx.core.progress import ProgressBar, duration
from avx.core.types import Batch, Metrics
from avx.media.atomic import atomic_path
from avx.training.checkpoint import Progress
from avx.training.schedule import Schedule
from avx.training.step import finalize
from avx.training.writers import MetricWriter


@dataclasses.dataclass(frozen=True)
class Dispatched:
    """A step that was handed to the devices and whose figures were not read yet."""

    batch: Batch
    metrics: Metrics


class Journal:
    """Reads the figures of finished steps, and records them: in `progress`, in the workdir, and for people.

    Args:
      schedule: of the run.
      progress: updated in place.
      workdir: where metrics and offending batches are written.
      writer: None in all processes but the first.
      bar: for people.
    """

    def __init__(
        self,
        schedule: Schedule,
        progress: Progress,
        workdir: Path,
        writer: MetricWriter | None,
        bar: ProgressBar,
    ):
        self._schedule, self._progress, self._workdir = schedule, progress, workdir
        self._writer, self._bar = writer, bar
        self._first_step, self._begin = progress.step, time.perf_counter()
        self._epoch: list[tuple[float, float, float]] = []  # Loss, rows and seconds of its steps so far.
        self.resume()

    def resume(self) -> None:
        """Starts the clock of the next step: what came before, such as an evaluation, was no training."""
        self._mark = time.perf_counter()

    def read(self, done: Dispatched, waited: float) -> bool:
        """Waits for a step and records its figures.

        Args:
          done: the step.
          waited: seconds that the host spent waiting for batches since the last call.

        Returns:
          True where any process wishes to stop.

        Raises:
          UserError: the loss or a gradient is not finite; the batch is on disk then.
        """
        progress = self._progress
        numbers = finalize(done.metrics)
        if numbers.pop("finite") == 0:
            raise UserError(_write_offending(done.batch, self._workdir, progress.step))
        rows, stop = numbers.pop("examples"), numbers.pop("stop")
        seconds = time.perf_counter() - self._mark
        numbers["examples_per_second"] = rows / seconds
        numbers["data_wait_share"] = waited / seconds
        progress.step += 1
        progress.train_seconds += seconds
        progress.examples_seen += round(rows)
        if self._writer is not None:
            self._writer.write(progress.step, self._epochs_done(), "train", numbers)
        self._bar.update(progress.step, _status(numbers))
        self._epoch.append((numbers["loss"], rows, seconds))
        if progress.step % self._schedule.steps_per_epoch == 0 and not self._schedule.evaluates_after(progress.step):
            self._epoch_line("")
        self.resume()
        return stop > 0

    def judged(self, values: Mapping[str, float], score: float) -> None:
        """Records the validation metrics of the step that was read last."""
        if self._writer is not None:
            self._writer.write(self._progress.step, self._epochs_done(), "validation", values)
        self._epoch_line(f"  {self._schedule.score} {score:.4f}")

    def _epochs_done(self) -> float:
        return self._progress.step / self._schedule.steps_per_epoch

    def _epoch_line(self, score: str) -> None:
        step, total = self._progress.step, self._schedule.steps
        losses, rows, seconds = zip(*self._epoch, strict=True)
        left = (time.perf_counter() - self._begin) / (step - self._first_step) * (total - step)
        self._bar.line(
            f"epoch {self._epochs_done():.0f} of {self._schedule.epochs}  step {step} of {total}  "
            f"loss {sum(losses) / len(losses):.4f}  {sum(rows) / sum(seconds):.0f} examples/s{score}  "
            f"at most {duration(left)} left"
        )
        self._epoch.clear()


def _status(numbers: Mapping[str, float]) -> str:
    return (
        f"loss {numbers['loss']:.4f}  {numbers['examples_per_second']:.0f} examples/s  "
        f"waiting for data {100 * numbers['data_wait_share']:.0f} %"
    )


def _write_offending(batch: Batch, workdir: Path, step: int) -> str:
    place = workdir / f"offending_batch_{step}.npz"
    arrays: dict[str, Any] = {"label": batch.label, "position": batch.position, "example_mask": batch.example_mask}
    arrays |= {name: value for name in ("classes", "item") if (value := getattr(batch, name)) is not None}
    for name, sequence in batch.modalities.items():
        arrays[f"{name}_values"], arrays[f"{name}_mask"] = sequence.values, sequence.mask
    with atomic_path(place) as temporary:
        np.savez(temporary, **arrays)
    return (
        f"the loss or a gradient is not finite at step {step}; the batch is in {place}, the last checkpoint is intact: "
        "lower optimizer.learning_rate or look at that batch."
    )
