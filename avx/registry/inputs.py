"""What a run reads of a clip, by name: the rows of `features.video` and `features.audio`, and their front end."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from ml_collections import ConfigDict

from avx.core.errors import UserError, chosen
from avx.data.batches import ModalitySpec
from avx.extraction import front_end as front_ends
from avx.extraction.corpus import Decoding
from avx.extraction.frozen import ClipEncoder, FrozenEncoder
from avx.keyframes import adaptive_k
from avx.keyframes.skm import BATCH, ONLINE, SKMConfig
from avx.keyframes.sofm import SOFMConfig
from avx.media.limits import Limits
from avx.registry import encoders
from avx.registry.encoders import AUDIO_ENCODERS, FRAME_ENCODERS, I3D_SIZE
from avx.signal.hog import HANDCRAFTED_SIZE
from avx.signal.saliency_maps import SALIENCY
from avx.signal.vggish_input import EXAMPLE_SECONDS

LOG_MEL_SHAPE = (96, 64)
KEY_FRAME_FEATURES = ("deep", "handcrafted")
Weights = Mapping[str, Any]
"""Parameters of the frozen encoders by "video" and "audio"; absent where a run has none."""


@dataclasses.dataclass(frozen=True)
class VideoInput:
    """One value of `features.video`.

    Attributes:
      step: config -> shape of one step.
      short_side, crop: the size at which it sees frames by default: pixels of the shorter side, and of the middle
        square of that; crop 0 for whole frames.
      dtype: of its values.
      trained: a network of the system reads it, whose parameters are trained; else features are frozen.
      windows: its steps are windows of frames, not key frames.
      weights: config -> parameters of a published network, None where it has none.
      key_frames: (config, weights) -> describes key frames; None where windows are described.
      clip: (config, weights) -> describes windows.
    """

    step: Callable[[ConfigDict], tuple[int, ...]]
    short_side: int
    crop: int
    dtype: str = "float32"
    trained: bool = False
    windows: bool = False
    weights: Callable[[ConfigDict], Any] | None = None
    key_frames: Callable[[ConfigDict, Any], FrozenEncoder] | None = None
    clip: Callable[[ConfigDict, Any], ClipEncoder] | None = None


@dataclasses.dataclass(frozen=True)
class AudioInput:
    """One value of `features.audio`.

    Attributes:
      step: config -> shape of one step.
      trained: a network of the system reads pictures of sound.
      speech: MFCC in place of log-mel examples.
      hop_seconds: between its log-mel examples where `features.audio_hop_seconds` is 0.
      weights: config -> parameters of a published network, None where it has none.
      encoder: weights -> describes log-mel examples.
    """

    step: Callable[[ConfigDict], tuple[int, ...]]
    trained: bool = False
    speech: bool = False
    hop_seconds: float = EXAMPLE_SECONDS
    weights: Callable[[ConfigDict], Any] | None = None
    encoder: Callable[[Any], FrozenEncoder] | None = None


def _frozen_frames(name: str) -> VideoInput:
    encoder = FRAME_ENCODERS[name]
    return VideoInput(
        step=lambda config: (encoder.feature_size,),
        short_side=encoder.short_side,
        crop=encoder.crop,
        weights=lambda config: encoders.imported(
            FRAME_ENCODERS, name, config.features.video_weights, "--config.features.video_weights"
        ),
        key_frames=lambda config, weights: encoders.frame_encoder(name, weights, config.keyframes.saliency),
    )


def _frozen_sound(name: str) -> AudioInput:
    return AudioInput(
        step=lambda config: (AUDIO_ENCODERS[name].feature_size,),
        hop_seconds=AUDIO_ENCODERS[name].hop_seconds,
        weights=lambda config: encoders.imported(
            AUDIO_ENCODERS, name, config.features.audio_weights, "--config.features.audio_weights"
        ),
        encoder=lambda weights: encoders.audio_encoder(name, weights),
    )


def _windows(config: ConfigDict) -> encoders.Windows:
    _, crop = frame_size(config)
    features, decode = config.features, config.decode
    size = (crop, crop) if crop else (decode.height, decode.width)
    return encoders.Windows(features.window_frames, features.window_stride, size, features.flow)


def _window_step(config: ConfigDict) -> tuple[int, ...]:
    windows = _windows(config)
    return (windows.length, *windows.size, 5)


def _two_stream_weights(config: ConfigDict) -> Any:
    features = config.features
    files = {"video": features.video_weights, "flow": features.flow_weights}
    return encoders.two_stream_variables(files, features.video)


VIDEO_INPUTS: dict[str, VideoInput] = {
    "pixels": VideoInput(
        lambda config: (config.features.image_size, config.features.image_size, 3), 96, 96, "uint8", trained=True
    ),
    "handcrafted": VideoInput(lambda config: (HANDCRAFTED_SIZE,), 96, 0),
    **{name: _frozen_frames(name) for name in FRAME_ENCODERS},
    "i3d": VideoInput(
        lambda config: (I3D_SIZE,),
        256,
        224,
        windows=True,
        weights=_two_stream_weights,
        clip=lambda config, weights: encoders.window_encoder(weights, _windows(config), config.features.i3d_dtype),
    ),
    "i3d_input": VideoInput(
        _window_step,
        256,
        224,
        "uint8",
        trained=True,
        windows=True,
        weights=_two_stream_weights,
        clip=lambda config, weights: encoders.window_input(_windows(config)),
    ),
}
AUDIO_INPUTS: dict[str, AudioInput] = {
    "log_mel": AudioInput(lambda config: LOG_MEL_SHAPE, trained=True),
    "mfcc": AudioInput(lambda config: (speech_options(config).width,), speech=True),
    **{name: _frozen_sound(name) for name in AUDIO_ENCODERS},
}


def video_input(config: ConfigDict) -> VideoInput:
    """Returns the row of `features.video`. Raises UserError for an unknown name."""
    return chosen(VIDEO_INPUTS, "features.video", config.features.video)


def audio_input(config: ConfigDict) -> AudioInput:
    """Returns the row of `features.audio`. Raises UserError for an unknown name."""
    return chosen(AUDIO_INPUTS, "features.audio", config.features.audio)


def speech_options(config: ConfigDict) -> front_ends.SpeechOptions:
    """Returns the MFCC of `config.features`."""
    features = config.features
    return front_ends.SpeechOptions(
        coefficients=features.mfcc_coefficients,
        mels=features.mfcc_mels,
        hop_seconds=features.mfcc_hop_seconds,
        window_seconds=features.mfcc_window_seconds,
        deltas=features.mfcc_deltas,
    )


def frame_size(config: ConfigDict) -> tuple[int | tuple[int, int], int]:
    """Returns the size to which frames are decoded, and the side of the middle square that is then looked at.

    `decode.height` and `decode.width` ask for that very size, whatever the proportions; `decode.short_side` keeps them.
    Without either, frames are decoded as the video input wants them.

    Raises:
      UserError: one of height and width without the other.
    """
    decode, row = config.decode, video_input(config)
    if (decode.height > 0) != (decode.width > 0):
        raise UserError(
            f"decode.height = {decode.height}, decode.width = {decode.width}: state height and width together, or "
            "neither."
        )
    if decode.short_side:
        return decode.short_side, min(row.crop, decode.short_side)
    if decode.height:
        return (decode.height, decode.width), 0
    return row.short_side, row.crop


def decoding(config: ConfigDict) -> Decoding:
    """Returns how media files are decoded. Raises UserError as `frame_size` and `Decoding` do."""
    decode = config.decode
    size, _ = frame_size(config)
    return Decoding(
        decode.frame_rate,
        size,
        decode.sample_rate,
        decode.max_seconds,
        config.data.get("frames_per_second", 0.0),
        Limits(**decode.get("limits", {})),
    )


def read_weights(config: ConfigDict) -> dict[str, Any]:
    """Reads the published weights that a config names: "video" and "audio" -> parameters.

    Raises:
      UserError: a file that is missing or of another network.
    """
    readers = {"video": video_input(config).weights, "audio": audio_input(config).weights}
    return {name: read(config) for name, read in readers.items() if read is not None}


def front_end_options(config: ConfigDict) -> front_ends.FrontEndOptions:
    """Returns the constants of what is computed from a clip.

    Raises:
      UserError: an unknown name, a value that cannot be, or a video input that cannot choose key frames.
    """
    video, audio, keyframes = video_input(config), audio_input(config), config.keyframes
    if keyframes.features not in KEY_FRAME_FEATURES:
        raise UserError(f"keyframes.features = {keyframes.features!r} is unknown; choose deep or handcrafted.")
    if keyframes.features == "deep" and video.key_frames is None:
        raise UserError(
            "keyframes.features = 'deep' needs a pretrained features.video; choose handcrafted for "
            f"{config.features.video}."
        )
    chosen(SALIENCY, "keyframes.saliency", keyframes.saliency)
    chosen(dict.fromkeys(adaptive_k.RULES), "keyframes.k_rule", keyframes.k_rule)
    chosen(dict.fromkeys((BATCH, ONLINE)), "keyframes.sofm", keyframes.sofm)
    _, crop = frame_size(config)
    return front_ends.FrontEndOptions(
        image_size=config.features.image_size,
        saliency=keyframes.saliency,
        audio_hop_seconds=config.features.audio_hop_seconds or audio.hop_seconds,
        deep_keyframes=keyframes.features == "deep",
        skm=SKMConfig(
            delta=keyframes.delta,
            k_rule=keyframes.k_rule,
            max_clusters=keyframes.max_clusters,
            sofm_form=keyframes.sofm,
            schedule=SOFMConfig(epochs=keyframes.sofm_epochs),
            max_rounds=keyframes.max_rounds,
            swap_sweeps=keyframes.swap_sweeps,
        ),
        handcrafted_video=config.features.video == "handcrafted",
        speech=speech_options(config) if audio.speech else None,
        crop=crop,
    )


def check_inputs(config: ConfigDict) -> None:
    """Refuses values of the groups decode, keyframes and features that cannot be; reads no weights.

    Raises:
      UserError: the first such field.
    """
    decoding(config)
    front_end_options(config)
    speech_options(config)
    _windows(config)
    chosen(encoders.DTYPES, "features.i3d_dtype", config.features.i3d_dtype)


def front_end(config: ConfigDict, weights: Weights) -> front_ends.FrontEnd:
    """Returns what is computed from a clip.

    Args:
      config: of a run on clips.
      weights: see `read_weights`.

    Raises:
      UserError: as `front_end_options`.
    """
    video, audio = video_input(config), audio_input(config)
    return front_ends.build(
        front_end_options(config),
        video.key_frames(config, weights.get("video")) if video.key_frames else None,
        audio.encoder(weights.get("audio")) if audio.encoder else None,
        video.clip(config, weights.get("video")) if video.clip else None,
    )


def clip_specs(config: ConfigDict) -> tuple[ModalitySpec, ...]:
    """Returns how the features of clips become batches; a length of 0 is to be taken from the data."""
    video, audio = video_input(config), audio_input(config)
    steps = config.features.max_windows if video.windows else config.keyframes.max_clusters
    return (
        ModalitySpec("video", steps, video.step(config), video.dtype),
        ModalitySpec("audio", config.features.max_audio_steps, audio.step(config)),
    )
