"""Checks a config without data and without compute: fields, values, and the shapes of a whole training step.

avx check_config --config=configs/quickstart.py [--config.FIELD=VALUE ...]
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np
from absl import flags
from ml_collections import ConfigDict
from ml_collections.config_flags import config_flags

from avx import registry
from avx.core.types import ALONE, VECTORS, Batch, ModelState, System
from avx.data.batches import ModalitySpec, assemble
from avx.runs import settings
from avx.runs.feature_layout import sides_of
from avx.training.state import parameter_count

NOMINAL_SIZE = 64
"""Numbers in a feature vector, and steps of a sequence, of an imagined data set that does not state them."""
CLASSES = 20


def shape_check(config: ConfigDict, classes: int = CLASSES) -> dict[str, int]:
    """Traces initialisation, loss and gradient, embedding and scores of a config on abstract arrays.

    A closed form is fitted to a few random vectors instead, which takes no longer.

    Args:
      config: a locked config.
      classes: of an imagined data set.

    Returns:
      {"parameters": count, "embedding_size": D}.

    Raises:
      UserError: an impossible value or an unknown name.
    """
    settings.check(config)
    facts = registry.Facts(classes, sides_of(config))
    system = registry.system(config, facts)
    specs = imagined_specs(config, system)
    return _fitted(config, system, specs) if system.fit else _traced(config, system, specs)


def imagined_specs(config: ConfigDict, system: System) -> tuple[ModalitySpec, ...]:
    """Returns how the features of an imagined data set become batches."""
    if system.reads == VECTORS:
        return tuple(ModalitySpec(side, 1, (NOMINAL_SIZE,)) for side in system.sides)
    specs = registry.clip_specs(config)
    return tuple(dataclasses.replace(spec, length=spec.length or NOMINAL_SIZE) for spec in specs)


def _traced(config: ConfigDict, system: System, specs: Sequence[ModalitySpec]) -> dict[str, int]:
    assert system.init is not None and system.loss is not None
    loss = system.loss
    optimizer = registry.optimizer(config, total_steps=10)
    rows = config.evaluation.batch_size
    batch: Batch = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), assemble([None] * rows, np.arange(rows), specs)
    )
    batch = dataclasses.replace(batch, item=batch.position)
    key = jax.eval_shape(lambda: jax.random.key(0))
    params, model_state = jax.eval_shape(system.init, key, batch)
    keys = {"dropout": key, "loss": key}

    def value(params, model_state, batch, keys):
        return loss(params, model_state, batch, keys, ALONE).value

    grads = jax.eval_shape(jax.grad(value), params, model_state, batch, keys)
    jax.eval_shape(lambda grads, params: optimizer.update(grads, optimizer.init(params), params), grads, params)
    return _embedded(system, params, model_state, batch, rows)


def _fitted(config: ConfigDict, system: System, specs: Sequence[ModalitySpec]) -> dict[str, int]:
    assert system.fit is not None
    count, generator = 8 * NOMINAL_SIZE, np.random.default_rng(0)

    def row(number: int) -> dict[str, np.ndarray]:
        vectors = {spec.name: generator.random((1, *spec.shape), np.float32) for spec in specs}
        return vectors | {"label": np.array(number % 4, np.int32)}

    batch = assemble([row(number) for number in range(count)], np.arange(count), specs)
    params, model_state = system.fit(lambda: iter([batch]), jax.random.key(0))
    return _embedded(system, params, model_state, batch, count)


def _embedded(system: System, params, model_state: ModelState, batch: Batch, rows: int) -> dict[str, int]:
    embedded = jax.eval_shape(system.embed, params, model_state, batch)
    first, second = (embedded[name] for name in system.sides)
    scores = jax.eval_shape(system.score, params, model_state, first, second)
    assert scores.shape == (rows, rows), f"scores have shape {scores.shape}"
    return {"parameters": parameter_count(params), "embedding_size": first.vectors.shape[-1]}


def define_flags() -> None:
    config_flags.DEFINE_config_file("config", None, "Path of the config file.", lock_config=True)
    flags.mark_flag_as_required("config")


def main(argv: Sequence[str]) -> None:
    config = flags.FLAGS.config
    found = shape_check(config)
    print(f"{config.name}: {found['parameters']:,} parameters, embeddings of {found['embedding_size']}: fine")
