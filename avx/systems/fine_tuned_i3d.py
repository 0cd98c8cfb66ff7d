"""Any system that reads frozen I3D features, made to train the I3D behind them.

The wrapped system reads windows of pictures and flow; what it was built for, one feature vector for each window, is
computed inside the step. With imported weights it starts where the frozen form starts: the same features but for the
rounding of stored flow, the same statistics of them, the same parameters. Normalisation keeps the imported statistics
(docs/methods.md 8a), so that a clip's features depend on the clip alone, on any number of devices.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, cast

import chex
import jax
import jax.numpy as jnp

from avx.core.types import Array, Batch, Batches, Embedded, Gather, Loss, ModelState, Padded, Params, System
from avx.nn.encoders.i3d import TwoStreamI3D
from avx.signal.i3d_input import stored_input

MODALITY = "video"
BACKBONE, SYSTEM = "backbone", "system"


def window_features(network: TwoStreamI3D, variables: Any, windows: Padded) -> Padded:
    """Features of windows, one by one.

    The memory is that of a single window, in the backward pass too: what its layers need is computed a second time. A
    masked window costs nothing, and what it holds reaches neither values nor gradients.

    Args:
      network: both streams.
      variables: of the network, {"params": ..., "batch_stats": ...}.
      windows: values (B, W, T, H, W', 5) uint8, see `avx.signal.i3d_input.stored_input`.

    Returns:
      values (B, W, D) float32, zero at masked windows, under the same mask.
    """
    chex.assert_rank(windows.values, 6)
    chex.assert_shape(windows.mask, windows.values.shape[:2])

    def features(window: Array) -> Array:
        return cast(Array, network.apply(variables, stored_input(window)[None]))[0]

    size = jax.eval_shape(features, windows.values[0, 0]).shape

    @jax.checkpoint
    def described(window: Array, real: Array) -> Array:
        return jax.lax.cond(real, features, lambda _: jnp.zeros(size), window)

    flat = windows.values.reshape(-1, *windows.values.shape[2:]), windows.mask.reshape(-1)
    vectors = jax.lax.map(lambda pair: described(*pair), flat)
    return Padded(vectors.reshape(*windows.mask.shape, *size), windows.mask)


def fine_tuned(system: System, network: TwoStreamI3D) -> System:
    """The system with the network in front of it, trained together.

    Its parameters are {"backbone": the network's, "system": the system's}, its buffers likewise, with the statistics
    of the network's normalisation among them; a memory bank stays where it is.

    Args:
      system: reads the modality "video" as (B, W, D) features.
      network: both streams.

    Returns:
      A system that reads "video" as (B, W, T, H, W', 5) uint8 windows. Its `init` takes the network's variables as a
      third argument; without them they are drawn, which serves shapes alone.
    """

    assert system.init is not None and system.loss is not None
    system_init, system_loss = system.init, system.loss

    def described(params: Params, batch_statistics: Any, batch: Batch) -> Batch:
        variables = {"params": params, "batch_stats": batch_statistics}
        features = window_features(network, variables, batch.modalities[MODALITY])
        return dataclasses.replace(batch, modalities=batch.modalities | {MODALITY: features})

    def inner(model_state: ModelState) -> ModelState:
        return ModelState(model_state.memory, model_state.buffers[SYSTEM])

    def outer(model_state: ModelState, batch_statistics: Any) -> ModelState:
        return ModelState(model_state.memory, {BACKBONE: batch_statistics, SYSTEM: model_state.buffers})

    def init(rng: Array, batch: Batch, variables: Any | None = None) -> tuple[Params, ModelState]:
        if variables is None:
            variables = network.init(jax.random.fold_in(rng, 1), stored_input(batch.modalities[MODALITY].values[:1, 0]))
        backbone, batch_statistics = variables["params"], variables["batch_stats"]
        # The key as it is: the system's own parameters are those that it has without a backbone.
        params, model_state = system_init(rng, described(backbone, batch_statistics, batch))
        return {BACKBONE: backbone, SYSTEM: params}, outer(model_state, batch_statistics)

    def calibrate(params: Params, model_state: ModelState, batches: Batches) -> ModelState:
        assert system.calibrate is not None
        see = jax.jit(described)
        batch_statistics = model_state.buffers[BACKBONE]

        def seen() -> Iterator[Batch]:
            for batch in batches():
                yield see(params[BACKBONE], batch_statistics, batch)

        return outer(system.calibrate(params[SYSTEM], inner(model_state), seen), batch_statistics)

    def loss(params: Params, model_state: ModelState, batch: Batch, rngs: dict[str, Array], gather: Gather) -> Loss:
        batch_statistics = model_state.buffers[BACKBONE]
        seen = described(params[BACKBONE], batch_statistics, batch)
        found = system_loss(params[SYSTEM], inner(model_state), seen, rngs, gather)
        return dataclasses.replace(found, model_state=outer(found.model_state, batch_statistics))

    def embed(params: Params, model_state: ModelState, batch: Batch) -> dict[str, Embedded]:
        seen = described(params[BACKBONE], model_state.buffers[BACKBONE], batch)
        return system.embed(params[SYSTEM], inner(model_state), seen)

    def score(params: Params, model_state: ModelState, queries: Embedded, gallery: Embedded) -> Array:
        return system.score(params[SYSTEM], inner(model_state), queries, gallery)

    def score_and_learn(
        params: Params, model_state: ModelState, queries: Embedded, gallery: Embedded, order: Array, query_modality: str
    ) -> tuple[Array, ModelState]:
        assert system.score_and_learn is not None
        scores, following = system.score_and_learn(
            params[SYSTEM], inner(model_state), queries, gallery, order, query_modality
        )
        return scores, outer(following, model_state.buffers[BACKBONE])

    learns = score_and_learn if system.score_and_learn is not None else None
    calibrates = calibrate if system.calibrate is not None else None
    return dataclasses.replace(
        system, init=init, loss=loss, embed=embed, score=score, calibrate=calibrates, score_and_learn=learns
    )
