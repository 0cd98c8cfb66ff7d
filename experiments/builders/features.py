"""What is computed from a clip before training, and how it becomes batches, by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from avx.core.errors import UserError
from avx.core.types import EncoderOutput
from avx.data.pipeline import ModalitySpec
from avx.extraction import front_end as front_end_room
from avx.extraction.frozen import ClipEncoder, FrozenEncoder
from avx.extraction.two_stream import clip_flow, two_stream_features
from avx.keyframes.skm import SKMConfig
from avx.keyframes.sofm import SOFMConfig
from avx.nn.encoders.frames import FrameEncoder
from avx.nn.encoders.i3d import I3D, TwoStreamI3D
from avx.nn.encoders.resnet import ResNet
from avx.nn.encoders.squeezenet import SqueezeNet
from avx.nn.encoders.vggish import VGGish
from avx.nn.pretrained import mapping
from avx.nn.pretrained.i3d import Stream, as_submodules, i3d_from_tensorflow, i3d_from_torch
from avx.nn.pretrained.mapping import weights_hash
from avx.nn.pretrained.readers import read_weights
from avx.signal.hog import HANDCRAFTED_SIZE
from avx.signal.saliency_maps import SALIENCY
from experiments.builders.lookup import lookup
from experiments.builders.pairs import PAIRS, pair_specs

LOG_MEL_SHAPE = (96, 64)


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
PIXELS, HANDCRAFTED, I3D_WINDOWS = "pixels", "handcrafted", "i3d"
LOG_MEL, MFCC = "log_mel", "mfcc"
I3D_SIZE = 2048  # of both streams
# Numbers in a step of each kind of features; 0 for those whose steps have another shape, or one that the config sets.
VIDEO_SIZES = {PIXELS: 0, HANDCRAFTED: HANDCRAFTED_SIZE, I3D_WINDOWS: I3D_SIZE} | {
    name: encoder.feature_size for name, encoder in FRAME_ENCODERS.items()
}
AUDIO_SIZES = {LOG_MEL: 0, MFCC: 0} | {name: encoder.feature_size for name, encoder in AUDIO_ENCODERS.items()}


def _weights(field: str, name: str, path: str, encoder: Pretrained) -> tuple[Any, str]:
    """(parameters, name for the cache) of a published encoder."""
    if not path:
        raise UserError(f"{field} = {name!r} needs its weights; give the file as --config.{field}_weights=FILE.")
    params = encoder.importer(read_weights(path))
    return params, f"{name}:{weights_hash(params)}"


def frame_encoder(config: ConfigDict) -> FrozenEncoder | None:
    """Salient-region features of a pretrained backbone, (n, H, W, 3) uint8 -> (n, D); None without one."""
    name = config.features.video
    if name in (PIXELS, HANDCRAFTED, I3D_WINDOWS):
        return None
    encoder = lookup(FRAME_ENCODERS, "features.video", name)
    params, label = _weights("features.video", name, config.features.video_weights, encoder)
    saliency = lookup(SALIENCY, "keyframes.saliency", config.keyframes.saliency)
    module = FrameEncoder(encoder.module())

    def apply(frames: jax.Array) -> jax.Array:
        mask = jnp.ones((1, len(frames)), bool)
        variables = {"params": {"backbone": params}}
        return cast(EncoderOutput, module.apply(variables, frames[None], mask, saliency(frames)[None])).tokens[0]

    return FrozenEncoder(label, apply, encoder.feature_size)


def audio_encoder(config: ConfigDict) -> FrozenEncoder | None:
    """Embeddings of a pretrained VGGish, (n, 96, 64) -> (n, 128); None for what is trained or read as it is."""
    name = config.features.audio
    if name in (LOG_MEL, MFCC):
        return None
    encoder = lookup(AUDIO_ENCODERS, "features.audio", name)
    params, label = _weights("features.audio", name, config.features.audio_weights, encoder)
    module = encoder.module()

    def apply(examples: jax.Array) -> jax.Array:
        mask = jnp.ones((1, len(examples)), bool)
        return cast(EncoderOutput, module.apply({"params": params}, examples[None], mask)).tokens[0]

    return FrozenEncoder(label, apply, encoder.feature_size)


def clip_encoder(config: ConfigDict) -> ClipEncoder | None:
    """Features of windows of RGB and TV-L1 flow from two-stream I3D; None where key frames are described instead."""
    if config.features.video != I3D_WINDOWS:
        return None
    length, stride = config.features.window_frames, config.features.window_stride
    if min(length, stride) < 1:
        raise UserError(f"I3D windows of {length} frames every {stride} cannot be; give at least 1 of each.")
    streams = {}
    fields: tuple[tuple[str, Stream], ...] = (("features.video", "RGB"), ("features.flow", "Flow"))
    for field, stream in fields:
        path = config.features[f"{field.removeprefix('features.')}_weights"]
        if not path:
            raise UserError(f"features.video = 'i3d' needs both streams; give --config.{field}_weights=FILE.")
        tensors = read_weights(path)
        published = any("inception_i3d/" in name for name in tensors)
        streams[stream] = (i3d_from_tensorflow if published else i3d_from_torch)(tensors, stream=stream)
    variables = as_submodules(rgb=streams["RGB"], flow=streams["Flow"])
    module = TwoStreamI3D(I3D(), I3D())
    windows = two_stream_features(lambda clips: cast(jax.Array, module.apply(variables, clips)), length, stride)
    flow = clip_flow()
    name = f"i3d:{weights_hash(variables)}:{length}/{stride}"

    def describe(frames: np.ndarray) -> np.ndarray:
        # A single picture stands still.
        shown = frames if len(frames) > 1 else np.repeat(frames, 2, axis=0)
        return windows(shown, flow(shown))

    return ClipEncoder(name, describe)


def speech(config: ConfigDict) -> front_end_room.SpeechOptions | None:
    """The MFCC of `config.features`; None where the sound is read as log-mel examples."""
    if config.features.audio != MFCC:
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
    if config.keyframes.features == "deep" and config.features.video in (PIXELS, HANDCRAFTED, I3D_WINDOWS):
        raise UserError(
            "keyframes.features = 'deep' needs a pretrained features.video; choose handcrafted for "
            f"{config.features.video}."
        )
    lookup(SALIENCY, "keyframes.saliency", config.keyframes.saliency)
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
    return front_end_room.build(options, frame_encoder(config), audio_encoder(config), clip_encoder(config))


def modality_specs(config: ConfigDict) -> tuple[ModalitySpec, ...]:
    """How cached features become batches."""
    if config.data.kind in PAIRS:
        return pair_specs(config)
    side = config.features.image_size
    video_size = lookup(VIDEO_SIZES, "features.video", config.features.video)
    audio_size = lookup(AUDIO_SIZES, "features.audio", config.features.audio)
    mfcc = speech(config)
    audio_shape = (audio_size,) if audio_size else (mfcc.width,) if mfcc else LOG_MEL_SHAPE
    windows = config.features.video == I3D_WINDOWS
    return (
        ModalitySpec("video", config.features.max_windows if windows else config.keyframes.max_clusters, (video_size,))
        if video_size
        else ModalitySpec("video", config.keyframes.max_clusters, (side, side, 3), "uint8"),
        ModalitySpec("audio", config.features.max_audio_steps, audio_shape),
    )
