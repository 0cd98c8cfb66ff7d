"""The one place where a config string becomes an object; every table is explicit."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from ml_collections import ConfigDict

from avx.core.errors import UserError
from avx.core.types import EncoderOutput, System
from avx.data.builders import feature_pairs, nuswide, wikipedia
from avx.data.pipeline import ModalitySpec
from avx.data.sources import Source, folder_source, tfds_source
from avx.extraction import front_end as front_end_room
from avx.extraction.frozen import FrozenEncoder
from avx.keyframes.skm import SKMConfig
from avx.keyframes.sofm import SOFMConfig
from avx.losses import triplet
from avx.memory import scoring
from avx.memory.bank import MemoryOptions
from avx.nn.encoders.frames import FrameEncoder
from avx.nn.encoders.resnet import ResNet
from avx.nn.encoders.squeezenet import SqueezeNet
from avx.nn.encoders.vggish import VGGish
from avx.nn.pretrained import mapping
from avx.nn.pretrained.mapping import weights_hash
from avx.nn.pretrained.readers import read_weights
from avx.signal.hog import HANDCRAFTED_SIZE
from avx.systems import dssah, feature_memory, semantic_hashing, skm_embedding, ssah
from avx.training import optim
from experiments import cluster

LOG_MEL_SHAPE = (96, 64)


def _folder(config: ConfigDict) -> Source:
    if not config.data.root:
        raise UserError("data.root is empty; give the folder of your clips as --config.data.root=PATH.")
    root = Path(config.data.root)
    csv = config.data.csv or ("clips.csv" if (root / "clips.csv").exists() else None)
    return folder_source(root, csv)


def _embedded(config: ConfigDict) -> Source:
    from avx.data.builders import embedded

    root = Path(config.data.root or config.data.cache_dir)
    size = {"clips": config.data.clips, "seed": config.data.seed}
    if cluster.is_leader():
        embedded.build(root, **size, workers=config.data.workers or os.cpu_count() or 1)
    cluster.barrier("embedded data set built")
    return tfds_source(embedded.load(root, **size), name="embedded")


SOURCES: dict[str, Callable[[ConfigDict], Source]] = {"folder": _folder, "embedded": _embedded}


def _lookup(table: dict, field: str, name: str):
    if name not in table:
        raise UserError(f"{field} = {name!r} is unknown; choose one of {', '.join(sorted(table))}.")
    return table[name]


def source(config: ConfigDict) -> Source:
    """The records of `config.data`; the embedded data set is rendered on first use."""
    return _lookup(SOURCES, "data.kind", config.data.kind)(config)


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """An encoder with published weights: the module, its importer, and the size of its features."""

    module: Callable[[], nn.Module]
    importer: Callable[[Mapping[str, np.ndarray]], Any]
    feature_size: int


def _vggish_importer(tensors: Mapping[str, np.ndarray]) -> Any:
    """VGGish of either release, told apart by the names of its tensors."""
    published = mapping.vggish_from_tensorflow if any(name.startswith("vggish/") for name in tensors) else None
    return (published or mapping.vggish_from_torch)(tensors)


FRAME_ENCODERS: dict[str, Pretrained] = {
    "squeezenet": Pretrained(SqueezeNet, mapping.squeezenet_from_keras, 512),
    "resnet50": Pretrained(ResNet, mapping.resnet_from_torch, 2048),
}
AUDIO_ENCODERS: dict[str, Pretrained] = {"vggish": Pretrained(VGGish, _vggish_importer, 128)}
TRAINED_INPUTS = ("pixels", "log_mel", "mfcc")
HANDCRAFTED = "handcrafted"
FEATURE_SIZES = (
    {name: 0 for name in TRAINED_INPUTS}
    | {HANDCRAFTED: HANDCRAFTED_SIZE}
    | {name: encoder.feature_size for name, encoder in (FRAME_ENCODERS | AUDIO_ENCODERS).items()}
)


def _weights(field: str, name: str, path: str, encoder: Pretrained) -> tuple[Any, str]:
    """(parameters, name for the cache) of a published encoder."""
    if not path:
        raise UserError(f"{field} = {name!r} needs its weights; give the file as --config.{field}_weights=FILE.")
    params = encoder.importer(read_weights(path))
    return params, f"{name}:{weights_hash(params)}"


def frame_encoder(config: ConfigDict) -> FrozenEncoder | None:
    """Salient-region features of a pretrained backbone, (n, H, W, 3) uint8 -> (n, D); None for pixels."""
    name = config.features.video
    if name in (*TRAINED_INPUTS, HANDCRAFTED):
        return None
    encoder = _lookup(FRAME_ENCODERS, "features.video", name)
    params, label = _weights("features.video", name, config.features.video_weights, encoder)
    saliency = _lookup(front_end_room.SALIENCY, "keyframes.saliency", config.keyframes.saliency)
    module = FrameEncoder(encoder.module())

    def apply(frames: jax.Array) -> jax.Array:
        mask = jnp.ones((1, len(frames)), bool)
        variables = {"params": {"backbone": params}}
        return cast(EncoderOutput, module.apply(variables, frames[None], mask, saliency(frames)[None])).tokens[0]

    return FrozenEncoder(label, apply, encoder.feature_size)


def audio_encoder(config: ConfigDict) -> FrozenEncoder | None:
    """Embeddings of a pretrained VGGish, (n, 96, 64) -> (n, 128); None for what is trained or read as it is."""
    name = config.features.audio
    if name in TRAINED_INPUTS:
        return None
    encoder = _lookup(AUDIO_ENCODERS, "features.audio", name)
    params, label = _weights("features.audio", name, config.features.audio_weights, encoder)
    module = encoder.module()

    def apply(examples: jax.Array) -> jax.Array:
        mask = jnp.ones((1, len(examples)), bool)
        return cast(EncoderOutput, module.apply({"params": params}, examples[None], mask)).tokens[0]

    return FrozenEncoder(label, apply, encoder.feature_size)


def speech(config: ConfigDict) -> front_end_room.SpeechOptions | None:
    """The MFCC of `config.features`; None where the sound is read as log-mel examples."""
    if config.features.audio != "mfcc":
        return None
    return front_end_room.SpeechOptions(
        coefficients=config.features.mfcc_coefficients,
        mels=config.features.mfcc_mels,
        hop_seconds=config.features.mfcc_hop_seconds,
        window_seconds=config.features.mfcc_window_seconds,
        deltas=config.features.mfcc_deltas,
    )


def front_end(config: ConfigDict) -> front_end_room.FrontEnd:
    """What `experiments.extract` computes from a clip."""
    if config.keyframes.features not in ("deep", "handcrafted"):
        raise UserError(f"keyframes.features = {config.keyframes.features!r} is unknown; choose deep or handcrafted.")
    if config.keyframes.features == "deep" and config.features.video in ("pixels", HANDCRAFTED):
        raise UserError(
            "keyframes.features = 'deep' needs a pretrained features.video; choose handcrafted for "
            f"{config.features.video}."
        )
    _lookup(front_end_room.SALIENCY, "keyframes.saliency", config.keyframes.saliency)
    options = front_end_room.FrontEndOptions(
        image_size=config.features.image_size,
        saliency=config.keyframes.saliency,
        audio_hop_seconds=config.features.audio_hop_seconds,
        deep_keyframes=config.keyframes.features == "deep",
        skm=SKMConfig(
            delta=config.keyframes.delta,
            k_rule=config.keyframes.k_rule,
            max_clusters=config.keyframes.max_clusters,
            sofm_form=config.keyframes.sofm,
            schedule=SOFMConfig(epochs=config.keyframes.sofm_epochs),
            max_rounds=config.keyframes.max_rounds,
            swap_sweeps=config.keyframes.swap_sweeps,
        ),
        handcrafted_video=config.features.video == HANDCRAFTED,
        speech=speech(config),
    )
    return front_end_room.build(options, frame_encoder(config), audio_encoder(config))


PAIRS: dict[str, Callable[[Path, Path], feature_pairs.FeaturePairs]] = {
    "wikipedia": wikipedia.build,
    "nuswide": nuswide.build,
}
PAIR_SIZES: dict[str, Mapping[str, int]] = {"wikipedia": wikipedia.SIZES, "nuswide": nuswide.SIZES}


def pairs(config: ConfigDict) -> feature_pairs.PairTable:
    """The table of `config.data`; it is built as a tfds dataset on first use."""
    build = _lookup(PAIRS, "data.kind", config.data.kind)
    if not config.data.root:
        raise UserError("data.root is empty; give the folder of the features as --config.data.root=PATH.")
    if cluster.is_leader():
        build(Path(config.data.cache_dir), Path(config.data.root))
    cluster.barrier("pair data set built")
    return feature_pairs.load(build(Path(config.data.cache_dir), Path(config.data.root)))


def pair_specs(config: ConfigDict) -> tuple[ModalitySpec, ...]:
    """How the feature vectors of an item become batches: sequences of one step."""
    sizes = _lookup(PAIR_SIZES, "data.kind", config.data.kind)
    return tuple(
        ModalitySpec(side, 1, (_lookup(dict(sizes), f"features.{side}", config.features[side]),))
        for side in ("image", "text")
    )


def modality_specs(config: ConfigDict) -> tuple[ModalitySpec, ...]:
    """How cached features become batches."""
    if config.data.kind in PAIRS:
        return pair_specs(config)
    side = config.features.image_size
    video_size = _lookup(FEATURE_SIZES, "features.video", config.features.video)
    audio_size = _lookup(FEATURE_SIZES, "features.audio", config.features.audio)
    mfcc = speech(config)
    audio_shape = (audio_size,) if audio_size else (mfcc.width,) if mfcc else LOG_MEL_SHAPE
    return (
        ModalitySpec("video", config.keyframes.max_clusters, (video_size,))
        if video_size
        else ModalitySpec("video", config.keyframes.max_clusters, (side, side, 3), "uint8"),
        ModalitySpec("audio", config.features.max_audio_steps, audio_shape),
    )


def _skm_embedding(config: ConfigDict, classes: int, steps_per_epoch: int) -> System:
    model = config.model.to_dict()
    label_smoothing = model.pop("label_smoothing")
    _lookup(skm_embedding.AUDIO_ENCODERS, "model.audio_encoder", model["audio_encoder"])
    for field in ("hidden_activation", "output_activation"):
        _lookup(skm_embedding.ACTIVATIONS, f"model.{field}", model[field])
    _lookup(triplet.MINING, "loss.triplet_mining", config.loss.triplet_mining)
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
    model, losses = config.model.to_dict(), feature_memory.LossOptions(**config.loss.to_dict())
    _lookup(triplet.MINING, "loss.triplet_mining", losses.triplet_mining)
    _lookup(scoring.FACTORS, "model.score", model["score"])
    _lookup(dict.fromkeys(feature_memory.POSITIVES), "loss.positives", losses.positives)
    _lookup(dict.fromkeys(feature_memory.JUDGED), "loss.judged", losses.judged)
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
    return _lookup(SYSTEMS, "system", config.system)(config, classes, steps_per_epoch)


def optimizer(config: ConfigDict, total_steps: int) -> optax.GradientTransformation:
    """The update rule of `config.optimizer`."""
    return optim.build(total_steps=total_steps, **config.optimizer.to_dict())
