"""Trains a system on paired feature vectors and evaluates it on the test items, in both directions.

    python -m experiments.train_pairs --config=configs/semantic_hashing.py --config.data.root=FOLDER [--workdir=DIR]

Queries are the test items of one modality. The database is the training items of the other modality or its test items;
its codes come from the trained networks, as those of any other item would.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from ml_collections import ConfigDict
from ml_collections.config_flags import config_flags

from avx.core.types import Embeddings, System, TrainState
from avx.data import pipeline, splits
from avx.training import loop
from avx.training import state as train_state
from avx.training.checkpoint import Checkpointer, Progress, config_hash
from avx.training.step import make_embed_step, make_train_step
from experiments import builders, cluster, command
from experiments import run as run_room
from experiments import workdir as workdir_room
from experiments.pairs import (
    DIRECTIONS,
    Pairs,
    by_split,
    checked,
    evaluate,
    fitting_parts,
    standardised,
    validation_levels,
)


@dataclasses.dataclass
class Fitted:
    """A trained system with what it needs to embed other items of the same features.

    Attributes:
      config: of the run.
      system: the model.
      state: its parameters.
      reference: the items whose statistics standardise all others; None where features stay as they are.
      progress: how training went.
    """

    config: ConfigDict
    system: System
    state: TrainState
    reference: Pairs | None
    progress: Progress

    def embed(self, pairs: Pairs) -> dict[str, Embeddings]:
        """Embeddings of items by modality; UserError for features of another number or that are not finite."""
        checked(pairs, _sizes(self.config))
        return _embed(self.config, self.system, self.state, _prepared(self.reference, pairs))

    def scores(self, queries: Pairs, database: Pairs) -> dict[tuple[str, str], np.ndarray]:
        """(Q, G) of both directions."""
        return _scores(self.system, self.state, self.embed(queries), self.embed(database))


def fit(config: ConfigDict, training: Pairs, validation: Pairs | None, classes: int, workdir: Path) -> Fitted:
    """Trains the system of a config.

    Args:
      config: a locked config.
      training: the items to fit; their statistics standardise all features where the config says so.
      validation: the items that pick the best epoch (see `validation_levels`); None trains to the last epoch.
      classes: number of classes.
      workdir: checkpoints and training curves; a run that was stopped there goes on.

    Raises:
      UserError: an impossible value of the config, items that do not fit it (see `pairs.checked`), or a loss that is
        not finite.
    """
    run_room.check(config)
    for items in (training, validation):
        if items is not None:
            checked(items, _sizes(config), classes)
    system = builders.system(config, classes)
    reference = training if config.features.standardise else None
    prepared = _prepared(reference, training)
    steps = pipeline.steps_per_epoch(len(training), config.train.batch_size)
    optimizer = builders.optimizer(config, steps * config.train.epochs)
    specs = builders.modality_specs(config)
    load = _loader(prepared)
    shard = pipeline.Shard(jax.process_index(), jax.process_count())
    iterator = pipeline.train_iterator(
        load,
        np.arange(len(prepared)),
        specs,
        batch_size=config.train.batch_size,
        seed=config.seed,
        shard=shard,
        num_threads=config.train.loader_threads,
    )
    example = next(pipeline.evaluation_batches(load, np.arange(1), specs, config.evaluation.batch_size))
    state = train_state.create(system, optimizer, config.seed, example, config.train.ema_decay > 0)

    def judge(current: TrainState) -> dict[str, float]:
        if validation is None:
            # The last state counts: nothing is measured, and the one evaluation is at the end.
            return {config.evaluation.score: 0.0}
        fitted = Fitted(config, system, current, reference, Progress())
        return validation_levels(fitted.scores, training, validation)

    schedule = loop.Schedule(
        steps_per_epoch=steps,
        epochs=config.train.epochs,
        patience=config.train.patience if validation is not None else 0,
        evaluate_every=config.train.evaluate_every if validation is not None else config.train.epochs,
        score=config.evaluation.score,
    )
    checkpointer = Checkpointer(workdir / "checkpoints", config_hash(config.to_dict()))
    progress = Progress()
    if checkpointer.latest_step() is not None:
        state, progress = checkpointer.restore(state, iterator)
    step = make_train_step(system, optimizer, config.seed, ema_decay=config.train.ema_decay)
    state, progress = loop.train(
        step,
        state,
        iterator,
        schedule=schedule,
        evaluate=judge,
        checkpointer=checkpointer,
        workdir=workdir,
        progress=progress,
        show_progress=False,
    )
    state, _ = checkpointer.restore(state, step=progress.best_step)
    checkpointer.close()
    return Fitted(config, system, state, reference, progress)


def _sizes(config: ConfigDict) -> dict[str, int]:
    return {spec.name: spec.shape[0] for spec in builders.modality_specs(config)}


def _prepared(reference: Pairs | None, pairs: Pairs) -> Pairs:
    return pairs if reference is None else standardised(reference, pairs)


def _loader(pairs: Pairs) -> pipeline.Loader:
    def load(index: int) -> dict[str, Any]:
        rows = slice(index, index + 1)
        return {"image": pairs.image[rows], "text": pairs.text[rows], "label": pairs.label[index]}

    return load


def _embed(config: ConfigDict, system: System, state: TrainState, pairs: Pairs) -> dict[str, Embeddings]:
    embed = make_embed_step(system)
    params = train_state.evaluation_params(state)
    rows = config.evaluation.batch_size * jax.local_device_count()
    parts: dict[str, list[np.ndarray]] = {name: [] for name in system.modalities}
    specs = builders.modality_specs(config)
    for batch in pipeline.evaluation_batches(_loader(pairs), np.arange(len(pairs)), specs, rows):
        outputs = embed(params, state.model_state, batch)
        for name in system.modalities:
            parts[name].append(outputs[name].vectors[np.asarray(batch.example_mask)])
    present = jnp.ones(len(pairs), bool)
    return {name: Embeddings(jnp.asarray(np.concatenate(found)), present) for name, found in parts.items()}


def _scores(
    system: System, state: TrainState, queries: Mapping[str, Embeddings], database: Mapping[str, Embeddings]
) -> dict[tuple[str, str], np.ndarray]:
    params = train_state.evaluation_params(state)
    return {
        (query, other): np.asarray(system.score(params, state.model_state, queries[query], database[other]))
        for query, other in DIRECTIONS
    }


def train(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Fits on the training items, tests against both databases, and writes results/test.json.

    Raises:
      UserError: bad input; nothing that was there is lost.
    """
    run_room.check(config)
    builders.check_pairs(config)
    if cluster.is_leader():
        workdir_room.claim(workdir, config)
        workdir_room.write_environment(workdir)
    cluster.barrier("workdir claimed")
    table = builders.pairs(config)
    parts = by_split(table, config.features.image, config.features.text)
    training, test = parts["train"], parts["test"]
    fitting, validation = fitting_parts(parts, config.data.validation_share, config.data.split_seed)
    fitted = fit(config, fitting, validation, len(table.class_names), workdir)
    result: dict[str, Any] = {
        "features": {"image": config.features.image, "text": config.features.text, "rows": "L2-normalised"},
        "best_step": fitted.progress.best_step,
        "split_hash": {
            name: splits.split_hash(part.item_ids, range(len(part)))
            for name, part in (("fitted", fitting), ("test", test))
        },
        "database": {},
    }
    for name, database in (("train", training), ("test", test)):
        found = evaluate(
            fitted.scores(test, database),
            test.label,
            database.label,
            config.evaluation.ks,
            config.evaluation.map_cutoffs,
        )
        result["database"][name] = found
    if cluster.is_leader():
        workdir_room.write_json(workdir / "results" / "test.json", result)
    cluster.barrier("results written")
    return result


def main(argv: Sequence[str]) -> None:
    cluster.initialize()
    config = _CONFIG.value
    workdir = Path(_WORKDIR.value or f"runs/{config.name}")
    result = train(config, workdir)
    for database, found in result["database"].items():
        line = ", ".join(f"{name.replace('_', ' ')} {values['map']:.4f}" for name, values in found.items())
        print(f"MAP, database = {database} items: {line}")
    print(f"results/test.json and the training curves are in {workdir}")


if __name__ == "__main__":
    _CONFIG = config_flags.DEFINE_config_file("config", None, "Path of the config file.", lock_config=True)
    _WORKDIR = flags.DEFINE_string("workdir", "", "Folder of the run; runs/NAME of the config if not given.")
    flags.mark_flag_as_required("config")
    command.run(main)
