"""System A at its smallest: eq. 22 term by term, padding, missing modalities, and one step on 1 and on 8 devices."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from avx import registry
from avx.core.errors import UserError
from avx.core.types import Batch, Gather, ModelState, Padded
from avx.losses import classification, ranked_list, structure, triplet
from avx.nn.attention import Attended
from avx.systems import skm_embedding
from avx.training import state as train_state
from avx.training import step as train_step
from configs import folder, quickstart

CLASSES, SIDE, KEY_FRAMES, STEPS = 3, 16, 3, 3
LABELS = np.array([0, 1, 2, 0, 1, -1, 2, 0], np.int32)


def config(**losses):
    config = quickstart.get_config()
    config.model.update(
        frame_widths=(8, 8),
        audio_widths=(8, 8, 8, 8),
        audio_fc_sizes=(8, 6),
        lstm_size=4,
        blocks=3,
        selected_blocks=2,
        attention_size=4,
        video_sizes=(12, 5),
        audio_sizes=(12, 5),
        dropout=0.3,
    )
    config.loss.update(triplet_weight=0.25, structure_video=0.5, structure_audio=0.75, **losses)
    return config


def batch_of(size=8, seed=0, extra=0):
    """Clips of 1 to 3 key frames and sound steps, `extra` padded steps more; video 1 and audio 2 are missing."""
    generator = np.random.default_rng(seed)
    frames = generator.integers(0, 256, (size, KEY_FRAMES, SIDE, SIDE, 3), np.uint8)
    sound = generator.normal(size=(size, STEPS, 96, 64)).astype(np.float32)
    lengths = generator.integers(1, 4, (2, size, 1))
    lengths[0, 1], lengths[1, 2] = 0, 0
    masks = np.arange(STEPS + extra) < lengths

    def padded(values, mask):
        shape = (size, extra, *values.shape[2:])
        return Padded(np.concatenate([values, np.full(shape, 77, values.dtype)], 1), mask)

    return Batch(
        modalities={"video": padded(frames, masks[0]), "audio": padded(sound, masks[1])},
        label=LABELS[:size],
        position=np.arange(size, dtype=np.int32),
        example_mask=np.ones(size, bool),
    )


@pytest.fixture(scope="module")
def system():
    return registry.system(config(), registry.Facts(CLASSES, ("video", "audio")))


@pytest.fixture(scope="module")
def params(system):
    return train_state.create(system, optax.identity(), 0, batch_of(), False).params


@pytest.fixture(scope="module")
def embed(system, params):
    compiled = jax.jit(system.embed)
    return lambda batch: jax.device_get(compiled(params, ModelState(), batch))


def random_outputs(seed=0, size=8):
    generator = np.random.default_rng(seed)

    def rows(width):
        values = generator.normal(size=(size, width)).astype(np.float32)
        return jnp.asarray(values / np.linalg.norm(values, axis=1, keepdims=True))

    present = {"video": jnp.arange(size) != 1, "audio": jnp.arange(size) != 2}
    return skm_embedding.Outputs(
        embedding={"video": rows(5), "audio": rows(5)},
        raw={"video": rows(7), "audio": rows(9)},
        present=present,
        logits={"video": 3 * rows(CLASSES), "audio": 3 * rows(CLASSES)},
        attended=Attended(rows(9), rows(3), jnp.ones((size, 3), bool)),
    )


def loss_options(**changes):
    loss = config().loss.to_dict()
    return dataclasses.replace(skm_embedding.LossOptions(**(loss | {"label_smoothing": 0.1})), **changes)


def terms_by_hand(outputs, options):
    """{metric: mean} of each loss on the rows that it may use."""
    label = jnp.asarray(LABELS)
    video, audio = outputs.embedding["video"], outputs.embedding["audio"]
    # Row 1 has no picture and row 2 no sound; row 5 has no class, which the label term leaves out by itself.
    first = jnp.array([True, False, True, True, True, True, True, True])
    second = jnp.array([True, True, False, True, True, True, True, True])
    # The clip without a class has its own pair as the only positive.
    relevance = (np.equal.outer(LABELS, LABELS) & (LABELS >= 0)) | np.eye(len(LABELS), dtype=bool)
    pairs = {
        "loss_label": classification.label_prediction(
            outputs.logits["video"], outputs.logits["audio"], label, first, second, smoothing=0.1
        ),
        "loss_ranked_list": ranked_list.ranked_list_loss(
            video, audio, relevance, first, second, boundary=1.2, margin=0.4, negative_temperature=10.0
        ),
        "loss_triplet": triplet.triplet_loss(
            video, audio, relevance, first, second, margin=0.2, mining="hard_and_semi_hard", distance="cosine"
        ),
        "loss_structure_video": structure.structure_preservation(video, outputs.raw["video"], outputs.present["video"]),
        "loss_structure_audio": structure.structure_preservation(audio, outputs.raw["audio"], outputs.present["audio"]),
    }
    return {name: float(total) / float(weight) for name, (total, weight) in pairs.items()}


def test_the_loss_is_eq_22():
    outputs, options = random_outputs(), loss_options(label_weight=2.0, ranked_list_weight=3.0, structure_weight=5.0)
    value, metrics = skm_embedding.total_loss(outputs, jnp.asarray(LABELS), options)
    terms = terms_by_hand(outputs, options)
    assert all(term != 0 for term in terms.values())
    expected = (
        2 * terms["loss_label"]
        + 3 * terms["loss_ranked_list"]
        + 0.25 * terms["loss_triplet"]
        + 5 * (0.5 * terms["loss_structure_video"] + 0.75 * terms["loss_structure_audio"])
    )
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    for name, term in terms.items():
        np.testing.assert_allclose(train_step.finalize(metrics)[name], term, rtol=1e-5)
    printed = expected - 5 * 0.25 * terms["loss_structure_audio"]  # one weight for both modalities
    assert abs(float(value) - printed) > 1e-3


def test_each_device_takes_its_own_anchors_and_the_parts_add_up():
    outputs, options = random_outputs(), loss_options()
    _, whole = skm_embedding.total_loss(outputs, jnp.asarray(LABELS), options)
    halves = [Gather(mine=lambda rows, at=at: rows[at : at + 4]) for at in (0, 4)]
    parts = [skm_embedding.total_loss(outputs, jnp.asarray(LABELS), options, half)[1] for half in halves]
    for name in ("loss_ranked_list", "loss_triplet", "loss_structure_video", "loss_structure_audio"):
        np.testing.assert_allclose(sum(float(part[name][0]) for part in parts), whole[name][0], rtol=1e-5)
        weights = [float(part[name][1]) for part in parts]
        assert min(weights) > 0 and sum(weights) == whole[name][1]


@pytest.mark.parametrize(
    ("field", "gone"),
    [
        ("label_weight", {"loss_label"}),
        ("ranked_list_weight", {"loss_ranked_list"}),
        ("triplet_weight", {"loss_triplet"}),
        ("structure_weight", {"loss_structure_video", "loss_structure_audio"}),
        ("structure_video", {"loss_structure_video"}),
    ],
)
def test_a_weight_of_zero_takes_its_term_away(field, gone):
    outputs = random_outputs()
    _, all_metrics = skm_embedding.total_loss(outputs, jnp.asarray(LABELS), loss_options())
    _, metrics = skm_embedding.total_loss(outputs, jnp.asarray(LABELS), loss_options(**{field: 0.0}))
    assert set(all_metrics) - set(metrics) == gone


def test_structure_preservation_moves_embeddings_and_not_the_features_before_mapping():
    outputs = random_outputs()
    options = loss_options(label_weight=0.0, ranked_list_weight=0.0, triplet_weight=0.0)
    gradient = jax.grad(
        lambda outputs: skm_embedding.total_loss(outputs, jnp.asarray(LABELS), options)[0], allow_int=True
    )(outputs)
    for name in ("video", "audio"):
        assert float(jnp.abs(gradient.embedding[name]).max()) > 1e-3
        assert float(jnp.abs(gradient.raw[name]).max()) == 0
    video = jnp.roll(outputs.raw["video"], 1, axis=0)  # the reference order does decide the loss
    moved = dataclasses.replace(outputs, raw={**outputs.raw, "video": video})
    values = [skm_embedding.total_loss(each, jnp.asarray(LABELS), options)[0] for each in (outputs, moved)]
    assert abs(float(values[0] - values[1])) > 1e-3


def test_embeddings_do_not_depend_on_padding(embed):
    short, long = embed(batch_of()), embed(batch_of(extra=2))
    for name in ("video", "audio"):
        kept = short[name].present
        np.testing.assert_allclose(short[name].vectors[kept], long[name].vectors[kept], atol=2e-6)
        np.testing.assert_allclose(np.linalg.norm(short[name].vectors[kept], axis=1), 1, rtol=1e-5)
        spread = np.abs(short[name].vectors[kept] - short[name].vectors[0]).max()
        assert spread > 1e-4  # clips differ by far more than the tolerance


def test_missing_modalities_are_absent(embed):
    result = embed(batch_of())
    np.testing.assert_array_equal(result["video"].present, np.arange(8) != 1)
    np.testing.assert_array_equal(result["audio"].present, np.arange(8) != 2)


def masked_garbage(batch):
    """The batch with NaN in every masked sound step and noise in every masked picture."""
    video, audio = batch.modalities["video"], batch.modalities["audio"]
    noise = np.random.default_rng(9).integers(0, 256, video.values.shape, np.uint8)
    frames = np.where(video.mask[..., None, None, None], video.values, noise)
    sound = np.where(audio.mask[..., None, None], audio.values, np.float32("nan"))
    return batch.replace(modalities={"video": Padded(frames, video.mask), "audio": Padded(sound, audio.mask)})


@pytest.fixture(scope="module")
def steps(system):
    """One compiled step on one device and one on eight."""
    devices = jax.devices()
    return {count: train_step.make_train_step(system, optax.sgd(0.1), 0, devices=devices[:count]) for count in (1, 8)}


@pytest.fixture(scope="module")
def fresh(system):
    return train_state.create(system, optax.sgd(0.1), 0, batch_of(), False)


def test_masked_values_reach_neither_loss_nor_gradient(steps, fresh):
    state, metrics = steps[1](fresh, batch_of())
    other, other_metrics = steps[1](fresh, masked_garbage(batch_of()))
    assert train_step.finalize(metrics)["finite"] == 1
    assert train_step.finalize(other_metrics)["finite"] == 1
    chex.assert_trees_all_close(jax.device_get(state.params), jax.device_get(other.params), atol=1e-6)
    # The same garbage in one real step does reach them.
    batch = batch_of()
    batch.modalities["audio"].values[0, 0, 0, 0] = np.nan
    assert train_step.finalize(steps[1](fresh, batch)[1])["finite"] == 0


def test_one_step_on_one_device_is_the_step_on_eight(steps, fresh):
    batch = batch_of()
    (one, metrics_one), (eight, metrics_eight) = (steps[count](fresh, batch) for count in (1, 8))
    first, second = train_step.finalize(metrics_one), train_step.finalize(metrics_eight)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=2e-5, atol=1e-6, err_msg=name)
    chex.assert_trees_all_close(jax.device_get(one.params), jax.device_get(eight.params), rtol=1e-4, atol=2e-6)
    moved = jax.tree.map(lambda new, old: float(jnp.abs(new - old).max()), one.params, fresh.params)
    assert max(jax.tree.leaves(moved)) > 1e-3
    # Dropout is on: with the rows' positions in another order, other units drop and the loss is another one.
    shuffled = batch.replace(position=batch.position[::-1].copy())
    assert abs(train_step.finalize(steps[1](fresh, shuffled)[1])["loss"] - first["loss"]) > 1e-4


def test_the_triplets_distance_is_that_of_the_config():
    """Eq. 14 is on cosines; squared Euclid of unit vectors is twice that, and gives another value at one margin."""
    assert quickstart.get_config().loss.triplet_distance == "cosine"
    outputs = random_outputs()
    values = {}
    for distance in ("cosine", "squared_euclidean"):
        options = loss_options(triplet_distance=distance)
        values[distance] = train_step.finalize(skm_embedding.total_loss(outputs, jnp.asarray(LABELS), options)[1])
    doubled = loss_options(triplet_distance="squared_euclidean", triplet_margin=0.4)
    twice = train_step.finalize(skm_embedding.total_loss(outputs, jnp.asarray(LABELS), doubled)[1])
    np.testing.assert_allclose(twice["loss_triplet"], 2 * values["cosine"]["loss_triplet"], rtol=1e-5)
    assert abs(values["squared_euclidean"]["loss_triplet"] - values["cosine"]["loss_triplet"]) > 0.01
    with pytest.raises(UserError, match=r"loss\.triplet_distance = 'manhattan' is unknown"):
        loss_options(triplet_distance="manhattan")


def frozen(**model):
    """System A on frozen features, without recurrence and attention."""
    few = folder.get_config("pretrained")
    few.model.update(video_sizes=(5,), audio_sizes=(5,), blocks=3, selected_blocks=2, input_norm=False, **model)
    return registry.system(few, registry.Facts(CLASSES, ("video", "audio")))


def features(shift=0.0, filler=0):
    """Eight clips of features, of which one lacks the video and one the sound; `filler` masked rows more."""
    batch, generator = batch_of(), np.random.default_rng(3)
    modalities = {}
    for name, width in (("video", 512), ("audio", 1024)):
        values = (generator.normal(size=(8, STEPS, width)) + shift).astype(np.float32)
        shown = batch.modalities[name].mask
        values = np.concatenate([values, np.full((filler, STEPS, width), 1e3, np.float32)])
        modalities[name] = Padded(values, np.concatenate([shown, np.ones((filler, STEPS), bool)]))
    return Batch(
        modalities=modalities,
        label=np.concatenate([LABELS, np.full(filler, -1, np.int32)]),
        position=np.arange(8 + filler, dtype=np.int32),
        example_mask=np.arange(8 + filler) < 8,
    )


def calibrated(system, batches):
    state = train_state.create(system, optax.identity(), 0, batches[0], False)
    return state.params, system.calibrate(state.params, state.model_state, lambda: iter(batches))


def test_inputs_are_centred_by_the_mean_of_the_training_items_that_have_them():
    system = frozen()
    parts = [jax.tree.map(lambda leaf: leaf[:3], features(2.0)), jax.tree.map(lambda leaf: leaf[3:], features(2.0, 2))]
    _, model_state = calibrated(system, parts)
    for name, missing in (("video", 1), ("audio", 2)):
        sequence = features(2.0).modalities[name]
        # The mean over a clip's steps: with as many blocks as steps, each step is a block of its own.
        means = [
            sequence.values[row][sequence.mask[row]].astype(np.float64).mean(0) for row in range(8) if row != missing
        ]
        np.testing.assert_allclose(model_state.buffers["centre"][name], np.mean(means, 0), rtol=1e-5, atol=1e-6)


def test_what_all_items_share_does_not_reach_the_embeddings():
    system = frozen()
    found = []
    for shift in (0.0, 5.0):
        params, model_state = calibrated(system, [features(shift)])
        found.append(system.embed(params, model_state, features(shift)))
    for name in ("video", "audio"):
        there = np.asarray(found[0][name].present)
        np.testing.assert_allclose(found[0][name].vectors[there], found[1][name].vectors[there], atol=1e-4)
    unchanged = frozen(input_centring=False)
    assert unchanged.calibrate is None
    state = train_state.create(unchanged, optax.identity(), 0, features(), False)
    plain = [unchanged.embed(state.params, state.model_state, features(shift)) for shift in (0.0, 5.0)]
    assert np.abs(plain[0]["video"].vectors - plain[1]["video"].vectors).max() > 0.1


def test_without_recurrence_the_blocks_themselves_are_averaged():
    params, _ = calibrated(frozen(), [features()])
    assert set(params) == {"video_head", "audio_head", "classifier"}


@pytest.mark.parametrize("change", [{"lstm_layers": 1}, {"attention": True}])
def test_centring_of_what_training_changes_is_refused(change):
    with pytest.raises(UserError, match=r"model\.input_centring = True needs features that training does not change"):
        frozen(**change)
