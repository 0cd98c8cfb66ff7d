"""Where clips come from: a folder of media files, or a tfds data source, seen as one sequence of records."""

from __future__ import annotations

import csv as csv_module
import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from avx.core.errors import UserError
from avx.media.container import AUDIO_SUFFIXES, VIDEO_SUFFIXES

# Column of a manifest -> the names under which it is found, the first present one counts.
COLUMN_ALIASES: dict[str, tuple[str, ...]] = {
    "clip_id": ("clip_id", "id"),
    "file": ("file", "video", "path"),
    "label": ("label", "class", "instrument"),
    "caption": ("caption", "text", "sentence", "transcript"),
    "audio": ("audio",),
    "speech": ("speech",),
}
_NAMED_AT_MOST = 5


@dataclasses.dataclass(frozen=True)
class Record:
    """One item of a data set, not decoded yet.

    Attributes:
      clip_id: name that is unique in its source.
      media: path of the media file, or its whole content.
      audio: a sound file of its own that is taken as the clip's sound, None where `media` carries it.
      label: class index into the source's `class_names`, -1 where unknown.
      caption: a sentence, "" where there is none.
      shot_boundaries: times in s where one shot cuts to the next, where they are known.
      speech: a file in which somebody describes the clip, None where there is none; see `with_spoken_audio`.
      split: "train", "val" or "test" in a data set that fixes its split, "" where each run draws its own.
    """

    clip_id: str
    media: Path | bytes
    audio: Path | bytes | None
    label: int
    caption: str
    shot_boundaries: tuple[float, ...] = ()
    speech: Path | bytes | None = None
    split: str = ""


class Source(Protocol):
    """A sequence of records in an order that is the same in every process."""

    @property
    def name(self) -> str: ...

    @property
    def class_names(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Record: ...


@dataclasses.dataclass(frozen=True)
class FolderSource:
    """Records of files on disk, all known from the start."""

    name: str
    class_names: tuple[str, ...]
    records: tuple[Record, ...]

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Record:
        return self.records[index]


def folder_source(root: Path, csv: str | Path | None = None) -> FolderSource:
    """Any folder of media files as a source.

    With a manifest, one record per row in the order of the rows; columns go by `COLUMN_ALIASES` and only `file` is
    needed. Without one, one record per media file below `root` (hidden ones apart) in order of path: the clip id is
    the relative path, the class is the name of the folder that holds the file (none for files right in `root`), and
    a sound file beside a video of the same stem is that video's sound track. Classes are sorted by name, or by value
    where all are whole numbers.

    Args:
      root: the folder.
      csv: manifest; a relative path starts from `root`.

    Raises:
      UserError: `root` or the manifest is missing, holds nothing, lacks the column of files, names a clip twice, or
        names files that are missing or lie outside `root` (by an absolute path, by .., or through a link).
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"There is no folder {root}: give the folder that holds the media files.")
    rows = _scan(root) if csv is None else _read_manifest(root / csv)
    if not rows:
        raise UserError(f"{root if csv is None else root / csv} names no media file: expected at least one.")

    missing: list[str] = []

    def locate(relative: str) -> Path:
        path = inside(root, relative)
        if not path.is_file():
            missing.append(relative)
        return path

    class_names = _class_names({row["label"] for row in rows} - {""})
    index = {name: place for place, name in enumerate(class_names)}
    records = tuple(
        Record(
            clip_id=row["clip_id"] or row["file"],
            media=locate(row["file"]),
            audio=locate(row["audio"]) if row["audio"] else None,
            label=index.get(row["label"], -1),
            caption=row["caption"],
            speech=locate(row["speech"]) if row["speech"] else None,
        )
        for row in rows
    )
    if missing:
        named = ", ".join(missing[:_NAMED_AT_MOST])
        more = f" and {len(missing) - _NAMED_AT_MOST} more" if len(missing) > _NAMED_AT_MOST else ""
        raise UserError(f"Files are missing under {root}: {named}{more}; restore them or remove their rows.")
    _refuse_duplicates([record.clip_id for record in records], str(root))
    return FolderSource(root.resolve().name, class_names, records)


@dataclasses.dataclass(frozen=True)
class TfdsSource:
    """Records of a tfds data source, in order of clip id; examples are read when asked for."""

    name: str
    class_names: tuple[str, ...]
    data_source: Sequence[Mapping[str, Any]]
    order: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> Record:
        example = self.data_source[self.order[index]]
        return Record(
            clip_id=_text(example["clip_id"]),
            media=bytes(example["media"]),
            audio=None,
            label=int(example["label"]),
            caption=_text(example["caption"]),
            shot_boundaries=tuple(float(time) for time in example.get("shot_boundaries", ())),
            speech=bytes(example["speech"]) if "speech" in example else None,
            split=_text(example.get("split", "")),
        )


def tfds_source(
    data_source: Sequence[Mapping[str, Any]], class_names: Sequence[str] | None = None, name: str | None = None
) -> TfdsSource:
    """A tfds data source of {clip_id, media, label, caption} examples, with speech and split or without, as a source.

    tfds shuffles when it writes, so the records are put in order of clip id: the order is a property of the data.
    This reads every example once.

    Args:
      data_source: random access to examples; `clip_id` and `caption` are str or UTF-8 bytes, `media` a whole file.
      class_names: None takes those of the data source's `label` feature.
      name: None takes the data source's dataset name.

    Raises:
      UserError: a clip id occurs twice.
    """
    info = getattr(data_source, "dataset_info", None)
    if class_names is None:
        class_names = info.features["label"].names if info is not None else ()
    if name is None:
        name = info.name if info is not None else "tfds"
    clip_ids = [_text(data_source[place]["clip_id"]) for place in range(len(data_source))]
    _refuse_duplicates(clip_ids, name)
    order = tuple(sorted(range(len(clip_ids)), key=clip_ids.__getitem__))
    return TfdsSource(name, tuple(class_names), data_source, order)


def _read_manifest(path: Path) -> list[dict[str, str]]:
    """Rows of a csv file under the canonical names, "" for what is absent."""
    if not path.is_file():
        raise UserError(f"There is no manifest {path}: give a csv file with a column {_names('file')}.")
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv_module.DictReader(lines)
            present = reader.fieldnames or ()
            lines_read = list(reader)
    except (UnicodeDecodeError, csv_module.Error) as error:
        raise UserError(f"{path} is no csv file in UTF-8: {error}; save it as one.") from error
    columns = {
        column: next((alias for alias in aliases if alias in present), "") for column, aliases in COLUMN_ALIASES.items()
    }
    if not columns["file"]:
        raise UserError(f"{path} has the columns {', '.join(present)}: it needs one named {_names('file')}.")
    rows = [{column: (row.get(alias) or "").strip() for column, alias in columns.items()} for row in lines_read]
    for number, row in enumerate(rows, start=2):
        if not row["file"]:
            raise UserError(f"Row {number} of {path} names no file: fill in its {columns['file']} or remove it.")
    return rows


def _scan(root: Path) -> list[dict[str, str]]:
    """Rows of a folder without a manifest. Links to folders are not followed, so a loop cannot trap the scan."""
    found: list[Path] = []
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        found += [Path(folder, name).relative_to(root) for name in names if not name.startswith(".")]
    videos = {path for path in found if path.suffix.lower() in VIDEO_SUFFIXES}
    sounds = {path for path in found if path.suffix.lower() in AUDIO_SUFFIXES}
    stems = {path.with_suffix("") for path in videos}
    tracks = {path.with_suffix(""): path for path in sorted(sounds, reverse=True)}
    rows = []
    for path in sorted(videos | {path for path in sounds if path.with_suffix("") not in stems}):
        track = tracks.get(path.with_suffix("")) if path in videos else None
        rows.append(
            {
                "clip_id": path.as_posix(),
                "file": path.as_posix(),
                "label": path.parent.name,
                "caption": "",
                "audio": track.as_posix() if track is not None else "",
                "speech": "",
            }
        )
    return rows


def inside(root: Path, relative: str) -> Path:
    """`root / relative`, refused unless it really lies below `root` once links and .. are resolved."""
    path = root / relative
    try:
        real = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # A loop of links, or a name that no file can have.
        raise UserError(f"{relative!r} under {root} cannot be resolved: {error}; correct or remove it.") from error
    if not real.is_relative_to(root.resolve()):
        raise UserError(f"{relative} leads out of {root}: move or copy the file into the folder.")
    return path


def _class_names(labels: set[str]) -> tuple[str, ...]:
    order: Callable[[str], Any] = int if all(label.isdecimal() for label in labels) else str
    return tuple(sorted(labels, key=lambda label: (order(label), label)))


def _refuse_duplicates(clip_ids: Sequence[str], where: str) -> None:
    seen: set[str] = set()
    for clip_id in clip_ids:
        if clip_id in seen:
            raise UserError(f"The clip id {clip_id} occurs twice in {where}: make the ids unique.")
        seen.add(clip_id)


def _names(column: str) -> str:
    return " or ".join(COLUMN_ALIASES[column])


def _text(value: str | bytes) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
