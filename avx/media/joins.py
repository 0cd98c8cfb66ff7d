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
# A clock that falls back by less is untidy; one that falls by more has started anew.
FALL_SECONDS = 1
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
      may_leap: the format is one in which a clock that leaps ahead has started anew.
    """

    def __init__(self, source: Source, format_name: str):
        self.may_leap = bool(set(format_name.split(",")) & _JOINABLE)
        self._source = source
        self._shifts: list[Fraction] | None = None
        self._met = 0

    def following(self, time: Fraction, end: Fraction) -> Fraction:
        """The shift, in s, of the recording that begins now.

        Args:
          time: s of its first picture or sample by its own clock.
          end: s on the shifted clock before which it may not begin.

        Raises:
          MediaProblem: the file cannot be read again.
        """
        if self._shifts is None:
            tracks = [_recordings(self._source, pictures) for pictures in (True, False)]
            self._shifts = _shifts([track for track in tracks if track])
        shift = self._shifts[self._met] if self._met < len(self._shifts) else end - time
        self._met += 1
        return max(shift, end - time)


def _recordings(source: Source, pictures: bool) -> list[_Recording]:
    """The recordings of the track of pictures or of sound, in the order of the file."""
    found: list[_Recording] = []
    with open_media(source) as container:
        stream = video_stream(container) if pictures else audio_stream(container)
        if stream is None or stream.time_base is None:
            return []
        for packet in Packets(container, stream, Remarks()):
            stamp = packet.dts if packet.pts is None else packet.pts
            if stamp is None:
                continue
            time = stamp * stream.time_base
            end = time + (packet.duration or 0) * stream.time_base
            if not found or time < found[-1].end - FALL_SECONDS or time > found[-1].end + LONGEST_GAP_SECONDS:
                found.append(_Recording(time, end))
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
