"""Opening a media file safely: which formats, which tracks, and where its clock starts."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.container
import av.stream

from avx.media.formats import FORMATS
from avx.media.quarantine import MediaProblem, Reason

_OPTIONS = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "file"}

Source = Path | bytes


def name_of(source: Source) -> str:
    """The path, or the size of a file held in memory, for messages."""
    return f"<{len(source)} bytes>" if isinstance(source, bytes) else str(source)


def check_there(source: Source) -> None:
    """Raises MediaProblem (missing_file, unreadable) for a path that is no file, or that may not be looked at."""
    if isinstance(source, bytes):
        return
    try:
        there = source.is_file()
    except OSError as error:
        raise MediaProblem(Reason.UNREADABLE, name_of(source), f"reading fails: {error.strerror}") from error
    if not there:
        raise MediaProblem(Reason.MISSING_FILE, name_of(source), "there is no such file")


@contextlib.contextmanager
def open_media(source: Source) -> Iterator[av.container.InputContainer]:
    """Opens a media file for the block; a decoder error within it becomes a `MediaProblem`.

    Raises:
      MediaProblem: missing_file, or unreadable for what the rights, the demuxer or a decoder refuses.
    """
    name = name_of(source)
    check_there(source)
    # The explicit protocol keeps a colon in a file name from being read as one.
    opened = io.BytesIO(source) if isinstance(source, bytes) else f"file:{source}"
    try:
        with av.open(opened, mode="r", options=_OPTIONS) as container:
            yield container
    except av.FFmpegError as error:
        raise MediaProblem(Reason.UNREADABLE, name, f"decoding fails: {error.strerror}") from error


def video_stream(container: av.container.InputContainer) -> av.VideoStream | None:
    """The first picture track; cover art does not count."""
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic and stream.codec_context is not None:
            return stream
    return None


def audio_stream(container: av.container.InputContainer) -> av.AudioStream | None:
    """The first sound track."""
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)


def clock_origin(container: av.container.InputContainer) -> Fraction:
    """Container time that counts as 0 s: the start of the picture track, without one the start of the sound track."""
    stream = video_stream(container) or audio_stream(container)
    if stream is None or stream.start_time is None or stream.time_base is None:
        return Fraction(0)
    return stream.start_time * stream.time_base


def check_not_truncated(stream: av.stream.Stream, end: float, name: str) -> None:
    """Raises `MediaProblem` (truncated) where a track's data ends at `end` s, well before the length in its header.

    A second and a tenth of the length are allowed, since headers round. Where only the whole file states a length
    (Matroska) nothing is checked: that length may be another track's.
    """
    if stream.duration is None or stream.time_base is None:
        return
    declared = float(stream.duration * stream.time_base)
    if declared - end > max(1.0, 0.1 * declared):
        raise MediaProblem(Reason.TRUNCATED, name, f"its {stream.type} ends at {end:.2f} s of {declared:.2f} s")
