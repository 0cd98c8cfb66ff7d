"""Videos with the speech that describes them: a table of rows video, speech, class made into pairs of items.

A table may name each video with one speech file, or all combinations within a class (Li 2022 crosses 50 videos with 50
speech files in each of 20 classes). Splitting rows would then put every file on both sides of a split, so rows are
thinned to pairs in which every video and every speech file occurs once. A split of the pairs is a split of the videos
and of the speech files at the same shares, with no file on two sides (docs/methods.md 8.6).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from avx.core.errors import UserError
from avx.data import manifest
from avx.data.folders import inside

COLUMNS = ("video", "speech", "class")


@dataclasses.dataclass(frozen=True, order=True)
class SpokenPair:
    """A row of the table, and after `matched` an item of the data set.

    Attributes:
      video: name of a video.
      speech: path of a speech file, relative to the table's folder.
      class_name: of both.
    """

    video: str
    speech: str
    class_name: str


def read_table(path: Path, videos: Sequence[str]) -> list[SpokenPair]:
    """The rows of a csv file with the columns video, speech and class, all checked.

    Args:
      path: the table; speech files are found from its folder and must lie in it.
      videos: the names that the first column may hold.

    Raises:
      UserError: no table, or its first wrong row: an empty cell, an unknown video, a speech file that is missing or
        outside the folder, a video or speech file of two classes, or a row that is there twice.
    """
    if not path.is_file():
        raise UserError(f"There is no table {path}: give a csv file with the columns {', '.join(COLUMNS)}.")
    table = manifest.read_table(path)
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise UserError(f"{path} has no column {missing[0]}: it needs {', '.join(COLUMNS)}.")
    places = [table.columns.index(column) for column in COLUMNS]
    rows = [SpokenPair(*(cells[place] for place in places)) for cells in table.rows]
    if not rows:
        raise UserError(f"{path} has no rows: name at least one video with its speech.")
    known = set(videos)
    class_of: dict[tuple[str, str], str] = {}
    seen: set[SpokenPair] = set()
    for number, row in enumerate(rows):
        where = table.where(number)
        for column, cell in zip(COLUMNS, dataclasses.astuple(row), strict=True):
            if not cell:
                raise UserError(f"{where} has an empty {column}: fill it in or remove the row.")
        if row.video not in known:
            raise UserError(f"{where} names the video {row.video}, which is not annotated: correct or remove the row.")
        if not inside(path.parent, row.speech).is_file():
            raise UserError(f"{where} names the speech file {row.speech}, which is not there: restore it.")
        for kind, name in (("video", row.video), ("speech", row.speech)):
            other = class_of.setdefault((kind, name), row.class_name)
            if other != row.class_name:
                raise UserError(
                    f"{where} puts the {kind} {name} in class {row.class_name}, an earlier row in {other}: choose one."
                )
        if row in seen:
            raise UserError(f"{where} is there twice: remove one of the two.")
        seen.add(row)
    return rows


def matched(rows: Sequence[SpokenPair]) -> tuple[list[SpokenPair], list[str]]:
    """As many rows as possible in which no video and no speech file occurs twice, and what stays without a partner.

    The result is a largest matching (Hopcroft & Karp 1973). It depends on the rows as a set, not on their order.

    Returns:
      The pairs in order of video, and the sorted names of the videos and speech files that are in none.
    """
    rows = sorted(rows)
    videos = sorted({row.video for row in rows})
    speeches = sorted({row.speech for row in rows})
    row_of = {name: place for place, name in enumerate(videos)}
    column_of = {name: place for place, name in enumerate(speeches)}
    places = ([row_of[row.video] for row in rows], [column_of[row.speech] for row in rows])
    graph = csr_array((np.ones(len(rows), np.int8), places), shape=(len(videos), len(speeches)))
    chosen = maximum_bipartite_matching(graph, perm_type="column")
    class_of = {row.video: row.class_name for row in rows}
    pairs = [
        SpokenPair(video, speeches[column], class_of[video])
        for video, column in zip(videos, chosen.tolist(), strict=True)
        if column >= 0
    ]
    used = {pair.video for pair in pairs} | {pair.speech for pair in pairs}
    return pairs, [name for name in [*videos, *speeches] if name not in used]
