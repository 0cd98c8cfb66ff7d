"""Opening a media file safely: which formats, which tracks, and where its clock starts."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av
import av.container
import av.stream
from av.stream import Disposition

from avx.media import shelter
from avx.media.boundary import boundary
from avx.media.formats import FORMATS
from avx.media.lengths import breaks_off, missing_bytes
from avx.media.limits import Limits
from avx.media.mp3_header import states_length
from avx.media.quarantine import MediaProblem, Reason
from avx.media.remarks import Remarks

# Lengths of these are guessed from a bit rate, or are those of the last packet's clock, whatever is missing before it.
_WITHOUT_LENGTHS = frozenset(
    {"aac", "ac3", "eac3", "amr", "mpeg", "mpegts", "mpegvideo", "h264", "hevc", "m4v", "ogg", "dts", "obu"}
)
# Lengths of these are numbers of samples or pictures.
_COUNTED_LENGTHS = frozenset({"flac", "mxf", "wv"})
_COVERS = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_FOR_SOME = Disposition.comment | Disposition.hearing_impaired | Disposition.visual_impaired | Disposition.descriptions

Source = Path | bytes
Track = TypeVar("Track", av.VideoStream, av.AudioStream)


def name_of(source: Source) -> str:
    """The path, or the size of a file held in memory, for messages."""
    return f"<{len(source)} bytes>" if isinstance(source, bytes) else str(source)


def size_of(source: Source) -> int:
    """Bytes of the file."""
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def check_there(source: Source) -> None:
    """Raises MediaProblem (missing_file, unreadable) for a path that is no file, or that may not be looked at."""
    if isinstance(source, bytes):
        return
    try:
        there = source.is_file()
    except (OSError, ValueError) as error:
        detail = error.strerror if isinstance(error, OSError) else error
        raise MediaProblem(Reason.UNREADABLE, name_of(source), f"reading fails: {detail}") from error
    if not there:
        raise MediaProblem(Reason.MISSING_FILE, name_of(source), "there is no such file")


@contextlib.contextmanager
def open_media(
    source: Source, limits: Limits | None = None, measured: bool = True
) -> Iterator[av.container.InputContainer]:
    """Opens a media file for the block; whatever is raised within it becomes a `MediaProblem`, see `boundary`.

    Args:
      source: a path, or a whole file in memory.
      limits: of what its tracks may ask for; None for the usual ones.
      measured: a picture track that shows no size, since the demuxer found it too large to look at, is measured.

    Raises:
      MediaProblem: missing_file; unreadable; too_large for a track that goes beyond the limits.
    """
    limits = limits or Limits()
    name = name_of(source)
    check_there(source)
    # The explicit protocol keeps a colon in a file name from being read as one. Tags are not used, so those in an
    # unknown encoding do no harm. The demuxer decodes a few pictures, which must not be too large either.
    opened = io.BytesIO(source) if isinstance(source, bytes) else f"file:{source}"
    options = {
        "format_whitelist": ",".join(FORMATS),
        "protocol_whitelist": "file",
        "max_pixels": str(limits.pixels),
    }
    with boundary(name), av.open(opened, mode="r", options=options, metadata_errors="ignore") as container:
        video, audio = video_stream(container), audio_stream(container)
        if video is not None:
            width, height = video.codec_context.width, video.codec_context.height
            if measured and not width * height:
                width, height = shelter.picture_size(source, name, limits)
            limits.check_picture(width, height, name)
        if audio is not None:
            limits.check_sound(audio.codec_context.sample_rate, audio.codec_context.channels, name)
        yield container


def video_stream(container: av.container.InputContainer) -> av.VideoStream | None:
    """The picture track that players show, see `_preferred`; cover art and thumbnails do not count."""
    moving = [stream for stream in container.streams.video if not stream.disposition & _COVERS]
    several = [stream for stream in moving if stream.frames != 1]
    return _preferred(several or moving)


def audio_stream(container: av.container.InputContainer) -> av.AudioStream | None:
    """The sound track that players play, see `_preferred`."""
    return _preferred(container.streams.audio)


def _preferred(streams: Sequence[Track]) -> Track | None:
    """The track marked as default and meant for everyone, not a commentary or a description; the first of several."""

    def rank(stream: Track) -> int:
        return bool(stream.disposition & Disposition.default) + (not stream.disposition & _FOR_SOME)

    return max((stream for stream in streams if stream.codec_context is not None), key=rank, default=None)


def clock_origin(container: av.container.InputContainer) -> Fraction:
    """Container time that counts as 0 s: the start of the picture track, without one the start of the sound track."""
    stream = video_stream(container) or audio_stream(container)
    if stream is None or stream.start_time is None or stream.time_base is None:
        return Fraction(0)
    return stream.start_time * stream.time_base


def check_whole(
    source: Source,
    container: av.container.InputContainer,
    stream: av.stream.Stream,
    end: float,
    cut_packet: bool,
    remarks: Remarks,
) -> None:
    """Refuses a file that breaks off before the length that its header states, when decoding has come to its end.

    Lengths in bytes are compared to a few hundred bytes; those of an mp3, in which tags count or not, only together
    with its time. A track's length in seconds counts from the track's own start. A second and a tenth of it are
    allowed, since headers round, but only a tenth of a second where samples are counted or the last packet is cut.
    Lengths that a demuxer estimates are not believed, nor are those of a whole file (Matroska), which may be another
    track's. A file that states no length, but ends within a packet, is used, with a remark.

    Args:
      source: the file.
      container: it, opened.
      stream: the track that was decoded.
      end: s on the clip's clock at which its data end.
      cut_packet: the demuxer found the last packet cut.
      remarks: of the file.

    Raises:
      MediaProblem: truncated.
    """
    name, kinds = name_of(source), set(container.format.name.split(","))
    missing = missing_bytes(source)
    if missing and "mp3" not in kinds:
        raise MediaProblem(Reason.TRUNCATED, name, f"it is at least {missing} bytes shorter than its header states")
    believed = states_length(source) if "mp3" in kinds else not kinds & _WITHOUT_LENGTHS
    if stream.duration is not None and stream.time_base is not None and believed:
        declared = float(stream.duration * stream.time_base)
        started = float((stream.start_time or 0) * stream.time_base - clock_origin(container))
        exact = cut_packet or missing or kinds & _COUNTED_LENGTHS
        if started + declared - end > (0.1 if exact else max(1.0, 0.1 * declared)):
            raise MediaProblem(
                Reason.TRUNCATED, name, f"its {stream.type} ends at {end:.2f} s of {started + declared:.2f} s"
            )
    if cut_packet or missing or breaks_off(source):
        remarks.add(Reason.BREAKS_OFF, "the file ends within a packet; what comes before is used")
