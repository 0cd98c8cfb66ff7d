"""The sound track: one mono signal on the clip's clock, at the wanted rate, in bounded memory."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from fractions import Fraction

import av
import av.container
import numpy as np

from avx.media.container import Source, audio_stream, check_not_truncated, clock_origin, name_of, open_media
from avx.media.quarantine import MediaProblem, Reason

# Containers round times (Matroska to 1 ms, and some muxers by a packet), so a smaller disagreement between the clock
# and the count of samples is jitter and is not turned into a click. Twenty-five ms is out of lip-sync's reach.
JITTER_SECONDS = 0.025
# A longer jump of the clock is damage, not a pause.
LONGEST_GAP_SECONDS = 600.0
_SILENCE_BLOCK = 1 << 16
_PIECE = 1 << 14

# Share of a channel in the mono mix, before division by the sum: the ITU-R BS.775 stereo mix with both sides added,
# in which the centre enters each side at -3 dB, a surround its own side at -3 dB, and the bass effects not at all.
_SHARES = {"FL": 1.0, "FR": 1.0, "FC": math.sqrt(2), "LFE": 0.0, "LFE2": 0.0}
_SURROUND_SHARE = math.sqrt(0.5)


def iterate_sound(source: Source, sample_rate: int, block_seconds: float = 1.0) -> Iterator[np.ndarray]:
    """Yields consecutive blocks of (round(block_seconds * sample_rate),) float32 in [-1, 1], the last one shorter.

    The first sample belongs to the clip's time 0, the start of the picture track: sound from before it is cut off,
    a late start and pauses in the track's clock are silence. Decoders overshoot full scale; samples are clipped to
    [-1, 1] and NaN becomes 0.

    Args:
      source: a path, or a whole file in memory.
      sample_rate: Hz.
      block_seconds: length of a block.

    Raises:
      MediaProblem: missing_file, unreadable, no_audio, bad_timestamps, truncated.
    """
    size = max(1, round(block_seconds * sample_rate))
    waiting: list[np.ndarray] = []
    count = 0
    for piece in _resample(_place(source), sample_rate):
        waiting.append(np.clip(piece, -1, 1))
        count += len(piece)
        if count >= size:
            joined = np.concatenate(waiting)
            for start in range(0, count - size + 1, size):
                yield joined[start : start + size].copy()
            waiting = [joined[count - count % size :].copy()]
            count %= size
    if count:
        yield np.concatenate(waiting)


def mono_mix(channels: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Mixes channels (C, N) float32 with speaker names such as FL, FC, LFE to (N,), with weights that sum to one.

    Unnamed and discrete channels count as surround; a layout with nothing but bass keeps it.
    """
    return _mix_weights(names) @ channels


@functools.lru_cache
def _mix_weights(names: tuple[str, ...]) -> np.ndarray:
    shares = np.array([_SHARES.get(name, _SURROUND_SHARE) for name in names], np.float32)
    if not shares.any():
        shares = np.ones_like(shares)
    return shares / shares.sum()


def to_float(frame: av.AudioFrame) -> np.ndarray:
    """(C, N) float32 of a decoded frame, full scale at 1; NaN and infinities of float formats become 0 and +-1."""
    samples: np.ndarray = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, len(frame.layout.channels)).T
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if np.issubdtype(samples.dtype, np.integer):
        return (samples / -float(np.iinfo(samples.dtype).min)).astype(np.float32)
    samples = samples.astype(np.float32, copy=False)
    return samples if np.isfinite(samples).all() else np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)


def _place(source: Source) -> Iterator[tuple[np.ndarray, int]]:
    """Yields (mono samples, rate), without gap or overlap from time 0 on, at the rate of the track."""
    name = name_of(source)
    with open_media(source) as container:
        stream = audio_stream(container)
        if stream is None:
            raise MediaProblem(Reason.NO_AUDIO, name, "the file carries no sound track")
        origin = clock_origin(container)
        stream.codec_context.thread_count = 1
        rate, written, started = 0, 0, False
        for frame in container.decode(stream):
            if rate not in (0, frame.sample_rate):
                raise MediaProblem(Reason.UNREADABLE, name, f"the sample rate turns to {frame.sample_rate} Hz midway")
            rate = frame.sample_rate
            samples = mono_mix(to_float(frame), tuple(channel.name for channel in frame.layout.channels))
            ahead = _samples_ahead(frame, origin, written)
            if abs(ahead) > (JITTER_SECONDS * rate if started else 0):
                if ahead > LONGEST_GAP_SECONDS * rate:
                    raise MediaProblem(Reason.BAD_TIMESTAMPS, name, f"the sound's clock jumps by {ahead / rate:.0f} s")
                for start in range(0, ahead, _SILENCE_BLOCK):
                    yield np.zeros(min(_SILENCE_BLOCK, ahead - start), np.float32), rate
                written += max(0, ahead)
                samples = samples[max(0, -ahead) :]
            if len(samples):
                started = True
                written += len(samples)
                yield samples, rate
        if rate:
            check_not_truncated(stream, written / rate, name)


def _samples_ahead(frame: av.AudioFrame, origin: Fraction, written: int) -> int:
    """Samples by which the frame's presentation time lies after the end of what was written; 0 without a time."""
    if frame.pts is None or frame.time_base is None:
        return 0
    tick, rate = frame.time_base, frame.sample_rate
    if tick.numerator == 1 and tick.denominator == rate and not origin:
        return frame.pts - written  # The usual case, thousands of times a minute, without fractions.
    return round((frame.pts * tick - origin) * rate) - written


def _joined(pieces: Iterator[tuple[np.ndarray, int]]) -> Iterator[tuple[np.ndarray, int]]:
    """The same samples in fewer pieces: decoders give some twenty milliseconds at a time."""
    waiting: list[np.ndarray] = []
    count = rate = 0
    for samples, rate in pieces:
        waiting.append(samples)
        count += len(samples)
        if count >= _PIECE:
            yield np.concatenate(waiting), rate
            waiting, count = [], 0
    if waiting:
        yield np.concatenate(waiting), rate


def _resample(pieces: Iterator[tuple[np.ndarray, int]], sample_rate: int) -> Iterator[np.ndarray]:
    """Converts (samples, rate) pieces of one constant rate to `sample_rate`, filter tail included."""
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=sample_rate)
    position = 0
    for samples, rate in _joined(pieces):
        if rate == sample_rate:
            yield samples
            continue
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, position, Fraction(1, rate)
        position += len(samples)
        for converted in resampler.resample(frame):
            yield converted.to_ndarray()[0]
    if position:
        for converted in resampler.resample(None):
            yield converted.to_ndarray()[0]
