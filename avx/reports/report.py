"""Writes the report of a workdir: one page that needs nothing beside it, and its pictures as files."""

import mimetypes
from pathlib import Path
from typing import Any

import jinja2

from avx.core.errors import UserError
from avx.core.result import Result
from avx.reports.array_files import Attention, Embedding, Items, KeyFrames
from avx.reports.blocks import Block, Picture, data_uri
from avx.reports.files import RESULT, Config, Environment, MetricLog, QuarantineLog, read_result, write_whole
from avx.reports.headline import ahead, headline, measured, question, rivals
from avx.reports.metric_names import direction_words, printable
from avx.reports.sections import SECTIONS

INLINE_FILE, INLINE_ALL = 256_000, 12_000_000
"""Bytes of a media file, and of all of them, up to which the page holds them itself; others are linked."""
READERS: dict[type, tuple[str, Any]] = {Result: (RESULT, read_result)} | {
    kind: (kind.PATH, kind.read)
    for kind in (MetricLog, Items, KeyFrames, Attention, Embedding, QuarantineLog, Environment, Config)
}


def write_report(workdir: Path) -> Path:
    """Writes `report.html` and `pictures/*.png` into `workdir` and returns the path of the page.

    The page holds its pictures and short media inline and loads nothing by itself. Equal inputs give equal bytes. A
    section whose files are absent is left out, and the page ends with a line that says so.

    Raises:
      UserError: a file is broken, in which case nothing is written, or there is nothing to report.
    """
    workdir = Path(workdir)
    if not workdir.is_dir():
        raise UserError(f"{workdir} is no folder: give the workdir that a training or evaluation run wrote.")
    found = {kind: read(workdir) for kind, (name, read) in READERS.items() if (workdir / name).is_file()}
    result = found.get(Result)
    if not (result and result.rows) and MetricLog not in found:
        raise UserError(f"{workdir} holds neither {RESULT} nor {MetricLog.PATH}: train or evaluate into it first.")
    sections, left_out = _sections(found)
    name = found[Config].content.get("name") if Config in found else None
    page = _environment(workdir).get_template("page.html.j2")
    content = page.render(
        title=f"{name}: report" if isinstance(name, str) else "Report",
        headline=headline(result) if result else "Not tested yet: this page shows the training so far.",
        remarks=[*ahead(result), question(result)] if result else [],
        first=result.rows[0] if result else None,
        rows=rivals(result) if result else [],
        sections=sections,
        left_out=left_out,
    )
    for picture in (block for blocks in sections.values() for block in blocks if isinstance(block, Picture)):
        write_whole(workdir / "pictures" / f"{picture.stem}.png", picture.png)
    write_whole(workdir / "report.html", content.encode("utf-8"))
    return workdir / "report.html"


def _sections(found: dict[type, Any]) -> tuple[dict[str, list[Block]], list[str]]:
    """The blocks of each section by title, and a line for each section that is left out."""
    sections, left_out = {}, {}
    for title, needs, build in SECTIONS:
        absent = [READERS[kind][0] for kind in needs if kind not in found]
        blocks = [] if absent or title in sections else build(*(found[kind] for kind in needs))
        if blocks:
            sections[title] = blocks
        elif absent:
            left_out[title] = f"{title}: {' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} absent."
        else:
            left_out[title] = f"{title}: {' and '.join(READERS[kind][0] for kind in needs)} holds none."
    return sections, [line for title, line in left_out.items() if title not in sections]


def _environment(workdir: Path) -> jinja2.Environment:
    """What the template uses; everything that is shown is escaped and free of control characters."""
    inlined = 0

    def media(name: str) -> tuple[str, str] | None:
        """How a file of the workdir is played: by which tag, and from an address that holds it or links to it."""
        nonlocal inlined
        path = workdir / name
        if not name or not path.is_file() or not path.resolve().is_relative_to(workdir.resolve()):
            return None
        kind, size = mimetypes.guess_type(name)[0] or "", path.stat().st_size
        tag = kind.split("/")[0]
        if tag not in ("video", "audio") or size >= INLINE_FILE or inlined + size > INLINE_ALL:
            return "a", name
        inlined += size
        return tag, data_uri(path.read_bytes(), kind)

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.globals |= {"media": media, "measured": measured, "direction_words": direction_words}
    environment.filters["kind"] = lambda block: type(block).__name__
    return environment
