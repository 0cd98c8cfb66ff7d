"""The published training of SSAH: one network at a time, against what the label network says of the whole training set.

Turns follow each other in every outer epoch: passes of the label network, of both discriminators, of the image and of
the text network. Held of all n training items are the label network's features and codes H and the codes F and G of
the images and texts; a turn writes each batch's rows into those of its own network. All turns compare a batch with the
label network's n rows, as constants. A modality's network is also asked to make its discriminator say "label".

Quantisation draws the codes of a modality to B = sign(H), which the published loop computes for all items after the
label network's turn. Its placeholders are fed each network's own signs, though (`LossOptions.target` "own"): with
these a modality scores well on the pairwise terms by codes that all point away from the mean of H, whatever their
class. F and G are watched: the share of their bits that are those of H.

Each network has an optimiser state of its own that stands still in the others' turns, and a rate relative to the
rule's; all rates decay by outer epochs.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct

from avx.core.arrays import ratio, weighted_sum
from avx.core.errors import UserError, check_positive
from avx.core.types import VECTORS, Array, Batch, Batches, Gather, Loss, ModelState, Params, System
from avx.losses.labels import indicators, known, shared
from avx.losses.pairs import Pair
from avx.nn.adversary import Discriminator
from avx.nn.multi_scale import MultiScale
from avx.systems.hash_codes import feature_rows, hash_score
from avx.systems.label_taught import (
    LABEL,
    LIKELIHOODS,
    MULTI_SCALE,
    Network,
    Options,
    Weights,
    branch,
    discriminator_name,
    embedding,
    own_terms,
)

DISCRIMINATORS = 1
"""Number of the discriminators' turn; 0 is the label network's, 2 and 3 those of the sides."""


class AlternationWeights(Weights, Protocol):
    """Weights of the terms, and whose signs quantisation draws codes to: "shared" or "own"."""

    @property
    def target(self) -> str: ...


@dataclasses.dataclass(frozen=True)
class Turns:
    """The group `alternation`; of the label network, the discriminators, the first and the second side.

    Attributes:
      passes: over the training items in an outer epoch.
      rates: learning rates, in units of the optimiser's.
      decay: factor of all rates from one outer epoch to the next.
    """

    passes: tuple[int, int, int, int] = (3, 1, 3, 3)
    rates: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    decay: float = 1.0

    def __post_init__(self):
        for field in ("passes", "rates"):
            values = getattr(self, field)
            if len(values) != 4:
                raise UserError(
                    f"alternation.{field} = {tuple(values)} must name four numbers: of the label network, the "
                    "discriminators, the first and the second side."
                )
            for value in values:
                check_positive(f"each of alternation.{field}", value)
        check_positive("alternation.decay", self.decay)


SMALL_SETS = Turns()
"""The passes that suit small sets, all rates alike."""


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Turns over n training items, in steps.

    Attributes:
      turns: see `Turns`.
      items: n.
      steps_per_pass: batches that cover them once.
    """

    turns: Turns
    items: int
    steps_per_pass: int

    @property
    def ends(self) -> np.ndarray:
        """(4,) steps of an outer epoch after which each turn is over."""
        return np.cumsum(self.turns.passes) * self.steps_per_pass

    def turn(self, step: Array) -> Array:
        """() int32: whose turn a step is."""
        return (step % self.ends[-1] >= self.ends[:-1]).sum()

    def factor(self, step: Array) -> Array:
        """() float32: rate of a step in units of the rule's."""
        rates = jnp.asarray(self.turns.rates, jnp.float32)
        return rates[self.turn(step)] * jnp.float32(self.turns.decay) ** (step // self.ends[-1])


@struct.dataclass
class Held:
    """What training carries of all n items.

    Attributes:
      step: () int32 steps so far.
      labels: (n, c) bool; an item without a class teaches nothing.
      features: (n, F) of the label network, as of each item's last batch in its turn.
      codes: network -> (n, b) likewise; zeros before a side's first turn, and of items that lack the side.
    """

    step: Array
    labels: Array
    features: Array
    codes: dict[str, Array]

    def written(self, items: Array, rows: dict[str, Array], features: Array, codes: Array) -> Held:
        """With the rows of a batch: items (B,), rows (B,) bool of each network, features (B, F), codes (B, b)."""
        place = {name: jnp.where(kept, items, len(self.labels)) for name, kept in rows.items()}
        return dataclasses.replace(
            self,
            features=self.features.at[place[LABEL]].set(features, mode="drop"),
            codes={name: held.at[place[name]].set(codes, mode="drop") for name, held in self.codes.items()},
        )


@struct.dataclass
class Turned:
    """What a turn computes of a batch; zeros where its turn has none.

    Attributes:
      feature: (B, F).
      code: (B, b).
      indicators: (B, c).
      logits: (B, 4) of the discriminators: of the first side's on labels and on the side, then of the second's.
    """

    feature: Array
    code: Array
    indicators: Array
    logits: Array


def assembled(
    title: str, options: Options, weights: AlternationWeights, sides: tuple[str, str], schedule: Schedule
) -> System:
    """The alternation as a system; arguments as in `ssah.build`."""
    network = Network(options, sides, "labels")

    def init(key: Array, batch: Batch) -> tuple[Params, ModelState]:
        shapes = (
            (schedule.items, options.classes),
            (schedule.items, options.feature_size),
            (schedule.items, options.bits),
        )
        labels, features, codes = (jnp.zeros(shape) for shape in shapes)
        held = Held(jnp.zeros((), jnp.int32), labels > 0, features, {name: codes for name in (LABEL, *sides)})
        return network.init(key, batch, True)["params"], ModelState(training=held)

    def calibrate(params: Params, model_state: ModelState, batches: Batches) -> ModelState:
        return ModelState(training=first_held(params[LABEL], model_state.training, batches, options, sides))

    def loss(params: Params, model_state: ModelState, batch: Batch, rngs: dict[str, Array], gather: Gather) -> Loss:
        held: Held = model_state.training
        turn = schedule.turn(held.step)
        turned = _turned(params, batch, turn, options, sides, rngs["dropout"])
        present = jnp.stack([feature_rows(batch, name)[1] for name in sides], 1)
        everything = (turned, batch.labels, batch.item, batch.example_mask, present)
        turned, labels, items, real, present = jax.tree.map(gather.all, everything)
        taught = real & known(labels)
        rows = {LABEL: taught & (turn == 0)}
        rows |= {side: taught & present[:, place] & (turn == 2 + place) for place, side in enumerate(sides)}
        features, codes = jax.lax.stop_gradient((turned.feature, turned.code))
        held = held.written(items, rows, features, codes)

        mine = jax.tree.map(gather.mine, (turned, indicators(labels, options.classes), items, rows, taught, present))
        terms = _terms(held, turn, mine, weights, sides)
        pairs = gather.total({name: pair for name, (_, pair) in terms.items()})
        value = jnp.asarray(sum(terms[name][0] * ratio(*pair) for name, pair in pairs.items()), jnp.float32)
        held = dataclasses.replace(held, step=held.step + 1)
        return Loss(value, {**pairs, "loss": (value, jnp.ones(()))}, ModelState(training=held))

    def update_rule(rule: optax.GradientTransformation) -> optax.GradientTransformation:
        return in_turns(rule, sides, schedule)

    return System(
        title,
        {name: (name,) for name in sides},
        embedding(network, sides),
        hash_score,
        init=init,
        loss=loss,
        calibrate=calibrate,
        update_rule=update_rule,
        reads=VECTORS,
    )


def first_held(params: Params, held: Held, batches: Batches, options: Options, sides: tuple[str, str]) -> Held:
    """The labels of all items, and what the label network says of them before the first step."""
    network: Any = branch(options, LABEL, sides)

    @jax.jit
    def said(batch: Batch) -> tuple[Array, Array, Array, Array]:
        borne = indicators(batch.labels, options.classes)
        feature, code, _ = network.apply({"params": params}, borne, batch.position, True)
        return borne > 0, feature, code, batch.example_mask & known(batch.labels)

    labels = np.zeros(held.labels.shape, bool)
    features, codes = np.zeros(held.features.shape, np.float32), np.zeros(held.codes[LABEL].shape, np.float32)
    for batch in batches():
        borne, feature, code, rows = (np.asarray(found) for found in said(batch))
        place = np.asarray(batch.item)[rows]
        labels[place], features[place], codes[place] = borne[rows], feature[rows], code[rows]
    own = held.codes | {LABEL: jnp.asarray(codes)}
    return Held(held.step, jnp.asarray(labels), jnp.asarray(features), own)


def _turned(
    params: Params, batch: Batch, turn: Array, options: Options, sides: tuple[str, str], dropout: Array
) -> Turned:
    """The forward pass of the network whose turn it is; the others have no gradient."""
    size = len(batch.label)
    nothing = Turned(
        jnp.zeros((size, options.feature_size)),
        jnp.zeros((size, options.bits)),
        jnp.zeros((size, options.classes)),
        jnp.zeros((size, 4)),
    )

    def forward(params: Params, name: str) -> tuple[Array, Array, Array]:
        if name == LABEL:
            values = indicators(batch.labels, options.classes)
        else:
            values, _ = feature_rows(batch, name)
        if name == sides[1]:
            scales: Any = MultiScale()
            values = scales.apply({"params": params[MULTI_SCALE]}, values)
        network: Any = branch(options, name, sides)
        return network.apply({"params": params[name]}, values, batch.position, False, rngs={"dropout": dropout})

    def logit(params: Params, side: str, feature: Array) -> Array:
        judge: Any = Discriminator(options.discriminator_sizes)
        return judge.apply({"params": params[discriminator_name(side)]}, feature)

    def label_turn(params: Params) -> Turned:
        feature, code, found = forward(params, LABEL)
        return dataclasses.replace(nothing, feature=feature, code=code, indicators=found)

    def discriminators_turn(params: Params) -> Turned:
        taught, *own = (jax.lax.stop_gradient(forward(params, name)[0]) for name in (LABEL, *sides))
        logits = [logit(params, side, of) for side, feature in zip(sides, own, strict=True) for of in (taught, feature)]
        return dataclasses.replace(nothing, logits=jnp.stack(logits, 1))

    def side_turn(params: Params, number: int) -> Turned:
        feature, code, found = forward(params, sides[number])
        said = logit(jax.lax.stop_gradient(params), sides[number], feature)
        return Turned(feature, code, found, nothing.logits.at[:, 2 * number + 1].set(said))

    turns = (label_turn, discriminators_turn, lambda params: side_turn(params, 0), lambda params: side_turn(params, 1))
    return jax.lax.switch(turn, turns, params)


def _terms(
    held: Held,
    turn: Array,
    mine: tuple[Turned, Array, Array, dict[str, Array], Array, Array],
    weights: AlternationWeights,
    sides: tuple[str, str],
) -> dict[str, tuple[float, Pair]]:
    """Weighted terms of all turns; those of the others have sum and weight 0.

    Args:
      held: of all items.
      turn: whose turn it is.
      mine: of this device's rows what was computed, their indicators, items, which count for each network, whether they
        have a class, and which sides (m, 2) they have.
      weights: of the terms.
      sides: the two sides.
    """
    turned, borne, items, rows_of, taught, present = mine
    likelihood = LIKELIHOODS[weights.form]
    similar, teaches = shared(held.labels, borne), held.labels.any(1)
    teacher = held.codes[LABEL]
    counted = functools.reduce(jnp.logical_or, rows_of.values())
    pairs = {
        "features": likelihood(held.features, turned.feature, similar, teaches, counted),
        "codes": likelihood(teacher, turned.code, similar, teaches, counted),
    }
    signs = jnp.where(teacher[items] >= 0, 1.0, -1.0)
    terms: dict[str, tuple[float, Pair]] = {}
    for place, name in enumerate((LABEL, *sides)):
        rows = rows_of[name]
        on = (turn == (0 if name == LABEL else place + 1)).astype(jnp.float32)
        target = signs if name != LABEL and weights.target == "shared" else None
        own = own_terms(name, turned.code, turned.indicators, borne, rows, target)
        for kind, weight in (("features", weights.feature_similarity), ("codes", weights.code_similarity)):
            terms[f"loss_{kind}_{name}"] = weight, (on * pairs[kind][0], on * pairs[kind][1])
        terms[f"loss_quantisation_{name}"] = weights.quantisation, own[f"loss_quantisation_{name}"]
        terms[f"loss_label_{name}"] = weights.label, own[f"loss_label_{name}"]
        if name != LABEL:
            says_label = jax.nn.softplus(-turned.logits[:, 2 * place - 1])
            known_codes = (held.codes[name] != 0).any(1) & teaches
            equal = ((held.codes[name] >= 0) == (teacher >= 0)).astype(jnp.float32).mean(1)
            terms[f"loss_adversarial_{name}"] = weights.adversarial, weighted_sum(says_label, rows)
            terms[f"code_agreement_{name}"] = 0.0, weighted_sum(equal, known_codes)
    judged = []
    for number in range(2):
        for place, sign, rows in ((2 * number, -1, taught), (2 * number + 1, 1, present[:, number])):
            judged.append(
                weighted_sum(jax.nn.softplus(sign * turned.logits[:, place]), rows & (turn == DISCRIMINATORS))
            )
    total, weight = (sum(column) for column in zip(*judged, strict=True))
    terms["loss_discriminators"] = (1.0, (jnp.asarray(total), jnp.asarray(weight)))
    return terms


@struct.dataclass
class TurnState:
    """Steps so far, and the optimiser state of each turn's parameters."""

    step: Array
    own: tuple[Any, ...]


def in_turns(
    rule: optax.GradientTransformation, sides: tuple[str, str], schedule: Schedule
) -> optax.GradientTransformation:
    """An update rule under which the parameters of a turn alone move, each turn's with a state of its own."""
    owner = {LABEL: 0, sides[0]: 2, sides[1]: 3, MULTI_SCALE: 3}
    owner |= {discriminator_name(side): DISCRIMINATORS for side in sides}

    def part(tree: Params, number: int) -> Params:
        return {name: leaf for name, leaf in tree.items() if owner[name] == number}

    def init(params: Params) -> TurnState:
        return TurnState(jnp.zeros((), jnp.int32), tuple(rule.init(part(params, number)) for number in range(4)))

    def update(gradients: Params, state: TurnState, params: Params) -> tuple[Params, TurnState]:
        factor = schedule.factor(state.step)

        def moved(number: int) -> tuple[Params, tuple[Any, ...]]:
            steps, following = rule.update(part(gradients, number), state.own[number], part(params, number))
            steps = jax.tree.map(lambda step: factor * step, steps)
            still = {name: jax.tree.map(jnp.zeros_like, leaf) for name, leaf in params.items()}
            return still | steps, tuple(following if place == number else one for place, one in enumerate(state.own))

        turns = [lambda _, number=number: moved(number) for number in range(4)]
        updates, own = jax.lax.switch(schedule.turn(state.step), turns, ())
        return updates, TurnState(state.step + 1, own)

    return optax.GradientTransformation(init, update)
