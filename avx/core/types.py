"""The few dataclasses that travel between rooms.

Shape letters, used everywhere: B batch, T time, F frequency bins, H W C image, D embedding, K clusters,
Q queries, G gallery, X memory slots, L text tokens.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
from flax import struct

Array = jax.Array
Params = Any
Metrics = dict[str, tuple[Array, Array]]


@struct.dataclass
class Padded:
    """Sequences of different lengths in one array: values (B, T, ...) and mask (B, T) bool, True where real."""

    values: Array
    mask: Array


@struct.dataclass
class Batch:
    """What a train step or an evaluator sees.

    Attributes:
      modalities: name ("video", "audio", "text", "image", "speech") -> `Padded`.
      label: (B,) int32 class index, the first one of several, -1 where unknown.
      position: (B,) int32 place of each example in the *global* batch; dropout keys are folded with it.
      example_mask: (B,) bool, False for the rows that fill up a ragged last batch.
      classes: (B, C) bool, every class of each example; None where no item of the dataset has several.
      item: (B,) int32 number of each example among those that the pass goes over, -1 for the rows that fill up.
    """

    modalities: dict[str, Padded]
    label: Array
    position: Array
    example_mask: Array
    classes: Array | None = None
    item: Array | None = None

    @property
    def labels(self) -> Array:
        """(B, C) bool where examples may have several classes, else (B,) int32; `avx.losses.labels` reads both."""
        return self.label if self.classes is None else self.classes


@struct.dataclass
class EncoderOutput:
    """tokens (B, T, D), pooled (B, D), mask (B, T); the same for any amount of padding."""

    tokens: Array
    pooled: Array
    mask: Array


@struct.dataclass
class HashCodes:
    """Binary codes: words (B, ceil(bits / 32)) uint32, least significant bit first, unused bits zero."""

    words: Array
    bits: int = struct.field(pytree_node=False)


@struct.dataclass
class Attended:
    """Attention over the t blocks of each of B sequences.

    Attributes:
      pooled: (B, D) weighted sum of the kept blocks.
      weights: (B, t) softmax over the real blocks, before the choice.
      kept: (B, t) bool, the chosen blocks.
    """

    pooled: Array
    weights: Array
    kept: Array


@struct.dataclass
class Embedded:
    """What a method says of B items of one side; fields that a method has not are None.

    Attributes:
      vectors: (B, D) unit rows.
      present: (B,) bool, False where the side is missing.
      codes: packed signs of a hashing method.
      real: (B, b) unit rows whose signs are the codes, for an exact rerank of a Hamming shortlist.
      posterior: (B, C) probabilities of the classes.
      tokens: whatever else a pair score reads, a pytree of arrays (B, ...).
      attention: what was attended to.
    """

    vectors: Array
    present: Array
    codes: HashCodes | None = None
    real: Array | None = None
    posterior: Array | None = None
    tokens: Any = None
    attention: Attended | None = None


@struct.dataclass
class MemoryBank:
    """A feature memory of X paired slots.

    Attributes:
      keys: modality -> (X, D) float32, unit-norm rows; row x of every modality came from the same sample.
      count: (X,) int32 writes merged into each slot.
      stamp: (X,) int32 clock value of each slot's last touch.
      size: () int32 filled slots.
      clock: () int32 update calls so far.
    """

    keys: dict[str, Array]
    count: Array
    stamp: Array
    size: Array
    clock: Array


@struct.dataclass
class ModelState:
    """What a system carries that is not trained: a memory bank, buffers, or nothing.

    Attributes:
      memory: the bank.
      buffers: what `embed` and `score` read too.
      training: what the loss alone reads; saved with a training state, and no part of a fitted model.
    """

    memory: MemoryBank | None = None
    buffers: Any = None
    training: Any = None


@struct.dataclass
class TrainState:
    """Everything that a step reads and writes; saved, restored and donated as one pytree."""

    step: Array
    params: Params
    opt_state: Any
    model_state: ModelState
    ema: Params | None = None


@struct.dataclass
class Loss:
    """A loss value with its metrics, each a (sum, weight) pair, and the model state after the step."""

    value: Array
    metrics: Metrics
    model_state: ModelState


def _as_it_is(values: Any) -> Any:
    return values


@dataclasses.dataclass(frozen=True)
class Gather:
    """How a loss sees the global batch of B rows from one of n devices, which holds B / n of them.

    Every device returns the value of the whole loss. Where a term costs more than linear work, each device computes it
    for the anchors `mine` against the gallery of `all` rows, and `total` adds up what the devices found:

        everywhere = gather.all(embeddings)
        total, weight = gather.total(term(gather.mine(everywhere), everywhere))
        value = ratio(total, weight)

    A term of little work may be computed whole by all of them: `total` then counts sum and weight n times, and the
    ratio is the same. Gradients pass through all three functions. On one device they return what they are given, see
    `ALONE`.

    Attributes:
      all: array (B / n, ...) -> (B, ...), all devices' rows in the order of the global batch.
      mine: array (m, ...) that is the same on all devices -> this device's share (m / n, ...) of its rows; n divides m.
      total: pytree of arrays -> its sum over all devices.
    """

    all: Callable[[Array], Array] = _as_it_is
    mine: Callable[[Array], Array] = _as_it_is
    total: Callable[[Any], Any] = _as_it_is


ALONE = Gather()
"""The global batch on one device, outside of a train step."""

Batches = Callable[[], Iterable[Batch]]
"""Starts a pass over a split, in order."""
SEQUENCES, VECTORS = "sequences", "vectors"


@dataclasses.dataclass(frozen=True)
class System:
    """A method of retrieval, trained or in closed form; everything downstream is written once against it.

    A method has `init` and `loss`, and is trained in steps, or `fit`, and is computed from passes over the training
    split.

    Attributes:
      title: as people call it, such as "System A".
      sides: the two sides that are retrieved from each other -> the modalities that each reads.
      embed: (params, model_state, batch) -> {side: Embedded}.
      score: (params, model_state, queries, gallery) -> (Q, G), larger is better, of two `Embedded`.
      init: (rng, batch) -> (params, model_state); a system that trains an imported network on takes that network's
        variables as a third argument.
      loss: (params, model_state, batch, rngs, gather) -> Loss.
      fit: (batches, rng) -> (params, model_state), with params a nested dict of arrays.
      calibrate: (params, model_state, batches) -> model_state with what is taken from a pass over the training split,
        such as the statistics of the input; None where nothing is.
      update_rule: optax rule -> optax rule, where parts of the parameters are updated by rates or turns of their own.
      reads: "sequences" (T steps of each modality), or "vectors" (one fixed-length description of each).
      factored: True where `score` is the inner product of `Embedded.vectors`, so that an index may use them.
      score_and_learn: where the model state may go on learning from queries: (params, model_state, queries, gallery,
        order (Q,), query_side) -> (scores (Q, G), model_state after the last query).
    """

    title: str
    sides: Mapping[str, tuple[str, ...]]
    embed: Callable[[Params, ModelState, Batch], dict[str, Embedded]]
    score: Callable[[Params, ModelState, Embedded, Embedded], Array]
    init: Callable[..., tuple[Params, ModelState]] | None = None
    loss: Callable[[Params, ModelState, Batch, dict[str, Array], Gather], Loss] | None = None
    fit: Callable[[Batches, Array], tuple[Params, ModelState]] | None = None
    calibrate: Callable[[Params, ModelState, Batches], ModelState] | None = None
    update_rule: Callable[[Any], Any] | None = None
    reads: str = SEQUENCES
    factored: bool = True
    score_and_learn: Callable[[Params, ModelState, Embedded, Embedded, Array, str], tuple[Array, ModelState]] | None = (
        None
    )

    def __post_init__(self):
        assert len(self.sides) == 2, "two sides are retrieved from each other"
        assert (self.loss is None) != (self.fit is None), f"{self.title} has either a loss or a fit"
