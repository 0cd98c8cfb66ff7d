"""SSAH and DSSAH (reconstructed): losses by hand, who learns from whom, bad options."""

import dataclasses

import jax
import numpy as np
import pytest
from hashing_toys import batch_of

from avx.core.errors import UserError
from avx.systems import dssah, label_taught, ssah
from avx.systems.label_taught import Network, Options, Outputs
from avx.systems.ssah import LossOptions

OPTIONS = Options(classes=3, bits=4, hidden_size=8, feature_size=6, discriminator_sizes=(5,), dropout=0.5)
SHARED = {
    "feature_similarity": 0.5,
    "code_similarity": 2.0,
    "quantisation": 0.3,
    "label": 0.7,
    "adversarial": 0.9,
    "form": "likelihood",
}
WEIGHTS = LossOptions(**SHARED, teaching="anchored", target="shared")
GRADED = dssah.LossOptions(**SHARED, graded_similarity=1.5, label_share=0.6)
NETWORKS = ("label", "image", "text")


def outputs_of(adversary, size=4, seed=5):
    rng = np.random.default_rng(seed)

    def rows(width, low=-1.0):
        return rng.uniform(low, 1, (size, width)).astype(np.float32)

    names = ("modality",) if adversary == "modality" else ("image", "text")
    outputs = Outputs(
        features={name: rows(6, 0.0) for name in NETWORKS},
        codes={name: rows(4) for name in NETWORKS},
        indicators={name: rows(3, 0.0) for name in NETWORKS},
        present={name: np.ones(size, bool) for name in NETWORKS},
        adversary={name: (rows(1)[:, 0], rows(1)[:, 0]) for name in names},
        inputs={"image": rows(5), "text": rows(7)},
    )
    return outputs, np.array([0, 1, 0, 2])[:size]


def by_hand(outputs, label, squared=False, anchored=True):
    """The weighted sum of docs/methods.md 5.4 in numpy loops; `squared` takes the form of the published code.

    The codes of image and text are drawn to the signs of the label network's where `anchored`, else to their own.
    """
    rows = range(len(label))

    def likelihood(left, right):
        total = 0.0
        for i in rows:
            for j in rows:
                theta, similar = left[i] @ right[j] / 2, float(label[i] == label[j])
                term = np.log1p(np.exp(theta)) - (0.999 if squared else 1) * similar * theta
                total += term**2 / 2 if squared else term
        return total / len(label) ** 2

    total = 0.0
    for name in NETWORKS:
        code = outputs.codes[name]
        total += WEIGHTS.feature_similarity * likelihood(outputs.features["label"], outputs.features[name])
        total += WEIGHTS.code_similarity * likelihood(outputs.codes["label"], code)
        signs = np.where((outputs.codes["label"] if anchored else code) < 0, -1, 1)
        total += WEIGHTS.quantisation * np.mean([((code[i] - signs[i]) ** 2).mean() for i in rows])
        total += WEIGHTS.label * np.mean(
            [((outputs.indicators[name][i] - np.eye(3)[label[i]]) ** 2).mean() for i in rows]
        )
    for first, second in outputs.adversary.values():
        share = 1 / (1 + np.exp(-first)), 1 / (1 + np.exp(-second))
        total += WEIGHTS.adversarial * (-np.log(share[0]).mean() - np.log(1 - share[1]).mean())
    return total


@pytest.mark.parametrize("form", ["likelihood", "code"])
def test_ssah_is_the_hand_weighted_sum(form):
    outputs, label = outputs_of("labels")
    value, _ = ssah.total_loss(outputs, label, dataclasses.replace(WEIGHTS, form=form))
    np.testing.assert_allclose(value, by_hand(outputs, label, squared=form == "code"), rtol=1e-5)
    assert abs(value - by_hand(outputs, label, squared=form != "code")) > 1e-2
    assert abs(value - by_hand(outputs, label, squared=form == "code", anchored=False)) > 1e-2


def test_dssah_adds_the_regression_onto_graded_similarities():
    """S is 0 across classes, else 0.6 + 0.4 times the mean positive cosine of both inputs."""
    outputs, label = outputs_of("modality")
    rows = range(len(label))

    def cosine(values, i, j):
        return max(values[i] @ values[j] / np.linalg.norm(values[i]) / np.linalg.norm(values[j]), 0)

    graded = np.zeros((4, 4))
    for i in rows:
        for j in rows:
            views = (cosine(outputs.inputs["image"], i, j) + cosine(outputs.inputs["text"], i, j)) / 2
            graded[i, j] = (0.6 + 0.4 * views) * (label[i] == label[j])
    regression = sum(
        np.mean((outputs.codes[left] @ outputs.codes[right].T / 4 - (2 * graded - 1)) ** 2)
        for left, right in (("image", "text"), ("image", "image"), ("text", "text"))
    )
    value, metrics = dssah.total_loss(outputs, label, GRADED)
    np.testing.assert_allclose(value, by_hand(outputs, label, anchored=False) + 1.5 * regression, rtol=1e-5)
    assert {"loss_graded_image_text", "loss_adversarial_modality"} <= set(metrics)
    assert 0 < graded[0, 2] < 1


def test_the_label_network_teaches_and_is_not_taught():
    """Terms of the modalities leave the label network's outputs without a gradient; its own terms do not."""
    outputs, label = outputs_of("labels")

    def modality_terms(features, codes):
        teacher = dataclasses.replace(
            outputs, features={**outputs.features, "label": features}, codes={**outputs.codes, "label": codes}
        )
        terms = label_taught.network_terms(teacher, label, WEIGHTS)
        own = sum(weight * total for name, (weight, (total, _)) in terms.items() if name.endswith("label_label"))
        own += sum(terms[f"loss_{kind}_label"][1][0] for kind in ("features", "codes"))
        others = sum(terms[f"loss_{kind}_{name}"][1][0] for kind in ("features", "codes") for name in ("image", "text"))
        return own, others

    arguments = outputs.features["label"], outputs.codes["label"]
    for place, taught in ((0, True), (1, False)):
        slopes = jax.grad(lambda *values, place=place: modality_terms(*values)[place], argnums=(0, 1))(*arguments)
        assert all((np.abs(slope).max() > 1e-3) == taught for slope in slopes)


def test_reversal_sets_the_features_against_their_discriminator():
    """With the adversarial term alone, a step along -gradient helps the discriminator and, in the branch, hurts it."""
    alone = LossOptions(0, 0, 0, 0, adversarial=1.0, form="likelihood", teaching="anchored", target="shared")
    batch, network = batch_of(12), Network(dataclasses.replace(OPTIONS, dropout=0.0), ("image", "text"), "labels")
    params = network.init(jax.random.key(0), batch, True)["params"]

    def value(params):
        return ssah.total_loss(network.apply({"params": params}, batch, True), batch.label, alone)[0]

    slope = jax.grad(value)(params)
    assert all((np.asarray(leaf) == 0).all() for leaf in jax.tree.leaves(slope["label"]))
    for part, sign in (("image_discriminator", -1), ("image", 1)):
        moved = {**params, part: jax.tree.map(lambda old, step: old - 1e-2 * step, params[part], slope[part])}
        assert sign * float(value(moved) - value(params)) > 0, part


def test_impossible_options_are_named():
    with pytest.raises(UserError, match=r"loss\.form = .hinge. is unknown"):
        ssah.build(OPTIONS, dataclasses.replace(WEIGHTS, form="hinge"))
    with pytest.raises(UserError, match=r"model\.bits = 0 must be greater than 0"):
        dssah.build(dataclasses.replace(OPTIONS, bits=0), GRADED)
