"""The train state: created under jit, counted, described without compute."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

from avx.core import rng
from avx.core.types import Batch, System, TrainState


def create(
    system: System,
    optimizer: optax.GradientTransformation,
    seed: int,
    batch: Batch,
    ema: bool,
    imported: Any | None = None,
) -> TrainState:
    """Initial state for `seed`; drawn parameters depend on the seed and on the shapes of `batch` alone.

    Args:
      system: what is trained.
      optimizer: its state starts from the parameters.
      seed: of the run.
      batch: any batch of the right shapes.
      ema: keep an exponential moving average of the parameters.
      imported: variables of a network that the system trains on from; None for a system without one.

    Returns:
      A `TrainState` at step 0.
    """

    def build(batch: Batch, *imported: Any) -> TrainState:
        assert system.init is not None, f"{system.title} is fitted in closed form, not trained in steps"
        params, model_state = system.init(rng.stream(seed, "init"), batch, *imported)
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            params=params,
            opt_state=optimizer.init(params),
            model_state=model_state,
            ema=params if ema else None,
        )

    # As an argument: what a traced function closes over is copied into the compiled program.
    return jax.jit(build)(batch) if imported is None else jax.jit(build)(batch, imported)


def evaluation_params(state: TrainState):
    """The averaged parameters where they are kept, else the trained ones."""
    return state.params if state.ema is None else state.ema


def parameter_count(params) -> int:
    """Number of trained scalars."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
