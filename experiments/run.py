"""A run put together from its config: data, splits, batches, system, state, checkpoints."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np
import optax
from ml_collections import ConfigDict

from avx import registry
from avx.core.errors import UserError
from avx.core.types import Batch, System, TrainState
from avx.data import batches, splits
from avx.evaluation import retrieval
from avx.media.quarantine import Quarantine
from avx.training import state as train_state
from avx.training.checkpoint import Checkpointer, Progress, config_hash
from avx.training.schedule import Schedule
from avx.training.step import EmbedStep, make_embed_step
from experiments.extract import Corpus, Memoised, extract


@dataclasses.dataclass
class Run:
    """Everything that training and evaluation share.

    Attributes:
      config: the locked config.
      workdir: folder of the run.
      corpus: cached features.
      split: {"train", "val", "test"} -> indices into the corpus's source.
      specs: layout of batches.
      system: the model.
      optimizer: its update rule.
      schedule: how long it trains.
      load: loader with memory.
      embed: a batch's embeddings.
      imported: variables of a network that a fresh run trains on from; None for a run without one, or one that has a
        checkpoint, which holds them.
    """

    config: ConfigDict
    workdir: Path
    corpus: Corpus
    split: dict[str, np.ndarray]
    specs: tuple[batches.ModalitySpec, ...]
    system: System
    optimizer: optax.GradientTransformation
    schedule: Schedule
    load: Memoised
    embed: EmbedStep
    imported: Any | None = None

    def train_iterator(self) -> grain.DatasetIterator:
        """Endless training batches, this process's rows."""
        return batches.train_iterator(
            self.load,
            self.split["train"],
            self.specs,
            batch_size=self.config.train.batch_size,
            seed=self.config.seed,
            shard=batches.Shard(jax.process_index(), jax.process_count()),
            num_threads=self.config.train.loader_threads,
        )

    def batches(self, indices: np.ndarray) -> Iterator[Batch]:
        """Batches of the given clips in order; each device gets the same number of rows whatever the device count."""
        rows = self.config.evaluation.batch_size * jax.local_device_count()
        return batches.evaluation_batches(self.load, indices, self.specs, rows)

    def initial_state(self) -> TrainState:
        """State at step 0; what a system takes from data, it takes from clips drawn over the whole training split."""
        count = self.config.evaluation.batch_size
        # The split's order is that of files, in which neighbours are of one class or one talker.
        rows = np.random.default_rng(self.config.seed).permutation(self.split["train"])[:count]
        example = next(batches.evaluation_batches(self.load, rows, self.specs, len(rows)))
        ema = self.config.train.ema_decay > 0
        return train_state.create(self.system, self.optimizer, self.config.seed, example, ema, self.imported)

    def blank_state(self) -> TrainState:
        """Zeros in the place of `initial_state`, for a checkpoint to be restored into; nothing is computed."""
        return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), jax.eval_shape(self.initial_state))

    def checkpointer(self) -> Checkpointer:
        """The run's checkpoints."""
        return _checkpointer(self.config, self.workdir)

    def embed_split(self, state: TrainState, name: str) -> retrieval.EmbeddedSplit:
        """Embeddings of a split under the state's evaluation parameters."""
        params = train_state.evaluation_params(state)
        batches = self.batches(self.split[name])
        return retrieval.embed_split(self.embed, params, state.model_state, batches, self.system.modalities)

    def levels(
        self, state: TrainState, embedded: retrieval.EmbeddedSplit, progress: Callable[[int], None] | None = None
    ) -> tuple[np.ndarray, retrieval.Levels]:
        """(scores, metrics) of an embedded split; `progress` is told the pairs that are scored."""
        params = train_state.evaluation_params(state)
        scores = retrieval.score_split(self.system, params, state.model_state, embedded, progress)
        ks = self.config.evaluation.ks
        return scores, retrieval.evaluate_scores(scores, embedded.labels, embedded.present, self.system.modalities, ks)

    def validate(self, state: TrainState) -> Mapping[str, float]:
        """Validation metrics, flat, for curves, early stopping and model selection."""
        _, levels = self.levels(state, self.embed_split(state, "val"))
        return retrieval.flatten(levels)


def prepare(config: ConfigDict, workdir: Path) -> Run:
    """Builds a run: checks the config, finds the data, extracts what is missing.

    Raises:
      UserError: an impossible value of the config, or data that cannot be used.
    """
    check(config)
    registry.check_clips(config)
    imported = _imported(config, workdir)
    source = registry.source(config)
    corpus = extract(config, source, registry.front_end(config), Quarantine(workdir / "quarantine.jsonl"))
    records = [corpus.source[index] for index in corpus.usable.tolist()]
    clip_ids, labels = [record.clip_id for record in records], [record.label for record in records]
    stated = np.array([record.split for record in records])
    if stated.all():
        parts = {name: np.flatnonzero(stated == name) for name in splits.SPLITS}
    else:
        parts = split_clips(clip_ids, labels, config.data.split_fractions, config.data.split_seed)
    split = {name: corpus.usable[rows] for name, rows in parts.items()}
    for name, rows in split.items():
        if len(rows) < 2:
            raise UserError(f"the {name} split holds {len(rows)} clips; give more clips or other data.split_fractions.")
    _check_score(config, np.array([corpus.source[index].label for index in split["val"].tolist()]))
    steps = batches.steps_per_epoch(len(split["train"]), config.train.batch_size)
    schedule = Schedule(
        steps_per_epoch=steps,
        epochs=config.train.epochs,
        patience=config.train.patience,
        evaluate_every=config.train.evaluate_every,
        score=config.evaluation.score,
    )
    system = registry.system(config, len(source.class_names), steps)
    return Run(
        config=config,
        workdir=workdir,
        corpus=corpus,
        split=split,
        specs=registry.modality_specs(config),
        system=system,
        optimizer=registry.optimizer(config, steps * config.train.epochs),
        schedule=schedule,
        load=Memoised(corpus),
        embed=make_embed_step(system),
        imported=imported,
    )


def _imported(config: ConfigDict, workdir: Path) -> Any | None:
    """Imported variables, read before any extraction; from the first checkpoint on nothing asks for their files."""
    read = registry.importer(config)
    if read is None:
        return None
    checkpointer = _checkpointer(config, workdir)
    started = checkpointer.latest_step() is not None
    checkpointer.close()
    return None if started else read()


def _checkpointer(config: ConfigDict, workdir: Path) -> Checkpointer:
    return Checkpointer(workdir / "checkpoints", config_hash(config.to_dict()))


def _check_score(config: ConfigDict, labels: np.ndarray) -> None:
    """Refuses a validation metric that the data cannot have, such as one of classes for clips without any."""
    everywhere = np.ones(len(labels), bool)
    levels = retrieval.chance(labels, {"first": everywhere, "second": everywhere}, ("first", "second"), (1,))
    known = {name.split("/")[-2] for name in retrieval.flatten(levels)}
    level = config.evaluation.score.split("/")[-2:][0]
    if level not in known:
        raise UserError(
            f"evaluation.score = {config.evaluation.score!r} cannot be measured on these validation clips; choose "
            f"{' or '.join(f'{name}/map' for name in sorted(known))}."
        )


def split_clips(
    clip_ids: Sequence[str], labels: Sequence[int], fractions: tuple[float, float, float], seed: int
) -> dict[str, np.ndarray]:
    """Splits within every class; where classes are so small that a part gets less than half its share, over all clips.

    A class of one clip can only train. A folder full of such classes would leave nothing to validate and to test on.
    """
    parts = splits.split_by_item(clip_ids, labels, fractions, seed)
    if all(len(parts[name]) >= share * len(clip_ids) / 2 for name, share in zip(splits.SPLITS, fractions, strict=True)):
        return parts
    return splits.split_by_item(clip_ids, [0] * len(clip_ids), fractions, seed)


POSITIVE = (
    "data.clips",
    "decode.frame_rate",
    "decode.height",
    "decode.width",
    "decode.sample_rate",
    "decode.max_seconds",
    "keyframes.max_clusters",
    "features.image_size",
    "features.window_frames",
    "features.window_stride",
    "features.max_windows",
    "features.max_audio_steps",
    "features.mfcc_coefficients",
    "features.mfcc_hop_seconds",
    "features.mfcc_window_seconds",
    "model.capacity",
    "train.batch_size",
    "train.epochs",
    "train.evaluate_every",
    "train.loader_threads",
    "evaluation.batch_size",
    "optimizer.learning_rate",
)
SHARES = ("model.dropout", "train.ema_decay", "model.label_smoothing", "model.blend", "model.smallest_weight")


def check(config: ConfigDict) -> None:
    """Refuses values that cannot be, before any work, naming the field.

    Raises:
      UserError: the first such field.
    """
    flat = dict(_flatten(config))
    for name in POSITIVE:
        if name in flat and not flat[name] > 0:
            raise UserError(f"{name} = {flat[name]} must be greater than 0.")
    for name in SHARES:
        if name in flat and not 0 <= flat[name] < 1:
            raise UserError(f"{name} = {flat[name]} must lie in [0, 1).")
    devices = jax.device_count()
    if config.train.batch_size % devices:
        raise UserError(f"train.batch_size = {config.train.batch_size} does not divide by the {devices} devices.")
    if config.evaluation.get("test_time_update", False) and not config.model.get("memory", False):
        raise UserError("evaluation.test_time_update = True needs a memory that can learn: set model.memory = True.")
    if "selected_blocks" in config.model and config.model.selected_blocks > config.model.blocks:
        raise UserError(
            f"model.selected_blocks = {config.model.selected_blocks} exceeds model.blocks = {config.model.blocks}."
        )


def _flatten(config: ConfigDict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, ConfigDict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def restore_best(run: Run, checkpointer: Checkpointer, progress: Progress, template: TrainState) -> TrainState:
    """The state of the best validation score.

    Raises:
      UserError: nothing has been evaluated yet.
    """
    if progress.best_step < 0:
        raise UserError(f"{run.workdir} has no evaluated checkpoint yet; train at least one epoch.")
    state, _ = checkpointer.restore(template, step=progress.best_step)
    return state
