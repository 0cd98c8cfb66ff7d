"""Checks a config without data and without compute: fields, values, and the shapes of a whole training step.

avx check_config --config=configs/quickstart.py [--config.FIELD=VALUE ...]
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np
from absl import flags
from ml_collections import ConfigDict
from ml_collections.config_flags import config_flags

from avx import registry
from avx.core.types import Batch
from avx.data.batches import assemble
from avx.training.state import parameter_count
from experiments import run as run_room


def shape_check(config: ConfigDict, classes: int = 20) -> dict[str, int]:
    """Traces initialisation, loss and gradient, embedding and scores of a config on abstract arrays.

    Args:
      config: a locked config.
      classes: of an imagined data set.

    Returns:
      {"parameters": count, "embedding_size": D}.

    Raises:
      UserError: an impossible value or an unknown name.
    """
    run_room.check(config)
    system = registry.system(config, classes)
    optimizer = registry.optimizer(config, total_steps=10)
    rows = config.evaluation.batch_size
    batch: Batch = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype),
        assemble([None] * rows, np.arange(rows), registry.modality_specs(config)),
    )
    key = jax.eval_shape(lambda: jax.random.key(0))
    params, model_state = jax.eval_shape(system.init, key, batch)
    keys = {"dropout": key, "loss": key}

    def value(params, model_state, batch, keys):
        return system.loss(params, model_state, batch, keys, lambda values: values).value

    grads = jax.eval_shape(jax.grad(value), params, model_state, batch, keys)
    jax.eval_shape(lambda grads, params: optimizer.update(grads, optimizer.init(params), params), grads, params)
    embeddings = jax.eval_shape(system.embed, params, model_state, batch)
    first, second = (embeddings[name] for name in system.modalities)
    scores = jax.eval_shape(system.score, params, model_state, first, second)
    assert scores.shape == (rows, rows), f"scores have shape {scores.shape}"
    size = first.vectors.shape[-1] if hasattr(first, "vectors") else 0
    return {"parameters": parameter_count(params), "embedding_size": size}


def define_flags() -> None:
    config_flags.DEFINE_config_file("config", None, "Path of the config file.", lock_config=True)
    flags.mark_flag_as_required("config")


def main(argv: Sequence[str]) -> None:
    config = flags.FLAGS.config
    found = shape_check(config)
    print(f"{config.name}: {found['parameters']:,} parameters, embeddings of {found['embedding_size']}: fine")
