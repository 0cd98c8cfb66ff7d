"""Folders of media files as sets of clips: listed by a manifest, or found by their place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from avx.core.errors import UserError
from avx.data.manifest import read_manifest
from avx.data.records import Clips, Record
from avx.media.formats import AUDIO_SUFFIXES, VIDEO_SUFFIXES
from avx.media.images import IMAGE_SUFFIXES
from avx.media.quarantine import Entry, Reason

MISSING = ("quarantine", "refuse")
_NAMED_AT_MOST = 5
_FILES = ("file", "audio", "speech")


def folder_clips(
    root: Path, csv: str | Path | None = None, *, missing: str = "quarantine", frames_per_second: float = 0.0
) -> Clips:
    """Lists the clips of any folder of media files.

    With a manifest, one clip per row in the order of the rows; columns go by `COLUMN_ALIASES` and only `file` is
    needed. Without one, one clip per media file below `root` (hidden ones apart) in order of path: the clip id is the
    relative path, the class is the name of the folder that holds the file (none for files right in `root`), and a
    sound file beside a video of the same stem is that video's sound track. A folder that holds pictures and nothing
    else is one clip, like a video file of its name. Classes are sorted by name, or by value where all are whole
    numbers.

    Rows that share a file, and rows of one `group`, are one group, so that no split puts a file on two sides.

    Args:
      root: the folder.
      csv: manifest; a relative path starts from `root`.
      missing: what becomes of a row whose file is not there: "quarantine" keeps it, and decoding reports it; "refuse"
        names it.
      frames_per_second: of folders of pictures; 0 where there are none.

    Raises:
      UserError: `root` or the manifest is missing, holds nothing, is refused by `read_manifest`, names a clip twice, or
        names files none of which is there, or that lie outside `root` (by an absolute path, by .., or through a link);
        a row names a folder of pictures, and no rate is stated.
    """
    root = Path(root)
    if missing not in MISSING:
        raise UserError(f"data.missing = {missing!r} is unknown; choose {' or '.join(MISSING)}.")
    if not root.is_dir():
        raise UserError(f"There is no folder {root}: give the folder that holds the media files.")
    rows: Sequence[Mapping[str, str]]
    if csv is None:
        rows, problems = _scan(root, frames_per_second)
    else:
        manifest = read_manifest(root / csv)
        rows, problems = manifest.rows, _remarks(root / csv, manifest.ignored)
    if not rows:
        told = (
            f": {problems[0].source} {problems[0].detail}." if problems and csv is None else ": expected at least one."
        )
        raise UserError(f"{root if csv is None else root / csv} names no media file{told}")
    place = _located(root, rows, missing, frames_per_second)
    class_names = _class_names({row["label"] for row in rows} - {""})
    index = {name: number for number, name in enumerate(class_names)}

    def record(row: int) -> Record:
        media, audio, speech = (root / rows[row][kind] if rows[row][kind] else None for kind in _FILES)
        assert media is not None, "every row names a file"
        return Record(media, audio, speech)

    return Clips(
        name=root.resolve().name,
        class_names=class_names,
        ids=tuple(row["clip_id"] or row["file"] for row in rows),
        labels=np.array([index.get(row["label"], -1) for row in rows], np.int64),
        captions=tuple(row["caption"] for row in rows),
        splits=tuple(row["split"] for row in rows),
        groups=_groups(rows, place),
        shot_boundaries=((),) * len(rows),
        files=tuple(row["file"] for row in rows),
        spoken=np.array([bool(row["speech"]) for row in rows]),
        record=record,
        problems=problems,
    )


def inside(root: Path, relative: str) -> Path:
    """The real path of `root / relative`, refused unless it lies below `root` once links and .. are resolved."""
    try:
        real = (root / relative).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # A loop of links, or a name that no file can have.
        raise UserError(f"{relative!r} under {root} cannot be resolved: {error}; correct or remove it.") from error
    if not real.is_relative_to(root.resolve()):
        raise UserError(f"{relative} leads out of {root}: move or copy the file into the folder.")
    return real


def _located(root: Path, rows: Sequence[Mapping[str, str]], missing: str, frames_per_second: float) -> dict[str, Path]:
    """Relative path -> real path of every file that the rows name. Raises UserError as `folder_clips`."""
    names = dict.fromkeys(row[kind] for row in rows for kind in _FILES if row[kind])
    place = {name: inside(root, name) for name in names}
    gone = []
    for name, path in place.items():
        try:
            folder, there = path.is_dir(), path.exists()
        except OSError:
            continue  # Its folder may not be searched, which decoding reports.
        if folder and frames_per_second <= 0:
            raise UserError(f"{name} under {root} is a folder of pictures: state data.frames_per_second.")
        if not there:
            gone.append(name)
    if gone and (missing == "refuse" or len(gone) == len(place)):
        named = ", ".join(gone[:_NAMED_AT_MOST])
        more = f" and {len(gone) - _NAMED_AT_MOST} more" if len(gone) > _NAMED_AT_MOST else ""
        raise UserError(f"Files are missing under {root}: {named}{more}; restore them or remove their rows.")
    return place


def _groups(rows: Sequence[Mapping[str, str]], place: Mapping[str, Path]) -> tuple[str, ...]:
    """Joins rows that share a file or a stated group, and what these share in turn.

    A group is called by the first name that is stated in it, else by the first file.
    """
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def find(key: tuple[str, str]) -> tuple[str, str]:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = key = parent[parent[key]]
        return key

    for number, row in enumerate(rows):
        keys = [("file", str(place[row[kind]])) for kind in _FILES if row[kind]]
        keys += [("group", row["group"])] if row["group"] else []
        for key in keys:
            parent[find(key)] = find(("row", str(number)))
    names: dict[tuple[str, str], str] = {}
    for stated in (True, False):
        for number, row in enumerate(rows):
            if name := row["group"] if stated else row["file"]:
                names.setdefault(find(("row", str(number))), name)
    return tuple(names[find(("row", str(number)))] for number in range(len(rows)))


def _remarks(path: Path, ignored: Sequence[str]) -> tuple[Entry, ...]:
    if not ignored:
        return ()
    return (Entry("", str(path), Reason.IGNORED_COLUMNS, f"nothing reads the columns {', '.join(ignored)}"),)


def _scan(root: Path, frames_per_second: float) -> tuple[list[dict[str, str]], tuple[Entry, ...]]:
    """Rows of a folder without a manifest, and the folders below it that are passed over.

    Links to folders are not followed, so that a loop cannot trap the scan.
    """
    found: list[Path] = []
    frame_folders: list[Path] = []
    problems: list[Entry] = []

    def passed_over(folder: Path, reason: Reason, detail: str) -> None:
        problems.append(Entry(f"{folder.relative_to(root).as_posix()}/", str(folder), reason, detail))

    def unreadable(error: OSError) -> None:
        passed_over(Path(error.filename), Reason.UNREADABLE_FOLDER, f"cannot be read: {error.strerror}")

    for holder, subfolders, names in os.walk(root, onerror=unreadable):
        folder = Path(holder)
        shown = sorted(name for name in subfolders if not name.startswith("."))
        files = [Path(name) for name in names if not name.startswith(".")]
        for name in shown:
            if (folder / name).is_symlink():
                passed_over(folder / name, Reason.LINKED_FOLDER, "is a link to a folder, which is not followed")
        subfolders[:] = [name for name in shown if not (folder / name).is_symlink()]
        pictures = [name for name in files if name.suffix.lower() in IMAGE_SUFFIXES]
        if folder != root and not shown and len(pictures) == len(files) > 1:
            if frames_per_second > 0:
                frame_folders.append(folder.relative_to(root))
            else:
                passed_over(folder, Reason.NO_FRAME_RATE, "is a folder of pictures: state data.frames_per_second")
        found += [(folder / name).relative_to(root) for name in files]
    return _rows(found, frame_folders), tuple(problems)


def _rows(found: Iterable[Path], frame_folders: Sequence[Path]) -> list[dict[str, str]]:
    """One row for each video, folder of pictures, and sound that is not the sound track of one of these."""
    videos = {path: path.with_suffix("") for path in found if path.suffix.lower() in VIDEO_SUFFIXES}
    videos |= {folder: folder for folder in frame_folders}
    sounds = sorted((path for path in found if path.suffix.lower() in AUDIO_SUFFIXES), reverse=True)
    tracks = {path.with_suffix(""): path for path in sounds}
    stems = set(videos.values())
    rows = []
    for path in sorted([*videos, *(path for path in sounds if path.with_suffix("") not in stems)]):
        track = tracks.get(videos[path]) if path in videos else None
        name = path.as_posix()
        rows.append(
            {
                "clip_id": name,
                "file": name,
                "label": path.parent.name,
                "caption": "",
                "audio": track.as_posix() if track is not None else "",
                "speech": "",
                "split": "",
                "group": "",
            }
        )
    return rows


def _class_names(labels: set[str]) -> tuple[str, ...]:
    order: Callable[[str], Any] = int if all(label.isdecimal() for label in labels) else str
    return tuple(sorted(labels, key=lambda label: (order(label), label)))
