"""Items with several classes: what the losses make of them, and that training on all of them pays."""

import dataclasses
import runpy
from pathlib import Path

import numpy as np
import pytest
from hashing_toys import batch_of
from toy_dataset import table

from avx.hashing.class_words import class_words
from avx.losses import classification, labels
from avx.runs import results
from avx.runs.fit import fit
from avx.runs.studies import overridden
from avx.systems import label_taught, semantic_hashing, ssah

ROOT = Path(__file__).parents[3]
BORNE = np.array([[1, 1, 0], [0, 0, 1], [0, 1, 1], [0, 0, 0]], bool)


def test_a_shared_class_makes_items_similar_and_no_class_makes_none():
    expected = [[1, 0, 1, 0], [0, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(labels.shared(BORNE, BORNE), expected)
    np.testing.assert_array_equal(labels.known(BORNE), [True, True, True, False])
    np.testing.assert_allclose(np.asarray(labels.shares(BORNE, 3))[[0, 3]], [[0.5, 0.5, 0], [0, 0, 0]])


def test_one_class_as_an_indicator_is_that_class():
    index, rng = np.array([2, 0, -1, 1]), np.random.default_rng(0)
    indicators = (index[:, None] == np.arange(3)) & (index >= 0)[:, None]
    logits, valid = rng.normal(size=(4, 3)).astype(np.float32), np.array([True, True, True, False])
    for smoothing in (0.0, 0.3):
        found = classification.cross_entropy(logits, indicators, valid, smoothing=smoothing)
        np.testing.assert_allclose(
            found, classification.cross_entropy(logits, index, valid, smoothing=smoothing), rtol=1e-6
        )
    np.testing.assert_array_equal(labels.shared(indicators, indicators), labels.shared(index, index))


def test_several_classes_share_the_target_of_the_classifier():
    logits = np.array([[1.0, 3.0, -2.0]], np.float32)
    log_p = logits[0] - np.log(np.exp(logits[0]).sum())
    total, weight = classification.cross_entropy(logits, np.array([[True, False, True]]), np.array([True]))
    np.testing.assert_allclose(total / weight, -(log_p[0] + log_p[2]) / 2, rtol=1e-6)


def test_fixed_words_draw_a_code_to_the_mean_of_its_classes_words():
    """The slope of system D's label term at a code of zeros is the mean of all words less that of the item's."""
    import jax

    words, code = class_words(3, 8), np.zeros((1, 8), np.float32)

    def term(code):
        outputs = semantic_hashing.Outputs(
            {"image": code, "text": code},
            {name: code @ words.T / 8**0.5 for name in ("image", "text")},
            {name: np.ones(1, bool) for name in ("image", "text")},
        )
        return semantic_hashing.total_loss(outputs, BORNE[:1], semantic_hashing.LossOptions(0.5, 0, 0, 0, 0, 0))[0]

    expected = (words.mean(0) - words[:2].mean(0)) / 8**0.5
    np.testing.assert_allclose(jax.grad(term)(code)[0], expected, atol=1e-6)


def test_ssah_takes_similarities_and_label_inputs_from_all_classes():
    import jax

    options = label_taught.Options(
        classes=3, bits=4, hidden_size=8, feature_size=6, discriminator_sizes=(5,), dropout=0.0
    )
    weights = ssah.LossOptions(1, 1, 1, 1, 1, "likelihood", "alternation", "shared")
    system = ssah.build(options, weights, items=4)
    batch = dataclasses.replace(batch_of(4), classes=BORNE, label=np.array([0, 2, 1, -1], np.int32))
    params, state = system.init(jax.random.key(0), batch)
    held = system.calibrate(params, state, lambda: [batch]).training
    np.testing.assert_array_equal(held.labels, BORNE)
    assert (held.features[3] == 0).all() and not np.allclose(held.features[0], held.features[2])
    loss = system.loss(
        params, dataclasses.replace(state, training=held), batch, {"dropout": jax.random.key(1)}, ssah.ALONE
    )
    codes = np.asarray(loss.model_state.training.codes["label"])[:3]
    theta, similar = codes @ codes.T / 2, np.array([[1, 0, 1], [0, 1, 1], [1, 1, 1]])
    expected = np.log1p(np.exp(theta)) - similar * theta
    total, weight = loss.metrics["loss_codes_label"]
    np.testing.assert_allclose(total / weight, expected.mean(), rtol=1e-5)


def pictures(count=600, classes=8, seed=0):
    """Pictures of one to three things, with words; light and style, which no class names, shape both sides too."""
    rng = np.random.default_rng(seed)
    borne = np.zeros((count, classes), bool)
    for row in range(count):
        borne[row, rng.choice(classes, rng.integers(1, 4), replace=False)] = True
    style = rng.normal(size=(count, 12))
    sides = {}
    for side, width in (("image", 48), ("text", 40)):
        seen = borne @ rng.normal(size=(classes, width)) + style @ rng.normal(size=(12, width))
        sides[side] = (np.tanh(seen / 3) + 0.3 * rng.normal(size=(count, width))).astype(np.float32)
    return table(sides, borne, tuple(f"thing{number}" for number in range(classes)), "pictures")


def measured(path, dataset, workdir, **changes):
    """MAP by shared labels among the test items, mean of both directions, and that of chance."""
    config = runpy.run_path(str(ROOT / path))["get_config"]().lock()
    known = {
        "evaluation.batch_size": 150,
        "data.kind": "features",
        "data.root": "made-up",
        "evaluation.galleries": ("test",),
    }
    retriever = fit(overridden(config, known | changes), dataset, workdir)
    result, _ = results.evaluate(retriever, pictures(), validate=False)
    found = {row.role: [one.levels["class"]["map"] for one in row.directions.values()] for row in result.rows}
    return np.mean(found["system"]), np.mean(found["chance"])


@pytest.mark.slow
@pytest.mark.usefixtures("one_device")
def test_training_on_all_labels_beats_cca_and_training_on_one(tmp_path):
    dataset = pictures()
    first = dataclasses.replace(dataset, labels=dataset.first_label)
    changes = {
        "model.head": "hadamard",
        "model.hidden_sizes": (128,),
        "model.dropout": 0.2,
        "loss.quantisation": 0.01,
        "train.batch_size": 50,
        "train.epochs": 60,
        "train.patience": 0,
        "train.evaluate_every": 60,
        "optimizer.learning_rate": 2e-3,
    }
    every, chance = measured("configs/semantic_hashing.py", dataset, tmp_path / "every", **changes)
    one, _ = measured("configs/semantic_hashing.py", first, tmp_path / "one", **changes)
    grid = {"grid.dimensions": (10, 20), "grid.ridge": (0.1, 1.0)}
    correlation, _ = measured("configs/comparators/cca.py", dataset, tmp_path / "cca", **grid)
    assert every > correlation + 0.02
    assert every > one + 0.01
    assert correlation > chance + 0.02
