"""One train step on any number of devices: the only home of pmap, the axis name and the collectives.

The step is a pure function per device. The state is the same on all devices and travels unmapped; the batch is split
along its first axis. Losses see the global batch through a `Gather`. Every device returns the whole loss, whichever
part of the work it did, so what is differentiated is n times that loss, and the mean of the per-device gradients over
the axis is the gradient of the global loss (a sum would be n times it).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from avx.core import rng
from avx.core.errors import UserError
from avx.core.types import Array, Batch, Gather, Metrics, ModelState, Params, System, TrainState

AXIS = "devices"
STREAMS = ("dropout", "loss")

TrainStep = Callable[..., tuple[TrainState, Metrics]]
"""step(state, batch, stop=False) -> (state, metrics), see `make_train_step`."""
EmbedStep = Callable[[Params, ModelState, Batch], dict]


def _all_rows(values: Array) -> Array:
    return jax.lax.all_gather(values, AXIS, axis=0, tiled=True)


def _own_rows(values: Array) -> Array:
    share, rest = divmod(values.shape[0], jax.lax.axis_size(AXIS))
    assert rest == 0, f"{values.shape[0]} rows do not divide over {jax.lax.axis_size(AXIS)} devices"
    return jax.lax.dynamic_slice_in_dim(values, jax.lax.axis_index(AXIS) * share, share)


def _total(values: Any) -> Any:
    return jax.lax.psum(values, AXIS)


GATHER = Gather(all=_all_rows, mine=_own_rows, total=_total)


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


def replicated(tree: Any, devices: Sequence[jax.Device] | None = None) -> Any:
    """Copies a pytree to each of this process's devices, laid out as the steps take it.

    Parameters that many batches are embedded with go through here once: as numpy arrays, or on one device only, they
    would be sent to the devices anew for every batch. What is laid out so already is returned as it is.
    """
    layout = NamedSharding(_mesh(devices), PartitionSpec())

    def laid_out(leaf: Any) -> bool:
        # Several processes get the layout of their own part of a global mesh back: equivalent, not equal.
        sharding = getattr(leaf, "sharding", None)
        return isinstance(sharding, NamedSharding) and sharding.is_equivalent_to(layout, leaf.ndim)

    if all(map(laid_out, jax.tree.leaves(tree))):
        return tree
    # By way of the host: laid out directly, the first device would share its memory with `tree`, which someone may
    # still read after a step has written into it.
    return jax.device_put(jax.device_get(tree), layout)


def _mesh(devices: Sequence[jax.Device] | None) -> Mesh:
    return Mesh(np.array(list(devices) if devices is not None else jax.local_devices()), (AXIS,))


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
    """Builds step(state, batch, stop=False) -> (state, metrics).

    Args:
      system: supplies the loss.
      optimizer: the update rule.
      seed: dropout and sampling keys come from (seed, stream name, step).
      ema_decay: decay of the parameter average; used where the state keeps one.
      devices: this process's devices; all of them by default.

    Returns:
      A function of the state, this process's rows of the global batch and this process's wish to stop. It returns
      before the devices have done the work. A state that a step returned is donated to the next one: do not use it
      afterwards; a fresh or restored state is copied first. Metrics are (sum, weight) pairs over the global batch.
      "finite" is 0 where the loss or a gradient is not finite, and the state, its step count included, is then left
      as it was; "examples" is the number of real rows; "stop" is above 0 where any process wishes to stop.
    """
    local = list(devices) if devices is not None else jax.local_devices()
    system_loss = system.loss
    assert system_loss is not None, f"{system.title} is fitted in closed form, not trained in steps"

    def per_device(state: TrainState, batch: Batch, stop: Array) -> tuple[TrainState, Metrics]:
        keys = {name: rng.stream(seed, name, state.step) for name in STREAMS}

        def objective(params):
            loss = system_loss(params, state.model_state, batch, keys, GATHER)
            return loss.value, loss

        grads, loss = jax.grad(objective, has_aux=True)(state.params)
        grads = jax.lax.pmean(grads, AXIS)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        ema = state.ema
        if ema is not None:
            ema = optax.incremental_update(params, ema, 1 - ema_decay)
        following = TrainState(state.step + 1, params, opt_state, loss.model_state, ema)
        finite = jnp.logical_and(jnp.isfinite(loss.value), all_finite(grads))
        kept = jax.tree.map(lambda new, old: jnp.where(finite, new, old), following, state)
        counts = {"examples": batch.example_mask.sum(), "stop": stop}
        metrics, counts = jax.lax.psum((loss.metrics, counts), AXIS)
        ones = jnp.ones((), jnp.float32)
        metrics |= {name: (count.astype(jnp.float32), ones) for name, count in counts.items()}
        metrics["finite"] = (finite.astype(jnp.float32), ones)
        metrics["gradient_norm"] = (optax.global_norm(grads), ones)
        return kept, metrics

    mapped = jax.pmap(per_device, AXIS, in_axes=(None, 0, 0), out_axes=(None, None), devices=devices, donate_argnums=0)
    flags = {wish: np.full(len(local), wish, np.int32) for wish in (False, True)}

    def step(state: TrainState, batch: Batch, stop: bool = False) -> tuple[TrainState, Metrics]:
        # A fresh or restored state is laid out as the step leaves it: another layout would compile the step again.
        return mapped(replicated(state, local), split_over_devices(batch, len(local)), flags[stop])

    return step


def make_embed_step(system: System, devices: Sequence[jax.Device] | None = None) -> EmbedStep:
    """Builds embed(params, model_state, batch) -> {side: `Embedded` of B rows} as numpy arrays.

    Every process embeds its own batches: no collective runs, and the compiled shape is the batch's alone, so a clip's
    embedding depends on nothing but the clip, the parameters and the fixed batch size. Send parameters and model state
    through `replicated` once where several batches follow.
    """
    local = list(devices) if devices is not None else jax.local_devices()
    mapped = jax.pmap(system.embed, AXIS, in_axes=(None, None, 0), devices=local)
    by_row = NamedSharding(_mesh(local), PartitionSpec(AXIS))

    def embed(params: Params, model_state: ModelState, batch: Batch) -> dict:
        rows = jax.device_put(split_over_devices(batch, len(local)), by_row)
        outputs = mapped(params, model_state, rows)
        # The first axis spelled out: no -1 can be inferred for an array without entries.
        return jax.tree.map(
            lambda leaf: np.asarray(leaf).reshape(leaf.shape[0] * leaf.shape[1], *leaf.shape[2:]), outputs
        )

    return embed


def finalize(metrics: Metrics) -> dict[str, float]:
    """(sum, weight) pairs to numbers; a metric without weight is left out."""
    values = {}
    for name, (total, weight) in jax.device_get(metrics).items():
        if weight > 0:
            values[name] = float(total) / float(weight)
    return values
