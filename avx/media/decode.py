"""Media files to clips: the one way in, for short clips at once and for long files as streams."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from avx.core.dataset import Clip
from avx.media.boundary import boundary
from avx.media.container import Source, audio_stream, check_there, name_of, open_media, size_of, video_stream
from avx.media.frame_folder import iterate_frame_folder
from avx.media.limits import Limits
from avx.media.pictures import iterate_pictures
from avx.media.pixels import Size
from avx.media.quarantine import MediaProblem, Reason
from avx.media.remarks import Remarks
from avx.media.sound import channel_levels, iterate_sound

VERSION = 2
"""Of the way from a file to pictures and sound; a cache of what is computed from them depends on it."""
SHORTEST_SOUND = 0.001
"""Seconds; a track of fewer samples says nothing, and counts as none."""
SILENCE = 1e-4
"""Largest absolute sample of a track that counts as silent, -80 dB."""
_BLOCK = 1 << 20
QUIET, CANCELLED = 0.01, 1 / 30
"""Level below which channels are looked at one by one; share of their level, -30 dB, at which they cancel."""

# What may be wrong with one track of a file while the other can be used.
_OF_ONE_TRACK = frozenset({Reason.UNREADABLE, Reason.ZERO_FRAMES, Reason.NO_AUDIO, Reason.BAD_TIMESTAMPS})


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
    limits: Limits | None = None,
) -> Clip:
    """Decodes a media file. Pictures and sound share one clock, whose 0 is the start of the picture track.

    Of several tracks the default one is read. Frame times are the container's presentation times, repaired where they
    are missing, swapped or repeated, or start anew. Pictures are upright, with square pixels, deinterlaced, with alpha
    over black; sound is mono, clipped to [-1, 1], and starts at time 0. Damaged packets are skipped.

    A track that is missing, or of which nothing can be decoded while the other can, leaves an empty array and
    `has_video` or `has_audio` False, and so does less than `SHORTEST_SOUND` of sound; a silent track is present.
    Channels that cancel each other in the mix are not silent: the loudest is heard alone. What was repaired is said in
    `remarks`.

    Args:
      source: a path, or a whole file in memory; or a folder of jpg or png pictures in natural order of their names.
      clip_id: name of the clip.
      frame_rate: pictures per second: the pictures on screen at k / frame_rate, each once; None keeps every frame.
      size: (H, W) of the pictures, or their shorter side, the other in proportion; None for their own.
      sample_rate: Hz of the waveform.
      max_seconds: pictures that start, and sound that sounds, at or after this time are left out.
      audio_source: a file of its own for the sound, whose start is the clip's time 0.
      frames_per_second: how fast the pictures of a folder follow each other; files state their own times.
      limits: of what the file may ask for; None for the usual ones.

    Returns:
      A `Clip` with frames (T, H, W, 3), frame_times (T,) strictly increasing, and waveform (N,); the label is -1
      and the text empty.

    Raises:
      UserError: a folder of pictures without `frames_per_second`.
      MediaProblem: missing_file, unreadable, too_large, truncated, zero_frames, bad_timestamps; no_video where the file
        carries neither pictures nor sound, no_audio where `audio_source` carries no sound, too_short where it has a
        moment of sound alone.
    """
    limits, remarks, name = limits or Limits(), Remarks(), name_of(source)
    with boundary(name):
        folder = _is_folder(source)
        if folder:
            has_video, has_audio = True, audio_source is not None
        else:
            with open_media(source, limits) as container:
                has_video = video_stream(container) is not None
                has_audio = audio_source is not None or audio_stream(container) is not None
        if not has_video and not has_audio:
            raise MediaProblem(Reason.NO_VIDEO, name, "the file carries neither pictures nor sound")

        pictures: list[tuple[float, np.ndarray]] = []
        damaged: MediaProblem | None = None
        if folder:
            found = iterate_frame_folder(
                Path(str(source)), frames_per_second, frame_rate, size, max_seconds, limits=limits
            )
            pictures = _held(found, limits, name)
        elif has_video:
            try:
                found = iterate_pictures(source, frame_rate, size, max_seconds, limits=limits, remarks=remarks)
                pictures = _held(found, limits, name)
            except MediaProblem as problem:
                if not has_audio or audio_source is not None or problem.reason not in _OF_ONE_TRACK:
                    raise
                damaged, has_video = problem, False
        if has_video and not pictures:
            raise MediaProblem(Reason.ZERO_FRAMES, name, f"no frame is on screen in the first {max_seconds} s")

        waveform = np.zeros(0, np.float32)
        if has_audio:
            sounding = source if audio_source is None else audio_source
            try:
                waveform = _sound(sounding, sample_rate, max_seconds, limits, remarks)
            except MediaProblem as problem:
                if not has_video or audio_source is not None or problem.reason not in _OF_ONE_TRACK:
                    raise damaged or problem from problem
                damaged = problem
        if len(waveform) < SHORTEST_SOUND * sample_rate:
            waveform = np.zeros(0, np.float32)
            if not has_video:
                raise damaged or MediaProblem(
                    Reason.TOO_SHORT, name, f"it has no pictures, and less than {SHORTEST_SOUND} s of sound"
                )
        if damaged is not None:
            remarks.add(Reason.DAMAGED_TRACK, f"one of two tracks cannot be used: {damaged.detail}")
        return Clip(
            clip_id=clip_id,
            frames=np.stack([pixels for _, pixels in pictures])
            if pictures
            else np.zeros((0, *(size if isinstance(size, tuple) else (0, 0)), 3), np.uint8),
            frame_times=np.array([time for time, _ in pictures], np.float64),
            waveform=waveform,
            sample_rate=sample_rate,
            has_video=has_video,
            has_audio=len(waveform) > 0,
            remarks=remarks.entries(),
            damaged_packets=remarks.damaged_packets,
        )


def stream_frames(
    source: Source,
    frame_rate: float | None = None,
    size: Size = None,
    limits: Limits | None = None,
    remarks: Remarks | None = None,
) -> Iterator[tuple[float, np.ndarray]]:
    """Yields (time s, (H, W, 3) uint8) of a file of any length in constant memory; otherwise as `read_clip`.

    Raises:
      MediaProblem: missing_file, unreadable, too_large, truncated, no_video, zero_frames, when reached.
    """
    return iterate_pictures(source, frame_rate, size, threads=0, limits=limits, remarks=remarks)


def stream_audio(
    source: Source,
    sample_rate: int,
    chunk_seconds: float,
    limits: Limits | None = None,
    remarks: Remarks | None = None,
) -> Iterator[tuple[float, np.ndarray]]:
    """Yields (start s, (N,) float32) chunks of a file of any length in constant memory; otherwise as `read_clip`.

    Every chunk has round(chunk_seconds * sample_rate) samples but the last, which may have fewer. Channels that cancel
    each other are silent here, since that shows at the end of the track alone.

    Raises:
      MediaProblem: missing_file, unreadable, too_large, truncated, no_audio, bad_timestamps, when reached.
    """
    position = 0
    for chunk in iterate_sound(source, sample_rate, chunk_seconds, limits=limits, remarks=remarks):
        yield position / sample_rate, chunk
        position += len(chunk)


def _is_folder(source: Source) -> bool:
    try:
        return not isinstance(source, bytes) and source.is_dir()
    except (OSError, ValueError):
        return False  # Opening it tells why.


def _held(pictures: Iterator[tuple[float, np.ndarray]], limits: Limits, name: str) -> list[tuple[float, np.ndarray]]:
    """All pictures, while they are within the limits."""
    held, size = [], 0
    for time, pixels in pictures:
        size += pixels.nbytes
        limits.check_clip(size, name)
        held.append((time, pixels))
    return held


def _sound(source: Source, sample_rate: int, max_seconds: float | None, limits: Limits, remarks: Remarks) -> np.ndarray:
    """The whole waveform, or its first `max_seconds`, of the mix or, where channels cancel, of the loudest of them."""
    waveform = _samples(source, sample_rate, max_seconds, None, limits, remarks)
    level = _level(waveform) if len(waveform) else 1.0
    if level < QUIET:
        levels = channel_levels(source, max_seconds, limits)
        if levels.max(initial=0) > max(SILENCE, level / CANCELLED):
            loudest = int(levels.argmax())
            remarks.add(Reason.CANCELLED_MIX, f"the channels cancel each other; channel {loudest + 1} is heard alone")
            return _samples(source, sample_rate, max_seconds, loudest, limits, Remarks())
    return waveform


def _level(waveform: np.ndarray) -> float:
    """Root mean square, without a second waveform of float64."""
    blocks = (waveform[start : start + _BLOCK] for start in range(0, len(waveform), _BLOCK))
    return math.sqrt(sum(float(np.square(block, dtype=np.float64).sum()) for block in blocks) / len(waveform))


def _samples(
    source: Source,
    sample_rate: int,
    max_seconds: float | None,
    channel: int | None,
    limits: Limits,
    remarks: Remarks,
) -> np.ndarray:
    wanted = None if max_seconds is None else round(max_seconds * sample_rate)
    check_there(source)
    blocks, count, stored = [np.zeros(0, np.float32)], 0, size_of(source)
    for block in iterate_sound(source, sample_rate, channel=channel, limits=limits, remarks=remarks):
        blocks.append(block)
        count += len(block)
        limits.check_samples(4 * count, stored, name_of(source))
        if wanted is not None and count >= wanted:
            break
    return np.concatenate(blocks)[:wanted]
