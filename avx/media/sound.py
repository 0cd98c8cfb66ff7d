"""The sound track: one mono signal on the clip's clock, at the wanted rate, in bounded memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction

import av
import av.container
import numpy as np

from avx.media.boundary import boundary
from avx.media.container import Source, audio_stream, check_whole, clock_origin, name_of, open_media
from avx.media.joins import LONGEST_GAP_SECONDS, RESTART_SECONDS, Joins
from avx.media.limits import Limits
from avx.media.mix import full_scale_of, mix_weights, mono_mix, to_float
from avx.media.packets import Packets
from avx.media.quarantine import MediaProblem, Reason
from avx.media.remarks import Remarks

# Containers round times (Matroska to 1 ms, and some muxers by a packet), so a smaller disagreement between the clock
# and the count of samples is jitter and is not turned into a click. Twenty-five ms is out of lip-sync's reach.
JITTER_SECONDS = 0.025
# Formats without times: the demuxer counts them by the rate that the sound has at the start.
_COUNTED_CLOCKS = frozenset({"aac", "mp3", "ac3", "eac3", "dts", "amr"})
_SILENCE_BLOCK = 1 << 16
_PIECE = 1 << 14
_CONVERTED_PIECE = 1 << 20
_FILTER_LENGTH = 32


def iterate_sound(
    source: Source,
    sample_rate: int,
    block_seconds: float = 1.0,
    *,
    channel: int | None = None,
    limits: Limits | None = None,
    remarks: Remarks | None = None,
) -> Iterator[np.ndarray]:
    """Yields consecutive blocks of (round(block_seconds * sample_rate),) float32 in [-1, 1], the last one shorter.

    The first sample belongs to the clip's time 0, the start of the picture track: sound from before it is cut off,
    a late start, pauses in the track's clock and damaged packets are silence. Decoders overshoot full scale; samples
    are clipped to [-1, 1] and NaN becomes 0. Files of float samples beyond [-1, 1] are scaled, see `full_scale_of`.

    Args:
      source: a path, or a whole file in memory.
      sample_rate: Hz.
      block_seconds: length of a block.
      channel: number of the only channel that is heard, None for the mix of all.
      limits: of what the file may ask for; None for the usual ones.
      remarks: collects what was repaired.

    Raises:
      MediaProblem: missing_file, unreadable, too_large, no_audio, bad_timestamps, truncated.
    """
    limits = limits or Limits()
    remarks = Remarks() if remarks is None else remarks
    size = max(1, round(block_seconds * sample_rate))
    waiting: list[np.ndarray] = []
    count = 0
    with boundary(name_of(source)):
        for piece in _resample(_place(source, channel, limits, remarks), sample_rate):
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


def channel_levels(source: Source, max_seconds: float | None = None, limits: Limits | None = None) -> np.ndarray:
    """(C,) root mean squares of the channels that are mixed, 0 for the others; (0,) where there is one channel.

    Args:
      source: a path, or a whole file in memory.
      max_seconds: sound from later is not looked at; None for the whole track.
      limits: of what the file may ask for; None for the usual ones.

    Raises:
      MediaProblem: missing_file, unreadable, too_large.
    """
    squares, count, seconds = np.zeros(0), 0, 0.0
    for frame in _frames(source, limits, several=True):
        names = tuple(one.name for one in frame.layout.channels)
        found = np.square(to_float(frame), dtype=np.float64).sum(axis=1) * (mix_weights(names) > 0)
        known = max(len(found), len(squares))
        squares = np.pad(squares, (0, known - len(squares))) + np.pad(found, (0, known - len(found)))
        count += frame.samples
        seconds += frame.samples / frame.sample_rate
        if max_seconds is not None and seconds >= max_seconds:
            break
    return np.sqrt(squares / max(1, count))


def _frames(source: Source, limits: Limits | None, several: bool = False) -> Iterator[av.AudioFrame]:
    """The frames of the track as they are decoded; with `several`, none of a track of one channel."""
    with open_media(source, limits) as container:
        stream = audio_stream(container)
        if stream is None or (several and stream.codec_context.channels == 1):
            return
        packets = Packets(container, stream, Remarks())
        for packet in packets:
            yield from packets.decode(packet)


def _place(source: Source, channel: int | None, limits: Limits, remarks: Remarks) -> Iterator[tuple[np.ndarray, int]]:
    """Yields (mono samples, rate), without gap or overlap from time 0 on, at the rate that the track has there."""
    name = name_of(source)
    with open_media(source, limits) as container:
        stream = audio_stream(container)
        if stream is None:
            raise MediaProblem(Reason.NO_AUDIO, name, "the file carries no sound track")
        full_scale = _full_scale(source, stream, limits, remarks)
        stream.codec_context.thread_count = 1
        packets = Packets(container, stream, remarks)
        line = _Line(clock_origin(container), Joins(source, container.format.name), name, remarks)
        counted = bool(set(container.format.name.split(",")) & _COUNTED_CLOCKS)
        form: tuple[int, tuple[str, ...]] | None = None
        started = False
        for frame in (frame for packet in packets for frame in packets.decode(packet)):
            rate, names = frame.sample_rate, tuple(one.name for one in frame.layout.channels)
            if form != (rate, names):
                limits.check_sound(rate, len(names), name)
                if form is not None:
                    remarks.add(Reason.CHANGED_SOUND, f"the sound turns to {rate} Hz and {len(names)} channels midway")
                if form is None or form[0] != rate:
                    line.turn_to(rate)
                    line.has_clock = form is None or not counted
                form = (rate, names)
            channels = to_float(frame, full_scale)
            samples = mono_mix(channels, names) if channel is None else channels[min(channel, len(channels) - 1)]
            ahead = line.samples_ahead(frame)
            # What a damaged packet held is silence to the sample.
            exact = not started or (packets.lost and ahead > 0)
            packets.lost = False
            if abs(ahead) > (0 if exact else JITTER_SECONDS * rate):
                for start in range(0, ahead, _SILENCE_BLOCK):
                    yield np.zeros(min(_SILENCE_BLOCK, ahead - start), np.float32), rate
                line.written += max(0, ahead)
                samples = samples[max(0, -ahead) :]
            if len(samples):
                started = True
                line.written += len(samples)
                limits.check_seconds(line.seconds, name)
                yield samples, rate
        if form is not None:
            # The last read of plain samples is as long as there are some.
            cut = packets.last_is_cut and not stream.codec_context.name.startswith("pcm_")
            check_whole(source, container, stream, line.seconds, cut, remarks)
        elif packets.detail:
            raise MediaProblem(Reason.UNREADABLE, name, f"decoding fails: {packets.detail}")


def _full_scale(source: Source, stream: av.AudioStream, limits: Limits, remarks: Remarks) -> float:
    """What the samples of an uncompressed float track are divided by; reads such a track once more."""
    if not stream.codec_context.name.startswith("pcm_f"):
        return 1.0  # Lossy decoders overshoot a little, and are clipped.
    peak = max((float(np.abs(to_float(frame)).max(initial=0)) for frame in _frames(source, limits)), default=0.0)
    full_scale = full_scale_of(peak)
    if full_scale != 1:
        remarks.add(Reason.SCALED_SOUND, f"samples reach {peak:g}; they are divided by {full_scale:g}")
    return full_scale


class _Line:
    """Where on the clip's time line the samples of a track belong.

    Attributes:
      written: samples since the rate last changed.
      has_clock: the time stamps of frames are believed.
    """

    def __init__(self, origin: Fraction, joins: Joins, name: str, remarks: Remarks):
        self._origin, self._joins, self._name, self._remarks = origin, joins, name, remarks
        self._shift = -origin  # s from the container's clock to the clip's.
        self._rate, self._before = 1, Fraction(0)  # s written at rates before this one.
        self._clock_end: tuple[int, int] | None = None  # Time stamp and samples of the frame before.
        self._start = Fraction(0)  # s of the container's clock at the first frame.
        self.written = 0
        self.has_clock = True

    @property
    def seconds(self) -> float:
        """The end of what was written."""
        return self.written / self._rate + float(self._before)

    def turn_to(self, rate: int) -> None:
        """Goes on at another rate."""
        self._before += Fraction(self.written, self._rate)
        self._rate, self.written = rate, 0

    def samples_ahead(self, frame: av.AudioFrame) -> int:
        """Samples by which the frame's presentation time lies after the end of what was written; 0 without a time.

        Where the clock starts anew, or leaps in a format that recordings are joined in, the frame goes on with the next
        recording.

        Raises:
          MediaProblem: bad_timestamps, where the clock leaps otherwise.
        """
        if frame.pts is None or frame.time_base is None or not self.has_clock:
            return 0
        tick, rate = frame.time_base, frame.sample_rate
        if tick.numerator == 1 and tick.denominator == rate and not self._shift and not self._before:
            ahead = frame.pts - self.written  # The usual case, thousands of times a minute, without fractions.
        else:
            ahead = round((frame.pts * tick + self._shift - self._before) * rate) - self.written
        if self._clock_end is None:
            self._start = frame.pts * tick
        elif abs(ahead) > RESTART_SECONDS * rate:
            stamp, samples = self._clock_end
            time = frame.pts * tick
            if self._joins.begins(time, stamp * tick + Fraction(samples, rate), self._start):
                now = self._before + Fraction(self.written, rate)
                self._shift = self._joins.following(time - self._origin, now) - self._origin
                self._remarks.add(
                    Reason.REPAIRED_TIMES, "recordings are joined in the file; each goes on where the last ended"
                )
                ahead = round((frame.pts * tick + self._shift - self._before) * rate) - self.written
        self._clock_end = (frame.pts, frame.samples)
        if ahead > LONGEST_GAP_SECONDS * rate:
            raise MediaProblem(Reason.BAD_TIMESTAMPS, self._name, f"the sound's clock jumps by {ahead / rate:.0f} s")
        return ahead


def _joined(pieces: Iterator[tuple[np.ndarray, int]]) -> Iterator[tuple[np.ndarray, int]]:
    """The same samples in fewer pieces: decoders give some twenty milliseconds at a time."""
    waiting: list[np.ndarray] = []
    count = rate = 0
    for samples, following in pieces:
        if following != rate and waiting:
            yield np.concatenate(waiting), rate
            waiting, count = [], 0
        rate = following
        waiting.append(samples)
        count += len(samples)
        if count >= _PIECE:
            yield np.concatenate(waiting), rate
            waiting, count = [], 0
    if waiting:
        yield np.concatenate(waiting), rate


def _resample(pieces: Iterator[tuple[np.ndarray, int]], sample_rate: int) -> Iterator[np.ndarray]:
    """Converts (samples, rate) pieces to `sample_rate`, filter tails included; each run of one rate by itself."""
    read, given = Fraction(0), 0  # s of all pieces, and samples of the result.
    for rate, run in itertools.groupby(_joined(pieces), key=lambda piece: piece[1]):
        # The runs before may have given a sample more or less than their time.
        due = round(read * sample_rate)
        if due > given:
            yield np.zeros(due - given, np.float32)
        surplus = max(0, given - due)
        given = max(given, due)
        count = [0]
        for converted in _convert(_counted(run, count), rate, sample_rate):
            kept = converted[surplus:]
            surplus -= len(converted) - len(kept)
            given += len(kept)
            yield kept
        read += Fraction(count[0], rate)


def _counted(run: Iterator[tuple[np.ndarray, int]], count: list[int]) -> Iterator[np.ndarray]:
    """The samples of a run, whose number is added to `count`."""
    for samples, _ in run:
        count[0] += len(samples)
        yield samples


def _convert(pieces: Iterator[np.ndarray], rate: int, sample_rate: int) -> Iterator[np.ndarray]:
    """Converts pieces of one signal from one rate to another, filter tail included.

    Raises:
      MemoryError: the resampler gives less than the signal's time.
    """
    if rate == sample_rate:
        yield from pieces
        return
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=sample_rate)
    # A sound of few samples a second may grow a thousandfold.
    step = max(1, _CONVERTED_PIECE * rate // sample_rate)
    position = given = 0
    for samples in (piece[start : start + step] for piece in pieces for start in range(0, len(piece), step)):
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, position, Fraction(1, rate)
        position += len(samples)
        for converted in resampler.resample(frame):
            given += converted.samples
            yield converted.to_ndarray()[0]
    if position:
        for converted in resampler.resample(None):
            given += converted.samples
            yield converted.to_ndarray()[0]
    # libavfilter passes over what libswresample finds no memory for. A signal shorter than the filter gives nothing.
    if given < (position - _FILTER_LENGTH) * sample_rate // rate - _FILTER_LENGTH:
        raise MemoryError(f"{position} samples at {rate} Hz gave {given} at {sample_rate} Hz")
