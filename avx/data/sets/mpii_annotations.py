"""The annotations of the MPII Cooking data sets: which activity is seen from which frame to which of which video.

Two published forms are read. MPII Cooking 2 (Rohrbach et al., IJCV 2016) comes with
attributesAnnotations_MPII-Cooking-2.mat, a MATLAB 7.3 file, which is HDF5. Its group annos holds one entry for each of
14,105 segments in fileName and activity (cells of strings) and startFrame and endFrame (numbers). MPII Cooking
Activities (Rohrbach et al., CVPR 2012) comes with detectionGroundtruth-1-0.csv, without a header: subject, file, start
frame, end frame, activity number, activity. Frames count from 1, and the end frame belongs to the segment.
"""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

from avx.core.errors import UserError
from avx.core.foreign.child import read_in_child

NAMES = ("attributesAnnotations_MPII-Cooking-2.mat", "detectionGroundtruth-1-0.csv")
_COLUMNS = 6


@dataclasses.dataclass(frozen=True, order=True)
class Segment:
    """A stretch of a video in which one activity is seen.

    Attributes:
      file: name of the video without its ending, e.g. s07-d72-cam-002 (subject, dish, camera).
      first: first frame, from 1.
      last: last frame, included.
      activity: as annotated; verbs of MPII Cooking 2 end in V.
    """

    file: str
    first: int
    last: int
    activity: str

    @property
    def name(self) -> str:
        """<file>_<first>_<last>, unique in the data set."""
        return f"{self.file}_{self.first}_{self.last}"


def read_annotations(path: Path) -> dict[str, Segment]:
    """Segments by name; of several with the same frames the first one listed counts.

    Args:
      path: a file of either published form, told by its ending.

    Raises:
      UserError: no such file, another format, an entry without a file, or frames that are not 1 <= first <= last.
    """
    if not path.is_file():
        raise UserError(f"There is no annotation file {path}: give the one that is published with the videos.")
    rows = _read_csv(path) if path.suffix == ".csv" else _read_mat(path)
    segments: dict[str, Segment] = {}
    for number, (file, first, last, activity) in enumerate(rows, start=1):
        if not file or not 1 <= first <= last:
            raise UserError(
                f"Entry {number} of {path} is {file!r}, frames {first:g} to {last:g}: it needs a file and frames that "
                "count from 1."
            )
        segment = Segment(file, int(first), int(last), activity)
        segments.setdefault(segment.name, segment)
    if not segments:
        raise UserError(f"{path} lists no segment: fetch it again.")
    return segments


def _read_csv(path: Path) -> list[tuple[str, float, float, str]]:
    rows = []
    with path.open(newline="", encoding="utf-8-sig") as lines:
        for number, cells in enumerate(csv.reader(lines), start=1):
            numbers = cells[2:5]
            if len(cells) != _COLUMNS or not all(cell.strip().isdecimal() for cell in numbers):
                raise UserError(
                    f"Line {number} of {path} must be: subject, file, start frame, end frame, activity number, "
                    "activity, by commas."
                )
            rows.append((cells[1].strip(), float(cells[2]), float(cells[3]), cells[5].strip()))
    return rows


def _read_mat(path: Path) -> list[tuple[str, float, float, str]]:
    kind = "MATLAB 7.3 file with annos.fileName, activity, startFrame and endFrame"
    columns = read_in_child(path, "avx.data.sets.matlab_file:annotations", kind)
    files, activities, first, last = (
        columns[key].tolist() for key in ("fileName", "activity", "startFrame", "endFrame")
    )
    if not len(files) == len(activities) == len(first) == len(last):
        raise UserError(f"{path} lists {len(files)} files and {len(first)} start frames; fetch it again.")
    return list(zip(files, first, last, activities, strict=True))
