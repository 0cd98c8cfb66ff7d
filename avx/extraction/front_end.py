"""One clip in, the arrays that training and reports need out (Sun 2024, section II.A-B, before the embedding)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from avx.core.dataset import Clip
from avx.extraction.frozen import ClipEncoder, FrozenEncoder, in_fixed_batches
from avx.keyframes.skm import SKMConfig, select_ragged
from avx.signal.hog import handcrafted_features
from avx.signal.mfcc import count_mfcc_frames, mfcc, with_deltas
from avx.signal.saliency_maps import SALIENCY
from avx.signal.vggish_input import SAMPLE_RATE, vggish_examples

FRAMES_AT_ONCE = 32
EXAMPLES_AT_ONCE = 16
SOUND_BUCKET_SECONDS = 8
THUMBNAIL = 96
VERSION = 1

Features = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class SpeechOptions:
    """MFCC of the sound; every field is part of the cache's fingerprint.

    Attributes:
      coefficients: kept of each frame, 13 or 40 in the literature.
      mels: bands of the spectrogram.
      hop_seconds: between frames.
      window_seconds: length of a frame.
      deltas: append slopes and curvatures.
    """

    coefficients: int
    mels: int
    hop_seconds: float
    window_seconds: float
    deltas: bool

    @property
    def width(self) -> int:
        """Numbers in a frame."""
        return self.coefficients * (3 if self.deltas else 1)


@dataclasses.dataclass(frozen=True)
class FrontEndOptions:
    """What is computed; every field is part of the cache's fingerprint.

    Attributes:
      image_size: side in pixels of the key frames that a trained encoder reads.
      saliency: a key of `SALIENCY`.
      audio_hop_seconds: seconds between VGGish examples.
      deep_keyframes: cluster salient-region features of the frame encoder instead of hand-crafted ones.
      skm: constants of the key-frame selection.
      handcrafted_video: without a frame encoder, the video is the hand-crafted features of its key frames instead of
        their pixels.
      speech: MFCC in place of log-mel examples; None for the latter.
    """

    image_size: int
    saliency: str
    audio_hop_seconds: float
    deep_keyframes: bool
    skm: SKMConfig
    handcrafted_video: bool = False
    speech: SpeechOptions | None = None


@dataclasses.dataclass(frozen=True)
class FrontEnd:
    """`describe()` names everything that decides the result; `extract(clip)` computes it."""

    description: dict[str, Any]
    extract: Callable[[Clip], Features]


def build(
    options: FrontEndOptions,
    frame_encoder: FrozenEncoder | None,
    audio_encoder: FrozenEncoder | None,
    clip_encoder: ClipEncoder | None = None,
) -> FrontEnd:
    """The front end of a run.

    Args:
      options: see `FrontEndOptions`.
      frame_encoder: ((n, H, W, 3) uint8) -> (n, D) salient-region features; None leaves key frames as pixels.
      audio_encoder: ((n, 96, 64) log-mel) -> (n, D); None leaves the examples as they are.
      clip_encoder: ((T, H, W, 3) uint8) -> (W, D) features of windows, in place of the key frames', or (W, ...) the
        windows that a trained encoder reads.

    Returns:
      A `FrontEnd`. `extract` gives, for a clip that has the modality:
        video: (K, image_size, image_size, 3) uint8 key frames, (W, ...) windows, or (K, D) or (W, D) frozen features.
        audio: (E, 96, 64) float32 log-mel examples, (E, D) frozen features of them, or (T, F) MFCC.
        video_summary, audio_summary: (D,) float32 fixed-length descriptions for closed-form methods; that of a video
          that a trained encoder reads is made of its key frames.
        keyframe_times (K,) s, keyframe_indices (K,), keyframe_images (K, h, w, 3) uint8 for people to look at.
        duration: () s.
    """
    saliency = SALIENCY[options.saliency]
    handcrafted = in_fixed_batches(lambda frames: handcrafted_features(frames, saliency(frames)), FRAMES_AT_ONCE)
    deep = in_fixed_batches(frame_encoder.apply, FRAMES_AT_ONCE) if frame_encoder else None
    sound = in_fixed_batches(audio_encoder.apply, EXAMPLES_AT_ONCE) if audio_encoder else None
    clustered = deep if options.deep_keyframes and deep is not None else handcrafted
    described = speech_frames(options.speech) if options.speech else log_mel_examples(options.audio_hop_seconds)

    def video(clip: Clip) -> Features:
        features = clustered(clip.frames)
        chosen = select_ragged([features], options.skm, batch_size=1)[0].indices
        frames = clip.frames[chosen]
        described = features[chosen] if deep is None else deep(frames)
        if clip_encoder is not None:
            read = clip_encoder.describe(clip.frames)
        elif deep is None and not options.handcrafted_video:
            read = resized(frames, options.image_size)
        else:
            read = described
        vectors = read if read.ndim == 2 else described
        return {
            "video": read,
            "video_summary": np.asarray(vectors.mean(0), np.float32),
            "keyframe_indices": np.asarray(chosen, np.int32),
            "keyframe_times": clip.frame_times[chosen],
            "keyframe_images": resized(frames, min(THUMBNAIL, max(frames.shape[1:3]))),
        }

    def audio(clip: Clip) -> Features:
        bucket = SOUND_BUCKET_SECONDS * SAMPLE_RATE
        padded = np.zeros(max(1, -(-len(clip.waveform) // bucket)) * bucket, np.float32)
        padded[: len(clip.waveform)] = clip.waveform
        found, mask = (np.asarray(array) for array in described(padded, len(clip.waveform)))
        found = found[mask]
        if not len(found):
            return {}
        steps = found if sound is None else sound(found)
        rows = steps.reshape(-1, steps.shape[-1])
        summary = np.concatenate([rows.mean(0), rows.std(0)])
        return {"audio": steps, "audio_summary": np.asarray(summary, np.float32)}

    def extract(clip: Clip) -> Features:
        sound_seconds = len(clip.waveform) / clip.sample_rate
        last_frame = float(clip.frame_times[-1]) if clip.has_video else 0.0
        result: Features = {"duration": np.float64(max(sound_seconds, last_frame))}  # type: ignore[dict-item]
        if clip.has_video:
            result |= video(clip)
        if clip.has_audio:
            result |= audio(clip)
        return result

    description = {
        "version": VERSION,
        "options": dataclasses.asdict(options),
        "frame_encoder": frame_encoder.name if frame_encoder else "pixels",
        "clip_encoder": clip_encoder.name if clip_encoder else "none",
        "audio_encoder": audio_encoder.name if audio_encoder else "mfcc" if options.speech else "log_mel",
    }
    return FrontEnd(description, extract)


def log_mel_examples(hop_seconds: float) -> Callable[[np.ndarray, int], tuple[jax.Array, jax.Array]]:
    """(padded waveform (N,), real samples) -> VGGish examples (E, 96, 64) and their mask (E,)."""
    return jax.jit(lambda signal, samples: vggish_examples(signal, samples, hop_seconds=hop_seconds))


def speech_frames(options: SpeechOptions) -> Callable[[np.ndarray, int], tuple[jax.Array, jax.Array]]:
    """(padded waveform (N,), real samples) -> MFCC (T, F) and their mask (T,); a frame for each hop begun."""
    hop, window = (round(seconds * SAMPLE_RATE) for seconds in (options.hop_seconds, options.window_seconds))

    def frames(signal: jax.Array, samples: jax.Array) -> tuple[jax.Array, jax.Array]:
        found = mfcc(
            signal,
            SAMPLE_RATE,
            options.coefficients,
            options.mels,
            hop,
            num_samples=samples,
            fft_length=window,
        )
        count = jnp.where(samples > 0, count_mfcc_frames(samples, hop), 0)
        return with_deltas(found, num_frames=count) if options.deltas else found, jnp.arange(len(found)) < count

    return jax.jit(frames)


def resized(frames: np.ndarray, size: int) -> np.ndarray:
    """(K, H, W, 3) uint8 to (K, size, size, 3) uint8, bilinear and antialiased."""
    if frames.shape[1:3] == (size, size):
        return frames
    pictures = [Image.fromarray(frame).resize((size, size), Image.Resampling.BILINEAR) for frame in frames]
    return np.stack([np.asarray(picture) for picture in pictures])
