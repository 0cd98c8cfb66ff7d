"""What holds for every hashing system: one device equals eight, masked rows count nowhere, codes need no labels."""

import dataclasses

import jax
import numpy as np
import pytest
from hashing_toys import batch_of

from avx.core.types import ALONE, Gather
from avx.systems import dssah, label_taught, semantic_hashing, ssah
from avx.training import optim, state
from avx.training.step import make_train_step

OWN = semantic_hashing.Options(classes=3, bits=4, hidden_sizes=(8, 6), dropout=0.5, head="shared", score="hash")
OWN_WEIGHTS = semantic_hashing.LossOptions(
    label=2.0, quantisation=0.3, similarity=0.7, intra_similarity=0.2, balance=0.05, label_smoothing=0.1
)
TAUGHT = label_taught.Options(classes=3, bits=4, hidden_size=8, feature_size=6, discriminator_sizes=(5,), dropout=0.5)
SHARED_WEIGHTS = {
    "feature_similarity": 0.5,
    "code_similarity": 2.0,
    "quantisation": 0.3,
    "label": 0.7,
    "adversarial": 0.9,
    "form": "likelihood",
}
TAUGHT_WEIGHTS = ssah.LossOptions(**SHARED_WEIGHTS, teaching="alternation", target="shared")
GRADED_WEIGHTS = dssah.LossOptions(**SHARED_WEIGHTS, graded_similarity=1.5, label_share=0.6)
SYSTEMS = {
    "shared": lambda: semantic_hashing.build(OWN, OWN_WEIGHTS),
    "hadamard": lambda: semantic_hashing.build(dataclasses.replace(OWN, head="hadamard"), OWN_WEIGHTS),
    "ssah": lambda: ssah.build(
        TAUGHT, TAUGHT_WEIGHTS, turns=ssah.Turns((1, 1, 1, 1), (3.0, 1.0, 2.0, 0.5), 0.9), items=16
    ),
    "ssah_anchored": lambda: ssah.build(TAUGHT, dataclasses.replace(TAUGHT_WEIGHTS, teaching="anchored")),
    "dssah": lambda: dssah.build(TAUGHT, GRADED_WEIGHTS),
}


def sgd():
    return optim.build(
        name="sgd", learning_rate=0.1, schedule="constant", warmup_steps=0, total_steps=1, weight_decay=0, clip_norm=0
    )


def started(system, batch):
    params, model_state = system.init(jax.random.key(0), batch)
    if system.calibrate is not None:
        model_state = system.calibrate(params, model_state, lambda: [batch])
    return params, model_state


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if "ssah_" in name or "dssah" in name else []) for name in SYSTEMS],
)
def test_steps_on_eight_devices_are_those_on_one(name):
    """Four steps, so that each network of an alternation has its turn."""
    system, optimizer, batch = SYSTEMS[name](), sgd(), batch_of(real=13)
    if system.update_rule is not None:
        optimizer = system.update_rule(optimizer)
    start = state.create(system, optimizer, 0, batch, False)
    if system.calibrate is not None:
        held = system.calibrate(start.params, start.model_state, lambda: [batch])
        start = dataclasses.replace(start, model_state=held)
    after, values = [], []
    for devices in (jax.devices()[:1], jax.devices()[:8]):
        step, following, seen = make_train_step(system, optimizer, 0, devices=devices), start, []
        for _ in range(4):
            following, metrics = step(following, batch)
            seen.append(float(metrics["loss"][0]) / float(metrics["loss"][1]))
        after.append(jax.device_get(following.params))
        values.append(seen)
    np.testing.assert_allclose(values[0], values[1], rtol=1e-5)
    jax.tree.map(lambda one, eight: np.testing.assert_allclose(one, eight, rtol=1e-4, atol=1e-6), *after)
    moved = jax.tree.map(lambda new, old: np.abs(new - old).max(), after[0], jax.device_get(start.params))
    assert max(jax.tree.leaves(moved)) > 1e-3


@pytest.mark.parametrize("name", SYSTEMS)
def test_each_device_takes_its_own_rows_of_the_pairwise_terms(name):
    system, batch = SYSTEMS[name](), batch_of(8)
    params, model_state = started(system, batch)

    def metrics(gather):
        return system.loss(params, model_state, batch, {"dropout": jax.random.key(2)}, gather).metrics

    whole = metrics(ALONE)
    parts = [metrics(Gather(mine=lambda rows, at=at: rows[at : at + 4])) for at in (0, 4)]
    words = ("similarity", "features", "codes", "graded")
    divided = [term for term in whole if any(word in term for word in words) and whole[term][1] > 0]
    assert len(divided) >= (2 if name == "ssah" else 3)
    for term in divided:
        weights = [float(part[term][1]) for part in parts]
        assert min(weights) > 0 and sum(weights) == whole[term][1]
        np.testing.assert_allclose(sum(float(part[term][0]) for part in parts), whole[term][0], rtol=1e-5)


@pytest.mark.parametrize("name", SYSTEMS)
def test_masked_rows_leave_value_and_gradient_alone(name):
    system = SYSTEMS[name]()
    whole, first = batch_of(8, real=5), batch_of(8, real=5)
    for side in ("image", "text"):
        whole.modalities[side].values[5:] = np.nan
    whole.label[5:] = -1
    params, model_state = started(system, first)
    rngs = {"dropout": jax.random.key(2)}
    first = jax.tree.map(lambda leaf: leaf[:5], first)

    @jax.jit
    def value_and_slope(params, batch):
        return jax.value_and_grad(lambda params: system.loss(params, model_state, batch, rngs, ALONE).value)(params)

    (masked, gradient), (sliced, expected) = (value_and_slope(params, batch) for batch in (whole, first))
    np.testing.assert_allclose(masked, sliced, rtol=1e-5)
    jax.tree.map(lambda one, two: np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-6), gradient, expected)


@pytest.mark.parametrize("name", SYSTEMS)
def test_embedding_needs_no_labels(name):
    system, batch = SYSTEMS[name](), batch_of(6)
    params, model_state = jax.jit(system.init)(jax.random.key(0), batch)
    embed = jax.jit(system.embed)
    without = dataclasses.replace(batch, label=np.full(6, -1, np.int32))
    found, blind = (jax.tree.leaves(embed(params, model_state, one)) for one in (batch, without))
    for one, other in zip(found, blind, strict=True):
        np.testing.assert_array_equal(one, other)
