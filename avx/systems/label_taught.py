"""What SSAH and DSSAH share: a label network that teaches the networks of two sides, and their discriminators.

Layers are those of Li et al. (CVPR 2018) and of their published code (docs/methods.md 5.4): local response
normalisation with bias 2 after the first layer of the label and text networks, and after the text network's feature,
where its code and label layers read it. Images come as feature vectors, so the convolutions of the original are left
out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct

from avx.core.arrays import ratio, weighted_sum
from avx.core.errors import check_positive, check_share
from avx.core.types import ALONE, VECTORS, Array, Batch, Embedded, Gather, Loss, Metrics, ModelState, Params, System
from avx.losses import hashing
from avx.losses.labels import indicators, known, shared
from avx.losses.pairs import Pair
from avx.nn.adversary import Discriminator, reverse_gradient
from avx.nn.dropout import ExampleDropout
from avx.nn.multi_scale import MultiScale, response_normalised
from avx.systems.hash_codes import SIDES, coded, feature_rows, hash_score

LABEL = "label"
MULTI_SCALE = "multi_scale"
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


class Weights(Protocol):
    """Weights of the terms that both methods have, named as in the paper where it names them."""

    @property
    def feature_similarity(self) -> float: ...

    @property
    def code_similarity(self) -> float: ...

    @property
    def quantisation(self) -> float: ...

    @property
    def label(self) -> float: ...

    @property
    def adversarial(self) -> float: ...

    @property
    def form(self) -> str: ...


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
    hidden_normalised: bool
    feature_normalised: bool
    dropout: float

    @nn.compact
    def __call__(self, values: Array, position: Array, deterministic: bool) -> tuple[Array, Array, Array]:
        options = self.options
        hidden = nn.relu(nn.Dense(options.hidden_size, kernel_init=nn.initializers.he_normal(), name="hidden")(values))
        if self.hidden_normalised:
            hidden = response_normalised(hidden)
        hidden = ExampleDropout(self.dropout)(hidden, position, deterministic)
        feature = nn.relu(
            nn.Dense(options.feature_size, kernel_init=nn.initializers.he_normal(), name="feature")(hidden)
        )
        read = response_normalised(feature) if self.feature_normalised else feature
        code = jnp.tanh(nn.Dense(options.bits, name="code")(read))
        return feature, code, nn.sigmoid(nn.Dense(options.classes, name="indicators")(read))


def branch(options: Options, which: str, sides: tuple[str, str], **naming: Any) -> HashingBranch:
    """The network of "label" or of a side; the second side is read as words are."""
    return HashingBranch(
        options,
        hidden_normalised=which != sides[0],
        feature_normalised=which == sides[1],
        dropout=0.0 if which == LABEL else options.dropout,
        **naming,
    )


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
        _, second = self.sides
        for name in self.sides:
            inputs[name], outputs.present[name] = feature_rows(batch, name)
            outputs.inputs[name] = inputs[name]
        inputs[second] = MultiScale(name=MULTI_SCALE)(inputs[second])
        if taught:
            inputs[LABEL] = indicators(batch.labels, options.classes)
            outputs.present[LABEL] = batch.example_mask & known(batch.labels)
        for name, values in inputs.items():
            network = branch(options, name, self.sides, name=name)
            outputs.features[name], outputs.codes[name], outputs.indicators[name] = network(
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
            against_labels = Discriminator(sizes, name=discriminator_name(name))
            logits[name] = (against_labels(taught), against_labels(reversed_features[name]))
        return logits


def discriminator_name(side: str) -> str:
    """Where the parameters of a side's discriminator against the labels stand."""
    return f"{side}_discriminator"


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


def own_terms(
    name: str, codes: Array, found: Array, borne: Array, rows: Array, target: Array | None
) -> dict[str, Pair]:
    """Quantisation and label terms of one network, as means over the entries of a row.

    Args:
      name: of the network.
      codes: (B, b).
      found: (B, c) predicted indicators.
      borne: (B, c) true ones.
      rows: (B,) bool, present with a known class.
      target: (B, b) signs that the codes are drawn to; None for their own.
    """
    total, weight = hashing.quantisation(codes, rows, target)
    error = jnp.square(jnp.where(rows[:, None], found - borne, 0)).mean(1)
    return {
        f"loss_quantisation_{name}": (total / codes.shape[1], weight),
        f"loss_label_{name}": weighted_sum(error, rows),
    }


def network_terms(
    outputs: Outputs,
    labels: Array,
    options: Weights,
    sides: tuple[str, str] = SIDES,
    gather: Gather = ALONE,
    *,
    anchored: bool = False,
) -> dict[str, tuple[float, Pair]]:
    """Weighted terms of every network (Li et al. 2018, eq. 1 and 3): name -> (weight, (sum, weight of rows or pairs)).

    The label network is compared with itself; where it teaches a modality its features and codes are constants.

    Args:
      outputs: of the global batch.
      labels: (B,) class indices, -1 where unknown, or (B, c) indicators; items that share a class are similar.
      options: weights.
      sides: the two sides.
      gather: who else computes this loss; the teacher's rows of the pairwise terms are divided among the devices.
      anchored: draw the codes of the sides to the signs of the label network's, instead of to their own.
    """
    likelihood = LIKELIHOODS[options.form]
    borne = indicators(labels, outputs.indicators[LABEL].shape[1])
    similar = shared(labels, labels)
    taught = outputs.present[LABEL]
    signs = jnp.where(outputs.codes[LABEL] >= 0, 1.0, -1.0)
    terms: dict[str, tuple[float, Pair]] = {}
    for name in (LABEL, *sides):
        rows = outputs.present[name] & taught
        teacher_features, teacher_codes = outputs.features[LABEL], outputs.codes[LABEL]
        if name != LABEL:
            teacher_features, teacher_codes = jax.lax.stop_gradient((teacher_features, teacher_codes))
        anchors = gather.mine(similar), gather.mine(taught)
        target = signs if anchored and name != LABEL else None
        own = own_terms(name, outputs.codes[name], outputs.indicators[name], borne, rows, target)
        terms |= {
            f"loss_features_{name}": (
                options.feature_similarity,
                likelihood(gather.mine(teacher_features), outputs.features[name], *anchors, rows),
            ),
            f"loss_codes_{name}": (
                options.code_similarity,
                likelihood(gather.mine(teacher_codes), outputs.codes[name], *anchors, rows),
            ),
            f"loss_quantisation_{name}": (options.quantisation, own[f"loss_quantisation_{name}"]),
            f"loss_label_{name}": (options.label, own[f"loss_label_{name}"]),
        }
    return terms


def summed(terms: dict[str, tuple[float, Pair]], gather: Gather = ALONE) -> tuple[Array, Metrics]:
    """(value, metrics) of this device's weighted terms and those of all others; a term of weight 0 is left out."""
    pairs = gather.total({name: pair for name, (weight, pair) in terms.items() if weight})
    value = jnp.asarray(sum(terms[name][0] * ratio(*pair) for name, pair in pairs.items()), jnp.float32)
    return value, {**pairs, "loss": (value, jnp.ones(()))}


def assembled(
    title: str,
    options: Options,
    sides: tuple[str, str],
    adversary: Literal["labels", "modality"],
    objective: Callable[[Outputs, Array, Gather], tuple[Array, Metrics]],
) -> System:
    """Wires `Network` to an objective (outputs, labels, gather) -> (value, metrics) on the global batch."""
    network = Network(options, sides, adversary)

    def init(key: Array, batch: Batch) -> tuple[Params, ModelState]:
        return network.init(key, batch, True)["params"], ModelState()

    def loss(params: Params, model_state: ModelState, batch: Batch, rngs: dict[str, Array], gather: Gather) -> Loss:
        outputs = network.apply({"params": params}, batch, False, rngs={"dropout": rngs["dropout"]})
        everywhere, labels = jax.tree.map(gather.all, (outputs, batch.labels))
        value, metrics = objective(everywhere, labels, gather)
        return Loss(value, metrics, model_state)

    own = {name: (name,) for name in sides}
    return System(title, own, embedding(network, sides), hash_score, init=init, loss=loss, reads=VECTORS)


def embedding(network: Network, sides: tuple[str, str]) -> Callable[[Params, ModelState, Batch], dict[str, Embedded]]:
    """`System.embed` of the networks of the sides alone."""

    def embed(params: Params, model_state: ModelState, batch: Batch) -> dict[str, Embedded]:
        outputs: Any = network.apply({"params": params}, batch, True, taught=False)
        return {name: coded(outputs.codes[name], outputs.present[name]) for name in sides}

    return embed
