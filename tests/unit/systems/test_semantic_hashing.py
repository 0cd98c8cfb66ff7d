"""System D: the loss against a hand-weighted sum, masks in it, codes, heads, bad options."""

import dataclasses

import jax
import numpy as np
import pytest
from hashing_toys import batch_of

from avx.core.errors import UserError
from avx.hashing.hamming import distances
from avx.systems import semantic_hashing
from avx.systems.semantic_hashing import LossOptions, Options, Outputs, total_loss

OPTIONS = Options(classes=3, bits=4, hidden_sizes=(8, 6), dropout=0.5, head="shared", score="hash")
WEIGHTS = LossOptions(
    label=2.0, quantisation=0.3, similarity=0.7, intra_similarity=0.2, balance=0.05, label_smoothing=0
)


def by_hand(codes, logits, label):
    """The terms of D5.6 with plain numpy loops over rows and pairs, all rows present."""
    image, text = codes["image"], codes["text"]
    rows = range(len(label))
    similar = np.array([[float(label[i] == label[j]) for j in rows] for i in rows])

    def entropy(scores):
        return np.mean([np.log(np.exp(scores[i]).sum()) - scores[i, label[i]] for i in rows])

    def likelihood(left, right):
        theta = np.array([[left[i] @ right[j] / 2 for j in rows] for i in rows])
        return np.mean(np.log1p(np.exp(theta)) - similar * theta)

    def rounded(values):
        return np.mean([((values[i] - np.where(values[i] >= 0, 1, -1)) ** 2).sum() for i in rows])

    return {
        "label": entropy(logits["image"]) + entropy(logits["text"]),
        "quantisation": rounded(image) + rounded(text),
        "similarity": likelihood(image, text),
        "intra_similarity": likelihood(image, image) + likelihood(text, text),
        "balance": sum((values.mean(0) ** 2).sum() for values in (image, text)),
    }


def outputs_of(seed=3, size=5):
    rng = np.random.default_rng(seed)
    codes = {name: rng.uniform(-1, 1, (size, 4)).astype(np.float32) for name in ("image", "text")}
    logits = {name: rng.normal(size=(size, 3)).astype(np.float32) for name in ("image", "text")}
    present = {name: np.ones(size, bool) for name in ("image", "text")}
    return Outputs(codes, logits, present), rng.integers(0, 3, size)


def test_loss_is_the_hand_weighted_sum():
    outputs, label = outputs_of()
    terms = by_hand(outputs.codes, outputs.logits, label)
    expected = sum(getattr(WEIGHTS, name) * value for name, value in terms.items())
    value, _ = total_loss(outputs, label, WEIGHTS)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    for name, term in terms.items():
        changed, _ = total_loss(outputs, label, dataclasses.replace(WEIGHTS, **{name: 0.0}))
        np.testing.assert_allclose(value - changed, getattr(WEIGHTS, name) * term, rtol=1e-3, atol=1e-6)
        assert abs(value - changed) > 1e-3


def test_rows_that_are_masked_or_without_a_class_count_nowhere_they_should_not():
    outputs, label = outputs_of(size=6)
    hidden = jax.tree.map(np.copy, outputs)
    for name in ("image", "text"):
        hidden.codes[name][4:], hidden.logits[name][4:] = np.nan, np.nan
        hidden.present[name][4:] = False
    first = jax.tree.map(lambda leaf: leaf[:4], outputs)
    value, gradient = jax.value_and_grad(lambda it: total_loss(it, label, WEIGHTS)[0], allow_int=True)(hidden)
    np.testing.assert_allclose(value, total_loss(first, label[:4], WEIGHTS)[0], rtol=1e-5)
    for name in ("image", "text"):
        assert np.isfinite(gradient.codes[name]).all() and (gradient.codes[name][4:] == 0).all()
    unknown = np.where(np.arange(6) < 4, label, -1)
    only_label = LossOptions(1.0, 0, 0.5, 0, 0, 0)
    np.testing.assert_allclose(
        total_loss(outputs, unknown, only_label)[0], total_loss(first, label[:4], only_label)[0], rtol=1e-5
    )


def test_embeddings_are_codes_whose_score_counts_bits():
    system = semantic_hashing.build(OPTIONS, WEIGHTS)
    batch = batch_of(6, real=5)
    params, model_state = system.init(jax.random.key(1), batch)
    found = system.embed(params, model_state, batch)
    np.testing.assert_array_equal(found["image"].present, batch.example_mask)
    np.testing.assert_allclose(np.linalg.norm(found["text"].vectors, axis=1), 1, rtol=1e-6)
    score = system.score(params, model_state, found["image"], found["text"])
    apart = distances(found["image"].codes.words, found["text"].codes.words)
    np.testing.assert_array_equal(score, 1 - 2 * np.asarray(apart) / OPTIONS.bits)
    np.testing.assert_allclose(score, found["image"].vectors @ found["text"].vectors.T, atol=1e-6)
    np.testing.assert_array_equal(found["image"].vectors > 0, found["image"].real >= 0)


def test_semantic_score_is_the_cosine_of_posteriors():
    system = semantic_hashing.build(dataclasses.replace(OPTIONS, score="semantic"), WEIGHTS)
    batch = batch_of(4)
    params, model_state = system.init(jax.random.key(1), batch)
    found = system.embed(params, model_state, batch)
    features = batch.modalities["image"].values[:, 0]
    for name in ("fc_0", "fc_1", "code"):
        features = features @ params["image"][name]["kernel"] + params["image"][name]["bias"]
        features = np.tanh(features) if name == "code" else np.maximum(features, 0)
    logits = features @ params["classifier"]["logits"]["kernel"]
    posterior = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = posterior / np.linalg.norm(posterior, axis=1, keepdims=True)
    np.testing.assert_allclose(found["image"].vectors, expected, rtol=1e-5)
    score = system.score(params, model_state, found["image"], found["text"])
    np.testing.assert_allclose(score, found["image"].vectors @ found["text"].vectors.T, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head": "own"}, "model.head = 'own' is unknown"),
        ({"score": "l1"}, "model.score = 'l1' is unknown"),
        ({"bits": 0}, "model.bits = 0 must be greater than 0"),
        ({"head": "hadamard", "bits": 3, "classes": 10}, "model.bits = 3 is too short to tell 10 classes apart"),
    ],
)
def test_impossible_options_are_named(change, message):
    with pytest.raises(UserError, match=message):
        semantic_hashing.build(dataclasses.replace(OPTIONS, **change), WEIGHTS)
