"""Fits a method to a dataset: trains it in steps, or computes it in closed form; goes on, or finds it done."""

from __future__ import annotations

import dataclasses
import functools
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np
from ml_collections import ConfigDict

from avx import registry
from avx.core import processes, rng
from avx.core.dataset import Dataset, Features
from avx.core.errors import UserError
from avx.core.types import Batch, ModelState, System, TrainState
from avx.data import batches
from avx.evaluation.evaluator import validation_levels
from avx.evaluation.protocol import check_splits, flatten
from avx.registry.systems import Facts
from avx.runs import bundle, lock, settings
from avx.runs import workdir as workdirs
from avx.runs.feature_layout import facts_of, fitted_scaling, specs_for, vector_specs
from avx.runs.grids import Constants, WideningGrid
from avx.runs.retriever import Clips, Retriever, on_host
from avx.training import checkpoint, loop
from avx.training import state as train_state
from avx.training.checkpoint import Checkpointer, Progress
from avx.training.step import make_train_step

CHECKPOINTS = "checkpoints"
TRAINED_STEPS = "trained_steps"
STANDARDISE = "standardise"
"""Field of a grid that is not one of the model: whether columns are standardised by the training items."""


def fit(
    config: ConfigDict,
    dataset: Dataset,
    workdir: Path,
    clips: Clips | None = None,
    weights: Any = None,
    *,
    accept_changed_data: bool = False,
) -> Retriever:
    """Fits the method of a config, or goes on with it, or finds it done.

    Args:
      config: locked; the workdir is claimed for it.
      dataset: its training split is fitted, its validation split chooses.
      workdir: checkpoints, training curves and the inference bundle are written here.
      clips: from files to features, which the bundle records; None for datasets of feature vectors.
      weights: of published networks by "video" and "audio"; see `registry.read_weights`.
      accept_changed_data: go on with a run that was begun on other data; what was best on those is best no more.

    Raises:
      UserError: bad input, a workdir in use, other data than those that the run was begun on, or a loss that is not
        finite; nothing that was there is lost.
    """
    settings.check(config)
    check_splits(dataset, ("train",))
    with lock.leading(workdir):
        return _fit(config, dataset, workdir, clips, weights, accept_changed_data)


def _fit(
    config: ConfigDict, dataset: Dataset, workdir: Path, clips: Clips | None, weights: Any, accept_changed_data: bool
) -> Retriever:
    def claim() -> None:
        workdirs.claim(workdir, config)
        step = max(checkpoint.steps_in(workdir / CHECKPOINTS), default=0)
        record = data_record(dataset, clips)
        workdirs.record_data(workdir, record, accept_changed=accept_changed_data, step=step)

    processes.lead(claim)
    processes.check_agreement("other data", "".join(dataset.digest().values()))
    facts = facts_of(config, dataset)
    system = registry.system(config, facts)
    run = _Run(config, dataset, workdir, clips, weights or {}, facts, system)
    return run.trained() if system.fit is None else run.computed()


def data_record(dataset: Dataset, clips: Clips | None) -> dict[str, str]:
    """Returns what the data of a run are, wherever they lie."""
    parts = ", ".join(f"{name} {len(rows)}" for name, rows in dataset.split.items())
    return dataset.digest() | {
        workdirs.FRONT_END: bundle.front_end_fingerprint(clips),
        workdirs.SUMMARY: f"{len(dataset)} items of {len(dataset.class_names)} classes ({parts})",
    }


@dataclasses.dataclass
class _Run:
    """What both ways to fit share."""

    config: ConfigDict
    dataset: Dataset
    workdir: Path
    clips: Clips | None
    weights: Mapping[str, Any]
    facts: Facts
    system: System

    @functools.cached_property
    def front_end_weights(self) -> Mapping[str, Any]:
        """Weights that new files need; those that training goes on from are part of the parameters."""
        kept = dict(self.weights)
        if self.clips is not None and registry.video_input(self.config).trained:
            kept.pop("video", None)
        return kept

    @functools.cached_property
    def untrained(self) -> Retriever:
        """The method without parameters."""
        return Retriever(
            self.config,
            self.system,
            None,
            ModelState(),
            specs_for(self.config, self.system, self.dataset),
            fitted_scaling(self.config, self.dataset),
            self.dataset.class_names,
            self.clips,
            weights=self.front_end_weights,
        )

    def loader(self, retriever: Retriever) -> batches.Loader:
        """Prepared features of a row with its class."""

        def load(row: int) -> Features:
            return {**retriever.prepared(self.dataset.load(row)), **batches.labels_of(self.dataset, row)}

        return load

    def passes(self, retriever: Retriever) -> Any:
        """Starts passes over the training split, in order."""
        load, rows = self.loader(retriever), self.dataset.rows("train")
        size = min(self.config.evaluation.batch_size, len(rows))

        def start() -> Iterator[Batch]:
            return batches.evaluation_batches(load, rows, retriever.specs, size, batches.several_classes(self.dataset))

        return start

    def validated(self, retriever: Retriever) -> dict[str, float]:
        """Validation metrics, flat."""
        return flatten(validation_levels(retriever, self.dataset, settings.evaluation(self.config)))

    # Trained in steps.

    def trained(self) -> Retriever:
        config, rows = self.config, self.dataset.rows("train")
        check_features(self.untrained, self.dataset, rows)
        validates = len(self.dataset.rows("val")) > 0
        options = settings.training(config)
        if validates:
            check_score(config, self.dataset)
        schedule = loop.Schedule(
            steps_per_epoch=self.facts.steps_per_epoch,
            epochs=options.epochs,
            patience=options.patience if validates else 0,
            evaluate_every=options.evaluate_every if validates else options.epochs,
            # Without validation items the last state counts.
            score=config.evaluation.score if validates else TRAINED_STEPS,
        )
        optimizer = registry.optimizer(config, self.facts.steps_per_epoch * options.epochs)
        if self.system.update_rule is not None:
            optimizer = self.system.update_rule(optimizer)
        iterator = self._train_iterator(options, rows)
        checkpointer = Checkpointer(self.workdir / CHECKPOINTS, settings.config_hash(config))
        progress = Progress()
        if checkpointer.latest_step() is None:
            state = self._initial_state(optimizer)
        else:
            blank = jax.tree.map(
                lambda leaf: np.zeros(leaf.shape, leaf.dtype), jax.eval_shape(lambda: self._created(optimizer))
            )
            state, progress = checkpointer.restore(blank, iterator)
            if not progress.finished and 0 <= progress.best_step <= workdirs.data_changed_at(self.workdir):
                # A score on the former validation items is none on these.
                progress.best_step, progress.best_score, progress.evaluations_without_gain = -1, -np.inf, 0

        def judge(current: TrainState) -> dict[str, float]:
            retriever = self._retriever(current, progress)
            values = self.validated(retriever) if validates else {TRAINED_STEPS: float(progress.step)}
            # The loop judges by the same comparison right after.
            if processes.is_leader() and values.get(schedule.score, -np.inf) > progress.best_score:
                training = {**retriever.training, "best_step": progress.step}
                kept = dataclasses.replace(retriever, training=training)
                bundle.write(self.workdir, kept, self.facts, progress.step)
            return values

        step = make_train_step(self.system, optimizer, config.seed, ema_decay=options.ema_decay)
        state, progress = loop.train(
            step,
            state,
            iterator,
            schedule=schedule,
            evaluate=judge,
            checkpointer=checkpointer,
            workdir=self.workdir,
            progress=progress,
        )
        checkpointer.close()
        retriever = self._best(checkpointer, state, progress)
        if processes.is_leader():
            bundle.write(self.workdir, retriever, self.facts, progress.best_step)
        processes.barrier("model written")
        return retriever

    def _best(self, checkpointer: Checkpointer, state: TrainState, progress: Progress) -> Retriever:
        """The method at its best step: from its checkpoint, or where that is damaged from the bundle of that step."""
        try:
            best, _ = checkpointer.restore(state, step=progress.best_step)
        except UserError as error:
            if not bundle.is_whole(self.workdir):
                raise
            kept = bundle.read(self.workdir)[0]
            if kept.training["best_step"] != progress.best_step:
                raise
            if processes.is_leader():
                print(f"{error} Its model is taken from {bundle.FOLDER}/ instead.", file=sys.stderr)
            training = self._record(kept.params, progress)
            return dataclasses.replace(
                self.untrained, params=kept.params, model_state=kept.model_state, training=training
            )
        return self._retriever(best, progress)

    def _train_iterator(self, options: settings.Training, rows: np.ndarray) -> grain.DatasetIterator:
        return batches.train_iterator(
            self.loader(self.untrained),
            rows,
            self.untrained.specs,
            batch_size=options.batch_size,
            seed=self.config.seed,
            shard=batches.Shard(jax.process_index(), jax.process_count()),
            num_threads=options.loader_threads,
            classes=batches.several_classes(self.dataset),
        )

    def _created(self, optimizer: Any) -> TrainState:
        rows = self.dataset.rows("train")[:1]
        load, classes = self.loader(self.untrained), batches.several_classes(self.dataset)
        example = next(batches.evaluation_batches(load, rows, self.untrained.specs, 1, classes))
        row = registry.VIDEO_INPUTS.get(self.config.features.get("video", ""))
        imported = self.weights.get("video") if row is not None and row.trained and row.windows else None
        ema = self.config.train.ema_decay > 0
        return train_state.create(self.system, optimizer, self.config.seed, example, ema, imported)

    def _initial_state(self, optimizer: Any) -> TrainState:
        state = self._created(optimizer)
        if self.system.calibrate is None:
            return state
        found = self.system.calibrate(state.params, state.model_state, self.passes(self.untrained))
        return dataclasses.replace(state, model_state=found)

    def _retriever(self, state: TrainState, progress: Progress) -> Retriever:
        return dataclasses.replace(
            self.untrained,
            params=train_state.evaluation_params(state),
            model_state=dataclasses.replace(state.model_state, training=None),
            training=self._record(state.params, progress),
        )

    def _record(self, params: Any, progress: Progress) -> dict[str, Any]:
        """The training record."""
        record = {
            "best_step": max(progress.best_step, 0),
            "steps": progress.step,
            "train_seconds": progress.train_seconds,
            "parameters": train_state.parameter_count(params),
            "finished": progress.finished,
        }
        changed = workdirs.data_changed_at(self.workdir)
        return record if changed < 0 else {**record, "data_changed_at_step": changed}

    # In closed form.

    def computed(self) -> Retriever:
        if bundle.is_whole(self.workdir):
            return bundle.read(self.workdir)[0]
        retriever = closed_form(self.config, self.dataset, self.config.get("grid", {}))
        retriever = dataclasses.replace(retriever, clips=self.clips, weights=self.front_end_weights)
        if processes.is_leader():
            bundle.write(self.workdir, retriever, self.facts, 0)
        processes.barrier("model written")
        return retriever


def closed_form(config: ConfigDict, dataset: Dataset, grid: Mapping[str, Sequence[Any]]) -> Retriever:
    """Fits a closed-form method, its constants chosen on the validation split.

    Args:
      config: its `system` is a closed form.
      dataset: fitted on its training split.
      grid: field of `config.model`, or "standardise", -> candidates; an empty one keeps the config's value. Where the
        best candidate stands on the edge of a scale, others beyond it are tried too, see `avx.runs.grids`. Where the
        dataset has no validation items the config's values stand.

    Returns:
      The retriever; its training record holds the constants, every candidate with its validation score, and those that
      cannot be fitted to the data.

    Raises:
      UserError: no candidate can be fitted to the data.
    """
    evaluation, facts = settings.evaluation(config), facts_of(config, dataset)
    search = WideningGrid(grid if len(dataset.rows("val")) else {})
    asked = search.start()
    searched = len(asked) > 1
    begin = time.perf_counter()
    best: tuple[float, Retriever] | None = None
    tried: list[dict[str, Any]] = []
    refused: list[Constants] = []
    refusal: UserError | None = None
    while asked:
        unfit = []
        for candidate in asked:
            try:
                retriever = _computed_with(config, dataset, facts, candidate)
            except UserError as error:
                refusal = error
                unfit.append(candidate)
                continue
            score = 0.0
            if searched:
                values = flatten(validation_levels(retriever, dataset, evaluation))
                score = values.get(evaluation.score, values.get("instance/map", 0.0))
                tried.append({"constants": candidate, evaluation.score: score})
            if best is None or score > best[0]:
                best = score, dataclasses.replace(retriever, training={"constants": candidate})
        refused += unfit
        search.refuse(asked, unfit)
        asked = search.beyond(best[1].training["constants"]) if best is not None and searched else []
    if best is None:
        raise refusal or UserError(f"the grid of {config.system} is empty; give at least one candidate of each field.")
    record = {
        "best_step": 0,
        "steps": 0,
        "train_seconds": time.perf_counter() - begin,
        "parameters": train_state.parameter_count(best[1].params),
        "candidates": tried,
        "finished": True,
        "refused": refused,
    }
    return dataclasses.replace(best[1], training={**best[1].training, **record})


def _computed_with(config: ConfigDict, dataset: Dataset, facts: Facts, candidate: Mapping[str, Any]) -> Retriever:
    chosen = config.copy_and_resolve_references().unlock()
    chosen.model.update({name: value for name, value in candidate.items() if name != STANDARDISE})
    if STANDARDISE in candidate:
        chosen.features.standardise = candidate[STANDARDISE]
    system = registry.system(chosen.lock(), facts)
    assert system.fit is not None
    scale = fitted_scaling(config, dataset, candidate.get(STANDARDISE))
    specs = vector_specs(dataset, tuple(system.sides))
    retriever = Retriever(chosen, system, None, ModelState(), specs, scale, dataset.class_names)
    run = _Run(chosen, dataset, Path(), None, {}, facts, system)
    params, state = system.fit(run.passes(retriever), rng.stream(config.seed, "fit"))
    return dataclasses.replace(retriever, params=on_host(params), model_state=on_host(state))


def check_features(retriever: Retriever, dataset: Dataset, rows: np.ndarray) -> None:
    """Refuses vectors that a method cannot be fitted to, before any training.

    Raises:
      UserError: features of clips of unlike sizes, or a label outside the list of classes.
    """
    labels = dataset.first_label[rows]
    bad = np.flatnonzero(labels >= max(len(dataset.class_names), 1)) if len(dataset.class_names) else np.zeros(0, int)
    if bad.size:
        raise UserError(
            f"Item {dataset.ids[rows[bad[0]]]} has label {labels[bad[0]]}, but labels run from 0 to "
            f"{len(dataset.class_names) - 1}: correct it or list its class."
        )


def check_score(config: ConfigDict, dataset: Dataset) -> None:
    """Refuses a validation metric that the data cannot have, such as one of classes for items without any.

    Raises:
      UserError: it names the metrics that there are.
    """
    labels = dataset.first_label[dataset.rows("val")]
    known = ["class", "instance"] if (labels >= 0).any() else ["instance"]
    level = config.evaluation.score.split("/")[-2:][0]
    if level not in known:
        raise UserError(
            f"evaluation.score = {config.evaluation.score!r} cannot be measured on these validation items; choose "
            f"{' or '.join(f'{name}/map' for name in known)}."
        )
