"""Writes and reads the array files of a workdir: what the page shows of items, key frames, attention and embedding.

Letters: N items, M key frames, n pictured clips, t blocks, b boundaries, D embedding, h w size of a picture.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ClassVar, get_type_hints

import numpy as np
from PIL import Image

from avx.core.errors import UserError
from avx.reports.files import AGAIN, archive_bytes, grouped, read_archive, read_bytes, write_whole

Array = np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class ArrayFile:
    """An .npz file whose keys are the fields of the class; a field of several arrays has keys "<field>/<name>".

    A field's annotation states its axes, one letter for one length and "..." for any more, and its dtype kinds.

    Raises:
      ValueError: an array is not of the stated shape or type, or holds values that make no sense.
    """

    PATH: ClassVar[str]

    def __post_init__(self):
        lengths: dict[str, int] = {}
        for field, hint in get_type_hints(type(self), include_extras=True).items():
            if field == "PATH":
                continue
            shape, kinds = hint.__metadata__
            axes = shape.removesuffix(" ...").split()
            value = getattr(self, field)
            for name, part in (value if isinstance(value, Mapping) else {field: value}).items():
                same = len(axes) == part.ndim or (shape.endswith("...") and len(axes) < part.ndim)
                if not same or part.dtype.kind not in kinds:
                    raise ValueError(f"{name!r} is {part.dtype} of shape {part.shape}, not ({shape})")
                for axis, length in zip(axes, part.shape, strict=False):
                    stated = int(axis) if axis.isdigit() else lengths.setdefault(axis, length)
                    if stated != length:
                        raise ValueError(f"{name!r} has {length} entries where others have {stated}")
        if fault := self.fault():
            raise ValueError(fault)

    def fault(self) -> str:
        """What makes no sense about the values; "" for nothing."""
        return ""

    def write(self, workdir: Path) -> None:
        """Writes the file into the workdir."""
        arrays: dict[str, Array] = {}
        for name, value in vars(self).items():
            mapped = isinstance(value, Mapping)
            arrays |= {f"{name}/{key}": part for key, part in value.items()} if mapped else {name: value}
        write_whole(Path(workdir) / self.PATH, archive_bytes(arrays))

    @classmethod
    def read(cls, workdir: Path):
        """Reads the file of the workdir; raises UserError where it is not what an evaluation writes."""
        arrays = read_archive(cls.PATH, read_bytes(workdir, cls.PATH))
        values: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            values[field.name] = grouped(arrays, field.name) or arrays.get(field.name)
            if values[field.name] is None:
                raise UserError(f"{cls.PATH}: the array {field.name!r} is absent; {AGAIN}.")
        try:
            return cls(**values)
        except ValueError as error:
            raise UserError(f"{cls.PATH}: {error}; {AGAIN}.") from error


def letterboxed(pictures: Sequence[Array], height: int, width: int) -> tuple[Array, Array]:
    """Scales pictures (h, w, 3) uint8 into one array without changing their aspect; an empty one stands for none.

    Returns:
      (N, height, width, 3) uint8, each picture in the upper left corner, and (N, 2) its height and width there.
    """
    boxes, sizes = np.zeros((len(pictures), height, width, 3), np.uint8), np.zeros((len(pictures), 2), np.int64)
    for place, picture in enumerate(pictures):
        if picture.size:
            scale = min(height / picture.shape[0], width / picture.shape[1])
            rows, columns = (max(1, round(scale * side)) for side in picture.shape[:2])
            boxes[place, :rows, :columns] = np.asarray(Image.fromarray(picture).resize((columns, rows)))
            sizes[place] = rows, columns
    return boxes, sizes


def _outside(sizes: Array, pictures: Array) -> bool:
    return pictures.dtype != np.uint8 or bool((sizes < 0).any() or (sizes > pictures.shape[1:3]).any())


@dataclasses.dataclass(frozen=True, eq=False)
class Items(ArrayFile):
    """What people see and hear of N items that the page shows.

    Attributes:
      ids, captions: names, and a sentence or "".
      rows: rows of the dataset, to which `Direction.queries` and `top` refer.
      labels: (N,) class indices, -1 where unknown; or (N, C) bool.
      thumbnails, sizes: pictures as `letterboxed` gives them.
      media, sound: a playable file of the item, and one of its sound alone: paths relative to the workdir, or "".
    """

    PATH: ClassVar[str] = "results/items.npz"
    ids: Annotated[Array, "N", "U"]
    rows: Annotated[Array, "N", "iu"]
    labels: Annotated[Array, "N ...", "iub"]
    captions: Annotated[Array, "N", "U"]
    thumbnails: Annotated[Array, "N h w 3", "u"]
    sizes: Annotated[Array, "N 2", "iu"]
    media: Annotated[Array, "N", "U"]
    sound: Annotated[Array, "N", "U"]

    def fault(self) -> str:
        if len(np.unique(self.rows)) != len(self.rows):
            return "'rows' names an item twice"
        if _outside(self.sizes, self.thumbnails):
            return "'sizes' reaches outside the pictures"
        files = map(PurePosixPath, (*self.media.tolist(), *self.sound.tolist()))
        wrong = next((file for file in files if file.is_absolute() or ".." in file.parts), None)
        return f"{str(wrong)!r} lies outside the workdir" if wrong else ""

    def place(self, row: int) -> int | None:
        """The place of a row of the dataset among the items; None for one that is not there."""
        return next(iter(np.flatnonzero(self.rows == row).tolist()), None)

    def classes(self, row: int) -> set[int]:
        """The classes of a row of the dataset; none for one that is not there."""
        labels = self.labels[self.rows == row]
        return set((np.nonzero(labels)[1] if labels.ndim == 2 else labels[labels >= 0]).tolist())


@dataclasses.dataclass(frozen=True, eq=False)
class KeyFrames(ArrayFile):
    """Key frames of n clips.

    Attributes:
      ids, classes, durations: of the clips: name, class in words or "", seconds.
      clip, times: of the M key frames: index into the clips, seconds.
      images, sizes: their pictures, as `letterboxed` gives them.
      boundaries, boundary_clip: true shot boundaries in seconds, and their clips; none for clips without truth.
    """

    PATH: ClassVar[str] = "results/keyframes.npz"
    ids: Annotated[Array, "n", "U"]
    classes: Annotated[Array, "n", "U"]
    durations: Annotated[Array, "n", "f"]
    clip: Annotated[Array, "M", "iu"]
    times: Annotated[Array, "M", "f"]
    images: Annotated[Array, "M h w 3", "u"]
    sizes: Annotated[Array, "M 2", "iu"]
    boundaries: Annotated[Array, "b", "f"]
    boundary_clip: Annotated[Array, "b", "iu"]

    def fault(self) -> str:
        if any(((index < 0) | (index >= len(self.ids))).any() for index in (self.clip, self.boundary_clip)):
            return f"a key frame or boundary points outside the {len(self.ids)} clips"
        if not all(np.isfinite(times).all() for times in (self.times, self.boundaries, self.durations)):
            return "a time is NaN or infinite"
        if (self.durations <= 0).any():
            return "a clip has no duration"
        return (
            "'sizes' is empty or outside a picture" if _outside(self.sizes, self.images) or not self.sizes.all() else ""
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Attention(ArrayFile):
    """Weights of the t blocks of N items, which were kept, and the seconds that they cover; NaN is padding."""

    PATH: ClassVar[str] = "results/attention.npz"
    ids: Annotated[Array, "N", "U"]
    weights: Annotated[Array, "N t", "f"]
    kept: Annotated[Array, "N t", "b"]
    start: Annotated[Array, "N t", "f"]
    end: Annotated[Array, "N t", "f"]

    def fault(self) -> str:
        drawn = ~np.isnan(self.weights)
        if np.isinf(self.weights).any() or (self.weights[drawn] < 0).any():
            return "a weight is negative or infinite"
        fine = np.isfinite(self.start[drawn] + self.end[drawn]) & (self.end[drawn] > self.start[drawn])
        return "" if fine.all() else "a block does not end after it starts"


@dataclasses.dataclass(frozen=True, eq=False)
class Embedding(ArrayFile):
    """Embeddings of N items, `sides` by name; a row with NaN is an item without that side. Labels are -1 if unknown."""

    PATH: ClassVar[str] = "results/embedding.npz"
    ids: Annotated[Array, "N", "U"]
    labels: Annotated[Array, "N", "iu"]
    sides: Annotated[Mapping[str, Array], "N D", "f"]
