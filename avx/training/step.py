"""One train step on any number of devices: the only home of pmap, the axis name and the collectives.

The step is a pure function per device. The state is the same on all devices and travels unmapped; the batch is split
along its first axis. Losses see the global batch through `gather`; because every device then computes the whole loss,
the mean of the per-device gradients over the axis is the gradient of the global loss (a sum would be n times it).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from avx.core import rng
from avx.core.errors import UserError
from avx.core.types import Array, Batch, Metrics, ModelState, Params, System, TrainState

AXIS = "devices"
STREAMS = ("dropout", "loss")

TrainStep = Callable[[TrainState, Batch], tuple[TrainState, Metrics]]
EmbedStep = Callable[[Params, ModelState, Batch], dict]


def gather(values: Array) -> Array:
    """Concatenates the first axis over all devices, in the order of the global batch."""
    return jax.lax.all_gather(values, AXIS, axis=0, tiled=True)


def split_over_devices(batch: Batch, devices: int) -> Batch:
    """(B, ...) -> (devices, B / devices, ...) for every leaf.

    Raises:
      UserError: B does not divide by the number of devices.
    """
    size = batch.label.shape[0]
    if size % devices:
        raise UserError(
            f"a batch of {size} rows does not divide over {devices} devices; choose a multiple of {devices}."
        )
    return jax.tree.map(lambda leaf: leaf.reshape(devices, size // devices, *leaf.shape[1:]), batch)


def all_finite(tree) -> Array:
    """() bool: no entry of any leaf is NaN or infinite."""
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))


def make_train_step(
    system: System,
    optimizer: optax.GradientTransformation,
    seed: int,
    *,
    ema_decay: float = 0.0,
    devices: Sequence[jax.Device] | None = None,
) -> TrainStep:
    """Builds step(state, batch) -> (state, metrics).

    Args:
      system: supplies the loss.
      optimizer: the update rule.
      seed: dropout and sampling keys come from (seed, stream name, step).
      ema_decay: decay of the parameter average; used where the state keeps one.
      devices: this process's devices; all of them by default.

    Returns:
      A function of the state and this process's rows of the global batch. Metrics are (sum, weight) pairs over the
      global batch; "finite" is 0 where the loss or a gradient is not finite, and the state, its step count included,
      is then left as it was.
    """
    local = list(devices) if devices is not None else jax.local_devices()

    def per_device(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        keys = {name: rng.stream(seed, name, state.step) for name in STREAMS}

        def objective(params):
            loss = system.loss(params, state.model_state, batch, keys, gather)
            return loss.value, loss

        grads, loss = jax.grad(objective, has_aux=True)(state.params)
        grads = jax.lax.pmean(grads, AXIS)
        metrics = jax.lax.psum(loss.metrics, AXIS)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        ema = state.ema
        if ema is not None:
            ema = jax.tree.map(lambda old, new: ema_decay * old + (1 - ema_decay) * new, ema, params)
        following = TrainState(state.step + 1, params, opt_state, loss.model_state, ema)
        finite = jnp.logical_and(jnp.isfinite(loss.value), all_finite(grads))
        kept = jax.tree.map(lambda new, old: jnp.where(finite, new, old), following, state)
        ones = jnp.ones((), jnp.float32)
        metrics["finite"] = (finite.astype(jnp.float32), ones)
        metrics["gradient_norm"] = (optax.global_norm(grads), ones)
        return kept, metrics

    mapped = jax.pmap(per_device, AXIS, in_axes=(None, 0), out_axes=(None, None), devices=devices)
    everywhere = NamedSharding(Mesh(np.array(local), (AXIS,)), PartitionSpec())

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        # A fresh or restored state is laid out as the step leaves it: another layout would compile the step again.
        if jax.process_count() == 1 and getattr(state.step, "sharding", None) != everywhere:
            state = jax.device_put(state, everywhere)
        return mapped(state, split_over_devices(batch, len(local)))

    return step


def make_embed_step(system: System, devices: Sequence[jax.Device] | None = None) -> EmbedStep:
    """Builds embed(params, model_state, batch) -> {modality: embeddings (B, ...)} as numpy arrays.

    Every process embeds its own batches: no collective runs, and the compiled shape is the batch's alone, so a clip's
    embedding depends on nothing but the clip, the parameters and the fixed batch size.
    """
    local = list(devices) if devices is not None else jax.local_devices()
    mapped = jax.pmap(system.embed, in_axes=(None, None, 0), devices=local)

    def embed(params: Params, model_state: ModelState, batch: Batch) -> dict:
        outputs = mapped(params, model_state, split_over_devices(batch, len(local)))
        # The first axis spelled out: no -1 can be inferred for an array without entries.
        return jax.tree.map(
            lambda leaf: np.asarray(leaf).reshape(leaf.shape[0] * leaf.shape[1], *leaf.shape[2:]), outputs
        )

    return embed


def on_any_process(flag: bool) -> bool:
    """True everywhere as soon as `flag` is True in one process, so that all of them leave a loop at the same step."""
    if jax.process_count() == 1:
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.asarray(flag))))


def finalize(metrics: Metrics) -> dict[str, float]:
    """(sum, weight) pairs to numbers; a metric without weight is left out."""
    values = {}
    for name, (total, weight) in jax.device_get(metrics).items():
        if weight > 0:
            values[name] = float(total) / float(weight)
    return values
