"""System C at its smallest: pairs, loss and scores by hand, the memory's part in them, and 1 to 8 devices."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from avx.core.types import ALONE, Batch, Padded
from avx.losses.memory_scoring import sample_pairs
from avx.losses.pairs import Pairs
from avx.memory import bank as memory
from avx.memory.bank import MemoryOptions
from avx.memory.scoring import FACTORS
from avx.systems import feature_memory
from avx.systems.feature_memory import LossOptions, Options
from avx.training import state as train_state
from avx.training import step as train_step

LABELS = np.array([0, 1, 2, 0, 1, -1, 2, 0], np.int32)
MEMORY = MemoryOptions(capacity=4, match_threshold=0.2, merge_threshold=0.8)
OPTIONS = Options(
    video_input="features",
    frame_widths=(4,),
    lstm_layers=1,
    lstm_size=5,
    standardise_input=True,
    mapping_size=7,
    fusion_size=9,
    dropout=0.3,
    match="fusion",
    memory=MEMORY,
    score="product",
    blend=0.5,
    warmup_steps=0,
)
LOSSES = LossOptions(0.5, 0.3, "hard_and_semi_hard", 2.0, "class", "match")
KEYS = {"dropout": jax.random.key(1), "loss": jax.random.key(2)}


def batch_of(size=8, seed=0, extra=0):
    """Clips of 1 to 3 windows and 4 to 6 MFCC frames, `extra` masked steps more; video 1 and audio 2 are missing."""
    generator = np.random.default_rng(seed)
    values = {
        "video": generator.normal(1, 2, (size, 3, 4)).astype(np.float32),
        "audio": generator.normal(-3, 5, (size, 6, 3)).astype(np.float32),
    }
    lengths = {"video": generator.integers(1, 4, size), "audio": generator.integers(4, 7, size)}
    lengths["video"][1], lengths["audio"][2] = 0, 0
    modalities = {}
    for name, array in values.items():
        shape = (size, extra, array.shape[2])
        mask = np.arange(array.shape[1] + extra) < lengths[name][:, None]
        modalities[name] = Padded(np.concatenate([array, np.full(shape, np.nan, np.float32)], 1), mask)
    return Batch(modalities, LABELS[:size], np.arange(size, dtype=np.int32), np.ones(size, bool))


def built(**changes):
    losses = {field.name for field in dataclasses.fields(LossOptions)}
    return feature_memory.build(
        dataclasses.replace(OPTIONS, **{name: value for name, value in changes.items() if name not in losses}),
        dataclasses.replace(LOSSES, **{name: value for name, value in changes.items() if name in losses}),
    )


def state_of(system):
    state = train_state.create(system, optax.sgd(0.1), 0, batch_of(), False)
    calibrated = system.calibrate(state.params, state.model_state, lambda: iter([batch_of()]))
    return state.replace(model_state=calibrated)


@pytest.fixture(scope="module")
def started():
    """(state whose memory holds a few pairs, what the system embeds of the batch under it)."""
    system = built()
    state = state_of(system)
    generator = np.random.default_rng(5)
    encoded = jax.jit(system.embed)(state.params, state.model_state, batch_of())
    known = {name: np.asarray(encoded[name].tokens.raw)[[0, 3, 4]] for name in ("video", "audio")}
    known = {name: rows + 0.1 * generator.normal(size=rows.shape) for name, rows in known.items()}
    bank = memory.write(
        state.model_state.memory, known, np.ones(3), np.ones(3, bool), np.ones(3, bool), MEMORY, train=True
    )
    state = state.replace(model_state=state.model_state.replace(memory=bank))
    return state, jax.device_get(jax.jit(system.embed)(state.params, state.model_state, batch_of()))


def loss_of(system, state, batch=None, keys=KEYS):
    run = jax.jit(lambda state, batch: system.loss(state.params, state.model_state, batch, keys, ALONE))
    return run(state, batch_of() if batch is None else batch)


def test_the_loss_is_its_terms_by_hand(started):
    """Without dropout: the triplets of eq. 1, corrected, over all pairs, and the cross entropy of the drawn pairs."""
    state, items = started
    found = loss_of(built(dropout=0.0), state)
    video, audio = (np.asarray(items[name].vectors, np.float64) for name in ("video", "audio"))
    present = items["video"].present[:, None] & items["audio"].present[None]
    relevance = ((LABELS[:, None] == LABELS) & (LABELS >= 0)[:, None]) | np.eye(8, dtype=bool)
    similarity = video @ audio.T
    hinges = []
    for table, positive, negative in (
        (similarity, relevance & present, ~relevance & present),
        (similarity.T, (relevance & present).T, (~relevance & present).T),
    ):
        for anchor in range(8):
            for p in np.flatnonzero(positive[anchor]):
                for n in np.flatnonzero(negative[anchor]):
                    hinges.append(0.3 - table[anchor, p] + table[anchor, n])
    active = [hinge for hinge in hinges if hinge > 0]
    drawn = sample_pairs(Pairs(relevance & present, ~relevance & present), KEYS["loss"])
    odds = np.asarray(log_odds(built(dropout=0.0), state, items))
    chance = 1 / (1 + np.exp(-odds[drawn.first, drawn.second]))
    entropy = -np.where(drawn.match, np.log(chance), np.log(1 - chance))[np.asarray(drawn.valid)]
    metrics = train_step.finalize(found.metrics)
    np.testing.assert_allclose(metrics["loss_triplet"], np.mean(active), rtol=1e-4)
    np.testing.assert_allclose(metrics["loss_cross_entropy"], entropy.mean(), rtol=1e-4)
    np.testing.assert_allclose(found.value, 0.5 * np.mean(active) + 2 * entropy.mean(), rtol=1e-4)


def log_odds(system, state, items):
    """S1 of all pairs as log odds: the score of the system without its memory."""
    chance = system_without_memory_score(state, items)
    return np.log(chance / (1 - chance))


def system_without_memory_score(state, items):
    return np.asarray(
        built(memory=None).score(state.params, state.model_state.replace(memory=None), items["video"], items["audio"]),
        np.float64,
    )


@pytest.mark.parametrize("mode", FACTORS)
def test_scores_of_all_pairs_by_hand(started, mode):
    state, items = started
    table = built(score=mode).score(state.params, state.model_state, items["video"], items["audio"])
    chance = system_without_memory_score(state, items)
    keys, size = state.model_state.memory.keys, int(state.model_state.memory.size)
    cosines = {}
    for name in ("video", "audio"):
        raw = items[name].tokens.raw.astype(np.float64)
        raw /= np.maximum(np.linalg.norm(raw, axis=1, keepdims=True), 1e-12)
        cosines[name] = raw @ np.asarray(keys[name], np.float64)[:size].T
    for row in range(8):
        for column in range(8):
            seen, heard = cosines["video"][row], cosines["audio"][column]
            agreed = max(max(a, 0) * max(b, 0) for a, b in zip(seen, heard, strict=True))
            expected = {
                "product": chance[row, column] * agreed,
                "printed": chance[row, column] / max(agreed, 1e-3),
                "blend": chance[row, column] * (0.5 + 0.5 * agreed),
                "distance": chance[row, column] / (1 + min((1 - seen) * (1 - heard))),
            }[mode]
            np.testing.assert_allclose(table[row, column], expected, rtol=1e-4, atol=1e-5)


def test_an_empty_memory_scores_as_none():
    system = built()
    state = state_of(system)
    items = system.embed(state.params, state.model_state, batch_of())
    found = system.score(state.params, state.model_state, items["video"], items["audio"])
    np.testing.assert_allclose(found, system_without_memory_score(state, items), rtol=1e-6)


def test_the_memory_is_a_constant_of_the_loss(started):
    """Judged by S1, gradients do not see what the memory holds; judged by S, they see its factor and no more."""
    state, _ = started
    bare = state.replace(model_state=state.model_state.replace(memory=memory.empty(4, {"video": 4, "audio": 10})))

    def gradient(system, state):
        def value(params, batch):
            return system.loss(params, state.model_state, batch, KEYS, ALONE).value

        return jax.jit(jax.grad(value))(state.params, batch_of())

    chex.assert_trees_all_equal(gradient(built(), state), gradient(built(), bare))
    judged = built(cross_entropy_on="score", triplet_weight=0.0)
    with_memory, without = gradient(judged, state), gradient(judged, bare)
    assert jnp.abs(with_memory["fusion"]["first"]["kernel"] - without["fusion"]["first"]["kernel"]).max() > 1e-3
    step = jax.tree.map(lambda leaf: 1e-3 * leaf / (jnp.abs(leaf).max() + 1e-9), with_memory["fusion"])
    moved = [
        loss_of(
            judged,
            state.replace(
                params=state.params | {"fusion": jax.tree.map(lambda p, s: p + sign * s, state.params["fusion"], step)}
            ),
        ).value
        for sign in (1, -1)
    ]
    slope = sum(jax.tree.leaves(jax.tree.map(lambda g, s: (g * s).sum(), with_memory["fusion"], step)))
    np.testing.assert_allclose(moved[0] - moved[1], 2 * slope, rtol=0.02)


def test_matches_enter_the_memory_and_missing_modalities_do_not(started):
    state, items = started
    empty = state.replace(model_state=state.model_state.replace(memory=memory.empty(4, {"video": 4, "audio": 10})))
    bank = loss_of(built(), empty).model_state.memory
    assert int(bank.clock) > int(bank.size) > 0
    rows = np.asarray(items["video"].tokens.raw)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    resemblance = np.asarray(bank.keys["video"])[: int(bank.size)] @ rows.T
    assert (resemblance.max(1) > 0.8).all(), "slots hold videos of the batch"
    np.testing.assert_allclose(np.linalg.norm(bank.keys["audio"][: int(bank.size)], axis=1), 1, rtol=1e-5)


def test_the_memory_admits_by_the_score_without_dropout(started):
    """S1 with units left out would admit other pairs, and others again under other keys."""
    state, _ = started
    cutting = dataclasses.replace(MEMORY, match_threshold=float(np.median(drawn_chances(state))))
    without = loss_of(built(dropout=0.0, memory=cutting), state).model_state.memory
    assert int(without.size) > 0 or int(without.clock) > int(state.model_state.memory.clock)
    for draw in range(3):
        keys = {**KEYS, "dropout": jax.random.key(100 + draw)}
        found = loss_of(built(dropout=0.8, memory=cutting), state, keys=keys)
        chex.assert_trees_all_close(found.model_state.memory, without, rtol=1e-5, atol=1e-6)


def drawn_chances(state):
    """S1 of the pairs that `KEYS` draws of the batch, without dropout."""
    items = jax.device_get(built().embed(state.params, state.model_state, batch_of()))
    present = items["video"].present[:, None] & items["audio"].present[None]
    relevance = ((LABELS[:, None] == LABELS) & (LABELS >= 0)[:, None]) | np.eye(8, dtype=bool)
    drawn = sample_pairs(Pairs(relevance & present, ~relevance & present), KEYS["loss"])
    chance = system_without_memory_score(state, items)[drawn.first, drawn.second]
    return chance[np.asarray(drawn.valid & drawn.match)]


def test_the_memory_waits_for_the_end_of_the_warm_up():
    system = built(warmup_steps=2)
    state = state_of(system)
    # Seven of the eight clips have a video; each of them offers one positive and one negative pair.
    for clock in (0, 0, 14):
        model_state = loss_of(system, state).model_state
        state = state.replace(model_state=model_state)
        assert int(model_state.memory.clock) == clock


def test_embeddings_do_not_depend_on_padding_or_neighbours(started):
    state, items = started
    padded = built().embed(state.params, state.model_state, batch_of(extra=3))
    alone = jax.tree.map(lambda leaf: leaf[3:5], batch_of())
    part = built().embed(state.params, state.model_state, alone)
    for name in ("video", "audio"):
        for field in ("vectors", "tokens"):
            expected = getattr(items[name], field)
            chex.assert_trees_all_close(getattr(padded[name], field), expected, atol=1e-5)
            rows = jax.tree.map(lambda leaf: leaf[3:5], expected)
            chex.assert_trees_all_close(getattr(part[name], field), rows, atol=1e-5)
    np.testing.assert_array_equal(items["video"].present, np.arange(8) != 1)
    np.testing.assert_array_equal(items["audio"].present, np.arange(8) != 2)


@pytest.mark.slow
def test_one_step_is_the_same_on_one_two_four_and_eight_devices(started):
    """Loss, parameters and the bank, slot by slot, with dropout on."""
    state, _ = started
    results = {}
    for count in (1, 2, 4, 8):
        step = train_step.make_train_step(built(), optax.sgd(0.1), 0, devices=jax.devices()[:count])
        results[count] = step(state, batch_of())
    one, metrics = results.pop(1)
    expected = train_step.finalize(metrics)
    assert expected["finite"] == 1
    for count, (other, other_metrics) in results.items():
        found = train_step.finalize(other_metrics)
        for name in expected:
            np.testing.assert_allclose(found[name], expected[name], rtol=2e-5, atol=1e-6, err_msg=f"{name}, {count}")
        chex.assert_trees_all_close(jax.device_get(other.params), jax.device_get(one.params), rtol=1e-4, atol=2e-6)
        chex.assert_trees_all_close(
            jax.device_get(other.model_state), jax.device_get(one.model_state), rtol=1e-5, atol=1e-6
        )
    assert one.model_state.memory.clock > state.model_state.memory.clock


def test_the_global_order_decides_and_not_the_order_of_the_rows(started):
    """The same examples with the same positions, handed over in another order, write the same bank."""
    state, _ = started
    order = np.array([3, 1, 7, 0, 2, 6, 4, 5])
    turned = jax.tree.map(lambda leaf: leaf[order], batch_of())
    first, second = (loss_of(built(), state, batch) for batch in (batch_of(), turned))
    chex.assert_trees_all_close(first.model_state, second.model_state, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(first.value, second.value, rtol=1e-5)


def test_without_a_fusion_the_cosine_decides(started):
    state, items = started
    bare = state.model_state.replace(memory=None)
    table = built(memory=None, match="cosine").score(state.params, bare, items["video"], items["audio"])
    np.testing.assert_allclose(table, (1 + items["video"].vectors @ items["audio"].vectors.T) / 2, atol=1e-6)
