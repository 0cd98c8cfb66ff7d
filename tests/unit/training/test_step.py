"""The step is the same on 1, 2, 4 and 8 devices; a non-finite step changes nothing."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from toy_system import toy_batch, toy_system

from avx.core.errors import UserError
from avx.core.types import ALONE, Loss
from avx.training import state as train_state
from avx.training import step as train_step

OPTIMIZER = optax.sgd(0.1)


def run(devices: int, batch, steps: int = 2, system=None):
    system = system or toy_system()
    state = train_state.create(system, OPTIMIZER, 0, batch, ema=True)
    step = train_step.make_train_step(system, OPTIMIZER, 0, ema_decay=0.9, devices=jax.devices()[:devices])
    for _ in range(steps):
        state, metrics = step(state, batch)
    return jax.device_get(state), train_step.finalize(metrics)


@pytest.mark.parametrize("devices", [2, 4, 8])
def test_any_number_of_devices_gives_the_same_step(devices):
    batch = toy_batch(16, real=13)
    one, one_metrics = run(1, batch)
    many, many_metrics = run(devices, batch)
    chex.assert_trees_all_close(one, many, rtol=1e-5, atol=1e-6)
    assert one_metrics["loss"] == pytest.approx(many_metrics["loss"], rel=1e-5)
    assert one_metrics["gradient_norm"] == pytest.approx(many_metrics["gradient_norm"], rel=1e-5)


@pytest.mark.parametrize("devices", [1, 8])
def test_the_step_is_compiled_once(devices, caplog):
    """Whether its state is fresh, restored as numpy arrays, or the one that the step before it left."""
    batch, system = toy_batch(16), toy_system()
    state = train_state.create(system, OPTIMIZER, 0, batch, ema=True)
    step = train_step.make_train_step(system, OPTIMIZER, 0, ema_decay=0.9, devices=jax.devices()[:devices])
    with jax.log_compiles(), caplog.at_level("WARNING"):
        following, _ = step(state, batch)
        following, _ = step(following, batch)
        step(jax.device_get(following), batch)
    compiled = [record for record in caplog.records if "Finished XLA compilation" in record.message]
    assert len(compiled) == 1, [record.message for record in caplog.records]


def test_summed_gradients_would_be_caught():
    """The mutant: a sum over the axis instead of the mean gives a gradient eight times as large."""
    batch = toy_batch(16)
    _, one = run(1, batch, steps=1)

    def mutant(tree, axis):
        return jax.lax.psum(tree, axis)

    system = toy_system()
    state = train_state.create(system, OPTIMIZER, 0, batch, ema=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_step.jax.lax, "pmean", mutant)
        step = train_step.make_train_step(system, OPTIMIZER, 0)
        _, metrics = step(state, batch)
    assert train_step.finalize(metrics)["gradient_norm"] == pytest.approx(8 * one["gradient_norm"], rel=1e-4)


def test_dropout_really_acts_and_follows_the_position():
    batch = toy_batch(16)
    _, first = run(1, batch, steps=1)
    moved = dataclasses.replace(batch, position=batch.position + 16)
    _, second = run(1, moved, steps=1)
    _, without = run(1, batch, steps=1, system=toy_system(dropout=0.0))
    assert first["loss"] != second["loss"]
    assert first["loss"] != without["loss"]


def test_gradients_are_those_of_the_global_loss():
    batch = toy_batch(8, real=6)
    system = toy_system(dropout=0.0)
    params, model_state = system.init(jax.random.key(1), batch)
    keys = {"dropout": jax.random.key(0)}
    expected = jax.grad(lambda p: system.loss(p, model_state, batch, keys, ALONE).value)(params)
    optimizer = optax.sgd(1.0)
    state = train_state.create(system, optimizer, 0, batch, ema=False)
    state = dataclasses.replace(state, params=params)
    step = train_step.make_train_step(system, optimizer, 0)
    following, _ = step(state, batch)
    got = jax.tree.map(lambda old, new: old - new, params, jax.device_get(following.params))
    chex.assert_trees_all_close(got, expected, rtol=1e-4, atol=1e-6)


def test_masked_rows_change_nothing():
    full = toy_batch(16, real=11)
    spoiled = dataclasses.replace(
        full,
        modalities={
            name: dataclasses.replace(sequence, values=np.where(full.example_mask[:, None, None], sequence.values, 7e3))
            for name, sequence in full.modalities.items()
        },
    )
    chex.assert_trees_all_equal(run(2, full)[0], run(2, spoiled)[0])


def test_a_step_that_is_not_finite_leaves_the_state_untouched():
    system = toy_system()

    def broken(params, model_state, batch, rngs, gather):
        loss = system.loss(params, model_state, batch, rngs, gather)
        return Loss(loss.value * jnp.nan, loss.metrics, loss.model_state)

    batch = toy_batch(8)
    state = train_state.create(system, OPTIMIZER, 0, batch, ema=False)
    step = train_step.make_train_step(dataclasses.replace(system, loss=broken), OPTIMIZER, 0)
    following, metrics = step(state, batch)
    chex.assert_trees_all_equal(jax.device_get(state), jax.device_get(following))
    assert train_step.finalize(metrics)["finite"] == 0.0


def test_a_gradient_that_is_not_finite_under_a_finite_loss_leaves_the_state_untouched():
    system = toy_system()

    def broken(params, model_state, batch, rngs, gather):
        loss = system.loss(params, model_state, batch, rngs, gather)
        # sqrt at 0: value 0, slope infinite times 0.
        return Loss(loss.value + jnp.sqrt(0 * params["video"].sum()), loss.metrics, loss.model_state)

    batch = toy_batch(8)
    state = train_state.create(system, OPTIMIZER, 0, batch, ema=False)
    step = train_step.make_train_step(dataclasses.replace(system, loss=broken), OPTIMIZER, 0)
    following, metrics = step(state, batch)
    chex.assert_trees_all_equal(jax.device_get(state), jax.device_get(following))
    numbers = train_step.finalize(metrics)
    assert np.isfinite(numbers["loss"]) and numbers["finite"] == 0.0


def test_the_state_that_a_step_returned_is_donated_and_a_fresh_one_is_not():
    batch, system = toy_batch(16), toy_system()
    state = train_state.create(system, OPTIMIZER, 0, batch, ema=True)
    step = train_step.make_train_step(system, OPTIMIZER, 0, ema_decay=0.9, devices=jax.devices()[:2])
    before = jax.tree.map(np.array, jax.device_get(state))
    first, _ = step(state, batch)
    chex.assert_trees_all_equal(before, jax.device_get(state))
    second, _ = step(first, batch)
    jax.block_until_ready(second)
    assert first.params["video"].is_deleted() and first.ema["audio"].is_deleted()


def test_the_average_of_the_parameters_follows_its_decay():
    batch, system = toy_batch(16), toy_system()
    state = train_state.create(system, OPTIMIZER, 0, batch, ema=True)
    start = jax.device_get(state.params)
    step = train_step.make_train_step(system, OPTIMIZER, 0, ema_decay=0.75, devices=jax.devices()[:1])
    state, _ = step(state, batch)
    expected = jax.tree.map(lambda old, new: 0.75 * old + 0.25 * np.asarray(new), start, state.params)
    chex.assert_trees_all_close(jax.device_get(state.ema), expected, rtol=1e-6)


def test_a_saved_copy_of_a_state_outlives_its_donation():
    """A checkpoint is written by a background thread from `device_get`, while the next step overwrites the state."""
    batch, system = toy_batch(16), toy_system()
    state = train_state.create(system, OPTIMIZER, 0, batch, ema=True)
    step = train_step.make_train_step(system, OPTIMIZER, 0, ema_decay=0.9, devices=jax.devices()[:2])
    state, _ = step(state, batch)
    view = jax.device_get(state)
    copy = jax.tree.map(np.array, view)
    for _ in range(3):
        state, _ = step(state, batch)
    jax.block_until_ready(state)
    chex.assert_trees_all_equal(view, copy)


@pytest.mark.parametrize("devices", [1, 4])
def test_real_rows_and_the_wish_to_stop_travel_with_the_metrics(devices):
    batch, system = toy_batch(16, real=11), toy_system()
    state = train_state.create(system, OPTIMIZER, 0, batch, ema=False)
    step = train_step.make_train_step(system, OPTIMIZER, 0, devices=jax.devices()[:devices])
    state, metrics = step(state, batch)
    assert train_step.finalize(metrics)["examples"] == 11
    assert train_step.finalize(metrics)["stop"] == 0
    _, metrics = step(state, batch, True)
    assert train_step.finalize(metrics)["stop"] > 0


@pytest.mark.parametrize("devices", [1, 4])
def test_replicated_parameters_are_not_sent_again(devices):
    system, batch, local = toy_system(), toy_batch(16), jax.devices()[:devices]
    params, model_state = jax.device_get(system.init(jax.random.key(0), batch))
    embed = train_step.make_embed_step(system, local)
    expected = embed(params, model_state, batch)
    held = train_step.replicated((params, model_state), local)
    again = train_step.replicated(held, local)
    assert all(a is b for a, b in zip(jax.tree.leaves(held), jax.tree.leaves(again), strict=True))
    with jax.transfer_guard("disallow"):
        chex.assert_trees_all_equal(embed(*held, batch), expected)
        with pytest.raises(Exception, match="Disallowed host-to-device transfer"):
            embed(params, model_state, batch)


def test_a_batch_that_does_not_divide_is_named():
    with pytest.raises(UserError, match="10 rows does not divide over 4 devices"):
        train_step.split_over_devices(toy_batch(10), 4)


def test_embedding_does_not_depend_on_neighbours_or_devices():
    system = toy_system()
    batch = toy_batch(16)
    params, model_state = system.init(jax.random.key(0), batch)
    embed = train_step.make_embed_step(system)
    one = train_step.make_embed_step(system, jax.devices()[:1])
    whole = embed(params, model_state, batch)
    other = jax.tree.map(lambda leaf: np.concatenate([leaf[:1], leaf[1:][::-1]]), batch)
    np.testing.assert_array_equal(whole["video"].vectors[0], embed(params, model_state, other)["video"].vectors[0])
    np.testing.assert_allclose(whole["audio"].vectors, one(params, model_state, batch)["audio"].vectors, atol=1e-6)
