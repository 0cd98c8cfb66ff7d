"""The first frame of an mp3, in which encoders state how long the stream is (Xing, Info, VBRI)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO


def states_length(source: Path | bytes) -> bool:
    """Whether an mp3 begins with a Xing, Info or VBRI frame that states a number of frames or bytes.

    Raises:
      OSError: the file cannot be read.
    """
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        _, frame, place = _first_frame(file)
    if frame[place : place + 4] in (b"Xing", b"Info"):
        return bool(frame[place + 7 : place + 8] and frame[place + 7] & 3)
    return frame[36:40] == b"VBRI"


def stated_end(file: IO[bytes], total: int) -> int:
    """The end of the stream by its Xing, Info or VBRI frame."""
    start, body, place = _first_frame(file)
    if body[place : place + 4] in (b"Xing", b"Info"):
        flags = int.from_bytes(body[place + 4 : place + 8], "big")
        at = place + 8 + (4 if flags & 1 else 0)
        return start + int.from_bytes(body[at : at + 4], "big") if flags & 2 else 0
    if body[36:40] == b"VBRI":
        return start + int.from_bytes(body[46:50], "big")
    return 0


def _first_frame(file: IO[bytes]) -> tuple[int, bytes, int]:
    """(place in the file, content from there on, place in it of a Xing frame's mark) of the first frame, or nothing."""
    file.seek(0)
    head = file.read(10)
    start = 0
    if head[:3] == b"ID3" and len(head) == 10:
        start = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
    file.seek(start)
    frame = file.read(4096)
    sync = next((place for place in range(len(frame) - 200) if is_frame(frame[place : place + 4])), None)
    if sync is None:
        return start, b"", 0
    body, start = frame[sync:], start + sync
    first, mono = body[1] & 8, body[3] >> 6 == 3
    return start, body, 4 + ((17 if mono else 32) if first else (9 if mono else 17))


def is_frame(head: bytes) -> bool:
    """A frame of layer III with a bit rate and a sample rate that exist."""
    return head[0] == 0xFF and head[1] & 0xE6 == 0xE2 and head[2] >> 4 not in (0, 15) and head[2] >> 2 & 3 != 3
