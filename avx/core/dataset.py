"""What the host holds of data: a decoded clip, and a dataset whose columns are in memory and whose features are not."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

Features = Mapping[str, np.ndarray]
"""Arrays of one item by name: modalities (T, ...), and what a report shows of it."""

Media = Path | bytes
SPLITS = ("train", "val", "test")


@dataclasses.dataclass(frozen=True)
class Clip:
    """One decoded media file on the host.

    Attributes:
      clip_id: name that is unique in its dataset.
      frames: (T, H, W, 3) uint8 RGB; T = 0 without video.
      frame_times: (T,) float64 seconds, the container's presentation times.
      waveform: (N,) float32 mono in [-1, 1]; N = 0 without audio.
      sample_rate: Hz of `waveform`.
      label: class index, -1 where unknown.
      text: caption, "" where there is none.
      has_video: the file really carries a picture track.
      has_audio: the file really carries a sound track (a silent track counts as present).
      remarks: (reason code, sentence) of each repair and oddity that a person should know of.
      damaged_packets: packets of the file that were skipped.
    """

    clip_id: str
    frames: np.ndarray
    frame_times: np.ndarray
    waveform: np.ndarray
    sample_rate: int
    label: int = -1
    text: str = ""
    has_video: bool = True
    has_audio: bool = True
    remarks: tuple[tuple[str, str], ...] = ()
    damaged_packets: int = 0


@dataclasses.dataclass(frozen=True)
class Card:
    """What people read about one item of a dataset.

    Attributes:
      caption: a sentence, "" where there is none.
      classes: names of its classes, () where they are not known.
      file: its media file, relative to the dataset's folder; "" for items that have none.
      shot_boundaries: times in s where one shot cuts to the next, where they are known.
    """

    caption: str = ""
    classes: tuple[str, ...] = ()
    file: str = ""
    shot_boundaries: tuple[float, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """N items that can be trained on or searched: clips, feature vectors, or image-text pairs alike.

    Columns are in memory; features and media are read row by row.

    Attributes:
      name: of the dataset.
      class_names: C names; may be empty.
      ids: N unique names.
      labels: (N,) int64 class indices, -1 where unknown; or (N, C) bool where an item may have several classes.
      split: "train", "val", "test" -> rows, ascending and disjoint; a part may be empty.
      load: row -> features, without any label.
      shapes: row -> shape of each of its features, without reading their values.
      card: row -> what people read about it.
      coverage: counts of what was offered, left out, and incomplete, for the protocol card.
      media: row -> (media, sound of its own or None), each a path or the content of a file; None without media.
    """

    name: str
    class_names: tuple[str, ...]
    ids: tuple[str, ...]
    labels: np.ndarray
    split: Mapping[str, np.ndarray]
    load: Callable[[int], Features]
    shapes: Callable[[int], Mapping[str, tuple[int, ...]]]
    card: Callable[[int], Card]
    coverage: Mapping[str, int] = dataclasses.field(default_factory=dict)
    media: Callable[[int], tuple[Media, Media | None]] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, split: str) -> np.ndarray:
        """Rows of a split, ascending; of several as "train+val"; of everything as "all".

        Raises:
          KeyError: no such split.
        """
        if split == "all":
            return np.arange(len(self))
        return np.sort(np.concatenate([np.asarray(self.split[name], np.int64) for name in split.split("+")]))

    @functools.cached_property
    def first_label(self) -> np.ndarray:
        """(N,) int64: the class of each item, the first one of several, -1 where unknown."""
        if self.labels.ndim == 1:
            return self.labels
        return np.where(self.labels.any(1), self.labels.argmax(1), -1)

    def relevance(self, queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
        """(Q, G) bool: the items of two lists of rows share a class; an item of unknown class shares none."""
        if self.labels.ndim == 1:
            asked, offered = self.labels[queries][:, None], self.labels[gallery][None, :]
            return (asked == offered) & (asked >= 0)
        return (self.labels[queries].astype(np.float32) @ self.labels[gallery].astype(np.float32).T) > 0

    def digest(self) -> dict[str, str]:
        """16 hex digits of each of "ids", "labels", "classes" and "split": what the data are, wherever they lie."""

        def of(*parts: bytes) -> str:
            total = hashlib.sha256()
            for part in parts:
                total.update(len(part).to_bytes(8, "big") + part)
            return total.hexdigest()[:16]

        names = [name.encode("utf-8", "surrogateescape") for name in self.ids]
        return {
            "ids": of(*names),
            "labels": of(np.ascontiguousarray(self.labels).tobytes()),
            "classes": of(*(name.encode("utf-8", "surrogateescape") for name in self.class_names)),
            "split": of(*(np.asarray(self.split.get(name, ()), np.int64).tobytes() for name in SPLITS)),
        }
