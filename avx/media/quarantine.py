"""What is wrong with a media file, by reason code, and the file that records it."""

from __future__ import annotations

import collections
import enum
import fcntl
import json
import os
from pathlib import Path
from typing import NamedTuple

from avx.core import disk


class Reason(enum.StrEnum):
    """Reason codes. Those in `NOTES` only remark on what is used; the others keep a clip, or a folder, out."""

    MISSING_FILE = "missing_file"
    OUTSIDE_ROOT = "outside_root"
    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"
    TRUNCATED = "truncated"
    NO_VIDEO = "no_video"
    NO_AUDIO = "no_audio"
    ZERO_FRAMES = "zero_frames"
    BAD_TIMESTAMPS = "bad_timestamps"
    TOO_SHORT = "too_short"
    NO_FRAME_RATE = "no_frame_rate"
    LINKED_FOLDER = "linked_folder"
    UNREADABLE_FOLDER = "unreadable_folder"
    SILENT_AUDIO = "silent_audio"
    VARIABLE_FRAME_RATE = "variable_frame_rate"
    IGNORED_COLUMNS = "ignored_columns"
    UNKNOWN_FORMAT = "unknown_format"
    SPARE_SOUND = "spare_sound"
    NO_PARTNER = "no_partner"
    DAMAGED_PACKETS = "damaged_packets"
    DAMAGED_TRACK = "damaged_track"
    BREAKS_OFF = "breaks_off"
    REPAIRED_TIMES = "repaired_times"
    CHANGED_SOUND = "changed_sound"
    SCALED_SOUND = "scaled_sound"
    CANCELLED_MIX = "cancelled_mix"


NOTES = frozenset(
    {
        Reason.SILENT_AUDIO,
        Reason.VARIABLE_FRAME_RATE,
        Reason.IGNORED_COLUMNS,
        Reason.DAMAGED_PACKETS,
        Reason.DAMAGED_TRACK,
        Reason.BREAKS_OFF,
        Reason.REPAIRED_TIMES,
        Reason.CHANGED_SOUND,
        Reason.SCALED_SOUND,
        Reason.CANCELLED_MIX,
    }
)


class MediaProblem(Exception):
    """A media file that cannot be used.

    Attributes:
      reason: the code.
      source: path or other name of the file.
      detail: what was found, for a person.
    """

    def __init__(self, reason: Reason, source: str, detail: str):
        super().__init__(reason, source, detail)  # All arguments, so that it survives the way out of a worker.
        self.reason = reason
        self.source = source
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.source}: {self.detail} ({self.reason})"


class Entry(NamedTuple):
    """One line of the quarantine file."""

    clip_id: str
    source: str
    reason: Reason
    detail: str


class Quarantine:
    """A file of JSON lines {clip_id, source, reason, detail} that any number of processes append to.

    A line is appended under a file lock and flushed as a whole; a line torn by a killed process or a full disk is
    cut off by the next writer and passed over by readers.
    """

    def __init__(self, path: Path):
        self.path = Path(path)

    def add(self, clip_id: str, source: str, reason: Reason, detail: str = "") -> None:
        """Appends one entry. Raises UserError on a full disk, with the file as it was before."""
        line = json.dumps({"clip_id": clip_id, "source": source, "reason": str(reason), "detail": detail}) + "\n"
        with disk.user_errors(self.path.parent):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                end = _end_of_last_line(descriptor)
                os.ftruncate(descriptor, end)
                try:
                    _write_all(descriptor, line.encode(), end)
                except OSError:
                    os.ftruncate(descriptor, end)
                    raise
                os.fsync(descriptor)
            finally:
                os.close(descriptor)  # Releases the lock as well.

    def add_problem(self, clip_id: str, problem: MediaProblem) -> None:
        """Appends the entry of a raised problem."""
        self.add(clip_id, problem.source, problem.reason, problem.detail)

    def entries(self) -> list[Entry]:
        """The recorded entries in order of writing; a clip met again with one reason is listed once, as met last."""
        if not self.path.exists():
            return []
        found: dict[tuple[str, Reason], Entry] = {}
        for line in self.path.read_bytes().split(b"\n")[:-1]:  # What follows the last line break is torn.
            fields = json.loads(line)
            entry = Entry(fields["clip_id"], fields["source"], Reason(fields["reason"]), fields["detail"])
            found[entry.clip_id, entry.reason] = entry
        return list(found.values())

    def counts(self) -> dict[Reason, int]:
        """Number of clips under each reason, notes included, in order of the enumeration."""
        tally = collections.Counter(entry.reason for entry in self.entries())
        return {reason: tally[reason] for reason in Reason if tally[reason]}

    def excluded(self) -> set[str]:
        """The clip ids that have a reason to stay out, so notes apart."""
        return {entry.clip_id for entry in self.entries() if entry.reason not in NOTES}


def _end_of_last_line(descriptor: int) -> int:
    """Offset behind the last line break; a writer that was killed leaves at most one unfinished line after it."""
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - 4096)
        position = os.pread(descriptor, end - start, start).rfind(b"\n")
        if position >= 0:
            return start + position + 1
        end = start
    return 0


def _write_all(descriptor: int, content: bytes, offset: int) -> None:
    while content:
        written = os.pwrite(descriptor, content, offset)
        content, offset = content[written:], offset + written
