"""The published training of SSAH: whose turn it is, who moves, what is held, and what the codes become."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hashing_toys import batch_of

from avx.core.errors import UserError
from avx.core.types import ALONE, Batch, Padded
from avx.systems import ssah
from avx.systems.label_taught import Options
from avx.systems.ssah_alternation import Schedule, Turns, in_turns

OPTIONS = Options(classes=3, bits=8, hidden_size=16, feature_size=12, discriminator_sizes=(6,), dropout=0.0)
WEIGHTS = ssah.LossOptions(0.0, 1.0, 1.0, 1.0, 0.01, "likelihood", "alternation", "shared")
TURNS = Turns((2, 1, 1, 1), (4.0, 1.0, 2.0, 3.0), 0.5)
OWNERS = ({"label"}, {"image_discriminator", "text_discriminator"}, {"image"}, {"text", "multi_scale"})


def test_turns_follow_each_other_and_rates_decay_by_outer_epochs():
    schedule = Schedule(TURNS, items=7, steps_per_pass=2)
    assert [int(schedule.turn(step)) for step in range(11)] == [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 0]
    found = [float(schedule.factor(step)) for step in (0, 4, 6, 9, 10, 16)]
    np.testing.assert_allclose(found, [4, 1, 2, 3, 2, 1])


def started(batch, weights=WEIGHTS, turns=TURNS, options=OPTIONS):
    system = ssah.build(options, weights, turns=turns, items=int(batch.example_mask.sum()))
    rule = system.update_rule(optax.adam(1e-2))
    params, state = system.init(jax.random.key(0), batch)
    state = system.calibrate(params, state, lambda: [batch])

    @jax.jit
    def step(params, state, opt_state, key):
        def value(params):
            loss = system.loss(params, state, batch, {"dropout": key}, ALONE)
            return loss.value, loss

        gradients, loss = jax.grad(value, has_aux=True)(params)
        updates, opt_state = rule.update(gradients, opt_state, params)
        return optax.apply_updates(params, updates), loss.model_state, opt_state, loss.metrics

    return system, params, state, rule.init(params), step


@pytest.mark.slow
def test_one_network_moves_at_a_time_and_writes_its_own_codes():
    batch = batch_of(12, real=9)
    _, params, state, opt_state, step = started(batch)
    for turn in (0, 0, 1, 2, 3, 0):
        before, held = params, state.training
        params, state, opt_state, metrics = step(params, state, opt_state, jax.random.key(1))
        moved = {
            name
            for name in params
            if any(
                (new != old).any() for new, old in zip(*map(jax.tree.leaves, (params[name], before[name])), strict=True)
            )
        }
        assert moved == OWNERS[turn]
        written = {name for name in held.codes if (held.codes[name] != state.training.codes[name]).any()}
        assert written <= ({"label"}, set(), {"image"}, {"text"})[turn]
        assert (np.asarray(metrics["loss_codes_image"][1]) > 0) == (turn == 2)
    assert (np.abs(np.asarray(state.training.codes["text"])).sum(1) > 0).all()


def test_a_turn_compares_the_batch_with_all_items():
    """Two items of the batch against the codes of all nine that are held, by hand."""
    whole = batch_of(9)
    system, params, state, _, _ = started(whole)
    held = dataclasses.replace(state.training, step=jnp.asarray(3, jnp.int32))
    part = jax.tree.map(lambda leaf: leaf[4:6], whole)
    part = dataclasses.replace(part, position=np.arange(2, dtype=np.int32))
    state = dataclasses.replace(state, training=held)
    loss = system.loss(params, state, part, {"dropout": jax.random.key(0)}, ALONE)
    code = np.asarray(loss.model_state.training.codes["image"])[4:6]
    theta = np.asarray(held.codes["label"]) @ code.T / 2
    similar = whole.label[:, None] == whole.label[None, 4:6]
    total, weight = loss.metrics["loss_codes_image"]
    assert weight == 18
    np.testing.assert_allclose(total, (np.log1p(np.exp(theta)) - similar * theta).sum(), rtol=1e-5)
    signs = np.where(np.asarray(held.codes["label"])[4:6] >= 0, 1, -1)
    total, weight = loss.metrics["loss_quantisation_image"]
    np.testing.assert_allclose(total / weight, np.square(code - signs).mean(), rtol=1e-5)


def many(count=240, classes=6):
    """Noisy views of six classes; every class is known."""
    rng = np.random.default_rng(3)
    label = np.arange(count) % classes
    sides = {
        name: rng.normal(size=(classes, width))[label] + 0.5 * rng.normal(size=(count, width))
        for name, width in (("image", 10), ("text", 14))
    }
    mask = np.ones((count, 1), bool)
    return Batch(
        {name: Padded(values[:, None].astype(np.float32), mask) for name, values in sides.items()},
        label.astype(np.int32),
        np.arange(count, dtype=np.int32),
        np.ones(count, bool),
        item=np.arange(count, dtype=np.int32),
    )


def mean_precision(codes, label):
    """MAP of image queries among texts by Hamming distance, ties by the mean rank order of one random draw."""
    scores = codes["image"] @ codes["text"].T + np.random.default_rng(0).uniform(0, 1e-3, (len(label), len(label)))
    relevant = np.take_along_axis(label[:, None] == label, np.argsort(-scores, 1), 1)
    precision = np.cumsum(relevant, 1) / np.arange(1, len(label) + 1)
    return ((precision * relevant).sum(1) / relevant.sum(1)).mean()


def trained(bits, weights):
    batch = many()
    options = dataclasses.replace(OPTIONS, classes=6, bits=bits, hidden_size=32, feature_size=32)
    system, params, state, opt_state, step = started(batch, weights, Turns((3, 1, 3, 3)), options)
    for number in range(200):
        params, state, opt_state, _ = step(params, state, opt_state, jax.random.key(number))
    found = system.embed(params, state, batch)
    codes = {name: np.where(np.asarray(one.vectors) >= 0, 1, -1) for name, one in found.items()}
    teacher = np.where(np.asarray(state.training.codes["label"]) >= 0, 1, -1)
    agreement = [(codes[name] == teacher).mean() for name in ("image", "text")]
    return agreement, mean_precision(codes, batch.label)


@pytest.mark.slow
def test_bits_agree_with_the_teachers_and_map_does_not_fall_with_the_length():
    found = {bits: trained(bits, WEIGHTS) for bits in (16, 64)}
    for agreement, precision in found.values():
        assert min(agreement) > 0.85
        assert precision > 0.8
    assert found[64][1] > found[16][1] - 0.02


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"passes": (1, 1, 1)}, r"alternation\.passes = \(1, 1, 1\) must name four numbers"),
        ({"rates": (1.0, 0.0, 1.0, 1.0)}, r"each of alternation\.rates = 0.0 must be greater than 0"),
        ({"decay": 0.0}, r"alternation\.decay = 0.0 must be greater than 0"),
    ],
)
def test_impossible_turns_are_named(change, message):
    with pytest.raises(UserError, match=message):
        Turns(**change)


def test_rates_are_those_of_the_turns():
    schedule = Schedule(TURNS, items=1, steps_per_pass=1)
    rule = in_turns(optax.sgd(0.1), ("image", "text"), schedule)
    params = {name: {"w": jnp.ones(2)} for names in OWNERS for name in names}
    state, sizes = rule.init(params), []
    for turn in (0, 0, 1, 2, 3, 0):
        updates, state = rule.update(params, state, params)
        moved = {name: float(leaf["w"][0]) for name, leaf in updates.items() if leaf["w"][0]}
        assert set(moved) == OWNERS[turn]
        sizes.append(-next(iter(moved.values())))
    np.testing.assert_allclose(sizes, [0.4, 0.4, 0.1, 0.2, 0.3, 0.2], rtol=1e-6)
