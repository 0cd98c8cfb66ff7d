"""System D: cross-modal semantic matching with a hash layer (paper D, section 2.2; docs/methods.md D5.6).

An image network and a text network end in b tanh units; one classifier reads both, so that the units of both mean the
same. The paper trains the networks on labels alone and ranks by distance in the semantic space, yet its tables are
indexed by bits: the code layer, the quantisation and the optional pairwise and balance terms are the decision D5.6.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct

from avx.core.arrays import l2_normalize, ratio
from avx.core.errors import check_positive, check_share, check_weights, chosen
from avx.core.types import ALONE, VECTORS, Array, Batch, Embedded, Gather, Loss, Metrics, ModelState, Params, System
from avx.hashing.class_words import class_words
from avx.losses import classification, hashing, labels
from avx.nn.dropout import ExampleDropout
from avx.nn.heads import Classifier
from avx.systems.hash_codes import SIDES, coded, cosine_score, feature_rows, hash_score

TITLE = "System D"
HEADS = ("shared", "hadamard")
SCORES = {"hash": hash_score, "semantic": cosine_score}


@dataclasses.dataclass(frozen=True)
class Options:
    """Every constant of the network; values and sources stand in configs/semantic_hashing.py.

    Attributes:
      classes: number of classes c.
      bits: code length b.
      hidden_sizes: widths of the hidden layers of either network.
      dropout: rate after the first hidden layer.
      head: "shared" learns one classifier for both modalities; "hadamard" fixes it to class code words, far apart.
      score: "hash" ranks by Hamming distance, "semantic" by the cosine of class posteriors (paper D, eq. 3).
    """

    classes: int
    bits: int
    hidden_sizes: tuple[int, ...]
    dropout: float
    head: str
    score: str

    def __post_init__(self):
        chosen(dict.fromkeys(HEADS), "model.head", self.head)
        chosen(SCORES, "model.score", self.score)
        check_positive("model.bits", self.bits)
        check_share("model.dropout", self.dropout)


@dataclasses.dataclass(frozen=True)
class LossOptions:
    """Weights of the terms.

    Attributes:
      label: cross entropy, summed over modalities.
      quantisation: mu, squared distance of a code from its signs, summed over modalities.
      similarity: pairwise likelihood across modalities.
      intra_similarity: pairwise likelihood within each modality.
      balance: squared mean of each bit, summed over modalities.
      label_smoothing: share of the class target that is spread over all classes.
    """

    label: float
    quantisation: float
    similarity: float
    intra_similarity: float
    balance: float
    label_smoothing: float

    def __post_init__(self):
        check_weights("loss", self)
        check_share("loss.label_smoothing", self.label_smoothing)


@struct.dataclass
class Outputs:
    """One forward pass, by modality: real codes (B, b) in (-1, 1), class logits (B, c), presence (B,)."""

    codes: dict[str, Array]
    logits: dict[str, Array]
    present: dict[str, Array]


class CodeNetwork(nn.Module):
    """Features (B, D) to real codes (B, b): fully connected layers with ReLU, dropout after the first, tanh."""

    hidden_sizes: tuple[int, ...]
    bits: int
    dropout: float

    @nn.compact
    def __call__(self, features: Array, position: Array, deterministic: bool) -> Array:
        for layer, size in enumerate(self.hidden_sizes):
            features = nn.relu(nn.Dense(size, kernel_init=nn.initializers.he_normal(), name=f"fc_{layer}")(features))
            if layer == 0:
                features = ExampleDropout(self.dropout)(features, position, deterministic)
        return jnp.tanh(nn.Dense(self.bits, name="code")(features))


class Network(nn.Module):
    """The code networks of both sides and the classifier that they share."""

    options: Options
    sides: tuple[str, str]

    @nn.compact
    def __call__(self, batch: Batch, deterministic: bool) -> Outputs:
        options = self.options
        classifier = Classifier(options.classes, name="classifier") if options.head == "shared" else None
        outputs = Outputs({}, {}, {})
        for name in self.sides:
            features, outputs.present[name] = feature_rows(batch, name)
            network = CodeNetwork(options.hidden_sizes, options.bits, options.dropout, name=name)
            codes = outputs.codes[name] = network(features, batch.position, deterministic)
            if classifier is not None:
                outputs.logits[name] = classifier(codes)
            else:
                # A code equal to its class's word has a logit of sqrt(b), whatever the length.
                outputs.logits[name] = codes @ class_words(options.classes, options.bits).T / options.bits**0.5
        return outputs


def total_loss(
    outputs: Outputs, label: Array, options: LossOptions, sides: tuple[str, str] = SIDES, gather: Gather = ALONE
) -> tuple[Array, Metrics]:
    """The weighted sum of D5.6 on the global batch, and each term as a (sum, weight) pair.

    Args:
      outputs: of the whole batch.
      label: (B,) class indices, or (B, c) indicators; rows without a class are used by quantisation and balance alone.
        Items with several classes are similar where they share one, and their classes share the target of the
        classifier equally: with fixed class words a code is then drawn towards the mean of its classes' words.
      options: weights; a term of weight 0 is neither computed nor reported.
      sides: the two sides.
      gather: who else computes this loss; the left rows of the pairwise terms are divided among the devices.
    """
    labelled = {name: outputs.present[name] & labels.known(label) for name in sides}
    similar = labels.shared(label, label)
    first, second = sides

    def likelihood(left: str, right: str):
        codes, anchors, rows = (gather.mine(each) for each in (outputs.codes[left], similar, labelled[left]))
        return hashing.pairwise_likelihood(codes, outputs.codes[right], anchors, rows, labelled[right])

    terms, weights = {}, {}
    if options.label:
        weights["loss_label"] = options.label
        terms["loss_label"] = classification.label_prediction(
            outputs.logits[first],
            outputs.logits[second],
            label,
            labelled[first],
            labelled[second],
            smoothing=options.label_smoothing,
        )
    if options.similarity:
        weights["loss_similarity"] = options.similarity
        terms["loss_similarity"] = likelihood(first, second)
    for name in sides:
        codes, present = outputs.codes[name], outputs.present[name]
        if options.intra_similarity:
            weights[f"loss_similarity_{name}"] = options.intra_similarity
            terms[f"loss_similarity_{name}"] = likelihood(name, name)
        if options.quantisation:
            weights[f"loss_quantisation_{name}"] = options.quantisation
            terms[f"loss_quantisation_{name}"] = hashing.quantisation(codes, present)
        if options.balance:
            weights[f"loss_balance_{name}"] = options.balance
            terms[f"loss_balance_{name}"] = hashing.bit_balance(codes, present)
    terms = gather.total(terms)
    value = jnp.asarray(sum(weight * ratio(*terms[name]) for name, weight in weights.items()), jnp.float32)
    metrics: Metrics = {**terms, "loss": (value, jnp.ones(()))}
    for name in sides:
        borne = labels.indicators(label, outputs.logits[name].shape[1])
        right = jnp.take_along_axis(borne, jnp.argmax(outputs.logits[name], -1)[:, None], 1)[:, 0]
        kept = labelled[name].astype(jnp.float32)
        metrics[f"label_accuracy_{name}"] = ((right * kept).sum(), kept.sum())
    return value, metrics


def build(options: Options, loss_options: LossOptions, sides: tuple[str, str] = SIDES) -> System:
    """System D as pure functions.

    Args:
      options: the network.
      loss_options: the loss.
      sides: the two sides, each a modality of its own.

    Returns:
      A factored `System`. `embed` gives what `coded` names and the class posteriors; with score "semantic" the vectors
      are the posteriors, scaled to unit norm.

    Raises:
      UserError: too few bits for as many fixed words.
    """
    if options.head == "hadamard":
        class_words(options.classes, options.bits)
    network = Network(options, sides)

    def init(key: Array, batch: Batch) -> tuple[Params, ModelState]:
        return network.init(key, batch, True)["params"], ModelState()

    def loss(params: Params, model_state: ModelState, batch: Batch, rngs: dict[str, Array], gather: Gather) -> Loss:
        outputs = network.apply({"params": params}, batch, False, rngs={"dropout": rngs["dropout"]})
        everywhere, label = jax.tree.map(gather.all, (outputs, batch.labels))
        value, metrics = total_loss(everywhere, label, loss_options, sides, gather)
        return Loss(value, metrics, model_state)

    def embed(params: Params, model_state: ModelState, batch: Batch) -> dict[str, Embedded]:
        outputs: Any = network.apply({"params": params}, batch, True)
        embedded = {}
        for name in sides:
            posterior = nn.softmax(outputs.logits[name])
            found = dataclasses.replace(coded(outputs.codes[name], outputs.present[name]), posterior=posterior)
            semantic = options.score == "semantic"
            embedded[name] = dataclasses.replace(found, vectors=l2_normalize(posterior)) if semantic else found
        return embedded

    own = {name: (name,) for name in sides}
    return System(TITLE, own, embed, SCORES[options.score], init=init, loss=loss, reads=VECTORS)
