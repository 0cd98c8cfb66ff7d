"""What a section of the page is made of, and the template draws: sentences, tables, pictures and retrieved items."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from PIL import Image

from avx.reports.drawing import jpeg_bytes
from avx.reports.metric_names import format_fact
from avx.reports.tables import Table


class Picture(NamedTuple):
    """A PNG file `stem`.png; `look` is "plot", "plot broad", or "sheet" of photographs, whose inline copy is a JPEG."""

    stem: str
    png: bytes
    words: str
    look: str = "plot"
    caption: str = ""

    @property
    def address(self) -> str:
        if self.look != "sheet":
            return data_uri(self.png, "image/png")
        return data_uri(jpeg_bytes(Image.open(io.BytesIO(self.png)), quality=90), "image/jpeg")


class Folded(NamedTuple):
    """Tables behind a line that opens them."""

    summary: str
    blocks: list[Table]


class Shown(NamedTuple):
    """An item on the page: `look` is "query", "right" or "wrong"; `picture` an address or ""; `file` can be played."""

    look: str
    heading: str
    classes: str
    caption: str
    picture: str
    file: str


class Retrieved(NamedTuple):
    """Lines of items, each a query and what it found."""

    title: str
    lines: list[list[Shown]]


Block = str | Table | Picture | Folded | Retrieved


def data_uri(content: bytes, kind: str) -> str:
    """A file as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def facts(entries: Mapping[str, Any], joint: str = "_") -> Table:
    """Names and values, a line each; nested entries by dotted name, underscores replaced by `joint`."""

    def flat(entries: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
        for key, value in entries.items():
            if isinstance(value, Mapping) and value:
                yield from flat(value, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}".replace("_", joint), format_fact(str(key), value)

    return Table("", ("name", "value"), tuple(flat(entries, "")))
