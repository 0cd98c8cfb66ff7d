"""Turns decoded clips into the arrays that training and reports read (Sun 2024, II.A-B, before the embedding)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from avx.core.dataset import Clip
from avx.core.errors import check_positive
from avx.extraction.frozen import ClipEncoder, Examples, FrozenEncoder, in_fixed_batches
from avx.keyframes.adaptive_k import wanted_clusters
from avx.keyframes.skm import SKMConfig, bucket_length, select_ragged
from avx.signal.hog import handcrafted_features
from avx.signal.i3d_input import centre_crop
from avx.signal.mfcc import count_mfcc_frames, mfcc, with_deltas
from avx.signal.saliency_maps import SALIENCY
from avx.signal.vggish_input import EXAMPLE_SECONDS, SAMPLE_RATE, vggish_examples

FRAMES_AT_ONCE = 32
EXAMPLES_AT_ONCE = 16
SOUND_BUCKET_SECONDS = 8
THUMBNAIL = 96
VERSION = 3

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

    def __post_init__(self):
        for field in ("coefficients", "mels", "hop_seconds", "window_seconds"):
            check_positive(f"features.mfcc_{field}", getattr(self, field))

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
      audio_hop_seconds: seconds between log-mel examples.
      deep_keyframes: cluster salient-region features of the frame encoder instead of hand-crafted ones.
      skm: constants of the key-frame selection.
      handcrafted_video: without a frame encoder, the video is the hand-crafted features of its key frames instead of
        their pixels.
      speech: MFCC in place of log-mel examples; None for the latter.
      crop: side in pixels of the middle square that encoders and descriptors see of each frame; 0 for whole frames.
    """

    image_size: int
    saliency: str
    audio_hop_seconds: float
    deep_keyframes: bool
    skm: SKMConfig
    handcrafted_video: bool = False
    speech: SpeechOptions | None = None
    crop: int = 0

    def __post_init__(self):
        check_positive("features.image_size", self.image_size)
        check_positive("features.audio_hop_seconds", self.audio_hop_seconds)
        check_positive("keyframes.max_clusters", self.skm.max_clusters)


@dataclasses.dataclass(frozen=True)
class FrontEnd:
    """What is computed from clips.

    Attributes:
      description: names everything that decides the result; part of the cache's fingerprint.
      extract: clips -> the features of each. A clip's features do not depend on the other clips.
      most_key_frames: the bound on the key frames of a clip; clips whose rule asks for more are counted.
    """

    description: dict[str, Any]
    extract: Callable[[Sequence[Clip]], list[Features]]
    most_key_frames: int


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
      audio_encoder: ((n, 96, 64) log-mel) -> (n, D), of examples that are cut as it wants them; None leaves VGGish's as
        they are.
      clip_encoder: ((T, H, W, 3) uint8) -> (W, D) features of windows, in place of the key frames', or (W, ...) the
        windows that a trained encoder reads.

    Returns:
      A `FrontEnd`. `extract` gives, for a clip that has the modality:
        video: (K, image_size, image_size, 3) uint8 key frames, (W, ...) windows, or (K, D) or (W, D) frozen features.
        audio: (E, 96, 64) float32 log-mel examples, (E, D) frozen features of them, or (T, F) MFCC.
        audio_starts: (E,) or (T,) float32 s at which each step of it begins; audio_step_seconds () s that each lasts.
        video_summary, audio_summary: (D,) float32 fixed-length descriptions for closed-form methods; that of a video
          that a trained encoder reads is made of its key frames.
        keyframes_wanted: (W,) bool, as long as the rule asks for key frames; K < W where a bound cuts it.
        keyframe_times (K,) s, keyframe_indices (K,), keyframe_images (K, h, w, 3) uint8 for people to look at, in the
        proportions of the frames.
        duration: () s.
    """
    saliency = SALIENCY[options.saliency]
    handcrafted = in_fixed_batches(lambda frames: handcrafted_features(frames, saliency(frames)), FRAMES_AT_ONCE)
    deep = in_fixed_batches(frame_encoder.apply, FRAMES_AT_ONCE) if frame_encoder else None
    sound = in_fixed_batches(audio_encoder.apply, EXAMPLES_AT_ONCE) if audio_encoder else None
    clustered = deep if options.deep_keyframes and deep is not None else handcrafted
    speech = options.speech
    examples = (audio_encoder.examples if audio_encoder else None) or vggish_examples
    described_sound = speech_frames(speech) if speech else log_mel_examples(options.audio_hop_seconds, examples)
    hop = speech.hop_seconds if speech else options.audio_hop_seconds
    step_seconds = speech.window_seconds if speech else EXAMPLE_SECONDS

    def looked_at(frames: np.ndarray) -> np.ndarray:
        return centre_crop(frames, options.crop) if options.crop else frames

    def videos(clips: Sequence[Clip]) -> list[Features]:
        # Frames of all clips share the batches of an encoder; a row depends on its own frame alone.
        seen = [looked_at(clip.frames) for clip in clips]
        features = _by_clip(clustered, seen)
        chosen = [np.asarray(found.indices) for found in select_ragged(features, options.skm)]
        wanted = [_wanted(rows, options.skm) for rows in features]
        shown = [frames[places] for frames, places in zip(seen, chosen, strict=True)]
        described = (
            _by_clip(deep, shown) if deep else [rows[places] for rows, places in zip(features, chosen, strict=True)]
        )
        return [
            video(clip, places, frames, rows) | {"keyframes_wanted": np.ones(count, bool)}
            for clip, places, frames, rows, count in zip(clips, chosen, shown, described, wanted, strict=True)
        ]

    def video(clip: Clip, chosen: np.ndarray, shown: np.ndarray, described: np.ndarray) -> Features:
        if clip_encoder is not None:
            read = clip_encoder.describe(clip.frames)
        elif deep is None and not options.handcrafted_video:
            read = resized(shown, options.image_size)
        else:
            read = described
        vectors = read if read.ndim == 2 else described
        return {
            "video": read,
            "video_summary": np.asarray(vectors.mean(0), np.float32),
            "keyframe_indices": np.asarray(chosen, np.int32),
            "keyframe_times": clip.frame_times[chosen],
            "keyframe_images": fitted(clip.frames[chosen], THUMBNAIL),
        }

    def audio(clip: Clip) -> Features:
        bucket = SOUND_BUCKET_SECONDS * SAMPLE_RATE
        padded = np.zeros(max(1, -(-len(clip.waveform) // bucket)) * bucket, np.float32)
        padded[: len(clip.waveform)] = clip.waveform
        found, mask = (np.asarray(array) for array in described_sound(padded, len(clip.waveform)))
        places = np.flatnonzero(mask)
        if not len(places):
            return {}
        steps = found[places] if sound is None else sound(found[places])
        rows = steps.reshape(-1, steps.shape[-1])
        summary = np.concatenate([rows.mean(0), rows.std(0)])
        return {
            "audio": steps,
            "audio_summary": np.asarray(summary, np.float32),
            "audio_starts": np.asarray(places * hop, np.float32),
            "audio_step_seconds": np.asarray(step_seconds, np.float32),
        }

    def extract(clips: Sequence[Clip]) -> list[Features]:
        seen = [clip for clip in clips if clip.has_video]
        pictures = iter(videos(seen) if seen else ())
        results = []
        for clip in clips:
            sound_seconds = len(clip.waveform) / clip.sample_rate
            last_frame = float(clip.frame_times[-1]) if clip.has_video else 0.0
            result: Features = {"duration": np.asarray(max(sound_seconds, last_frame), np.float64)}
            if clip.has_video:
                result |= next(pictures)
            if clip.has_audio:
                result |= audio(clip)
            results.append(result)
        return results

    description = {
        "version": VERSION,
        "options": dataclasses.asdict(options),
        "frame_encoder": frame_encoder.name if frame_encoder else "pixels",
        "clip_encoder": clip_encoder.name if clip_encoder else "none",
        "audio_encoder": audio_encoder.name if audio_encoder else "mfcc" if options.speech else "log_mel",
    }
    return FrontEnd(description, extract, options.skm.max_clusters)


def _wanted(rows: np.ndarray, config: SKMConfig) -> int:
    """Key frames that the rule for K asks for, whatever their bound is."""
    length = bucket_length(len(rows))
    padded = np.pad(rows, [(0, length - len(rows)), (0, 0)])
    return int(wanted_clusters(padded, np.arange(length) < len(rows), config.delta, config.k_rule))


def log_mel_examples(
    hop_seconds: float, examples: Examples = vggish_examples
) -> Callable[[np.ndarray, int], tuple[jax.Array, jax.Array]]:
    """(padded waveform (N,), real samples) -> log-mel examples (E, 96, 64) and their mask (E,)."""
    return jax.jit(lambda signal, samples: examples(signal, samples, hop_seconds=hop_seconds))


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


def _by_clip(apply: Callable[[np.ndarray], np.ndarray], rows: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Applies a function of rows to the rows of all clips together, where their shapes allow, and parts the result."""
    if len({one.shape[1:] for one in rows}) > 1:
        return [apply(one) for one in rows]
    return np.split(apply(np.concatenate(rows)), np.cumsum([len(one) for one in rows])[:-1])


def resized(frames: np.ndarray, size: int) -> np.ndarray:
    """(K, H, W, 3) uint8 to (K, size, size, 3) uint8, bilinear and antialiased."""
    return _resized(frames, (size, size))


def fitted(frames: np.ndarray, size: int) -> np.ndarray:
    """(K, H, W, 3) uint8 to (K, h, w, 3) uint8 in their own proportions, the longer side at most `size`."""
    height, width = frames.shape[1:3]
    scale = min(1.0, size / max(height, width))
    return _resized(frames, (max(1, round(height * scale)), max(1, round(width * scale))))


def _resized(frames: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    if frames.shape[1:3] == shape:
        return frames
    pictures = [Image.fromarray(frame).resize(shape[::-1], Image.Resampling.BILINEAR) for frame in frames]
    return np.stack([np.asarray(picture) for picture in pictures])
