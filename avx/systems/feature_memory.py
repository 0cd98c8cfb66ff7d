"""System C (Li 2022): video and speech, matched by a fusion network that a memory of matched pairs corrects.

Video: two-stream I3D features, frozen or of an I3D that `avx.systems.fine_tuned_i3d` trains too, or a compact CNN on
key frames; their mean over windows. Speech: MFCC, a bidirectional LSTM, its mean over time. One dense layer each maps
both to a common space, where triplets (eq. 1) pull matching pairs together; the fusion of a mapped pair gives the
probability S1 that it matches; the memory, which reads the features before mapping, turns S1 into the score S (eq. 3),
and a cross entropy trains both (eq. 4). After the loss the batch's pairs are offered to the memory. docs/methods.md 8
lists what the paper leaves open.
"""

from __future__ import annotations

import dataclasses
from typing import cast

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct

from avx.core.arrays import l2_normalize, masked_mean, ratio
from avx.core.errors import UserError, check_positive, check_share, check_weights, chosen
from avx.core.types import (
    Array,
    Batch,
    Batches,
    Embedded,
    Gather,
    Loss,
    MemoryBank,
    Metrics,
    ModelState,
    Params,
    System,
)
from avx.losses import triplet
from avx.losses.memory_scoring import binary_cross_entropy, sample_pairs
from avx.losses.pairs import cross_modal_pairs, same_label
from avx.memory import bank as memory
from avx.memory.scoring import FACTORS, PROBABILITIES, agreement, factor
from avx.nn.encoders.frame_cnn import FrameCNN
from avx.nn.encoders.frames import FrameEncoder
from avx.nn.fusion import PairFusion, all_pairs
from avx.nn.input_statistics import InputStatistics, identity_statistics, streamed_statistics
from avx.nn.recurrent import BidirectionalLSTM
from avx.signal.saliency import spectral_residual
from avx.systems.memory_updates import Side, scores_with_updates

TITLE = "System C"
MODALITIES = ("video", "audio")
POSITIVES = ("class", "instance")
CROSS_ENTROPY_ON = ("match", "score")
FUSION, COSINE = "fusion", "cosine"


@dataclasses.dataclass(frozen=True)
class Options:
    """Every constant of the network; the paper's values and their sources stand in configs/feature_memory.py.

    Attributes:
      video_input: "features" takes those of a network in front, as I3D; "pixels" trains a compact CNN on key frames.
      frame_widths: stages of the compact CNN.
      lstm_layers, lstm_size: of the speech branch, states per direction.
      standardise_input: bring each coefficient of the input features to mean 0 and deviation 1 over the training split.
      mapping_size: D of the common space.
      fusion_size: hidden units of the fusion.
      dropout: rate in the fusion.
      match: where S1 comes from: "fusion", or "cosine", (1 + cosine) / 2 of the mapped pair, for runs whose fusion
        nothing trains.
      memory: thresholds and capacity; None for no memory.
      score: a key of `scoring.FACTORS`.
      blend: weight of the agreement in the score "blend".
      warmup_steps: training steps before the first write.
    """

    video_input: str
    frame_widths: tuple[int, ...]
    lstm_layers: int
    lstm_size: int
    standardise_input: bool
    mapping_size: int
    fusion_size: int
    dropout: float
    match: str
    memory: memory.MemoryOptions | None
    score: str
    blend: float
    warmup_steps: int

    def __post_init__(self):
        chosen(FACTORS, "model.score", self.score)
        chosen(dict.fromkeys((FUSION, COSINE)), "model.match", self.match)
        for field in ("lstm_layers", "lstm_size", "mapping_size", "fusion_size"):
            check_positive(f"model.{field}", getattr(self, field))
        check_share("model.dropout", self.dropout)
        check_share("model.blend", self.blend)


@dataclasses.dataclass(frozen=True)
class LossOptions:
    """Weights and constants of the loss; see configs/feature_memory.py.

    Attributes:
      positives: who matches: "class", clips of an equal label, or "instance", the two sides of one clip.
      cross_entropy_on: what the cross entropy is taken of: "match", S1, or "score", S wherever that is a probability.
        Under S the memory's factor already tells most negatives apart, so that S1 may go to 1 for all pairs.
    """

    triplet_weight: float
    triplet_margin: float
    triplet_mining: str
    cross_entropy_weight: float
    positives: str
    cross_entropy_on: str

    def __post_init__(self):
        check_weights("loss", self)
        chosen(triplet.MINING, "loss.triplet_mining", self.triplet_mining)
        chosen(dict.fromkeys(POSITIVES), "loss.positives", self.positives)
        chosen(dict.fromkeys(CROSS_ENTROPY_ON), "loss.cross_entropy_on", self.cross_entropy_on)


@struct.dataclass
class Encoded:
    """By modality the raw features (B, R), their mapping (B, D) of unit length, and presence (B,)."""

    raw: dict[str, Array]
    mapped: dict[str, Array]
    present: dict[str, Array]


@struct.dataclass
class PairTokens:
    """What a pair score needs of each item of one side beside its mapped vector, computed once.

    Attributes:
      projected: (B, H) its part of the fusion's hidden layer.
      raw: (B, R) features before mapping, which the memory stores.
      cosines: (B, X) with the memory's slots; X = 0 without a memory.
    """

    projected: Array
    raw: Array
    cosines: Array


class Network(nn.Module):
    """Both branches, their mapping, and the fusion."""

    options: Options

    def setup(self):
        options = self.options
        self.frames = FrameEncoder(FrameCNN(options.frame_widths)) if options.video_input == "pixels" else None
        self.speech = BidirectionalLSTM(options.lstm_size, options.lstm_layers, peephole=False)
        self.mapping = {name: nn.Dense(options.mapping_size, name=f"{name}_mapping") for name in MODALITIES}
        self.fusion = PairFusion(options.fusion_size, options.dropout)

    def __call__(self, batch: Batch, statistics: dict[str, InputStatistics]) -> Array:
        """Log odds of each example with itself: one pass through all parameters, for their initialisation."""
        encoded = self.encode(batch, statistics)
        return self.fusion(encoded.mapped["video"], encoded.mapped["audio"], batch.position, True)

    def encode(self, batch: Batch, statistics: dict[str, InputStatistics]) -> Encoded:
        """Raw and mapped features of both modalities."""
        video, audio = (batch.modalities[name] for name in MODALITIES)
        if self.frames is None:
            seen = masked_mean(statistics["video"].standardise(video), video.mask)
        else:
            seen = self.frames(video.values, video.mask, spectral_residual(video.values)).pooled
        heard = self.speech(statistics["audio"].standardise(audio), audio.mask)
        raw = {"video": seen, "audio": masked_mean(heard, audio.mask)}
        mapped = {name: l2_normalize(nn.relu(self.mapping[name](raw[name]))) for name in MODALITIES}
        present = {name: batch.modalities[name].mask.any(1) & batch.example_mask for name in MODALITIES}
        return Encoded(raw, mapped, present)

    def match(self, first: Array, second: Array, position: Array, deterministic: bool) -> Array:
        """Log odds (N,) that mapped pairs match."""
        return self.fusion(first, second, position, deterministic)

    def project(self, first: Array, second: Array) -> tuple[Array, Array]:
        """Both sides' parts of the fusion's hidden layer."""
        return self.fusion.project(first, second)

    def readout(self) -> tuple[Array, Array]:
        """Weights and bias of the fusion's log odds."""
        return self.fusion.readout()


def cosines(bank: MemoryBank | None, modality: str, features: Array) -> Array:
    """(B, X) cosines with the memory's slots; (B, 0) without a memory."""
    return jnp.zeros((features.shape[0], 0)) if bank is None else memory.cosines(bank, modality, features)


def build(options: Options, loss_options: LossOptions) -> System:
    """System C as pure functions.

    Raises:
      UserError: the match probability is asked of a fusion that nothing trains.
    """
    chex.assert_scalar_non_negative(options.warmup_steps)
    if options.match == FUSION and not loss_options.cross_entropy_weight:
        raise UserError(
            "model.match = 'fusion' needs loss.cross_entropy_weight above 0, since nothing else trains the fusion; "
            "choose model.match = 'cosine' beside a weight of 0."
        )
    network = Network(options)

    def init(rng: Array, batch: Batch) -> tuple[Params, ModelState]:
        # Pixels have a range of their own.
        vectors = [name for name in MODALITIES if batch.modalities[name].values.ndim == 3]
        statistics = {name: identity_statistics(batch.modalities[name]) for name in vectors}
        params = network.init({"params": rng}, batch, statistics)["params"]
        buffers = {"statistics": statistics, "steps": jnp.zeros((), jnp.int32)}
        if options.memory is None:
            return params, ModelState(buffers=buffers)
        shapes = jax.eval_shape(lambda: network.apply({"params": params}, batch, statistics, method="encode"))
        widths = {name: shapes.raw[name].shape[1] for name in MODALITIES}
        return params, ModelState(memory.empty(options.memory.capacity, widths), buffers)

    def calibrate(params: Params, model_state: ModelState, batches: Batches) -> ModelState:
        found = streamed_statistics(batches(), model_state.buffers["statistics"])
        return ModelState(model_state.memory, model_state.buffers | {"statistics": found})

    def probability(log_odds: Array, cosine: Array) -> Array:
        """S1 of a pair."""
        return nn.sigmoid(log_odds) if options.match == FUSION else (1 + cosine) / 2

    def corrected(chance: Array, bank: MemoryBank | None, first: Array, second: Array) -> Array:
        """S: S1 under the memory, whose part is a constant."""
        if bank is None:
            return chance
        return chance * jax.lax.stop_gradient(factor(options.score, first, second, bank.size, options.blend))

    def loss(params: Params, model_state: ModelState, batch: Batch, rngs: dict[str, Array], gather: Gather) -> Loss:
        variables, buffers, bank = {"params": params}, model_state.buffers, model_state.memory
        encoded = network.apply(variables, batch, buffers["statistics"], method="encode")
        # The global batch in global order: pairs, mining and memory do not depend on how it was split.
        everywhere, label, position = jax.tree.map(gather.all, (encoded, batch.label, batch.position))
        everywhere, label = jax.tree.map(lambda leaf: leaf[jnp.argsort(position)], (everywhere, label))
        mapped, raw, present = everywhere.mapped, everywhere.raw, everywhere.present
        relevance = same_label(label) if loss_options.positives == "class" else jnp.eye(len(label), dtype=bool)
        sample = sample_pairs(cross_modal_pairs(relevance, present["video"], present["audio"]), rngs["loss"])
        # The pairs are judged by all devices together, the memory learns from all pairs on each of them.
        place, own = jax.tree.map(gather.mine, (jnp.arange(sample.first.shape[0]), sample))
        sides = [mapped["video"][own.first], mapped["audio"][own.second]]
        log_odds = network.apply(variables, *sides, place, False, method="match", rngs={"dropout": rngs["dropout"]})
        chance = probability(cast(Array, log_odds), (sides[0] * sides[1]).sum(-1))

        raw = jax.lax.stop_gradient(raw)
        known = [cosines(bank, "video", raw["video"][own.first]), cosines(bank, "audio", raw["audio"][own.second])]
        of_score = loss_options.cross_entropy_on == "score" and options.score in PROBABILITIES
        judged = corrected(chance, bank, *known) if of_score else chance
        terms = {
            "loss_cross_entropy": binary_cross_entropy(judged, own.match, own.valid),
            "loss_triplet": triplet.triplet_loss(
                mapped["video"],
                mapped["audio"],
                relevance,
                present["video"],
                present["audio"],
                distance="cosine",
                mining=loss_options.triplet_mining,
                margin=loss_options.triplet_margin,
                anchors=gather.mine,
            ),
        }
        weights = {
            "loss_cross_entropy": loss_options.cross_entropy_weight,
            "loss_triplet": loss_options.triplet_weight,
        }
        metrics: Metrics = gather.total({name: term for name, term in terms.items() if weights[name]})
        value = sum((weights[name] * ratio(*term) for name, term in metrics.items()), jnp.zeros(()))
        metrics["loss"] = (value, jnp.ones(()))
        right = (chance > 0.5) == own.match
        metrics["match_accuracy"] = ((right & own.valid).sum().astype(jnp.float32), own.valid.sum() * 1.0)
        if bank is not None and options.memory is not None:
            metrics["memory_size"] = (bank.size.astype(jnp.float32), jnp.ones(()))
            agreed = jnp.where(own.valid & own.match, agreement(*known), 0)
            metrics["memory_agreement"] = (agreed.sum(), (own.valid & own.match).sum() * 1.0)
            offered = sample.valid & (buffers["steps"] >= options.warmup_steps)
            pairs = {"video": raw["video"][sample.first], "audio": raw["audio"][sample.second]}
            # What enters is decided by S1 itself, not by the draw of units that this step leaves out.
            steady = network.apply(variables, *sides, place, True, method="match")
            chances = gather.all(jax.lax.stop_gradient(probability(cast(Array, steady), (sides[0] * sides[1]).sum(-1))))
            bank = memory.write(bank, pairs, chances, sample.match, offered, options.memory, train=True)
        return Loss(value, metrics, ModelState(bank, buffers | {"steps": buffers["steps"] + 1}))

    def embed(params: Params, model_state: ModelState, batch: Batch) -> dict[str, Embedded]:
        variables = {"params": params}
        encoded = cast(Encoded, network.apply(variables, batch, model_state.buffers["statistics"], method="encode"))
        sides = network.apply(variables, *(encoded.mapped[name] for name in MODALITIES), method="project")
        return {
            name: Embedded(
                encoded.mapped[name],
                encoded.present[name],
                tokens=PairTokens(projected, encoded.raw[name], cosines(model_state.memory, name, encoded.raw[name])),
            )
            for name, projected in zip(MODALITIES, sides, strict=True)
        }

    def match(params: Params, queries: Embedded, gallery: Embedded) -> Array:
        weights, bias = network.apply({"params": params}, method="readout")
        log_odds = all_pairs(queries.tokens.projected, gallery.tokens.projected, weights, bias)
        return probability(log_odds, queries.vectors @ gallery.vectors.T)

    def score(params: Params, model_state: ModelState, queries: Embedded, gallery: Embedded) -> Array:
        chance = match(params, queries, gallery)
        return corrected(chance, model_state.memory, queries.tokens.cosines[:, None], gallery.tokens.cosines[None])

    def score_and_learn(
        params: Params, model_state: ModelState, queries: Embedded, gallery: Embedded, order: Array, query_modality: str
    ) -> tuple[Array, ModelState]:
        assert options.memory is not None and model_state.memory is not None
        (gallery_modality,) = set(MODALITIES) - {query_modality}
        scores, bank = scores_with_updates(
            match(params, queries, gallery),
            model_state.memory,
            Side(query_modality, queries.tokens.raw, queries.present),
            Side(gallery_modality, gallery.tokens.raw, gallery.present),
            order,
            corrected,
            options.memory,
        )
        return scores, ModelState(bank, model_state.buffers)

    learns = score_and_learn if options.memory is not None else None
    return System(
        TITLE,
        {name: (name,) for name in MODALITIES},
        embed,
        score,
        init=init,
        loss=loss,
        calibrate=calibrate if options.standardise_input else None,
        factored=False,
        score_and_learn=learns,
    )
