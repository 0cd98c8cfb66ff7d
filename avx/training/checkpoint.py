"""Checkpoints: state, data iterator and progress record saved together, atomically, and restored exactly."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy

from avx.core.errors import UserError
from avx.core.types import TrainState

FORMAT_VERSION = 1
VALIDATION = "validation"


@dataclasses.dataclass
class Progress:
    """What a run remembers beside its state.

    Attributes:
      step: steps done.
      best_step: step of the best validation score so far, -1 before the first evaluation.
      best_score: that score, larger is better.
      evaluations_without_gain: evaluations since then; early stopping counts them.
      train_seconds: wall-clock seconds of training over all starts of this run.
      examples_seen: rows trained on.
      finished: training ended by itself, by its last epoch or by early stopping.
    """

    step: int = 0
    best_step: int = -1
    best_score: float = float("-inf")
    evaluations_without_gain: int = 0
    train_seconds: float = 0.0
    examples_seen: int = 0
    finished: bool = False


def _encode(progress: Progress, config_hash: str) -> dict[str, Any]:
    record = dataclasses.asdict(progress)
    record["best_score"] = None if progress.best_step < 0 else progress.best_score
    return {"format_version": FORMAT_VERSION, "config_hash": config_hash, "progress": record}


def _decode(record: dict[str, Any]) -> Progress:
    fields = dict(record["progress"])
    if fields["best_score"] is None:
        fields["best_score"] = float("-inf")
    return Progress(**fields)


class Checkpointer:
    """The checkpoints of one workdir: the latest two and the best one are kept.

    Args:
      folder: where they lie; created on the first save.
      config_hash: a checkpoint of another config is refused.
      wait: save synchronously; the default returns while a background thread writes.
    """

    def __init__(self, folder: Path, config_hash: str, *, wait: bool = False):
        self._folder = Path(folder).absolute()
        self._config_hash = config_hash
        self._closed = False
        # A best checkpoint is compared by its validation score, and of equal ones the first counts, as it does in
        # `Progress`; one saved between evaluations carries no score. The latest two are kept for their own sake, the
        # earlier of them to go on from where the last one is damaged.
        keep = preservation_policy.AnyPreservationPolicy(
            [
                preservation_policy.LatestN(2),
                preservation_policy.BestN(
                    get_metric_fn=lambda metrics: (metrics[VALIDATION], -metrics["step"]),  # type: ignore[arg-type]
                    n=1,
                    keep_checkpoints_without_metrics=False,
                ),
            ]
        )
        self._manager = ocp.CheckpointManager(
            self._folder,
            options=ocp.CheckpointManagerOptions(
                preservation_policy=keep,
                best_fn=lambda metrics: metrics[VALIDATION],
                enable_async_checkpointing=not wait,
                cleanup_tmp_directories=jax.process_count() == 1,
            ),
            item_names=("state", "data", "meta"),
            item_handlers={
                "state": ocp.StandardCheckpointHandler(),
                "data": grain.checkpoint.CheckpointHandler(),
                "meta": ocp.JsonCheckpointHandler(),
            },
        )

    def latest_step(self) -> int | None:
        """Step of the newest whole checkpoint; None in a fresh workdir."""
        return self._manager.latest_step()

    def save(
        self, state: TrainState, iterator: grain.DatasetIterator | None, progress: Progress, score: float | None = None
    ) -> None:
        """Saves one consistent checkpoint at `progress.step`; a second save of the same step does nothing.

        Args:
          state: as the last step left it.
          iterator: positioned after the last batch that was trained on; None for a method in closed form.
          progress: the record, already updated for this step.
          score: validation score, larger is better; None between evaluations.

        Raises:
          UserError: it, or the one before it in the background, could not be written.
        """
        if self._manager.latest_step() == progress.step:
            return
        items: dict[str, Any] = {
            "state": ocp.args.StandardSave(jax.device_get(state)),
            "meta": ocp.args.JsonSave(_encode(progress, self._config_hash)),
        }
        if iterator is not None:
            items["data"] = grain.checkpoint.CheckpointSave(iterator)
        with self._writing():
            self._manager.save(
                progress.step,
                args=ocp.args.Composite(**items),
                metrics=None if score is None else {VALIDATION: score, "step": progress.step},
            )

    def wait(self) -> None:
        """Returns when every save has reached the disk. Raises UserError where one could not be written."""
        with self._writing():
            self._manager.wait_until_finished()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """A failed write, of this or of the background thread, as the sentence that a person reads."""
        try:
            yield
        except Exception as error:  # Storage libraries raise what they like for a full disk.
            raise UserError(
                f"a checkpoint could not be written to {self._folder} ({_first_line(error)}); free some space and run "
                "again: the checkpoint before it is intact."
            ) from error

    def close(self) -> None:
        """Waits, then releases the background thread; a second call does nothing."""
        if not self._closed:
            self._closed = True
            with self._writing():
                self._manager.close()

    def restore(
        self, template: TrainState, iterator: grain.DatasetIterator | None = None, step: int | None = None
    ) -> tuple[TrainState, Progress]:
        """Restores a state, and moves `iterator` to where it stood.

        Args:
          template: a state of the right structure and shapes (its values are not used).
          iterator: restored in place; None where only the state is wanted.
          step: which checkpoint; the latest by default.

        Raises:
          UserError: the checkpoint is damaged, of another config, or of a newer version of the format.
        """
        step = self._manager.latest_step() if step is None else step
        if step is None:
            raise UserError(f"{self._folder} holds no checkpoint; train first.")
        place = self._folder / str(step)
        # Arrays travel as numpy: every process holds the same state, so one of them writes it and each reads it.
        shapes = jax.eval_shape(lambda: template)
        blank = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
        try:
            meta = self._manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore()))["meta"]
        except Exception as error:
            raise UserError(self._damaged(step, error)) from error
        self._check(meta, place)
        wanted: dict[str, Any] = {"state": ocp.args.StandardRestore(blank)}
        if iterator is not None:
            wanted["data"] = grain.checkpoint.CheckpointRestore(iterator)
        try:
            state = self._manager.restore(step, args=ocp.args.Composite(**wanted))["state"]
        except Exception as error:
            raise UserError(self._damaged(step, error)) from error
        return state, _decode(meta)

    def _damaged(self, step: int, error: Exception) -> str:
        """The sentence on a checkpoint that cannot be read, with the advice that what else is there allows."""
        place = self._folder / str(step)
        earlier = [other for other in self._manager.all_steps() if other < step]
        remedy = f"go on from step {max(earlier)}" if earlier else "start again: there is no earlier checkpoint"
        return (
            f"checkpoint {place} is damaged or incomplete and was left as it is ({_first_line(error)}); remove that "
            f"folder to {remedy}."
        )

    def _check(self, meta: dict[str, Any], place: Path) -> None:
        version = meta.get("format_version")
        if version != FORMAT_VERSION:
            raise UserError(
                f"checkpoint {place} has format version {version}, this package reads {FORMAT_VERSION}; "
                "use the package version that wrote it."
            )
        if meta["config_hash"] != self._config_hash:
            raise UserError(
                f"checkpoint {place} belongs to another config; give the run a new --workdir or its own config back."
            )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def config_hash(config: dict[str, Any]) -> str:
    """16 hex digits that name a config's values, independent of key order."""
    text = json.dumps(config, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
