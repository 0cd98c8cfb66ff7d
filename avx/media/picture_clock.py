"""The times of pictures, repaired where a container states none, swaps them, repeats them or starts them anew."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain, islice
from typing import NamedTuple

import av

from avx.media.joins import LONGEST_GAP_SECONDS, Joins
from avx.media.quarantine import Reason
from avx.media.remarks import Remarks

# Pictures looked at before the first is placed: of swapped times, the first fall shows within these.
_LOOKED_AT = 5
SWAPPED = "the times of pictures are swapped; they are put in order"


class Stamped(NamedTuple):
    """A decoded picture with the two stamps it may have, in ticks of the track.

    Attributes:
      frame: the picture.
      own: what the container says of it, None where it says nothing.
      by_order: the smallest stamp that is left of the packets decoded so far.
    """

    frame: av.VideoFrame
    own: int | None
    by_order: int


class PacketStamps:
    """Gives pictures the stamps of their packets in ascending order, since decoders put pictures in display order.

    One packet holds one picture. Where a packet gave none, because it repeats a picture or cannot be decoded, more
    stamps wait than the decoder holds pictures back; the smallest are then passed over.

    Attributes:
      preferred: the format has times of decoding alone (AVI), so that what it says of a picture is a guess.
    """

    def __init__(self, preferred: bool, step: int):
        self.preferred, self._step = preferred, step
        self._waiting: list[int] = []
        self._last = -step

    def send(self, packet: av.Packet) -> None:
        """Takes note of a packet that goes to the decoder."""
        stamp = packet.dts if self.preferred or packet.pts is None else packet.pts
        if packet.size and not packet.is_discard and stamp is not None:
            heapq.heappush(self._waiting, stamp)

    def lose(self) -> None:
        """Forgets a packet that the decoder refused: the last sent, which bears about the largest stamp."""
        if self._waiting:
            self._waiting.remove(max(self._waiting))
            heapq.heapify(self._waiting)

    def take(self, held_back: int) -> int:
        """The stamp of the next picture, while the decoder holds up to `held_back` others."""
        while len(self._waiting) > held_back + 1:
            heapq.heappop(self._waiting)
        self._last = heapq.heappop(self._waiting) if self._waiting else self._last + self._step
        return self._last


def placed(
    frames: Iterable[Stamped], in_order: bool, tick: Fraction, origin: Fraction, joins: Joins, remarks: Remarks
) -> Iterator[tuple[int, int, av.VideoFrame]]:
    """Yields (count, scale, picture) with times count / scale s that strictly increase from 0 on.

    Pictures bear the container's times. Where these are missing, or fall by less than a second, pictures bear the
    stamps of their packets in ascending order from there on; of two pictures at one instant the first stays. Where they
    fall by more, or leap ahead in a format that recordings are joined in, another recording begins and goes on where
    the one before ended.

    Args:
      frames: in the order in which the decoder gave them.
      in_order: what the container says of a picture is a guess, see `PacketStamps.preferred`.
      tick: s of a stamp.
      origin: container time of 0 s.
      joins: where recordings are joined.
      remarks: of the file.
    """
    # Times are whole numbers of 1 / scale s: fractions for every frame cost as much as small pictures do.
    scale = tick.denominator * origin.denominator
    per_tick, start = tick.numerator * origin.denominator, origin.numerator * tick.denominator
    frames = iter(frames)
    first = deque(islice(frames, _LOOKED_AT))
    ordered = in_order or any(item.own is None for item in first)
    if not ordered and _swapped([item.own or 0 for item in first], scale // per_tick):
        ordered = True
        remarks.add(Reason.REPAIRED_TIMES, SWAPPED)
    last: int | None = None
    shift, dropped, far = 0, 0, LONGEST_GAP_SECONDS * scale
    for frame, own, by_order in chain(_drained(first), frames):
        if own is None or (ordered and own != by_order):
            remarks.add(Reason.REPAIRED_TIMES, "pictures bear no times of their own; they are put in order")
        count = (by_order if ordered or own is None else own) * per_tick - start + shift
        if last is None:
            if count < 0:
                remarks.add(Reason.REPAIRED_TIMES, "pictures start before their track does; they start at 0 s")
                shift, count = -count, 0
        elif (count < last or count > last + far) and joins.begins((count - shift) / scale, (last - shift) / scale, 0):
            shifted = round(joins.following(Fraction(count - shift, scale), Fraction(last, scale)) * scale)
            count, shift = max(count - shift + shifted, last + 1), shifted
            remarks.add(Reason.REPAIRED_TIMES, "recordings are joined in the file; each goes on where the last ended")
        elif count < last and not ordered:
            ordered, count = True, by_order * per_tick - start + shift
            remarks.add(Reason.REPAIRED_TIMES, SWAPPED)
        if last is not None and count <= last:
            dropped += 1
            continue
        last = count
        yield count, scale, frame
    if dropped:
        remarks.add(Reason.REPAIRED_TIMES, f"{dropped} pictures at the instant of another are left out")


def _drained(waiting: deque[Stamped]) -> Iterator[Stamped]:
    """What waits, which is let go of one by one."""
    while waiting:
        yield waiting.popleft()


def _swapped(stamps: list[int], second: int) -> bool:
    """Whether stamps fall, but by less than a second."""
    return any(0 < before - after <= second for before, after in itertools.pairwise(stamps))
