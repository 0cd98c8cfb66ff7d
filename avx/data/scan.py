"""What lies below a folder: media files by kind, and all that is passed over, by name or by number."""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from avx.core.errors import UserError
from avx.media.formats import AUDIO_SUFFIXES, VIDEO_SUFFIXES
from avx.media.images import IMAGE_SUFFIXES
from avx.media.quarantine import Entry, Reason

NAMED_AT_MOST = 5
"""Examples that a sentence names of many files."""
_COUNTED = {
    Reason.LINKED_FOLDER: "folders_passed_over",
    Reason.UNREADABLE_FOLDER: "folders_passed_over",
    Reason.NO_FRAME_RATE: "folders_passed_over",
    Reason.OUTSIDE_ROOT: "files_passed_over",
    Reason.UNREADABLE: "files_passed_over",
    Reason.SPARE_SOUND: "files_passed_over",
}


@dataclasses.dataclass(frozen=True)
class Scan:
    """Paths relative to the folder, in order.

    Attributes:
      videos: files with the suffix of a video.
      sounds: files with the suffix of a sound.
      frame_folders: folders that hold two pictures or more and nothing else.
      skipped: suffix in lower case, "" for none -> files of no format of `avx.media.formats`.
      problems: one entry for each suffix, folder and file that is passed over.
    """

    videos: tuple[Path, ...]
    sounds: tuple[Path, ...]
    frame_folders: tuple[Path, ...]
    skipped: Mapping[str, tuple[Path, ...]]
    problems: tuple[Entry, ...]

    def coverage(self, *more: Entry) -> dict[str, int]:
        """Counts of what is passed over, here and by the entries `more`, for the protocol card; {} where nothing is."""
        counts = collections.Counter(_COUNTED[one.reason] for one in (*self.problems, *more) if one.reason in _COUNTED)
        if self.skipped:
            counts["files_of_no_known_format"] = sum(map(len, self.skipped.values()))
        return dict(sorted(counts.items()))


def scan(root: Path, frames_per_second: float = 0.0) -> Scan:
    """Lists a folder at any depth; names that begin with a dot are hidden and left out.

    Links to folders are not followed, so that a loop cannot trap the scan. Links to files are, unless they lead out of
    the folder.

    Args:
      root: the folder.
      frames_per_second: of folders of pictures; 0 passes them over.

    Raises:
      UserError: `root` is no folder.
    """
    check_folder(root)
    files: list[Path] = []
    frame_folders: list[Path] = []
    problems: list[Entry] = []
    real_root = root.resolve()

    def passed_over(path: Path, reason: Reason, detail: str, slash: str = "/") -> None:
        problems.append(Entry(f"{path.relative_to(root).as_posix()}{slash}", str(path), reason, detail))

    def unreadable(error: OSError) -> None:
        passed_over(Path(error.filename), Reason.UNREADABLE_FOLDER, f"cannot be read: {error.strerror}")

    for holder, subfolders, names in os.walk(root, onerror=unreadable):
        folder = Path(holder)
        shown = sorted(name for name in subfolders if not name.startswith("."))
        for name in shown:
            if _is_link(folder / name):
                passed_over(folder / name, Reason.LINKED_FOLDER, "is a link to a folder, which is not followed")
        subfolders[:] = [name for name in shown if not _is_link(folder / name)]
        here = sorted(folder / name for name in names if not name.startswith("."))
        if folder != root and not shown and len(here) > 1 and all(_suffix(path) in IMAGE_SUFFIXES for path in here):
            if leaving := [refused for path in here if _is_link(path) and (refused := _refused(path, real_root))]:
                passed_over(folder, leaving[0][0], f"is a folder of pictures of which one {leaving[0][1]}")
            elif frames_per_second > 0:
                frame_folders.append(folder.relative_to(root))
            else:
                passed_over(folder, Reason.NO_FRAME_RATE, "is a folder of pictures: state data.frames_per_second")
            continue
        for path in here:
            if _suffix(path) in VIDEO_SUFFIXES | AUDIO_SUFFIXES and (refused := _refused(path, real_root)):
                passed_over(path, *refused, slash="")
            else:
                files.append(path.relative_to(root))
    skipped = _by_suffix(files)
    return Scan(
        videos=tuple(sorted(path for path in files if _suffix(path) in VIDEO_SUFFIXES)),
        sounds=tuple(sorted(path for path in files if _suffix(path) in AUDIO_SUFFIXES)),
        frame_folders=tuple(sorted(frame_folders)),
        skipped=skipped,
        problems=(*sorted(problems), *(_skipped_entry(root, suffix, paths) for suffix, paths in skipped.items())),
    )


def files_below(root: Path) -> list[Path]:
    """Every file at any depth, in order, for published data sets, which are whole or refused.

    Raises:
      UserError: a folder that cannot be read.
    """

    def unreadable(error: OSError) -> None:
        raise UserError(f"{error.filename} cannot be read ({error.strerror}): mend its rights.") from error

    return sorted(Path(holder) / name for holder, _, names in os.walk(root, onerror=unreadable) for name in names)


def check_folder(root: Path) -> None:
    """Refuses what is no folder, or may not be looked at.

    Raises:
      UserError: it names the folder.
    """
    try:
        there = root.is_dir()
    except OSError as error:
        raise UserError(f"{root} cannot be looked at ({error.strerror}): mend its rights or its name.") from error
    if not there:
        raise UserError(f"There is no folder {root}: give the folder that holds the media files.")


def named(paths: Collection[Path | str]) -> str:
    """The first few of many paths, as a sentence names them: "a, b and 4 more"."""
    first = ", ".join(str(path) for path in list(paths)[:NAMED_AT_MOST])
    return first if len(paths) <= NAMED_AT_MOST else f"{first} and {len(paths) - NAMED_AT_MOST} more"


def _is_link(path: Path) -> bool:
    """False too where the folder that holds it may be listed and not searched; entering or reading it tells why."""
    try:
        return path.is_symlink()
    except OSError:
        return False


def _suffix(path: Path) -> str:
    return path.suffix.lower()


def _refused(path: Path, real_root: Path) -> tuple[Reason, str] | None:
    """Why a file of a known suffix is passed over; None where it is an ordinary file, or a link that has lost its."""
    try:
        real = path.resolve()
        if not real.is_relative_to(real_root):
            return Reason.OUTSIDE_ROOT, f"is a link to {real}, out of the folder: copy the file into it"
        if path.exists() and not path.is_file():
            return Reason.UNREADABLE, "is no ordinary file"
    except RuntimeError:
        return Reason.UNREADABLE, "is a link that leads back to itself"
    except OSError:
        return None  # Its folder may not be searched; reading the file tells why.
    return None


def _by_suffix(files: Sequence[Path]) -> dict[str, tuple[Path, ...]]:
    """Suffix -> files of no known format, suffixes with most files first."""
    found: dict[str, list[Path]] = collections.defaultdict(list)
    for path in sorted(files):
        if _suffix(path) not in VIDEO_SUFFIXES | AUDIO_SUFFIXES:
            found[_suffix(path)].append(path)
    return {suffix: tuple(found[suffix]) for suffix in sorted(found, key=lambda one: (-len(found[one]), one))}


def _skipped_entry(root: Path, suffix: str, paths: Sequence[Path]) -> Entry:
    many = f"{len(paths)} files" if len(paths) > 1 else "1 file"
    return Entry(f"*{suffix}", str(root), Reason.UNKNOWN_FORMAT, f"{many} of no known format skipped: {named(paths)}")
