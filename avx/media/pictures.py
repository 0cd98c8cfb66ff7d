"""The picture track: decoded frames with true times, sampled by time, as upright RGB."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Generic, TypeVar, cast

import av
import av.container
import numpy as np

from avx.media import shelter
from avx.media.boundary import boundary
from avx.media.container import Source, check_whole, clock_origin, name_of, open_media, size_of, video_stream
from avx.media.fields import deinterlaced
from avx.media.joins import Joins
from avx.media.limits import Limits, is_suspicious
from avx.media.packets import Packets
from avx.media.picture_clock import PacketStamps, Stamped, placed
from avx.media.pixels import Display, Size, display_of, to_rgb
from avx.media.quarantine import MediaProblem, Reason
from avx.media.remarks import Remarks

Picture = TypeVar("Picture")

# The decoders built into libav drop the alpha plane that WebM keeps beside the pictures; these keep it.
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


@dataclasses.dataclass(frozen=True)
class Shown(Generic[Picture]):
    """A picture that is on screen from `start` s until `end` s."""

    start: float
    end: float
    picture: Picture


def iterate_pictures(
    source: Source,
    frame_rate: float | None,
    size: Size,
    max_seconds: float | None = None,
    threads: int = 1,
    limits: Limits | None = None,
    remarks: Remarks | None = None,
) -> Iterator[tuple[float, np.ndarray]]:
    """Yields (time s, (H, W, 3) uint8 RGB) of the default picture track in order, holding a few decoded frames.

    A file that asks for large pictures, or for pictures that are large for its size, is decoded in a process of its
    own, whose memory and time are limited.

    Args:
      source: a path, or a whole file in memory.
      frame_rate: pictures per second as in `sample_by_time`, or None for every frame.
      size: (H, W) of the upright picture, or its shorter side, reached with antialiasing; None keeps that of the
        first frame, with square pixels.
      max_seconds: frames that start at or after this time are left out.
      threads: decoder threads, 0 for one per processor core; the pixels do not depend on it.
      limits: of what the file may ask for; None for the usual ones.
      remarks: collects what was repaired.

    Raises:
      MediaProblem: missing_file, unreadable, too_large, no_video, zero_frames, truncated.
    """
    limits = limits or Limits()
    remarks = Remarks() if remarks is None else remarks
    with open_media(source, limits) as container:
        stream = video_stream(container)
        if stream is None:
            raise MediaProblem(Reason.NO_VIDEO, name_of(source), "the file carries no picture track")
        stored = stream.codec_context
        seconds = max_seconds or (container.duration or 0) / av.time_base
        if not is_suspicious(stored.width, stored.height, size_of(source)):
            yield from decode_here(source, container, stream, frame_rate, size, max_seconds, threads, limits, remarks)
            return
    with boundary(name_of(source)):
        yield from shelter.pictures(source, name_of(source), frame_rate, size, max_seconds, seconds, limits, remarks)


def decode_here(
    source: Source,
    container: av.container.InputContainer,
    stream: av.VideoStream,
    frame_rate: float | None,
    size: Size,
    max_seconds: float | None,
    threads: int,
    limits: Limits,
    remarks: Remarks,
) -> Iterator[tuple[float, np.ndarray]]:
    """Yields what `iterate_pictures` does of an opened file and its picture track, in this process."""
    # Times in a container are rounded to its tick; a frame within a tick of its slot is meant for it. AVI ticks
    # are whole frames, hence the bound.
    tolerance = min(float(stream.time_base or 0), 1e-3)
    shown = deinterlaced(_decode(source, container, stream, max_seconds, threads, limits, remarks))
    display: Display | None = None
    for item in shown if frame_rate is None else sample_by_time(shown, frame_rate, tolerance):
        if display is None:
            display = display_of(item.picture, stream.sample_aspect_ratio)
            height, width = display.square_size(item.picture.height, item.picture.width)
            limits.check_picture(width, height, name_of(source))
        pixels = to_rgb(item.picture, size, display)
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


def _decode(
    source: Source,
    container: av.container.InputContainer,
    stream: av.VideoStream,
    max_seconds: float | None,
    threads: int,
    limits: Limits,
    remarks: Remarks,
) -> Iterator[Shown[av.VideoFrame]]:
    """All frames in order of presentation with times in seconds from the clock's origin."""
    name = name_of(source)
    decoder = stream.codec_context
    if stream.metadata.get("alpha_mode") == "1" and decoder.name in _ALPHA_DECODERS:
        decoder = cast(av.VideoCodecContext, av.CodecContext.create(_ALPHA_DECODERS[decoder.name], "r"))
    decoder.options = {"max_pixels": str(limits.pixels)}
    tick = stream.time_base or Fraction(1)
    rate = stream.average_rate or stream.guessed_rate
    usual_step = 1 / rate if rate else Fraction(0)
    # AVI has times of decoding alone, which are those of presentation until pictures are reordered.
    in_order = container.format.name == "avi" and decoder.reorder_depth > 0
    decoder.thread_count = 1 if in_order else threads
    packets = Packets(container, stream, remarks, decoder)
    stamps = PacketStamps(in_order, max(1, round(usual_step / tick)))
    joins = Joins(source, container.format.name)
    frames = _stamped(packets, stamps, decoder, 0 if in_order else (threads or os.cpu_count() or 1) - 1)
    end: float | None = None
    for count, scale, frame in placed(frames, in_order, tick, clock_origin(container), joins, remarks):
        time = count / scale
        if max_seconds is not None and time >= max_seconds:
            return
        limits.check_seconds(time, name)
        duration = frame.duration
        end = (
            (count + duration * tick.numerator * (scale // tick.denominator)) / scale
            if duration
            else float(Fraction(count, scale) + usual_step)
        )
        yield Shown(time, end, frame)
    if end is None:
        if packets.detail:
            raise MediaProblem(Reason.UNREADABLE, name, f"decoding fails: {packets.detail}")
        raise MediaProblem(Reason.ZERO_FRAMES, name, "the picture track holds no frame that can be decoded")
    check_whole(source, container, stream, end, packets.last_is_cut, remarks)


def _stamped(packets: Packets, stamps: PacketStamps, decoder: av.VideoCodecContext, delay: int) -> Iterator[Stamped]:
    """The frames with their stamps; threads delay them by `delay` packets beside the reordering."""
    for packet in packets:
        stamps.send(packet)
        packets.lost = False
        frames = packets.decode(packet)
        if packets.lost:
            stamps.lose()
        for place, frame in enumerate(frames, start=1):
            held_back = decoder.reorder_depth + delay + len(frames) - place
            yield Stamped(cast(av.VideoFrame, frame), frame.pts, stamps.take(held_back))
