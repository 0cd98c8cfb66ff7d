"""System A (Sun 2024): key frames and sound in one embedding space.

Video: features of the SKM key frames, their mean, an embedding network. Audio: VGGish examples, t block means, a
bidirectional peephole LSTM, attention that keeps s blocks (eq. 1-6), an embedding network. One classifier reads both
embeddings (eq. 12); ranked lists (eq. 14-18) or triplets pull the modalities together, and structure preservation
(eq. 20-21) keeps each modality's own order. The total is eq. 22 as docs/methods.md 7.5 resolves it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from avx.core.arrays import masked_mean, product, ratio
from avx.core.errors import UserError, check_not_negative, check_positive, check_share, check_weights, chosen
from avx.core.rng import per_example
from avx.core.types import (
    ALONE,
    Array,
    Attended,
    Batch,
    Batches,
    Embedded,
    EncoderOutput,
    Gather,
    Loss,
    Metrics,
    ModelState,
    Padded,
    Params,
    System,
)
from avx.losses import classification, ranked_list, structure, triplet
from avx.losses.pairs import DISTANCES
from avx.nn.attention import BlockAttention, block_means
from avx.nn.encoders.audio_cnn import AudioCNN
from avx.nn.encoders.frame_cnn import FrameCNN
from avx.nn.encoders.frames import FrameEncoder
from avx.nn.encoders.vggish import VGGish
from avx.nn.heads import Classifier, EmbeddingHead, identity
from avx.nn.recurrent import BidirectionalLSTM
from avx.signal.augment import augment_frames, augment_log_mel
from avx.signal.saliency_maps import SALIENCY

TITLE = "System A"
MODALITIES = ("video", "audio")
# Modality -> (the input for which its encoder is trained, what augmentation does to one example's sequence).
AUGMENTATIONS = {"video": ("pixels", augment_frames), "audio": ("log_mel", augment_log_mel)}
ACTIVATIONS = {"sigmoid": nn.sigmoid, "tanh": jnp.tanh, "relu": nn.relu, "identity": identity}


@dataclasses.dataclass(frozen=True)
class Options:
    """Every constant of the network; the paper's values and their sources stand in configs/skm_embedding.py.

    Attributes:
      classes: number of classes.
      video_input: "pixels" trains a compact CNN on the key frames; "features" takes frozen frame features.
      audio_input: "log_mel" trains `audio_encoder` on log-mel examples; "features" takes frozen ones.
      audio_encoder: a key of `AUDIO_ENCODERS`.
      lstm_layers: 0 leaves the recurrence out: attention, or the mean, reads the blocks themselves.
      input_norm: bring the features before mapping to mean 0 and deviation 1, example by example, so that neither
        modality's magnitude decides (III.B asks for a normalisation against that imbalance).
      input_centring: subtract their mean over the training split, after `input_norm`; frozen features only. What all
        items share, most of a pretrained feature, then neither fills the unit embeddings nor has to be unlearned from
        few clips.
      logit_scale: factor on the class logits; unit vectors alone leave the softmax almost flat.
      augment: change what a trained encoder reads at random in every training step.
    """

    classes: int
    video_input: str
    audio_input: str
    audio_encoder: str
    saliency: str
    frame_widths: tuple[int, ...]
    audio_widths: tuple[int, ...]
    audio_fc_sizes: tuple[int, ...]
    lstm_layers: int
    lstm_size: int
    lstm_peephole: bool
    blocks: int
    selected_blocks: int
    attention: bool
    attention_size: int
    video_sizes: tuple[int, ...]
    audio_sizes: tuple[int, ...]
    hidden_activation: str
    output_activation: str
    dropout: float
    input_norm: bool
    input_centring: bool
    logit_scale: float
    augment: bool

    def __post_init__(self):
        chosen(AUDIO_ENCODERS, "model.audio_encoder", self.audio_encoder)
        for field in ("hidden_activation", "output_activation"):
            chosen(ACTIVATIONS, f"model.{field}", getattr(self, field))
        for field in ("lstm_size", "blocks", "selected_blocks", "attention_size"):
            check_positive(f"model.{field}", getattr(self, field))
        check_not_negative("model.lstm_layers", self.lstm_layers)
        check_share("model.dropout", self.dropout)
        if self.selected_blocks > self.blocks:
            raise UserError(f"model.selected_blocks = {self.selected_blocks} exceeds model.blocks = {self.blocks}.")
        frozen = self.video_input == self.audio_input == "features"
        if self.input_centring and (not frozen or self.lstm_layers or self.attention):
            raise UserError(
                "model.input_centring = True needs features that training does not change: choose pretrained "
                "features.video and features.audio, model.lstm_layers = 0 and model.attention = False."
            )


@dataclasses.dataclass(frozen=True)
class LossOptions:
    """Weights and constants of the loss; see configs/skm_embedding.py."""

    label_weight: float
    ranked_list_weight: float
    structure_weight: float
    structure_video: float
    structure_audio: float
    triplet_weight: float
    triplet_margin: float
    triplet_mining: str
    triplet_distance: str
    ranked_list_boundary: float
    ranked_list_margin: float
    ranked_list_temperature: float
    label_smoothing: float

    def __post_init__(self):
        check_weights("loss", self)
        chosen(triplet.MINING, "loss.triplet_mining", self.triplet_mining)
        chosen(DISTANCES, "loss.triplet_distance", self.triplet_distance)
        check_share("loss.label_smoothing", self.label_smoothing)


@struct.dataclass
class Outputs:
    """One forward pass: by modality the embedding (B, D), the features before mapping (B, R), presence (B,), logits."""

    embedding: dict[str, Array]
    raw: dict[str, Array]
    present: dict[str, Array]
    logits: dict[str, Array]
    attended: Attended


def vggish_stages(widths: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Convolutions of each VGGish stage: one in the first two, two in the others."""
    return tuple((width,) if stage < 2 else (width, width) for stage, width in enumerate(widths))


AUDIO_ENCODERS: dict[str, Callable[..., nn.Module]] = {
    "vggish": lambda widths, sizes: VGGish(vggish_stages(widths), sizes),
    "audio_cnn": AudioCNN,
}


class VideoBranch(nn.Module):
    """Key frames to one vector before mapping, (B, R)."""

    options: Options

    @nn.compact
    def __call__(self, values: Array, mask: Array) -> EncoderOutput:
        if self.options.video_input == "pixels":
            saliency = SALIENCY[self.options.saliency](values)
            return FrameEncoder(FrameCNN(self.options.frame_widths))(values, mask, saliency)
        return EncoderOutput(values, masked_mean(values, mask), mask)


class AudioBranch(nn.Module):
    """Sound to block states, attention over them, and one vector before mapping."""

    options: Options

    @nn.compact
    def __call__(self, values: Array, mask: Array) -> Attended:
        options = self.options
        tokens = values
        if options.audio_input == "log_mel":
            tokens = AUDIO_ENCODERS[options.audio_encoder](options.audio_widths, options.audio_fc_sizes)(
                values, mask
            ).tokens
        states, block_mask = block_means(tokens, mask, options.blocks)
        if options.lstm_layers:
            recurrence = BidirectionalLSTM(options.lstm_size, options.lstm_layers, peephole=options.lstm_peephole)
            states = recurrence(states, block_mask)
        if options.attention:
            return BlockAttention(options.attention_size, options.selected_blocks)(states, block_mask)
        uniform = block_mask / jnp.maximum(block_mask.sum(1, keepdims=True), 1)
        return Attended(masked_mean(states, block_mask), uniform, block_mask)


class Network(nn.Module):
    """Both branches, their embedding networks, and the shared classifier."""

    options: Options

    @nn.compact
    def __call__(self, batch: Batch, deterministic: bool, centre: dict[str, Array] | None = None) -> Outputs:
        """One forward pass; `centre` holds the mean (R,) of each modality's features before mapping, None for none."""
        options = self.options
        video, audio = batch.modalities["video"], batch.modalities["audio"]
        attended = AudioBranch(options, name="audio")(audio.values, audio.mask)
        raw = {"video": VideoBranch(options, name="video")(video.values, video.mask).pooled, "audio": attended.pooled}
        sizes = {"video": options.video_sizes, "audio": options.audio_sizes}
        classifier = Classifier(options.classes, name="classifier")
        embedding, logits = {}, {}
        for name in MODALITIES:
            head = EmbeddingHead(
                sizes[name],
                hidden=ACTIVATIONS[options.hidden_activation],
                output=ACTIVATIONS[options.output_activation],
                dropout=options.dropout,
                name=f"{name}_head",
            )
            features = before_centring(raw[name], options)
            if centre is not None:
                features = features - centre[name]
            embedding[name] = head(features, batch.position, deterministic)
            logits[name] = options.logit_scale * classifier(embedding[name])
        present = {name: batch.modalities[name].mask.any(1) & batch.example_mask for name in MODALITIES}
        return Outputs(embedding, raw, present, logits, attended)


def before_centring(raw: Array, options: Options) -> Array:
    """Features before mapping (B, R) as `input_norm` asks."""
    return layer_normalized(raw) if options.input_norm else raw


def layer_normalized(features: Array) -> Array:
    """Each row of (B, R) at mean 0 and deviation 1; a constant row becomes zero."""
    centred = features - features.mean(1, keepdims=True)
    return centred * jax.lax.rsqrt(jnp.square(centred).mean(1, keepdims=True) + 1e-6)


def total_loss(outputs: Outputs, label: Array, options: LossOptions, gather: Gather = ALONE) -> tuple[Array, Metrics]:
    """Eq. 22 on the global batch: weighted terms and their (sum, weight) pairs.

    Args:
      outputs: of the whole batch; raw features are constants here.
      label: (B,) class indices; -1 marks rows without a class, which the label term leaves out.
      options: weights and margins.
      gather: who else computes this loss; the anchors of the pair losses are divided among the devices.
    """
    video, audio = (outputs.embedding[name] for name in MODALITIES)
    valid = tuple(outputs.present[name] for name in MODALITIES)
    # Clips without a class have their own counterpart as the only positive.
    same_class = (label[:, None] == label[None, :]) & (label >= 0)[:, None]
    relevance = same_class | jnp.eye(len(label), dtype=bool)
    terms = {
        "loss_label": classification.label_prediction(
            outputs.logits["video"], outputs.logits["audio"], label, *valid, smoothing=options.label_smoothing
        ),
        "loss_ranked_list": ranked_list.ranked_list_loss(
            video,
            audio,
            relevance,
            *valid,
            anchors=gather.mine,
            boundary=options.ranked_list_boundary,
            margin=options.ranked_list_margin,
            negative_temperature=options.ranked_list_temperature,
        ),
        "loss_triplet": triplet.triplet_loss(
            video,
            audio,
            relevance,
            *valid,
            anchors=gather.mine,
            distance=options.triplet_distance,
            margin=options.triplet_margin,
            mining=options.triplet_mining,
        ),
    }
    for name in MODALITIES:
        raw = jax.lax.stop_gradient(outputs.raw[name])
        terms[f"loss_structure_{name}"] = structure.structure_preservation(
            outputs.embedding[name], raw, outputs.present[name], anchors=gather.mine
        )
    weights = {
        "loss_label": options.label_weight,
        "loss_ranked_list": options.ranked_list_weight,
        "loss_triplet": options.triplet_weight,
        "loss_structure_video": options.structure_weight * options.structure_video,
        "loss_structure_audio": options.structure_weight * options.structure_audio,
    }
    metrics: Metrics = gather.total({name: term for name, term in terms.items() if weights[name]})
    value = jnp.zeros(())
    for name, term in metrics.items():
        value += weights[name] * ratio(*term)
    metrics["loss"] = (value, jnp.ones(()))
    for name in MODALITIES:
        right = jnp.argmax(outputs.logits[name], -1) == label
        kept = (outputs.present[name] & (label >= 0)).astype(jnp.float32)
        metrics[f"label_accuracy_{name}"] = ((right * kept).sum(), kept.sum())
    return value, metrics


def build(options: Options, loss_options: LossOptions) -> System:
    """System A as four pure functions.

    Args:
      options: the network.
      loss_options: the loss.

    Returns:
      A factored `System`: scores are inner products of unit vectors.
    """
    network = Network(options)

    def init(key: Array, batch: Batch) -> tuple[Params, ModelState]:
        params = network.init(key, batch, True)["params"]
        if not options.input_centring:
            return params, ModelState()
        widths = {name: batch.modalities[name].values.shape[-1] for name in MODALITIES}
        return params, ModelState(buffers={"centre": {name: jnp.zeros(width) for name, width in widths.items()}})

    def calibrate(params: Params, model_state: ModelState, batches: Batches) -> ModelState:
        """Means over the training split in one pass, in float64; items that lack a modality do not count."""
        totals: dict[str, tuple[float, int]] = {name: (0.0, 0) for name in MODALITIES}
        for batch in batches():
            outputs = forward(params, model_state, batch, None)
            for name, (total, count) in totals.items():
                features = before_centring(outputs.raw[name], options)
                real = np.asarray(features, np.float64)[np.asarray(outputs.present[name])]
                totals[name] = (total + real.sum(0), count + len(real))
        centre = {name: jnp.asarray(total / max(count, 1), jnp.float32) for name, (total, count) in totals.items()}
        return ModelState(buffers={"centre": centre})

    def augmented(batch: Batch, keys: dict[str, Array]) -> Batch:
        """The batch as this step sees it; what is changed, and how, follows from each example's place."""
        changed = dict(batch.modalities)
        for place, (name, (trained, change)) in enumerate(AUGMENTATIONS.items()):
            if getattr(options, f"{name}_input") == trained:
                sequence = changed[name]
                example_keys = per_example(jax.random.fold_in(keys["loss"], place), batch.position)
                shown = sequence.mask.reshape(*sequence.mask.shape, *(1,) * (sequence.values.ndim - 2))
                values = jnp.where(shown, sequence.values, 0)
                changed[name] = Padded(jax.vmap(change)(example_keys, values), sequence.mask)
        return dataclasses.replace(batch, modalities=changed)

    def forward(params: Params, model_state: ModelState, batch: Batch, keys: dict[str, Array] | None) -> Outputs:
        variables, centre = {"params": params}, (model_state.buffers or {}).get("centre")
        if keys is None:
            return cast(Outputs, network.apply(variables, batch, True, centre))
        return cast(Outputs, network.apply(variables, batch, False, centre, rngs={"dropout": keys["dropout"]}))

    def loss(params: Params, model_state: ModelState, batch: Batch, rngs: dict[str, Array], gather: Gather) -> Loss:
        outputs = forward(params, model_state, augmented(batch, rngs) if options.augment else batch, rngs)
        everywhere, label = jax.tree.map(gather.all, (outputs, batch.label))
        value, metrics = total_loss(everywhere, label, loss_options, gather)
        return Loss(value, metrics, model_state)

    def embed(params: Params, model_state: ModelState, batch: Batch) -> dict[str, Embedded]:
        outputs = forward(params, model_state, batch, None)
        attention = {"video": None, "audio": outputs.attended}
        return {
            name: Embedded(outputs.embedding[name], outputs.present[name], attention=attention[name])
            for name in MODALITIES
        }

    def score(params: Params, model_state: ModelState, queries: Embedded, gallery: Embedded) -> Array:
        return product(queries.vectors, gallery.vectors.T)

    sides = {name: (name,) for name in MODALITIES}
    calibrates = calibrate if options.input_centring else None
    return System(TITLE, sides, embed, score, init=init, loss=loss, calibrate=calibrates)
