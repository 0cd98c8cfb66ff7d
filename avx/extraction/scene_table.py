"""Lists the scenes of films, and writes them as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from avx.extraction.film import Film
from avx.media.atomic import write_bytes

COLUMNS = ("start", "end", "transition", "first_frame", "last_frame", "video")


def scene_rows(film: Film) -> list[dict[str, Any]]:
    """Start and end in s of each scene, how it begins, and its first and last frame.

    A scene ends where the next one starts; the last one ends with the time of the last frame.
    """
    starts = [float(film.times[scene.first]) for scene in film.scenes]
    ends = [*starts[1:], float(film.times[-1])]
    return [
        {
            "start": start,
            "end": end,
            "transition": scene.transition,
            "first_frame": scene.first,
            "last_frame": scene.last,
        }
        for start, end, scene in zip(starts, ends, film.scenes, strict=True)
    ]


def write_scenes(path: Path, manifests: Sequence[Mapping[str, Any]]) -> None:
    """Writes the scenes of all videos as one CSV table, in the columns `COLUMNS`, times in s to the millisecond.

    Args:
      path: of the table.
      manifests: of the videos, each with its name as "video" and its `scene_rows` as "scenes".

    Raises:
      UserError: the disk is full.
    """
    table = io.StringIO()
    writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for manifest in manifests:
        for scene in manifest["scenes"]:
            times = {edge: f"{scene[edge]:.3f}" for edge in ("start", "end")}
            writer.writerow(scene | times | {"video": manifest["video"]})
    write_bytes(path, table.getvalue().encode())
