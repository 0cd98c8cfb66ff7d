"""The transitions of the real clips, from the table of what was seen (tests/golden/real_transitions.csv)."""

import csv
import dataclasses
from pathlib import Path

TABLE = Path(__file__).parent / "golden" / "real_transitions.csv"
GRADUAL = ("fade", "dissolve", "wipe")


@dataclasses.dataclass(frozen=True)
class Seen:
    """One line of the table; see its head for what the columns mean."""

    clip: str
    kind: str
    first: int
    last: int
    part: str


def seen_transitions():
    with TABLE.open(encoding="utf-8") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return [Seen(row["clip"], row["kind"], int(row["first"]), int(row["last"]), row["part"]) for row in rows]


def real_films(data):
    """{name: path} of all labelled clips, those without a transition included, in order of their names."""
    clips = sorted((data / "av_clips").glob("*_audio/*.*"), key=lambda path: path.stem)
    return {path.stem: path for path in [*clips, data / "scene_cuts" / "testvideo.mp4"]}


def part_of(name, films):
    """Whether the detector's constants were "chosen" on a film, or are "shown" on it."""
    places = [other for other in films if other != "testvideo"]
    return "chosen" if name == "testvideo" or places.index(name) % 2 == 0 else "shown"
