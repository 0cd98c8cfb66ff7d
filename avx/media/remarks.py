"""What is worth saying about a file that was read all the same."""

from __future__ import annotations

from collections.abc import Iterable

from avx.media.quarantine import Reason


class Remarks:
    """Collects what was repaired or left out while a file was decoded, each kind once.

    Attributes:
      damaged_packets: packets that a decoder or a demuxer refused and that were skipped.
    """

    def __init__(self, found: Iterable[tuple[Reason, str]] = (), damaged_packets: int = 0):
        self._found = dict(found)
        self.damaged_packets = damaged_packets

    def add(self, reason: Reason, detail: str) -> None:
        """Notes a repair; one of the same kind that was noted before stays."""
        self._found.setdefault(reason, detail)

    def take(self, others: Remarks) -> None:
        """Adds what another reader of the same file noted."""
        for reason, detail in others.kinds():
            self.add(reason, detail)
        self.damaged_packets += others.damaged_packets

    def kinds(self) -> tuple[tuple[Reason, str], ...]:
        """(reason, sentence) of each kind in order of the first meeting, without the damaged packets."""
        return tuple(self._found.items())

    def entries(self) -> tuple[tuple[Reason, str], ...]:
        """All that is to be said: the kinds, and how many packets were damaged."""
        found = self.kinds()
        if self.damaged_packets:
            were = "packet was" if self.damaged_packets == 1 else "packets were"
            found += ((Reason.DAMAGED_PACKETS, f"{self.damaged_packets} damaged {were} skipped"),)
        return found
