"""Trains a system on paired feature vectors and evaluates it on the test items, in both directions.

    python -m experiments.train_pairs --config=configs/semantic_hashing.py --config.data.root=FOLDER [--workdir=DIR]

Queries are the test items of one modality. The database is the training items of the other modality or its test items;
its codes come from the trained networks, as those of any other item would. `python -m tools.search_codes` searches the
codes that a run leaves behind.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from absl import flags
from ml_collections import ConfigDict
from ml_collections.config_flags import config_flags

from avx.core.errors import UserError
from avx.core.types import TrainState
from avx.data import batches
from avx.data.sets.feature_pairs import PairTable
from avx.training import loop
from avx.training import state as train_state
from avx.training.checkpoint import Checkpointer, Progress, config_hash
from avx.training.step import make_train_step
from avx import registry, cluster, command, pair_results
from experiments import run as run_room
from avx.runs import workdir as workdir_room
from experiments.fitted_pairs import Fitted, feature_sizes, loader, prepared
from experiments.pairs import Pairs, by_split, checked, fitting_parts, validation_levels


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
    if validation is not None:
        checked(validation, feature_sizes(config), classes)
    untrained, optimizer, steps = _start(config, training, classes)
    system, state, reference = untrained.system, untrained.state, untrained.reference
    items = prepared(reference, training)
    iterator = batches.train_iterator(
        loader(items),
        np.arange(len(items)),
        registry.modality_specs(config),
        batch_size=config.train.batch_size,
        seed=config.seed,
        shard=batches.Shard(jax.process_index(), jax.process_count()),
        num_threads=config.train.loader_threads,
    )

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
    checkpointer = _checkpointer(config, workdir)
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


def restored(config: ConfigDict, training: Pairs, classes: int, workdir: Path) -> Fitted:
    """What `fit` returned, from the best checkpoint in its workdir; arguments as in `fit`.

    Raises:
      UserError: no whole checkpoint of this config, or none that has been evaluated.
    """
    untrained, _, _ = _start(config, training, classes)
    checkpointer = _checkpointer(config, workdir)
    _, progress = checkpointer.restore(untrained.state)
    if progress.best_step < 0:
        raise UserError(f"{workdir} has no evaluated checkpoint yet; train at least one epoch.")
    state, _ = checkpointer.restore(untrained.state, step=progress.best_step)
    checkpointer.close()
    return dataclasses.replace(untrained, state=state, progress=progress)


def _start(config: ConfigDict, training: Pairs, classes: int) -> tuple[Fitted, optax.GradientTransformation, int]:
    """A system before its first step, its optimizer, and the steps of an epoch."""
    run_room.check(config)
    checked(training, feature_sizes(config), classes)
    system = registry.system(config, classes)
    reference = training if config.features.standardise else None
    steps = batches.steps_per_epoch(len(training), config.train.batch_size)
    optimizer = registry.optimizer(config, steps * config.train.epochs)
    load, specs = loader(prepared(reference, training)), registry.modality_specs(config)
    example = next(batches.evaluation_batches(load, np.arange(1), specs, config.evaluation.batch_size))
    state = train_state.create(system, optimizer, config.seed, example, config.train.ema_decay > 0)
    return Fitted(config, system, state, reference, Progress()), optimizer, steps


def _checkpointer(config: ConfigDict, workdir: Path) -> Checkpointer:
    return Checkpointer(workdir / "checkpoints", config_hash(config.to_dict()))


def train(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Fits on the training items, tests against both databases, and writes results/test.json.

    Raises:
      UserError: bad input; nothing that was there is lost.
    """
    run_room.check(config)
    registry.check_pairs(config)
    if processes.is_leader():
        workdir_room.claim(workdir, config)
        workdir_room.write_environment(workdir)
    processes.barrier("workdir claimed")
    table, parts = read(config)
    fitted = fit(config, parts["fitted"], parts.get("validation"), len(table.class_names), workdir)
    return pair_results.write(fitted, table, parts, workdir)


def evaluate(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Tests the best checkpoint of a run again and writes what `train` wrote.

    Raises:
      UserError: as `restored`, and data that cannot be read.
    """
    table, parts = read(config)
    return pair_results.write(restored(config, parts["fitted"], len(table.class_names), workdir), table, parts, workdir)


def read(config: ConfigDict) -> tuple[PairTable, dict[str, Pairs]]:
    """The table of a config and its items: by split, and under "fitted" and "validation" those that training is given.

    Raises:
      UserError: data that cannot be read.
    """
    table = registry.pairs(config)
    parts = by_split(table, config.features.image, config.features.text)
    fitting, validation = fitting_parts(parts, config.data.validation_share, config.data.split_seed)
    return table, parts | {"fitted": fitting} | ({} if validation is None else {"validation": validation})


def show(result: Mapping[str, Any]) -> None:
    """Prints MAP of every row of a result."""
    for row in result["rows"]:
        levels = {name.replace("_", " "): found["class"]["map"] for name, found in row["directions"].items()}
        print(f"MAP, {row['name']}: {', '.join(f'{name} {value:.4f}' for name, value in levels.items())}")


def main(argv: Sequence[str]) -> None:
    processes.initialize()
    config = _CONFIG.value
    workdir = Path(_WORKDIR.value or f"runs/{config.name}")
    show(train(config, workdir))
    print(f"results/test.json, the codes of all items and the training curves are in {workdir}")


if __name__ == "__main__":
    _CONFIG = config_flags.DEFINE_config_file("config", None, "Path of the config file.", lock_config=True)
    _WORKDIR = flags.DEFINE_string("workdir", "", "Folder of the run; runs/NAME of the config if not given.")
    flags.mark_flag_as_required("config")
    app.run(main)
