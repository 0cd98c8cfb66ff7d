"""SSAH: self-supervised adversarial hashing (Li et al., CVPR 2018; docs/methods.md 5.4).

A label network turns labels into features and codes, and these teach an image and a text network: pairwise likelihoods
of features and codes, label prediction, quantisation, and discriminators that try to tell a modality's features from
those of the labels.

The published training alternates between the networks, with the label network's features and codes of the whole
training set held as constants meanwhile. Here all networks descend one loss together: the label network sees the
global batch, its features and codes are constants where they teach, and gradient reversal stands for the alternating
game of the discriminators. Images come as feature vectors, so the convolutions of the original are left out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct

from avx.core.arrays import ratio, weighted_sum
from avx.core.errors import check_positive, check_share, check_weights, chosen
from avx.core.types import ALONE, VECTORS, Array, Batch, Embedded, Gather, Loss, Metrics, ModelState, Params, System
from avx.losses import hashing
from avx.losses.pairs import Pair
from avx.nn.adversary import Discriminator, reverse_gradient
from avx.nn.dropout import ExampleDropout
from avx.nn.multi_scale import MultiScale, response_normalised
from avx.systems.hash_codes import SIDES, coded, feature_rows, hash_score

TITLE = "SSAH"
LABEL = "label"
LIKELIHOODS = {"likelihood": hashing.pairwise_likelihood, "code": hashing.pairwise_squared_likelihood}


@dataclasses.dataclass(frozen=True)
class Options:
    """Every constant of the networks; values and sources stand in configs/ssah.py and configs/dssah.py.

    Attributes:
      classes: number of classes c.
      bits: code length b.
      hidden_size: width of the first layer of each network.
      feature_size: width of the semantic feature.
      discriminator_sizes: hidden widths of each discriminator.
      dropout: rate after the first layer of the image and text networks; the original has none.
    """

    classes: int
    bits: int
    hidden_size: int
    feature_size: int
    discriminator_sizes: tuple[int, ...]
    dropout: float

    def __post_init__(self):
        for field in ("bits", "hidden_size", "feature_size"):
            check_positive(f"model.{field}", getattr(self, field))
        check_share("model.dropout", self.dropout)


@dataclasses.dataclass(frozen=True)
class LossOptions:
    """Weights of the terms, named as in the paper where it names them.

    Attributes:
      feature_similarity: alpha, pairwise likelihood of the semantic features.
      code_similarity: gamma, pairwise likelihood of the codes.
      quantisation: eta.
      label: beta, squared error of the predicted label indicators.
      adversarial: weight of the discriminators' cross entropy.
      form: "likelihood" is the paper's pairwise term, "code" the squared one of its published code.
    """

    feature_similarity: float
    code_similarity: float
    quantisation: float
    label: float
    adversarial: float
    form: str

    def __post_init__(self):
        check_weights("loss", self)
        chosen(LIKELIHOODS, "loss.form", self.form)


@struct.dataclass
class Outputs:
    """One forward pass, by network ("label", "image", "text").

    Attributes:
      features: (B, F) semantic features.
      codes: (B, b) in (-1, 1).
      indicators: (B, c) predicted labels in (0, 1).
      present: (B,) bool; of "label" the rows whose label is known.
      adversary: discriminator name -> (first (B,), second (B,)) logits of its two sources, features reversed where
        they are to be made alike. Of "image" and "text" the first source is the label network; of "modality" the
        first is the image and the second the text.
      inputs: modality -> (B, D) the features that came in.
    """

    features: dict[str, Array]
    codes: dict[str, Array]
    indicators: dict[str, Array]
    present: dict[str, Array]
    adversary: dict[str, tuple[Array, Array]]
    inputs: dict[str, Array]


class HashingBranch(nn.Module):
    """One network: input (B, D) to semantic feature (B, F), code (B, b) and label indicators (B, c)."""

    options: Options
    normalised: bool
    dropout: float

    @nn.compact
    def __call__(self, values: Array, position: Array, deterministic: bool) -> tuple[Array, Array, Array]:
        options = self.options
        hidden = nn.relu(nn.Dense(options.hidden_size, kernel_init=nn.initializers.he_normal(), name="hidden")(values))
        if self.normalised:
            hidden = response_normalised(hidden)
        hidden = ExampleDropout(self.dropout)(hidden, position, deterministic)
        feature = nn.relu(
            nn.Dense(options.feature_size, kernel_init=nn.initializers.he_normal(), name="feature")(hidden)
        )
        code = jnp.tanh(nn.Dense(options.bits, name="code")(feature))
        return feature, code, nn.sigmoid(nn.Dense(options.classes, name="indicators")(feature))


class Network(nn.Module):
    """The label network, the networks of both sides, and their discriminators.

    Attributes:
      options: sizes.
      sides: the two sides; the second is read as words are, at several scales.
      adversary: "labels" gives each modality a discriminator against the label network (SSAH); "modality" is one
        discriminator between the sides (DSSAH).
    """

    options: Options
    sides: tuple[str, str]
    adversary: Literal["labels", "modality"]

    @nn.compact
    def __call__(self, batch: Batch, deterministic: bool, *, taught: bool = True) -> Outputs:
        """Runs all networks; with `taught` False the label network and the discriminators stay out."""
        options = self.options
        outputs = Outputs({}, {}, {}, {}, {}, {})
        inputs = {}
        first, second = self.sides
        for name in self.sides:
            inputs[name], outputs.present[name] = feature_rows(batch, name)
            outputs.inputs[name] = inputs[name]
        inputs[second] = MultiScale(name="multi_scale")(inputs[second])
        if taught:
            inputs[LABEL] = jax.nn.one_hot(batch.label, options.classes)
            outputs.present[LABEL] = batch.example_mask & (batch.label >= 0)
        for name, values in inputs.items():
            dropout = 0.0 if name == LABEL else options.dropout
            branch = HashingBranch(options, normalised=name != first, dropout=dropout, name=name)
            outputs.features[name], outputs.codes[name], outputs.indicators[name] = branch(
                values, batch.position, deterministic
            )
        if taught:
            outputs.adversary.update(self._discriminate(outputs.features))
        return outputs

    def _discriminate(self, features: dict[str, Array]) -> dict[str, tuple[Array, Array]]:
        reversed_features = {name: reverse_gradient(features[name], 1.0) for name in self.sides}
        sizes = self.options.discriminator_sizes
        if self.adversary == "modality":
            between = Discriminator(sizes, name="modality_discriminator")
            first, second = (between(reversed_features[name]) for name in self.sides)
            return {"modality": (first, second)}
        taught = jax.lax.stop_gradient(features[LABEL])
        logits = {}
        for name in self.sides:
            against_labels = Discriminator(sizes, name=f"{name}_discriminator")
            logits[name] = (against_labels(taught), against_labels(reversed_features[name]))
        return logits


def adversarial_terms(outputs: Outputs, sides: tuple[str, str] = SIDES) -> dict[str, Pair]:
    """Cross entropy of each discriminator over both its sources, as (sum, weight) by "loss_adversarial_<name>".

    A discriminator that cannot tell them apart scores 2 log 2; the features beneath a reversal ascend this loss.
    """
    terms = {}
    for name, (first, second) in outputs.adversary.items():
        sources = sides if name == "modality" else (LABEL, name)
        first_sum, first_weight = weighted_sum(jax.nn.softplus(-first), outputs.present[sources[0]])
        second_sum, second_weight = weighted_sum(jax.nn.softplus(second), outputs.present[sources[1]])
        weight = (first_weight + second_weight) / 2
        terms[f"loss_adversarial_{name}"] = (first_sum + second_sum, weight)
    return terms


def network_terms(
    outputs: Outputs, label: Array, options: LossOptions, sides: tuple[str, str] = SIDES, gather: Gather = ALONE
) -> dict[str, tuple[float, Pair]]:
    """Weighted terms of every network (Li et al. 2018, eq. 1 and 3): name -> (weight, (sum, weight of rows or pairs)).

    The label network is compared with itself; where it teaches a modality its features and codes are constants.

    Args:
      outputs: of the global batch.
      label: (B,) class indices, -1 where unknown.
      options: weights.
      sides: the two sides.
      gather: who else computes this loss; the teacher's rows of the pairwise terms are divided among the devices.
    """
    likelihood = LIKELIHOODS[options.form]
    indicators = jax.nn.one_hot(label, outputs.indicators[LABEL].shape[1])
    similar = (label[:, None] == label).astype(jnp.float32)
    known = outputs.present[LABEL]
    terms: dict[str, tuple[float, Pair]] = {}
    for name in (LABEL, *sides):
        rows = outputs.present[name] & known
        teacher_features, teacher_codes = outputs.features[LABEL], outputs.codes[LABEL]
        if name != LABEL:
            teacher_features, teacher_codes = jax.lax.stop_gradient((teacher_features, teacher_codes))
        anchors = gather.mine(similar), gather.mine(known)
        error = jnp.square(outputs.indicators[name] - indicators).sum(1)
        terms |= {
            f"loss_features_{name}": (
                options.feature_similarity,
                likelihood(gather.mine(teacher_features), outputs.features[name], *anchors, rows),
            ),
            f"loss_codes_{name}": (
                options.code_similarity,
                likelihood(gather.mine(teacher_codes), outputs.codes[name], *anchors, rows),
            ),
            f"loss_quantisation_{name}": (
                options.quantisation,
                hashing.quantisation(outputs.codes[name], outputs.present[name]),
            ),
            f"loss_label_{name}": (options.label, weighted_sum(error, rows)),
        }
    return terms


def summed(terms: dict[str, tuple[float, Pair]], gather: Gather = ALONE) -> tuple[Array, Metrics]:
    """(value, metrics) of this device's weighted terms and those of all others; a term of weight 0 is left out."""
    pairs = gather.total({name: pair for name, (weight, pair) in terms.items() if weight})
    value = jnp.asarray(sum(terms[name][0] * ratio(*pair) for name, pair in pairs.items()), jnp.float32)
    return value, {**pairs, "loss": (value, jnp.ones(()))}


def total_loss(
    outputs: Outputs, label: Array, options: LossOptions, sides: tuple[str, str] = SIDES, gather: Gather = ALONE
) -> tuple[Array, Metrics]:
    """The loss of all networks and discriminators on the global batch, with its terms as (sum, weight) pairs."""
    terms = network_terms(outputs, label, options, sides, gather)
    terms |= {name: (options.adversarial, pair) for name, pair in adversarial_terms(outputs, sides).items()}
    return summed(terms, gather)


def assembled(
    title: str,
    options: Options,
    sides: tuple[str, str],
    adversary: Literal["labels", "modality"],
    objective: Callable[[Outputs, Array, Gather], tuple[Array, Metrics]],
) -> System:
    """Wires `Network` to an objective (outputs, label, gather) -> (value, metrics) on the global batch."""
    network = Network(options, sides, adversary)

    def init(key: Array, batch: Batch) -> tuple[Params, ModelState]:
        return network.init(key, batch, True)["params"], ModelState()

    def loss(params: Params, model_state: ModelState, batch: Batch, rngs: dict[str, Array], gather: Gather) -> Loss:
        outputs = network.apply({"params": params}, batch, False, rngs={"dropout": rngs["dropout"]})
        everywhere, label = jax.tree.map(gather.all, (outputs, batch.label))
        value, metrics = objective(everywhere, label, gather)
        return Loss(value, metrics, model_state)

    def embed(params: Params, model_state: ModelState, batch: Batch) -> dict[str, Embedded]:
        outputs: Any = network.apply({"params": params}, batch, True, taught=False)
        return {name: coded(outputs.codes[name], outputs.present[name]) for name in sides}

    own = {name: (name,) for name in sides}
    return System(title, own, embed, hash_score, init=init, loss=loss, reads=VECTORS)


def build(options: Options, loss_options: LossOptions, sides: tuple[str, str] = SIDES) -> System:
    """SSAH as pure functions.

    Args:
      options: the networks.
      loss_options: the loss.
      sides: the two sides, the second made of words.

    Returns:
      A factored `System`; only the networks of the sides take part in `embed`.
    """

    def objective(outputs: Outputs, label: Array, gather: Gather) -> tuple[Array, Metrics]:
        return total_loss(outputs, label, loss_options, sides, gather)

    return assembled(TITLE, options, sides, "labels", objective)
