"""Trainable systems and their update rules by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import optax
from ml_collections import ConfigDict

from avx.core.errors import UserError
from avx.core.types import System
from avx.losses import triplet
from avx.memory import scoring
from avx.memory.bank import MemoryOptions
from avx.systems import dssah, feature_memory, semantic_hashing, skm_embedding, ssah
from avx.systems.fine_tuned_i3d import fine_tuned
from avx.training import optim
from avx.registry.encoders import two_stream
from avx.registry.inputs import I3D_INPUT, LOG_MEL
from avx.core.errors import chosen


def _skm_embedding(config: ConfigDict, classes: int, steps_per_epoch: int) -> System:
    model = config.model.to_dict()
    label_smoothing = model.pop("label_smoothing")
    chosen(skm_embedding.AUDIO_ENCODERS, "model.audio_encoder", model["audio_encoder"])
    for field in ("hidden_activation", "output_activation"):
        chosen(skm_embedding.ACTIVATIONS, f"model.{field}", model[field])
    chosen(triplet.MINING, "loss.triplet_mining", config.loss.triplet_mining)
    options = skm_embedding.Options(
        classes=max(classes, 1),
        video_input="pixels" if config.features.video == "pixels" else "features",
        audio_input="log_mel" if config.features.audio == "log_mel" else "features",
        saliency=config.keyframes.saliency,
        **model,
    )
    losses = skm_embedding.LossOptions(label_smoothing=label_smoothing, **config.loss.to_dict())
    return skm_embedding.build(options, losses)


def _feature_memory(config: ConfigDict, classes: int, steps_per_epoch: int) -> System:
    if config.features.audio == LOG_MEL:
        raise UserError(
            "system feature_memory reads frames, not log-mel pictures; choose features.audio = mfcc or vggish."
        )
    model, losses = config.model.to_dict(), feature_memory.LossOptions(**config.loss.to_dict())
    chosen(triplet.MINING, "loss.triplet_mining", losses.triplet_mining)
    chosen(scoring.FACTORS, "model.score", model["score"])
    chosen(dict.fromkeys(feature_memory.POSITIVES), "loss.positives", losses.positives)
    chosen(dict.fromkeys(feature_memory.JUDGED), "loss.judged", losses.judged)
    slots = {name: model.pop(name) for name in [field.name for field in dataclasses.fields(MemoryOptions)]}
    options = feature_memory.Options(
        video_input="pixels" if config.features.video == "pixels" else "features",
        memory=MemoryOptions(**slots) if model.pop("memory") else None,
        warmup_steps=model.pop("warmup_epochs") * steps_per_epoch,
        # Nothing else trains the fusion.
        match=feature_memory.FUSION if losses.cross_entropy_weight else feature_memory.COSINE,
        **model,
    )
    return feature_memory.build(options, losses)


def _semantic_hashing(config: ConfigDict, classes: int, steps_per_epoch: int) -> System:
    model = config.model.to_dict()
    label_smoothing = model.pop("label_smoothing")
    losses = semantic_hashing.LossOptions(label_smoothing=label_smoothing, **config.loss.to_dict())
    return semantic_hashing.build(semantic_hashing.Options(classes=classes, **model), losses)


def _ssah(config: ConfigDict, classes: int, steps_per_epoch: int) -> System:
    options = ssah.Options(classes=classes, **config.model.to_dict())
    return ssah.build(options, ssah.LossOptions(**config.loss.to_dict()))


def _dssah(config: ConfigDict, classes: int, steps_per_epoch: int) -> System:
    options = ssah.Options(classes=classes, **config.model.to_dict())
    return dssah.build(options, dssah.LossOptions(**config.loss.to_dict()))


SYSTEMS: dict[str, Callable[[ConfigDict, int, int], System]] = {
    "skm_embedding": _skm_embedding,
    "feature_memory": _feature_memory,
    "semantic_hashing": _semantic_hashing,
    "ssah": _ssah,
    "dssah": _dssah,
}


def system(config: ConfigDict, classes: int, steps_per_epoch: int = 1) -> System:
    """The trainable system of `config.system` for a data set of so many classes and batches in an epoch.

    Only what is scheduled in epochs, as the memory's first write, looks at the latter.
    """
    built = chosen(SYSTEMS, "system", config.system)(config, classes, steps_per_epoch)
    if config.features.get("video", "") != I3D_INPUT:
        return built
    return fine_tuned(built, two_stream(config.features.i3d_dtype))


def optimizer(config: ConfigDict, total_steps: int) -> optax.GradientTransformation:
    """The update rule of `config.optimizer`."""
    return optim.build(total_steps=total_steps, **config.optimizer.to_dict())
