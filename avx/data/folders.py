"""Folders of media files as sets of clips: listed by a manifest, or found by their place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from avx.core.errors import UserError
from avx.data.manifest import read_manifest
from avx.data.records import Clips, Record
from avx.data.scan import NAMED_AT_MOST, Scan, check_folder, named, scan
from avx.data.splits import check_stated
from avx.media.quarantine import Entry, Reason

MISSING = ("quarantine", "refuse")
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
        a row names a folder of pictures, and no rate is stated;
        some rows state a split and others none, or a group is stated on two sides.
    """
    root = Path(root)
    if missing not in MISSING:
        raise UserError(f"data.missing = {missing!r} is unknown; choose {' or '.join(MISSING)}.")
    check_folder(root)
    rows: Sequence[Mapping[str, str]]
    problems: tuple[Entry, ...]
    if csv is None:
        found = scan(root, frames_per_second)
        rows, spare = _rows(root, found)
        problems, passed_over = (*found.problems, *spare), found.coverage(*spare)
    else:
        manifest = read_manifest(root / csv)
        rows, problems, passed_over = manifest.rows, _remarks(root / csv, manifest.ignored), {}
    if not rows:
        told = "; ".join(f"{one.source} {one.detail}" for one in problems[:NAMED_AT_MOST] if csv is None)
        raise UserError(
            f"{root if csv is None else root / csv} names no media file: {told or 'expected at least one'}."
        )
    located = _located(root, rows, missing, frames_per_second)
    groups = _groups(rows, located)
    if any(row["split"] for row in rows):
        check_stated([row["clip_id"] or row["file"] for row in rows], groups, [row["split"] for row in rows])
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
        groups=groups,
        shot_boundaries=((),) * len(rows),
        files=tuple(row["file"] for row in rows),
        spoken=np.array([bool(row["speech"]) for row in rows]),
        record=record,
        problems=problems,
        passed_over=passed_over,
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
        raise UserError(f"Files are missing under {root}: {named(gone)}; restore them or remove their rows.")
    return place


def _identity(path: Path) -> str:
    """What two names of one file share, be they links of either kind; the path of a file that is not there."""
    try:
        found = path.stat()
    except OSError:
        return str(path)
    return f"{found.st_dev} {found.st_ino}"


def _groups(rows: Sequence[Mapping[str, str]], place: Mapping[str, Path]) -> tuple[str, ...]:
    """Joins rows that share a file or a stated group, and what these share in turn.

    A group is called by the first name that is stated in it, else by the first file.
    """
    identity = {name: _identity(path) for name, path in place.items()}
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def find(key: tuple[str, str]) -> tuple[str, str]:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = key = parent[parent[key]]
        return key

    for number, row in enumerate(rows):
        keys = [("file", identity[row[kind]]) for kind in _FILES if row[kind]]
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


def _rows(root: Path, found: Scan) -> tuple[list[dict[str, str]], list[Entry]]:
    """One row for each video, folder of pictures, and sound that is not the sound track of one of these.

    Beside them the sounds that a clip cannot take, since it has one of the same name already.
    """
    clips = {path: path.with_suffix("") for path in found.videos} | {folder: folder for folder in found.frame_folders}
    stems = set(clips.values())
    tracks: dict[Path, Path] = {}
    spare = []
    for path in found.sounds:
        stem = path.with_suffix("")
        if stem not in stems:
            clips[path] = stem
        elif tracks.setdefault(stem, path) != path:
            detail = f"is passed over: {tracks[stem].as_posix()} is the sound of its clip"
            spare.append(Entry(path.as_posix(), str(root / path), Reason.SPARE_SOUND, detail))
    rows = []
    for path, stem in sorted(clips.items()):
        name, track = path.as_posix(), tracks.get(stem)
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
    return rows, spare


def _class_names(labels: set[str]) -> tuple[str, ...]:
    # A longer row of digits is a name; int() refuses the longest.
    order: Callable[[str], Any] = int if all(label.isdecimal() and len(label) <= 18 for label in labels) else str
    return tuple(sorted(labels, key=lambda label: (order(label), label)))
