"""Checkpoints: state, data iterator and progress record saved together, and restored exactly or not at all."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np

from avx.core import disk, processes
from avx.core.errors import UserError
from avx.core.types import TrainState
from avx.training import checkpoint_files
from avx.training.checkpoint_files import Damaged

BESIDE_BEST = 2
"""Checkpoints that are kept beside the best one: the latest, and the one to go on from where that is damaged."""
SAVE_SECONDS = 1800.0
"""Longest time that one save may take; a disk that hangs is told instead of waited for."""


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


class Checkpointer:
    """The checkpoints of one workdir: the best one and two beside it are kept.

    Of several processes, which all hold the same state, the first writes and each reads.

    Args:
      folder: where they lie; created on the first save.
      config_hash: a checkpoint of another config is refused.
      wait: save synchronously; the default returns while a background thread writes.
      limit_seconds: longest time of one save.
    """

    def __init__(self, folder: Path, config_hash: str, *, wait: bool = False, limit_seconds: float = SAVE_SECONDS):
        self._folder = Path(folder).absolute()
        self._config_hash = config_hash
        self._synchronous = wait
        self._limit = limit_seconds
        self._saving: _Saving | None = None
        self._saved = -1
        _agree(self.steps())

    def steps(self) -> list[int]:
        """Steps of the checkpoints that there are, ascending."""
        return steps_in(self._folder)

    def latest_step(self) -> int | None:
        """Step of the newest checkpoint; None in a fresh workdir."""
        return max(self.steps(), default=None)

    def save(
        self, state: TrainState, iterator: grain.DatasetIterator | None, progress: Progress, score: float | None = None
    ) -> None:
        """Saves one consistent checkpoint at `progress.step`; a second save of the same step does nothing.

        Args:
          state: as the last step left it.
          iterator: positioned after the last batch that was trained on; None for a method in closed form.
          progress: the record, already updated for this step; its best checkpoint is kept.
          score: validation score, for people; None between evaluations.

        Raises:
          UserError: it, or the one before it in the background, could not be written, or took too long.
        """
        step, best = progress.step, progress.best_step
        if not processes.is_leader() or self._saved == step or step in self.steps():
            return
        self._finish()
        # Copies: what `device_get` returns on a CPU is the buffer itself, which the next step may overwrite.
        content = jax.tree.map(np.array, jax.device_get(state))
        record = {
            "config_hash": self._config_hash,
            "progress": dataclasses.asdict(progress)
            | {"best_score": None if progress.best_step < 0 else progress.best_score},
            "iterator": None if iterator is None else iterator.get_state(),
            "score": score,
        }

        def write() -> None:
            self._remove_leftovers()
            checkpoint_files.write(self._folder / str(step), content, record)
            self._remove_old(best)

        self._saving, self._saved = _Saving(write), step
        if self._synchronous:
            self._finish()

    def wait(self) -> None:
        """Returns, in every process, when the last save has reached the disk.

        Raises:
          UserError: it could not be written, or took too long.
        """
        processes.lead(self._finish)

    def close(self) -> None:
        """Waits in this process alone; a second call does nothing. Raises UserError as `wait` does."""
        self._finish()

    def _finish(self) -> None:
        saving, self._saving = self._saving, None
        if saving is None:
            return
        error = saving.outcome(self._limit)
        if error is not None:
            self._saved = -1
        if isinstance(error, UserError):
            raise error
        if error is not None:
            before = self.latest_step()
            rest = "nothing was saved before it" if before is None else f"the checkpoint of step {before} is intact"
            raise UserError(f"a checkpoint could not be written: {self._why(error)}; {rest}.") from error

    def _why(self, error: BaseException) -> str:
        if isinstance(error, TimeoutError):
            return (
                f"the disk that holds {self._folder} did not take it within {self._limit:.0f} seconds: run again when "
                "that disk answers, or move the run to another one"
            )
        if isinstance(error, MemoryError):
            return "memory ran out: close other programs, or use a larger machine"
        found = disk.os_error_in(error)
        if found is not None:
            return disk.sentence(found, self._folder)
        return f"{self._folder} cannot be used ({_first_line(error)}): check that disk, and run again"

    def _remove_leftovers(self) -> None:
        """Deletes what a killed process left unfinished."""
        if self._folder.exists():
            for path in self._folder.iterdir():
                if path.name.startswith(".") and path.suffix in (checkpoint_files.PARTIAL, checkpoint_files.OLD):
                    shutil.rmtree(path, ignore_errors=True)

    def _remove_old(self, best: int) -> None:
        """Deletes all checkpoints but the best and the latest two beside it; one half deleted has no step's name."""
        others = [step for step in self.steps() if step != best]
        for step in others[:-BESIDE_BEST]:
            condemned = self._folder / f".{step}{checkpoint_files.OLD}"
            shutil.rmtree(condemned, ignore_errors=True)
            try:
                os.replace(self._folder / str(step), condemned)
                shutil.rmtree(condemned)
            except OSError as error:
                raise UserError(f"an old checkpoint cannot be deleted: {disk.sentence(error)}.") from error

    def restore(
        self, template: TrainState, iterator: grain.DatasetIterator | None = None, step: int | None = None
    ) -> tuple[TrainState, Progress]:
        """Restores a state, and moves `iterator` to where it stood.

        A damaged checkpoint that is the latest is put aside, and the one before it restored, which is said on stderr.

        Args:
          template: a state of the right structure and shapes (its values are not used).
          iterator: restored in place; None where only the state is wanted.
          step: which checkpoint; the latest whole one by default.

        Raises:
          UserError: no checkpoint is whole, or it is of another config or model, or of another version of the format.
        """
        # By leaf: tracing would turn float64 of the host into float32.
        template = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), template)
        asked = self.steps()[::-1] if step is None else [step]
        if not asked:
            raise UserError(f"{self._folder} holds no checkpoint; train first.")
        damage: dict[int, Damaged] = {}
        found = None
        for candidate in asked:
            try:
                found = candidate, *self._read(candidate, template)
                break
            except Damaged as error:
                damage[candidate] = error
        _agree(None if found is None else found[0])
        if found is None:
            raise UserError(self._nothing_left(damage))
        processes.lead(lambda: self._put_aside(damage, found[0]))
        _, state, record = found
        if iterator is not None:
            iterator.set_state(record["iterator"])
        fields = dict(record["progress"])
        if fields["best_score"] is None:
            fields["best_score"] = float("-inf")
        return state, Progress(**fields)

    def _read(self, step: int, template: Any) -> tuple[TrainState, dict[str, Any]]:
        place = self._folder / str(step)
        record = checkpoint_files.read_record(place)
        if record["config_hash"] != self._config_hash:
            raise UserError(
                f"checkpoint {place} belongs to another config; give the run a new --workdir or its own config back."
            )
        return checkpoint_files.read_state(place, template, record), record

    def _put_aside(self, damage: dict[int, Damaged], found: int) -> None:
        for step, error in damage.items():
            place = self._folder / str(step)
            aside = next(path for path in _free_names(place) if not path.exists())
            with disk.user_errors(place):
                os.replace(place, aside)
            print(
                f"checkpoint {place} is damaged ({error}); it is kept as {aside.name}, and the run goes on from step "
                f"{found}",
                file=sys.stderr,
                flush=True,
            )

    def _nothing_left(self, damage: dict[int, Damaged]) -> str:
        """The sentence on checkpoints of which none can be read."""
        newest = max(damage)
        return (
            f"checkpoint {self._folder / str(newest)} is damaged or incomplete and was left as it is "
            f"({damage[newest]}), and no other can take its place; restore it from a copy, or remove {self._folder} "
            "to start again."
        )


def steps_in(folder: Path) -> list[int]:
    """Steps of the checkpoints in a folder, ascending; none where there is no such folder."""
    with disk.user_errors(folder):
        return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit()) if folder.exists() else []


class _Saving:
    """Work in a thread of its own, which a process that ends does not wait for."""

    def __init__(self, work: Callable[[], None]):
        self._error: BaseException | None = None
        self._begin = time.monotonic()
        self._thread = threading.Thread(target=self._run, args=(work,), name="checkpoint", daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._error = error

    def outcome(self, limit: float) -> BaseException | None:
        """Waits for the end, until `limit` seconds after the start; returns what went wrong."""
        self._thread.join(max(0.0, limit - (time.monotonic() - self._begin)))
        return TimeoutError() if self._thread.is_alive() else self._error


def _agree(seen: Any) -> None:
    """Refuses to go on where processes see other checkpoints than the first, whose steps they would not share."""
    processes.check_agreement("other checkpoints", hashlib.sha256(repr(seen).encode()).hexdigest())


def _free_names(place: Path):
    """Names for what is put aside: `7.damaged`, `7.damaged2`, and so on."""
    yield place.with_name(f"{place.name}.damaged")
    number = 2
    while True:
        yield place.with_name(f"{place.name}.damaged{number}")
        number += 1


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def config_hash(config: dict[str, Any]) -> str:
    """16 hex digits that name a config's values, independent of key order."""
    text = json.dumps(config, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
