"""Mutants of lists of clips, for `fuzz.harness`.

A mutant is read, or refused by a UserError of one printable line. Beyond that: every row is a clip or the list is
refused, ids are unique, files lie inside of the folder, no file lies on two sides of a split, and a second reading
gives the same.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
from fuzz.mutators import RAW

from avx.core.errors import UserError
from avx.data.folders import folder_clips
from avx.data.records import Clips
from avx.data.splits import split_rows

FILES = ("a.mp4", "b.mp4", "sub/c.mkv", "häuser/d e.mp4", "e.wav", "said.wav", "frames/1.jpg")
LISTS = {
    "plain.csv": "file,label\na.mp4,1\nb.mp4,2\nsub/c.mkv,10\n",
    "full.csv": "clip_id,file,label,caption,audio,speech,split,group\n"
    'one,a.mp4,dog,"a dog, barking",e.wav,,train,\ntwo,b.mp4,cat,"the ""cat""",,said.wav,Test,g\n'
    'three,sub/c.mkv,dog,"two\nlines",,,val,\nfour,frames,cat,,e.wav,,train,\nfive,b.mp4,cat,again,,,test,g\n',
    "spread.csv": "\ufeffId , Video, Class ,Text,_mine,remark\r\n"
    "1, a.mp4, Häuser ,x,,\r\n2, häuser/d e.mp4,,y,z,\r\n\r\n3,b.mp4,dog, ,,w,\r\n",
    "unsplit.csv": "path,instrument,sentence,group,id\na.mp4,0,x,p,i\na.mp4,0,y,,j\n"
    "b.mp4,1,z,p,k\nsub/c.mkv,2,w,q,l\nframes,3,v,,m\n",
}
CELLS = (
    *(
        "",
        " ",
        "a.mp4",
        "b.mp4",
        "link.mp4",
        "frames",
        "sub",
        ".",
        "..",
        "../a.mp4",
        "/etc/passwd",
        "a.mp4/x",
        "gone.mp4",
        "a\0b",
    ),
    *(
        "x" * 300,
        "x" * 5000,
        "a\nb",
        'a"b',
        "a,b",
        "train",
        "TEST",
        "dev",
        "training",
        "trian",
        "none",
        "one",
        "g",
        "p",
    ),
    *(
        "-1",
        "00",
        "٣",
        "²",
        "9" * 30,
        "1e9",
        "nan",
        "\ufeff",
        "\u202e",
        "\x1b[31m",
        "é",
        "e\u0301",
        "\U0001f4a9",
        "\x85",
    ),
)
COLUMNS = (
    *("file", "FILE", "fil", "flie", "video", "path", "label", "lable", "class", "audio", "aduio", "speech", "split"),
    *("spilt", "group", "gruop", "id", "clip_id", "caption", "text", "", " ", "_x", "x", "x" * 5000, "a\nb", "file\0"),
)


def prepare(folder: Path) -> None:
    """Writes the folder and its lists, and reads each."""
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    (folder / "link.mp4").symlink_to("a.mp4")
    for name, text in LISTS.items():
        (folder / name).write_bytes(text.encode())
        check(folder / name)


def make(folder: Path, seed: int, number: int) -> Path:
    """Writes the mutant of a number."""
    chance = random.Random(f"manifests {seed} {number}")
    content = LISTS[chance.choice(tuple(LISTS))].encode()
    for _ in range(chance.choice((1, 1, 2, 4))):
        content = chance.choice(CHANGES)(content, folder, chance) if content else content
    path = folder / "mutant.csv"
    path.write_bytes(content)
    return path


def check(path: Path) -> str:
    """Reads a mutant twice; an AssertionError tells of an invariant that is broken."""
    first, second = _outcome(path), _outcome(path)
    if isinstance(first, UserError):
        assert isinstance(second, UserError) and str(first) == str(second), "a second reading is another one"
        assert str(first).isprintable(), f"it is refused in more than a printable line: {str(first)!r}"
        raise first
    assert isinstance(second, Clips), f"a second reading fails: {second}"
    _check_clips(first, path)
    for field in dataclasses.fields(Clips):
        one, other = getattr(first, field.name), getattr(second, field.name)
        same = np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other
        assert same or field.name == "record", f"a second reading gives other {field.name}"
    return "read"


def _outcome(path: Path) -> Clips | UserError:
    try:
        return folder_clips(path.parent, path.name, frames_per_second=25.0)
    except UserError as error:
        return error


def _check_clips(clips: Clips, path: Path) -> None:
    count, root = len(clips), path.parent.resolve()
    with path.open(newline="", encoding="utf-8-sig") as lines:
        rows = [row for row in csv.reader(lines, skipinitialspace=True) if any(cell.strip() for cell in row)]
    assert count == len(rows) - 1, f"{len(rows) - 1} rows give {count} clips"
    assert len(set(clips.ids)) == count and all(clips.ids), "an id is empty or not unique"
    assert ((clips.labels >= -1) & (clips.labels < len(clips.class_names))).all(), "a label has no class"
    assert len(set(clips.class_names)) == len(clips.class_names) and all(clips.class_names)
    places = []
    for record in clips.records():
        media = [one for one in (record.media, record.audio, record.speech) if one is not None]
        assert all(isinstance(one, Path) and one.resolve().is_relative_to(root) for one in media), "a file lies outside"
        places.append({str(Path(str(one)).resolve()) for one in media})
    parts = split_rows(clips.ids, clips.labels, clips.groups, clips.splits, (0.5, 0.25, 0.25), 0)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(count)), "a clip lies on no side, or two"
    sides = [set().union(*(places[row] for row in rows.tolist())) for rows in parts.values()]
    assert sum(map(len, sides)) == len(set().union(*sides)), "a file lies on two sides of the split"


def _cells(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8", "replace"), newline="")))


def _written(rows: list[list[str]], line_end: str = "\n") -> bytes:
    stream = io.StringIO()
    csv.writer(stream, lineterminator=line_end).writerows(rows)
    return stream.getvalue().encode()


def raw(content: bytes, folder: Path, chance: random.Random) -> bytes:
    """Bytes change as they come."""
    return chance.choice(RAW)(content, [folder / name for name in LISTS], chance)


def cell_set(content: bytes, folder: Path, chance: random.Random) -> bytes:
    """A cell of a row, or the name of a column, becomes another one."""
    rows = _cells(content)
    filled = [number for number, row in enumerate(rows) if row]
    if not filled:
        return content
    number = chance.choice((filled[0], *filled))
    rows[number][chance.randrange(len(rows[number]))] = chance.choice(COLUMNS if number == filled[0] else CELLS)
    return _written(rows)


def cell_moved(content: bytes, folder: Path, chance: random.Random) -> bytes:
    """A row lacks a cell, or has one more."""
    rows = _cells(content)
    row = chance.choice(rows) if rows else []
    if row and chance.random() < 0.5:
        del row[chance.randrange(len(row))]
    else:
        row.insert(chance.randrange(len(row) + 1), chance.choice(CELLS))
    return _written(rows)


def row_repeated(content: bytes, folder: Path, chance: random.Random) -> bytes:
    """A row, or the header, comes twice, or moves, or is missing."""
    rows = _cells(content)
    if not rows:
        return content
    row = rows.pop(chance.randrange(len(rows)))
    for _ in range(chance.choice((0, 1, 2))):
        rows.insert(chance.randrange(len(rows) + 1), list(row))
    return _written(rows, chance.choice(("\n", "\r\n", "\r")))


def rewritten(content: bytes, folder: Path, chance: random.Random) -> bytes:
    """Other quotes, separators or encodings."""
    text = content.decode("utf-8", "replace")
    way = chance.randrange(4)
    if way == 0:
        place = chance.randrange(len(text) + 1)
        return (text[:place] + chance.choice(('"', "'", '""', ",", "\0", "\r", "\\")) + text[place:]).encode()
    if way == 1:
        return text.replace(",", chance.choice((";", "\t", ", ", '","'))).encode()
    if way == 2:
        return text.encode(chance.choice(("utf-16", "utf-8-sig", "latin-1", "cp1252")), "replace")
    return text.upper().encode()


CHANGES: tuple[Callable[[bytes, Path, random.Random], bytes], ...] = (
    raw,
    cell_set,
    cell_set,
    cell_moved,
    row_repeated,
    rewritten,
)
