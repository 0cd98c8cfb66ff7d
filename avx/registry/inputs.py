"""What is computed from a clip before training, and how it becomes batches, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ml_collections import ConfigDict

from avx.core.errors import UserError
from avx.data.batches import ModalitySpec
from avx.extraction import front_end as front_end_room
from avx.extraction.frozen import ClipEncoder, FrozenEncoder
from avx.keyframes.skm import SKMConfig
from avx.keyframes.sofm import SOFMConfig
from avx.signal.hog import HANDCRAFTED_SIZE
from avx.signal.saliency_maps import SALIENCY
from avx.registry import encoders
from avx.registry.encoders import AUDIO_ENCODERS, FRAME_ENCODERS, I3D_SIZE
from avx.core.errors import chosen
from avx.registry.pairs import PAIRS, pair_specs

LOG_MEL_SHAPE = (96, 64)
PIXELS, HANDCRAFTED, I3D_WINDOWS, I3D_INPUT = "pixels", "handcrafted", "i3d", "i3d_input"
LOG_MEL, MFCC = "log_mel", "mfcc"
# Numbers in a step of each kind of features; 0 for those whose steps have another shape, or one that the config sets.
VIDEO_SIZES = {PIXELS: 0, HANDCRAFTED: HANDCRAFTED_SIZE, I3D_WINDOWS: I3D_SIZE, I3D_INPUT: 0} | {
    name: encoder.feature_size for name, encoder in FRAME_ENCODERS.items()
}
AUDIO_SIZES = {LOG_MEL: 0, MFCC: 0} | {name: encoder.feature_size for name, encoder in AUDIO_ENCODERS.items()}


def frame_encoder(config: ConfigDict) -> FrozenEncoder | None:
    """Salient-region features of a pretrained backbone, (n, H, W, 3) uint8 -> (n, D); None without one."""
    name, weights = config.features.video, config.features.video_weights
    if name in (PIXELS, HANDCRAFTED, I3D_WINDOWS, I3D_INPUT):
        return None
    chosen(VIDEO_SIZES, "features.video", name)
    return encoders.frame_encoder(name, weights, "--config.features.video_weights", config.keyframes.saliency)


def audio_encoder(config: ConfigDict) -> FrozenEncoder | None:
    """Embeddings of a pretrained VGGish, (n, 96, 64) -> (n, 128); None for what is trained or read as it is."""
    name, weights = config.features.audio, config.features.audio_weights
    if name in (LOG_MEL, MFCC):
        return None
    chosen(AUDIO_SIZES, "features.audio", name)
    return encoders.audio_encoder(name, weights, "--config.features.audio_weights")


def clip_encoder(config: ConfigDict) -> ClipEncoder | None:
    """Windows of RGB and TV-L1 flow, or I3D's features of them; None where key frames are described instead."""
    features = config.features
    if features.video not in (I3D_WINDOWS, I3D_INPUT):
        return None
    size = (config.decode.height, config.decode.width)
    windows = encoders.Windows(features.window_frames, features.window_stride, size, features.flow)
    if features.video == I3D_INPUT:
        return encoders.window_input(windows)
    return encoders.window_encoder(_two_stream_files(config), windows, features.i3d_dtype)


def importer(config: ConfigDict) -> Callable[[], Any] | None:
    """Reads the variables that training goes on from; None where it starts from drawn parameters alone.

    The function raises UserError for weights that are missing or of another network.
    """
    if config.features.video != I3D_INPUT:
        return None
    return lambda: encoders.two_stream_variables(_two_stream_files(config), I3D_INPUT)


def _two_stream_files(config: ConfigDict) -> dict[str, str]:
    return {"video": config.features.video_weights, "flow": config.features.flow_weights}


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
    if config.keyframes.features == "deep" and config.features.video in (PIXELS, HANDCRAFTED, I3D_WINDOWS, I3D_INPUT):
        raise UserError(
            "keyframes.features = 'deep' needs a pretrained features.video; choose handcrafted for "
            f"{config.features.video}."
        )
    chosen(SALIENCY, "keyframes.saliency", config.keyframes.saliency)
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
    video_size = chosen(VIDEO_SIZES, "features.video", config.features.video)
    audio_size = chosen(AUDIO_SIZES, "features.audio", config.features.audio)
    mfcc = speech(config)
    audio_shape = (audio_size,) if audio_size else (mfcc.width,) if mfcc else LOG_MEL_SHAPE
    windows = config.features.video in (I3D_WINDOWS, I3D_INPUT)
    steps = config.features.max_windows if windows else config.keyframes.max_clusters
    if video_size:
        video = ModalitySpec("video", steps, (video_size,))
    elif windows:
        picture = (config.decode.height, config.decode.width)
        video = ModalitySpec("video", steps, (config.features.window_frames, *picture, 5), "uint8")
    else:
        side = config.features.image_size
        video = ModalitySpec("video", steps, (side, side, 3), "uint8")
    return video, ModalitySpec("audio", config.features.max_audio_steps, audio_shape)
