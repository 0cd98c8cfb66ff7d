"""The picture track: decoded frames with true times, upright, opaque, resized and sampled by time."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Generic, TypeVar, cast

import av
import av.container
import numpy as np
from av.sidedata.sidedata import SideData
from av.video.reformatter import Interpolation

from avx.media.container import Source, check_not_truncated, clock_origin, name_of, open_media, video_stream
from avx.media.quarantine import MediaProblem, Reason

Picture = TypeVar("Picture")

# The decoders built into libav drop the alpha plane that WebM keeps beside the pictures; these keep it.
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
# Exact rounding, so that every processor gives the same pixels.
_EXACT = Interpolation.ACCURATE_RND | Interpolation.BITEXACT


@dataclasses.dataclass(frozen=True)
class Shown(Generic[Picture]):
    """A picture that is on screen from `start` s until `end` s."""

    start: float
    end: float
    picture: Picture


Size = tuple[int, int] | int | None
"""(H, W) in pixels, the shorter side with the other in proportion, or the file's own."""


def iterate_pictures(
    source: Source,
    frame_rate: float | None,
    size: Size,
    max_seconds: float | None = None,
    threads: int = 1,
) -> Iterator[tuple[float, np.ndarray]]:
    """Yields (time s, (H, W, 3) uint8 RGB) of the first picture track in order, holding two decoded frames at most.

    Args:
      source: a path, or a whole file in memory.
      frame_rate: pictures per second as in `sample_by_time`, or None for every frame.
      size: (H, W) of the upright picture, or its shorter side, reached with antialiasing; None keeps that of the
        first frame. Pixels are taken as square.
      max_seconds: frames that start at or after this time are left out.
      threads: decoder threads, 0 for one per processor core; the pixels do not depend on it.

    Raises:
      MediaProblem: missing_file, unreadable, no_video, zero_frames, bad_timestamps, truncated.
    """
    with open_media(source) as container:
        stream = video_stream(container)
        if stream is None:
            raise MediaProblem(Reason.NO_VIDEO, name_of(source), "the file carries no picture track")
        # Times in a container are rounded to its tick; a frame within a tick of its slot is meant for it. AVI ticks
        # are whole frames, hence the bound.
        tolerance = min(float(stream.time_base or 0), 1e-3)
        shown = _decode(container, stream, name_of(source), max_seconds, threads)
        for item in shown if frame_rate is None else sample_by_time(shown, frame_rate, tolerance):
            pixels = to_rgb(item.picture, size)
            size = pixels.shape[:2]  # A track may change its size midway; a clip has one.
            yield item.start, pixels


def sample_by_time(
    shown: Iterable[Shown[Picture]], frame_rate: float, tolerance: float = 0.0
) -> Iterator[Shown[Picture]]:
    """Keeps the pictures that are on screen at the times k / frame_rate, k = 0, 1, ...

    A picture that is on screen at several of these times is given once, so that times stay true and strictly
    increase; the count is therefore lower where the source is slower than `frame_rate`. A picture that starts up to
    `tolerance` s after a slot still counts as shown at it.
    """
    if frame_rate <= 0:
        raise ValueError(f"frame_rate must be positive, got {frame_rate}")
    slot = 0  # The first sampling time that has not been served.
    held: Shown[Picture] | None = None
    for following in shown:
        # `held` stays on screen until `following` starts, whatever end it announced.
        first_slot = max(slot, math.ceil((following.start - tolerance) * frame_rate))
        if held is not None and slot < first_slot:
            yield held
        slot, held = first_slot, following
    if held is not None and slot / frame_rate < held.end - tolerance:
        yield held


def to_rgb(frame: av.VideoFrame, size: Size) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a decoded frame: alpha over black, resized to `size`, turned upright."""
    transposed, flip_rows, flip_columns = _orientation(frame)
    if any(component.is_alpha for component in frame.format.components):
        straight = frame.reformat(format="rgba", interpolation=Interpolation.BICUBIC | _EXACT, threads=1).to_ndarray()
        opaque = (straight[..., :3].astype(np.uint16) * straight[..., 3:] + 127) // 255
        frame = av.VideoFrame.from_ndarray(opaque.astype(np.uint8), format="rgb24")
    height, width = _stored_size(frame, size, transposed)
    # Area averaging is the antialiased way down; on the way up, cubic.
    shrinks = height < frame.height or width < frame.width
    kernel = Interpolation.AREA if shrinks else Interpolation.BICUBIC
    pixels = frame.reformat(width, height, "rgb24", interpolation=kernel | _EXACT, threads=1).to_ndarray()
    if transposed:
        pixels = pixels.transpose(1, 0, 2)
    return np.ascontiguousarray(pixels[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1])


def _stored_size(frame: av.VideoFrame, size: Size, transposed: bool) -> tuple[int, int]:
    """(H, W) to scale the frame to as it is stored, before it is turned."""
    if size is None:
        return frame.height, frame.width
    if isinstance(size, int):
        scale = size / min(frame.height, frame.width)
        return round(scale * frame.height), round(scale * frame.width)
    return size[::-1] if transposed else size


def rotation_of(frame: av.VideoFrame) -> int:
    """Clockwise quarter turns of the display matrix in degrees (0, 90, 180, 270); a mirror image counts as its turn."""
    transposed, flip_rows, flip_columns = _orientation(frame)
    if transposed:
        return 90 if flip_columns else 270
    return 180 if flip_rows and flip_columns else 0


def _orientation(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """(transpose, then flip rows, then flip columns) that the frame's display matrix asks for.

    The matrix maps a stored point (x right, y down) to (a x + c y, b x + d y); cameras write quarter turns and
    mirrors, for which each output axis is plus or minus one input axis.
    """
    matrix = cast("SideData | None", frame.side_data.get("DISPLAYMATRIX"))
    if matrix is None:
        return False, False, False
    a, b, _, c, d = (int(entry) for entry in np.frombuffer(bytes(matrix), np.int32)[:5])
    if abs(b) > abs(a):
        return True, b < 0, c < 0
    return False, d < 0, a < 0


def _decode(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    name: str,
    max_seconds: float | None,
    threads: int,
) -> Iterator[Shown[av.VideoFrame]]:
    """All frames in order of presentation with times in seconds from the clock's origin."""
    origin = clock_origin(container)
    decoder = stream.codec_context
    if stream.metadata.get("alpha_mode") == "1" and decoder.name in _ALPHA_DECODERS:
        decoder = cast(av.VideoCodecContext, av.CodecContext.create(_ALPHA_DECODERS[decoder.name], "r"))
    decoder.thread_count = threads
    rate = stream.average_rate or stream.guessed_rate
    usual_step = 1 / rate if rate else Fraction(0)
    # Times are whole numbers of 1 / scale s: fractions for every frame cost as much as small pictures do.
    tick = stream.time_base or Fraction(1)
    scale = tick.denominator * origin.denominator
    per_tick, start = tick.numerator * origin.denominator, origin.numerator * tick.denominator
    last, end = None, 0.0
    for packet in container.demux(stream):
        for frame in decoder.decode(packet):
            if frame.pts is None or stream.time_base is None:
                raise MediaProblem(Reason.BAD_TIMESTAMPS, name, "a frame carries no presentation time")
            count = frame.pts * per_tick - start
            time = count / scale
            if count < 0 or (last is not None and count <= last):
                before = "the start" if last is None else f"{last / scale:.3f} s"
                raise MediaProblem(Reason.BAD_TIMESTAMPS, name, f"a frame at {time:.3f} s follows {before}")
            if max_seconds is not None and time >= max_seconds:
                return
            duration = frame.duration
            end = (count + duration * per_tick) / scale if duration else float(Fraction(count, scale) + usual_step)
            last = count
            yield Shown(time, end, frame)
    if last is None:
        raise MediaProblem(Reason.ZERO_FRAMES, name, "the picture track holds no frame that can be decoded")
    check_not_truncated(stream, end, name)
