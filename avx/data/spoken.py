"""A source whose audio is what somebody says about each clip, in place of what the clip itself sounds like."""

from __future__ import annotations

import dataclasses

from avx.core.errors import UserError
from avx.data.records import Record, Source


@dataclasses.dataclass(frozen=True)
class SpokenSource:
    """The records of another source with their speech as their audio."""

    source: Source

    @property
    def name(self) -> str:
        """Name of the other source."""
        return self.source.name

    @property
    def class_names(self) -> tuple[str, ...]:
        """Classes of the other source."""
        return self.source.class_names

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Record:
        record = self.source[index]
        if record.speech is None:
            raise UserError(
                f"Clip {record.clip_id} of {self.name} has no speech file: give it one, or retrieve the sound track."
            )
        return dataclasses.replace(record, audio=record.speech)


def with_spoken_audio(source: Source) -> SpokenSource:
    """`source` with the spoken description of each clip as the audio that is retrieved; pictures stay as they are.

    Reading a record without speech raises UserError.
    """
    return SpokenSource(source)
