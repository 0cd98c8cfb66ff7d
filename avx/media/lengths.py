"""Lengths in bytes that a file's header states, so that a file which breaks off is told from a whole one.

A demuxer lowers the length it reports to what is there, and guesses one where the header states none. These readers
look at the header itself: a few hundred bytes of a file of any size, and the heads of its chunks.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from avx.media.mp3_header import is_frame, stated_end

# Writers disagree about padding bytes and about whether a chunk's own header counts.
_SLACK = 256
_MOST_CHUNKS = 1 << 20
_UNKNOWN = frozenset({0, 0xFFFFFFFF, 0x7FFFFFFF, (1 << 64) - 1})
_BOXES = frozenset(
    (
        b"ftyp",
        b"styp",
        b"moov",
        b"mdat",
        b"moof",
        b"mfra",
        b"free",
        b"skip",
        b"wide",
        b"udta",
        b"uuid",
        b"sidx",
        b"meta",
    )
)
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


class Chunk(NamedTuple):
    """A piece of a file that states its own length."""

    kind: bytes
    start: int
    size: int

    @property
    def end(self) -> int:
        return self.start + self.size


def missing_bytes(source: Path | bytes) -> int:
    """Bytes by which a file is shorter than its header states; 0 where it is whole or states nothing.

    Knows wav, RF64, W64, avi, aiff, au, caf, mp4 and mov (fragments included), Matroska, flv, asf, rm, ivf, gif, and
    mp3 with a Xing, Info or VBRI frame.

    Raises:
      OSError: the file cannot be read.
    """
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        total = file.seek(0, io.SEEK_END)
        file.seek(0)
        head = file.read(16)
        reader = next((reader for matches, reader in _READERS if matches(head)), None)
        stated = reader(file, total) if reader is not None else 0
    missing = stated - total
    return missing if missing > _SLACK else 0


def breaks_off(source: Path | bytes) -> bool:
    """Whether a stream that states no length (MPEG-TS, MPEG-PS, Ogg) ends within a packet or without its last page.

    Raises:
      OSError: the file cannot be read.
    """
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        total = file.seek(0, io.SEEK_END)
        file.seek(0)
        head = file.read(1024)
        for size, first in ((188, 0), (192, 4), (204, 0)):
            if len(head) > first + 2 * size and all(head[first + step * size] == 0x47 for step in range(3)):
                return total % size != 0
        file.seek(max(0, total - (1 << 17)))
        tail = file.read()
        if head[:4] == b"\0\0\1\xba":
            place = max(tail.rfind(b"\0\0\1" + bytes([kind])) for kind in (0xBD, *range(0xC0, 0xF0)))
            length = int.from_bytes(tail[place + 4 : place + 6], "big")
            return place >= 0 and len(tail) < place + 6 + length
        if head[:4] == b"OggS":
            page = tail[tail.rfind(b"OggS") :]
            return len(page) < 27 or not page[5] & 4 or len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]])
    return False


def _stated(size: int) -> bool:
    return size not in _UNKNOWN


def _chunks(file: IO[bytes], start: int, end: int, layout: str, even: bool) -> Iterator[Chunk]:
    """The chunks (4 letters, size, content) from `start` on; the size is read by the `struct` layout."""
    width = struct.calcsize(layout)
    for _ in range(_MOST_CHUNKS):
        if start + 4 + width > end:
            return
        file.seek(start)
        head = file.read(4 + width)
        if len(head) < 4 + width:
            return
        chunk = Chunk(head[:4], start + 4 + width, struct.unpack(layout, head[4:])[0])
        yield chunk
        if chunk.size < 0:
            return
        start = chunk.end + (chunk.size % 2 if even else 0)


def _riff(file: IO[bytes], total: int) -> int:
    """wav: the end of its data; avi: the end of the last list of pictures and sound."""
    file.seek(0)
    order = ">I" if file.read(4) == b"RIFX" else "<I"
    file.seek(8)
    form = file.read(4)
    large, stated = 0, 0
    if form == b"WAVE":
        for chunk in _chunks(file, 12, total, order, even=True):
            if chunk.kind == b"ds64":
                file.seek(chunk.start + 8)
                large = int.from_bytes(file.read(8), "little")
            elif chunk.kind == b"data":
                size = large if chunk.size == 0xFFFFFFFF else chunk.size
                return chunk.start + size if _stated(size) else 0
        return 0
    for riff in _chunks(file, 0, total, order, even=True):
        if riff.kind != b"RIFF" or not _stated(riff.size):
            break
        for chunk in _chunks(file, riff.start + 4, min(riff.end, total), order, even=True):
            file.seek(chunk.start)
            if chunk.kind == b"LIST" and file.read(4) == b"movi" and _stated(chunk.size):
                stated = max(stated, chunk.end)
    return stated


def _wave64(file: IO[bytes], total: int) -> int:
    start = 40
    for _ in range(_MOST_CHUNKS):
        file.seek(start)
        head = file.read(24)
        size = int.from_bytes(head[16:], "little")
        if len(head) < 24 or size < 24:
            return 0
        if head[:4] == b"data":
            return start + size if size < 1 << 62 else 0
        start += -(-size // 8) * 8
    return 0


def _aiff(file: IO[bytes], total: int) -> int:
    found = (chunk for chunk in _chunks(file, 12, total, ">I", even=True) if chunk.kind == b"SSND")
    return next((chunk.end for chunk in found if _stated(chunk.size)), 0)


def _au(file: IO[bytes], total: int) -> int:
    file.seek(4)
    offset, size = struct.unpack(">II", file.read(8).ljust(8, b"\0"))
    return offset + size if _stated(size) else 0


def _caf(file: IO[bytes], total: int) -> int:
    found = (chunk for chunk in _chunks(file, 8, total, ">q", even=False) if chunk.kind == b"data")
    return next((chunk.end for chunk in found if chunk.size > 0), 0)


def _boxes(file: IO[bytes], total: int) -> int:
    """mp4 and mov: the furthest end of a box at the top level."""
    start = 0
    for _ in range(_MOST_CHUNKS):
        file.seek(start)
        head = file.read(16)
        if len(head) < 8 or head[4:8] not in _BOXES:
            return 0
        size = int.from_bytes(head[:4], "big")
        if size == 1 and len(head) == 16:
            size = int.from_bytes(head[8:], "big")
        if size < 8:
            return 0  # 0: up to the end of the file.
        if start + size > total:
            return start + size
        start += size
    return 0


def _matroska(file: IO[bytes], total: int) -> int:
    """The end of the segment, where its length is known."""
    file.seek(0)
    head = file.read(4096)

    def number(place: int) -> tuple[int, int]:
        """(value, bytes) of an EBML length; -1 for unknown."""
        width = 9 - head[place].bit_length()
        if width > 8 or place + width > len(head):
            return -1, 1
        value = int.from_bytes(head[place : place + width], "big") & ((1 << 7 * width) - 1)
        return (-1 if value == (1 << 7 * width) - 1 else value), width

    if len(head) < 12:
        return 0
    size, width = number(4)
    place = 4 + width + size
    if size < 0 or place + 12 > len(head) or head[place : place + 4] != b"\x18\x53\x80\x67":
        return 0
    size, width = number(place + 4)
    return place + 4 + width + size if size > 0 else 0


def _flv(file: IO[bytes], total: int) -> int:
    """What onMetaData states as the size of the file."""
    file.seek(0)
    head = file.read(8192)
    place = head.find(b"\x00\x08filesize\x00")
    value = head[place + 11 : place + 19]
    if place < 0 or len(value) < 8:
        return 0
    (size,) = struct.unpack(">d", value)
    return int(size) if 0 < size < 1 << 62 else 0


def _asf(file: IO[bytes], total: int) -> int:
    file.seek(0)
    head = file.read(1 << 16)
    place = head.find(_ASF_FILE_PROPERTIES)
    properties = head[place : place + 104]
    if place < 0 or len(properties) < 104 or properties[88] & 1:  # Broadcast: the other fields mean nothing.
        return 0
    return int.from_bytes(properties[40:48], "little")


def _real(file: IO[bytes], total: int) -> int:
    start = 0
    for _ in range(_MOST_CHUNKS):
        file.seek(start)
        head = file.read(8)
        size = int.from_bytes(head[4:], "big")
        if len(head) < 8 or not _stated(size):
            return 0
        if head[:4] == b"DATA":
            return start + size
        start += size
    return 0


def _ivf(file: IO[bytes], total: int) -> int:
    """The end of the frame in which the file ends, or of the frames of which the header knows."""
    file.seek(0)
    head = file.read(32)
    frames, start, count = int.from_bytes(head[24:28], "little"), int.from_bytes(head[6:8], "little"), 0
    while start < total and count < _MOST_CHUNKS:
        file.seek(start)
        start += 12 + int.from_bytes(file.read(4), "little")
        count += 1
    # A frame that is missing altogether has at least its head; the slack is for files that are whole.
    return max(start, start + (frames - count) * (_SLACK + 1) if count < frames < _MOST_CHUNKS else 0)


def _gif(file: IO[bytes], total: int) -> int:
    """One byte more than there can be where the file ends within a block; 0 where the blocks are whole."""
    broken = total + _SLACK + 1
    file.seek(10)
    flags = file.read(3)
    if len(flags) < 3:
        return broken
    file.seek(13 + _colours(flags[0]))
    for _ in range(_MOST_CHUNKS):
        kind = file.read(1)
        if kind == b"!":
            file.read(1)
        elif kind == b",":
            head = file.read(9)
            if len(head) < 9:
                return broken
            file.seek(_colours(head[8]) + 1, io.SEEK_CUR)
        else:
            return 0  # The trailer, the end of a file without one, or junk.
        while (length := file.read(1)) != b"\0":
            if not length or file.seek(length[0], io.SEEK_CUR) > total:
                return broken
    return 0


def _colours(flags: int) -> int:
    """Bytes of a colour table of a gif."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


_READERS: tuple[tuple[Callable[[bytes], bool], Callable[[IO[bytes], int], int]], ...] = (
    (lambda head: head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64"), _riff),
    (lambda head: head[:4] == b"riff" and head[4:8] == bytes.fromhex("2e91cf11"), _wave64),
    (lambda head: head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"), _aiff),
    (lambda head: head[:4] == b".snd", _au),
    (lambda head: head[:4] == b"caff", _caf),
    (lambda head: head[4:8] in _BOXES, _boxes),
    (lambda head: head[:4] == b"\x1a\x45\xdf\xa3", _matroska),
    (lambda head: head[:3] == b"FLV", _flv),
    (lambda head: head == _ASF_HEADER, _asf),
    (lambda head: head[:4] == b".RMF", _real),
    (lambda head: head[:4] == b"DKIF", _ivf),
    (lambda head: head[:4] == b"GIF8", _gif),
    (lambda head: head[:3] == b"ID3" or (len(head) > 3 and is_frame(head[:4])), stated_end),
)
