"""Media files to clips: the one way in, for short clips at once and for long files as streams."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from avx.core.dataset import Clip
from avx.media.container import Source, audio_stream, name_of, open_media, video_stream
from avx.media.frame_folder import iterate_frame_folder
from avx.media.pictures import Size, iterate_pictures
from avx.media.quarantine import MediaProblem, Reason
from avx.media.sound import iterate_sound

SHORTEST_SOUND = 0.001
"""Seconds; a track of fewer samples says nothing, and counts as none."""


def read_clip(
    source: Source,
    *,
    clip_id: str,
    frame_rate: float | None,
    size: Size,
    sample_rate: int,
    max_seconds: float | None = None,
    audio_source: Source | None = None,
    frames_per_second: float = 0.0,
) -> Clip:
    """Decodes a media file. Pictures and sound share one clock, whose 0 is the start of the picture track.

    Frame times are the container's presentation times. Pictures are upright, with alpha over black; sound is mono,
    clipped to [-1, 1], and starts at time 0. A missing track leaves an empty array and `has_video` or `has_audio`
    False, and so does less than `SHORTEST_SOUND` of sound; a silent track is present.

    Args:
      source: a path, or a whole file in memory; or a folder of jpg or png pictures in natural order of their names.
      clip_id: name of the clip.
      frame_rate: pictures per second: the pictures on screen at k / frame_rate, each once; None keeps every frame.
      size: (H, W) of the pictures, or their shorter side, the other in proportion; None for their own.
      sample_rate: Hz of the waveform.
      max_seconds: pictures that start, and sound that sounds, at or after this time are left out.
      audio_source: a file of its own for the sound, whose start is the clip's time 0.
      frames_per_second: how fast the pictures of a folder follow each other; files state their own times.

    Returns:
      A `Clip` with frames (T, H, W, 3), frame_times (T,) strictly increasing, and waveform (N,); the label is -1
      and the text empty.

    Raises:
      UserError: a folder of pictures without `frames_per_second`.
      MediaProblem: missing_file, unreadable, truncated, zero_frames, bad_timestamps; no_video where the file
        carries neither pictures nor sound, too_short where it has a moment of sound alone, no_audio where
        `audio_source` carries no sound.
    """
    if folder := _is_folder(source):
        has_video, has_audio = True, audio_source is not None
    else:
        with open_media(source) as container:
            has_video = video_stream(container) is not None
            has_audio = audio_source is not None or audio_stream(container) is not None
    if not has_video and not has_audio:
        raise MediaProblem(Reason.NO_VIDEO, name_of(source), "the file carries neither pictures nor sound")
    if folder:
        pictures = list(iterate_frame_folder(Path(str(source)), frames_per_second, frame_rate, size, max_seconds))
    else:
        pictures = list(iterate_pictures(source, frame_rate, size, max_seconds)) if has_video else []
    if has_video and not pictures:
        raise MediaProblem(Reason.ZERO_FRAMES, name_of(source), f"no frame is on screen in the first {max_seconds} s")
    waveform = _sound(source if audio_source is None else audio_source, sample_rate, max_seconds) if has_audio else None
    if waveform is None or len(waveform) < SHORTEST_SOUND * sample_rate:
        waveform, has_audio = np.zeros(0, np.float32), False
        if not has_video:
            raise MediaProblem(
                Reason.TOO_SHORT, name_of(source), f"it has no pictures, and less than {SHORTEST_SOUND} s of sound"
            )
    return Clip(
        clip_id=clip_id,
        frames=np.stack([pixels for _, pixels in pictures])
        if pictures
        else np.zeros((0, *(size if isinstance(size, tuple) else (0, 0)), 3), np.uint8),
        frame_times=np.array([time for time, _ in pictures], np.float64),
        waveform=waveform,
        sample_rate=sample_rate,
        has_video=has_video,
        has_audio=has_audio,
    )


def stream_frames(
    source: Source, frame_rate: float | None = None, size: Size = None
) -> Iterator[tuple[float, np.ndarray]]:
    """Yields (time s, (H, W, 3) uint8) of a file of any length in constant memory; otherwise as `read_clip`.

    Raises:
      MediaProblem: missing_file, unreadable, truncated, no_video, zero_frames, bad_timestamps, when reached.
    """
    return iterate_pictures(source, frame_rate, size, threads=0)


def stream_audio(source: Source, sample_rate: int, chunk_seconds: float) -> Iterator[tuple[float, np.ndarray]]:
    """Yields (start s, (N,) float32) chunks of a file of any length in constant memory; otherwise as `read_clip`.

    Every chunk has round(chunk_seconds * sample_rate) samples but the last, which may have fewer.

    Raises:
      MediaProblem: missing_file, unreadable, truncated, no_audio, bad_timestamps, when reached.
    """
    position = 0
    for chunk in iterate_sound(source, sample_rate, chunk_seconds):
        yield position / sample_rate, chunk
        position += len(chunk)


def _is_folder(source: Source) -> bool:
    try:
        return not isinstance(source, bytes) and source.is_dir()
    except OSError:
        return False  # Opening it tells why.


def _sound(source: Source, sample_rate: int, max_seconds: float | None) -> np.ndarray:
    """The whole waveform, or its first `max_seconds`."""
    wanted = None if max_seconds is None else round(max_seconds * sample_rate)
    blocks, count = [np.zeros(0, np.float32)], 0
    for block in iterate_sound(source, sample_rate):
        blocks.append(block)
        count += len(block)
        if wanted is not None and count >= wanted:
            break
    return np.concatenate(blocks)[:wanted]
