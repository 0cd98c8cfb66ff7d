"""Sets of clips: what is known of each is in memory as columns, and media are read one clip at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from avx.core.errors import UserError
from avx.media.quarantine import Entry

Media = Path | bytes
"""A file, a folder of pictures, or the whole content of a file."""


@dataclasses.dataclass(frozen=True)
class Record:
    """The media of one clip, not decoded yet.

    Attributes:
      media: path of the media file or of a folder of pictures, or a file's whole content.
      audio: a sound file of its own that is taken as the clip's sound, None where `media` carries it.
      speech: a file in which somebody describes the clip, None where there is none; see `with_spoken_audio`.
    """

    media: Media
    audio: Media | None = None
    speech: Media | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Clips:
    """N clips in an order that is the same in every process.

    Attributes:
      name: of the data set.
      class_names: C names.
      ids: N unique names.
      labels: (N,) int64 indices into `class_names`, -1 where unknown.
      captions: N sentences, "" where there is none.
      splits: N of "train", "val" or "test" in a set that fixes its split, "" where each run draws its own.
      groups: N names; clips of one group lie on one side of a split. "" for a clip on its own.
      shot_boundaries: N tuples of the times in s where one shot cuts to the next, where they are known.
      files: N paths relative to the set's folder, "" for clips that have no file of their own.
      spoken: (N,) bool, where somebody describes the clip in a file.
      record: row -> its media; what lies in an archive is read when asked for.
      problems: what was left out or passed over while the set was listed, for the quarantine file.
      passed_over: counts of the same, for the protocol card.
    """

    name: str
    class_names: tuple[str, ...]
    ids: tuple[str, ...]
    labels: np.ndarray
    captions: tuple[str, ...]
    splits: tuple[str, ...]
    groups: tuple[str, ...]
    shot_boundaries: tuple[tuple[float, ...], ...]
    files: tuple[str, ...]
    spoken: np.ndarray
    record: Callable[[int], Record]
    problems: tuple[Entry, ...] = ()
    passed_over: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        refuse_duplicates(self.ids, self.name)
        columns = (self.labels, self.captions, self.splits, self.groups, self.shot_boundaries, self.files, self.spoken)
        assert all(len(column) == len(self) for column in columns), "every clip has a value in every column"

    def __len__(self) -> int:
        return len(self.ids)

    def records(self) -> Iterator[Record]:
        """Media of all clips in order."""
        return (self.record(row) for row in range(len(self)))


def with_spoken_audio(clips: Clips) -> Clips:
    """Gives clips the spoken description of each as the audio that is retrieved; pictures stay as they are.

    Raises:
      UserError: a clip that nobody describes.
    """
    silent = np.flatnonzero(~clips.spoken)
    if silent.size:
        raise UserError(
            f"Clip {clips.ids[silent[0]]} of {clips.name} has no speech file ({silent.size} such clips): give it one, "
            "or retrieve the sound track."
        )

    def record(row: int) -> Record:
        one = clips.record(row)
        return dataclasses.replace(one, audio=one.speech)

    return dataclasses.replace(clips, record=record)


def refuse_duplicates(ids: Sequence[str], where: str) -> None:
    """Raises UserError where an id occurs twice."""
    if len(set(ids)) == len(ids):
        return
    seen: set[str] = set()
    for one in ids:
        if one in seen:
            raise UserError(f"The id {one} occurs twice in {where}: make the ids unique.")
        seen.add(one)
