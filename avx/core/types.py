"""The few dataclasses that travel between rooms.

Shape letters, used everywhere: B batch, T time, F frequency bins, H W C image, D embedding, K clusters,
Q queries, G gallery, X memory slots, L text tokens.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from flax import struct

Array = jax.Array
Params = Any
Metrics = dict[str, tuple[Array, Array]]


@dataclasses.dataclass(frozen=True)
class Clip:
    """One decoded media file on the host.

    Attributes:
      clip_id: name that is unique in its dataset.
      frames: (T, H, W, 3) uint8 RGB; T = 0 without video.
      frame_times: (T,) float64 seconds, the container's presentation times.
      waveform: (N,) float32 mono in [-1, 1]; N = 0 without audio.
      sample_rate: Hz of `waveform`.
      label: class index, -1 where unknown.
      text: caption, "" where there is none.
      has_video: the file really carries a picture track.
      has_audio: the file really carries a sound track (a silent track counts as present).
    """

    clip_id: str
    frames: np.ndarray
    frame_times: np.ndarray
    waveform: np.ndarray
    sample_rate: int
    label: int = -1
    text: str = ""
    has_video: bool = True
    has_audio: bool = True


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
      label: (B,) int32 class index.
      position: (B,) int32 place of each example in the *global* batch; dropout keys are folded with it.
      example_mask: (B,) bool, False for the rows that fill up a ragged last batch.
    """

    modalities: dict[str, Padded]
    label: Array
    position: Array
    example_mask: Array


@struct.dataclass
class EncoderOutput:
    """tokens (B, T, D), pooled (B, D), mask (B, T); the same for any amount of padding."""

    tokens: Array
    pooled: Array
    mask: Array


@struct.dataclass
class Embeddings:
    """Unit-norm vectors (B, D) and present (B,) bool, False where the modality is missing."""

    vectors: Array
    present: Array


@struct.dataclass
class HashCodes:
    """Binary codes: words (B, ceil(bits / 32)) uint32, least significant bit first, unused bits zero."""

    words: Array
    bits: int = struct.field(pytree_node=False)


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
    """What a system carries that is not trained: a memory bank, buffers, or nothing."""

    memory: MemoryBank | None = None
    buffers: Any = None


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


Gather = Callable[[Array], Array]
"""Concatenates an array over all devices along its first axis; the identity on one device."""

ScoreInputs = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class System:
    """A trainable retrieval system as four pure functions; everything downstream is written against it.

    Attributes:
      init: (rng, batch) -> (params, model_state); a system that trains an imported network on takes that network's
        variables as a third argument.
      loss: (params, model_state, batch, rngs, gather) -> Loss.
      embed: (params, model_state, batch) -> {modality: Embeddings | HashCodes | EncoderOutput}.
      score: (params, model_state, queries, gallery) -> (Q, G), larger is better; queries and gallery are single
        entries of `embed`'s result.
      modalities: the two sides that are retrieved from each other, in the order (first, second).
      factored: True where `score` is the inner product of `Embeddings.vectors`, so that an index may use them.
      score_and_learn: where the model state may go on learning from queries: (params, model_state, queries, gallery,
        order (Q,), query_modality) -> (scores (Q, G), model_state after the last query).
    """

    init: Callable[..., tuple[Params, ModelState]]
    loss: Callable[[Params, ModelState, Batch, dict[str, Array], Gather], Loss]
    embed: Callable[[Params, ModelState, Batch], dict[str, Any]]
    score: Callable[[Params, ModelState, Any, Any], Array]
    modalities: tuple[str, str]
    factored: bool = True
    score_and_learn: Callable[[Params, ModelState, Any, Any, Array, str], tuple[Array, ModelState]] | None = None
