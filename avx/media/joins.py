"""Recordings joined in one file: where the clock of each begins, the same for pictures and sound."""

from __future__ import annotations

import dataclasses
import itertools
from fractions import Fraction

from avx.media.container import Source, audio_stream, open_media, video_stream
from avx.media.packets import Packets
from avx.media.remarks import Remarks

# A longer jump ahead of the clock is damage or another recording, not a pause.
LONGEST_GAP_SECONDS = 600
# A clock that falls back by less is untidy, unless it falls to where it started; one that falls by more starts anew.
_FALL_SECONDS = 1
RESTART_SECONDS = 0.1
# What recorders cut into pieces, and people put together again byte by byte.
_JOINABLE = frozenset({"mpegts", "mpeg", "flv"})


@dataclasses.dataclass
class _Recording:
    """Seconds of the container's clock from the first packet of a track to the end of its last one."""

    start: Fraction
    end: Fraction


class Joins:
    """By how much the clock of each further recording in a file is shifted, so that it begins where the last one ends.

    The packets of both tracks are looked at when the first join is met, so that pictures and sound are shifted alike.

    Attributes:
      may_leap: the format is one in which a clock that leaps, or returns to its start, has started anew.
    """

    def __init__(self, source: Source, format_name: str):
        self.may_leap = bool(set(format_name.split(",")) & _JOINABLE)
        self._source = source
        self._shifts: list[Fraction] | None = None
        self._met = 0

    def begins(self, time: Fraction | float, end: Fraction | float, start: Fraction | float) -> bool:
        """Whether another recording begins.

        Args:
          time: s of a picture or a piece of sound by the container's clock.
          end: s of the one before it by the same clock.
          start: s of the first one.
        """
        fall = end - time
        if fall > _FALL_SECONDS:
            return True
        restarts = fall > RESTART_SECONDS and time <= start + RESTART_SECONDS
        return self.may_leap and (restarts or -fall > LONGEST_GAP_SECONDS)

    def following(self, time: Fraction, end: Fraction) -> Fraction:
        """The shift, in s, of the recording that begins now.

        Args:
          time: s of its first picture or sample by its own clock.
          end: s on the shifted clock before which it may not begin.

        Raises:
          MediaProblem: the file cannot be read again.
        """
        if self._shifts is None:
            tracks = [self._recordings(pictures) for pictures in (True, False)]
            self._shifts = _shifts([track for track in tracks if track])
        shift = self._shifts[self._met] if self._met < len(self._shifts) else end - time
        self._met += 1
        return max(shift, end - time)

    def _recordings(self, pictures: bool) -> list[_Recording]:
        """The recordings of the track of pictures or of sound, in the order of the file."""
        found: list[_Recording] = []
        with open_media(self._source) as container:
            stream = video_stream(container) if pictures else audio_stream(container)
            if stream is None or stream.time_base is None:
                return []
            decoded: Fraction | None = None  # Times of decoding rise, where those of presentation are reordered.
            first = Fraction(0)
            for packet in Packets(container, stream, Remarks()):
                shown = packet.dts if packet.pts is None else packet.pts
                if packet.dts is None or shown is None:
                    continue
                sent, time = packet.dts * stream.time_base, shown * stream.time_base
                end = time + (packet.duration or 0) * stream.time_base
                if decoded is None or self.begins(sent, decoded, first):
                    first = sent if decoded is None else first
                    found.append(_Recording(time, end))
                decoded = sent
                found[-1].start, found[-1].end = min(found[-1].start, time), max(found[-1].end, end)
        return found


def _shifts(tracks: list[list[_Recording]]) -> list[Fraction]:
    """For each recording but the first, the s that bring its start to the end of the last; [] where tracks differ."""
    if len({len(track) for track in tracks}) != 1:
        return []
    shifts = [Fraction(0)]
    for before, after in itertools.pairwise(zip(*tracks, strict=True)):
        end, start = max(one.end for one in before) + shifts[-1], min(one.start for one in after)
        shifts.append(end - start)
    return shifts[1:]
