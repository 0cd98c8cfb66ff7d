"""Finds summaries by people in a folder, in the layouts that VSUMM, SumMe and TVSum are handed round in.

- VSUMM (de Avila et al. 2011): VIDEO/user1/Frame31.jpeg, and automatic summaries in folders of any other name;
  expected_cus.txt holds the figures of the official program.
- SumMe (Gygli et al. 2014): GT/VIDEO.mat with `user_score` (frames, users), non-zero in the user's summary.
- TVSum and SumMe as HDF5 (Zhang et al. 2016): one group a video with `user_summary` (users, frames), `change_points`
  (segments, 2) and `features` (samples, D) of the frames `picks`.
- Reference key frames: VIDEO/NUMBER.jpg, one folder a video, the pictures that were chosen.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np

from avx.core.errors import UserError
from avx.core.foreign.child import read_in_child
from avx.core.foreign.hdf5 import is_hdf5
from avx.media.images import IMAGE_SUFFIXES

DEPTH = 3
_NUMBER = re.compile(r"(\d+)$")
_EXPECTED = re.compile(r"UserSummary(\d+)_Approach(\d+) -> CUSa = ([\d.]+) CUSe = ([\d.]+)")


@dataclasses.dataclass(frozen=True)
class PictureSummaries:
    """Key frames of one video as pictures.

    Attributes:
      video: its name.
      users: {user: files in order of their frame numbers}.
      automatic: the same of automatic summaries.
      official: {(automatic, user): (CUS_A, CUS_E)} as the official program printed them.
    """

    video: str
    users: dict[str, list[Path]]
    automatic: dict[str, list[Path]]
    official: dict[tuple[str, str], tuple[float, float]]


@dataclasses.dataclass(frozen=True)
class FrameSummaries:
    """Summaries of one video as frames.

    Attributes:
      video: its name, with that of its file.
      selected: (T, U) bool, True where the user's summary holds the frame.
      features: (n, D) float32 of sampled frames; None where the layout holds none.
      picks: (n,) numbers of these frames.
      segments: (S, 2) first and last frame of each segment, both included.
    """

    video: str
    selected: np.ndarray
    features: np.ndarray | None = None
    picks: np.ndarray | None = None
    segments: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Layouts:
    """What a folder holds; `references` are key frames {video: files} without users."""

    pictures: list[PictureSummaries]
    frames: list[FrameSummaries]
    references: dict[str, list[Path]]


def frame_number(path: Path) -> int:
    """The number at the end of a picture's name: 31 of Frame31.jpeg.

    Raises:
      UserError: it has none.
    """
    found = _NUMBER.search(path.stem)
    if found is None:
        raise UserError(f"{path} does not end with a frame number; name key frames such as Frame31.jpeg or 150.jpg.")
    return int(found.group(1))


def pictures_of(folder: Path) -> list[Path]:
    """The pictures right in a folder, in order of their frame numbers."""
    return sorted((path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES), key=frame_number)


def find_layouts(data: Path) -> Layouts:
    """All summaries in a folder and in the folders below it, down to `DEPTH`.

    Raises:
      UserError: there is none, or a file of a layout cannot be read.
    """
    found = Layouts([], [], {})
    _search(data, DEPTH, found)
    if not (found.pictures or found.frames or found.references):
        raise UserError(
            f"{data} holds no summaries; give VIDEO/user1/Frame31.jpeg (VSUMM), GT/VIDEO.mat (SumMe), an HDF5 file "
            "with user_summary (TVSum), or VIDEO/150.jpg."
        )
    return found


def _search(folder: Path, depth: int, found: Layouts) -> None:
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    folders = [path for path in entries if path.is_dir()]
    users = [path for path in folders if re.fullmatch(r"user\d+", path.name)]
    if users:
        found.pictures.append(_vsumm(folder, users, [path for path in folders if path not in users]))
        return
    for path in entries:
        if path.suffix == ".mat":
            found.frames.extend(_summe(path))
        elif path.suffix in (".h5", ".hdf5"):
            found.frames.extend(_hdf5(path))
    files = [path for path in entries if path.suffix.lower() in IMAGE_SUFFIXES]
    if files and all(path.stem.isdigit() for path in files):
        found.references[folder.name] = pictures_of(folder)
    if depth:
        for path in folders:
            _search(path, depth - 1, found)


def _vsumm(folder: Path, users: list[Path], others: list[Path]) -> PictureSummaries:
    automatic = {path.name: pictures for path in others if (pictures := pictures_of(path))}
    expected = folder.parent / "expected_cus.txt"
    lines = _EXPECTED.findall(expected.read_text(encoding="utf-8")) if expected.is_file() else []
    # The official program numbers the automatic summaries in the order of their names.
    names = dict(enumerate(sorted(automatic), start=1))
    official = {
        (names[int(approach)], f"user{user}"): (float(accuracy), float(error))
        for user, approach, accuracy, error in lines
        if int(approach) in names
    }
    return PictureSummaries(folder.name, {path.name: pictures_of(path) for path in users}, automatic, official)


def _summe(path: Path) -> list[FrameSummaries]:
    if is_hdf5(path):  # No summary of SumMe is a file of version 7.3.
        return []
    content = read_in_child(path, "avx.data.sets.matlab_file:arrays", "MATLAB file")
    if "user_score" not in content:
        return []
    return [FrameSummaries(f"SumMe {path.stem}", _matrix(path, "user_score", content["user_score"]) > 0)]


def _hdf5(path: Path) -> list[FrameSummaries]:
    content = read_in_child(path, "avx.data.sets.summary_file:summaries", "HDF5 file of summaries")
    found = []
    for name in dict.fromkeys(key.rpartition("/")[0] for key in content):
        users, features, segments = (
            _matrix(path, f"{name}/{part}", content[f"{name}/{part}"])
            for part in ("user_summary", "features", "change_points")
        )
        picks = content[f"{name}/picks"].ravel().astype(np.int64)
        if len(picks) != len(features) or segments.shape[1] != 2 or segments.max(initial=0) >= users.shape[1]:
            raise UserError(
                f"{path}: {name} has {len(features)} features at {len(picks)} picks and segments up to frame "
                f"{segments.max(initial=0):g} of {users.shape[1]}; export the file again."
            )
        selected, rows = users.T > 0, features.astype(np.float32)
        found.append(FrameSummaries(f"{path.stem} {name}", selected, rows, picks, segments.astype(np.int64)))
    return found


def _matrix(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    if values.ndim != 2 or 0 in values.shape or values.dtype.kind not in "biuf":
        raise UserError(
            f"{path}: {name} has the shape {values.shape}, and should be a table of numbers; fetch it again."
        )
    return values
