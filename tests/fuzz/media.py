"""Mutants of media files and folders of pictures, for `fuzz.harness`.

A mutant is read, or put aside for a reason. Beyond that: frame times strictly increase from 0 on, sound is finite and
within [-1, 1], a second decode gives the same, a problem is told in one line, and it is not the reader that failed.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import re
import resource
import shutil
import traceback
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from fuzz import media_corpus
from fuzz.mutators import RAW, TELLING

import avx
from avx.core.dataset import Clip
from avx.media.decode import read_clip, stream_audio, stream_frames
from avx.media.probe import probe
from avx.media.quarantine import MediaProblem

PACKAGE = Path(avx.__file__).parent
NAMES = (*media_corpus.FILES, *media_corpus.FOLDERS)
_BOXES = rb"(?s:....)[a-z]{3}[a-z0-9]"
_RIFF = rb"RIFF|LIST|avih|str[hfln]|movi|0[01](?:dc|wb)|idx1|fmt |data|JUNK|INFO|ISFT"
_EBML = (
    rb"\x1a\x45\xdf\xa3|\x18\x53\x80\x67|\x1f\x43\xb6\x75|\x16\x54\xae\x6b|\xae|\xa3|\xa0|\xe0|\xe1|\x1c\x53\xbb\x6b"
)
MARKS = {
    ".mp4": _BOXES,
    ".m4a": _BOXES,
    ".mov": _BOXES,
    ".mkv": _EBML,
    ".webm": _EBML,
    ".avi": _RIFF,
    ".wav": _RIFF,
    ".mpg": rb"\x00\x00\x01[\x00\xb3-\xef]",
    ".264": rb"\x00\x00\x01",
    ".flv": rb"[\x08\x09\x12]\x00(?s:..)\x00\x00(?s:.)\x00{4}",
    ".gif": rb"\x2c\x00{4}|!\xf9|!\xff",
    ".apng": rb"(?s:....)(?:IHDR|acTL|fcTL|IDAT|fdAT|IEND)",
    ".png": rb"(?s:....)(?:IHDR|IDAT|IEND)",
    ".jpg": rb"\xff[\xc0-\xfe]",
    ".flac": rb"\xff[\xf8\xf9]",
    ".mp3": rb"\xff[\xe2-\xff]",
    ".aac": rb"\xff[\xf0-\xf9]",
    ".ogg": rb"OggS",
    ".opus": rb"OggS",
    ".wv": rb"wvpk",
    ".aiff": rb"FORM|COMM|SSND",
    ".caf": rb"caff|desc|data|free|info",
}
"""Suffix -> what the parts of such files begin with; others are cut evenly."""
TRANSPORT_PACKET = 188
WAYS = ("whole", "whole", "whole", "sampled", "streamed")


def prepare(folder: Path) -> None:
    """Writes the corpus, and reads everything in it by every way."""
    media_corpus.write(folder)
    for name in NAMES:
        for way in set(WAYS):
            assert read(folder / name, way)[0], f"of the whole {name} nothing is read"


def make(folder: Path, seed: int, number: int) -> Path:
    """Writes the mutant of a number."""
    chance = random.Random(f"media {seed} {number}")
    name, target = chance.choice(NAMES), folder / "mutant"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    path, corpus = target / name, [folder / other for other in media_corpus.FILES]
    changed = path
    if name in media_corpus.FOLDERS:
        shutil.copytree(folder / name, path)
        changed = chance.choice(sorted(path.iterdir()))
    content = (folder / changed.relative_to(target)).read_bytes()
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        if content:
            content = mutated(content, changed.suffix, corpus, chance)
    changed.write_bytes(content)
    (target / "way").write_text(chance.choice(WAYS))
    return path


def mutated(content: bytes, suffix: str, corpus: Sequence[Path], chance: random.Random) -> bytes:
    """One change, among bytes as they come, the parts of the format, or its head alone."""
    kind = chance.random()
    if kind < 0.4:
        changed = chance.choice(RAW)(content, corpus, chance)
    elif kind < 0.6:
        head = min(len(content), chance.choice((32, 128, 1024)))
        changed = chance.choice(RAW)(content[:head], corpus, chance) + content[head:]
    else:
        changed = chance.choice(STRUCTURED)(content, places_of(content, suffix), chance)
    return CHECKSUMS[suffix](changed) if suffix in CHECKSUMS and chance.random() < 0.7 else changed


def places_of(content: bytes, suffix: str) -> list[int]:
    """Where the parts of a file begin."""
    if suffix in MARKS:
        return [found.start() for found in re.finditer(MARKS[suffix], content)] or [0]
    step = TRANSPORT_PACKET if suffix == ".ts" else max(1, len(content) // 64)
    return list(range(0, len(content), step))


def number_at_mark(content: bytes, places: Sequence[int], chance: random.Random) -> bytes:
    """A number close behind a mark, as lengths, counts and rates are, becomes a telling one or changes a little."""
    place, size = chance.choice(places) + chance.randrange(24), chance.choice((1, 2, 3, 4, 8))
    order = chance.choice(("little", "big"))
    stored = int.from_bytes(content[place : place + size], order)
    value = chance.choice((stored + 1, stored - 1, stored * 2, stored // 2, stored * 1000, *TELLING)) % (1 << 8 * size)
    return content[:place] + value.to_bytes(size, order) + content[place + size :]


def _parts(content: bytes, places: Sequence[int]) -> list[bytes]:
    cuts = sorted({0, *places, len(content)})
    return [content[start:end] for start, end in itertools.pairwise(cuts)]


def swapped(content: bytes, places: Sequence[int], chance: random.Random) -> bytes:
    """Two parts, or two runs of parts, change places."""
    parts = _parts(content, places)
    cuts = sorted(chance.choices(range(len(parts) + 1), k=4))
    first, second, third, fourth = cuts
    moved = parts[:first] + parts[third:fourth] + parts[second:third] + parts[first:second] + parts[fourth:]
    return b"".join(moved)


def left_out(content: bytes, places: Sequence[int], chance: random.Random) -> bytes:
    """A few parts are missing."""
    parts = _parts(content, places)
    start = chance.randrange(len(parts))
    return b"".join(parts[:start] + parts[start + chance.choice((1, 1, 2, 8)) :])


def repeated(content: bytes, places: Sequence[int], chance: random.Random) -> bytes:
    """A part comes several times, or the file begins anew behind itself."""
    parts = _parts(content, places)
    start = chance.randrange(len(parts))
    if chance.random() < 0.2:
        return content + b"".join(parts[start:] if chance.random() < 0.5 else parts)
    return b"".join(parts[:start] + [parts[start]] * chance.choice((2, 3, 20)) + parts[start + 1 :])


STRUCTURED: tuple[Callable[[bytes, Sequence[int], random.Random], bytes], ...] = (
    number_at_mark,
    number_at_mark,
    number_at_mark,
    swapped,
    left_out,
    repeated,
)


def _ogg_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        rest = byte << 24
        for _ in range(8):
            rest = (rest << 1) ^ (0x104C11DB7 if rest & 0x80000000 else 0)
        table.append(rest)
    return tuple(table)


_OGG_TABLE = _ogg_table()


def ogg_mended(content: bytes) -> bytes:
    """Every page bears the checksum of what it holds, so that a reader takes it."""
    changed = bytearray(content)
    for found in re.finditer(b"OggS", content):
        start = found.start()
        segments = changed[start + 26] if start + 26 < len(changed) else 0
        end = start + 27 + segments + sum(changed[start + 27 : start + 27 + segments])
        if end > len(changed):
            continue
        changed[start + 22 : start + 26] = bytes(4)
        rest = 0
        for byte in changed[start:end]:
            rest = ((rest << 8) & 0xFFFFFFFF) ^ _OGG_TABLE[rest >> 24 ^ byte]
        changed[start + 22 : start + 26] = rest.to_bytes(4, "little")
    return bytes(changed)


def png_mended(content: bytes) -> bytes:
    """Every chunk bears its checksum."""
    changed, start = bytearray(content), 8
    while start + 12 <= len(changed):
        end = start + 8 + int.from_bytes(changed[start : start + 4], "big")
        if end + 4 > len(changed):
            break
        changed[end : end + 4] = zlib.crc32(changed[start + 4 : end]).to_bytes(4, "big")
        start = end + 4
    return bytes(changed)


CHECKSUMS: dict[str, Callable[[bytes], bytes]] = {
    ".ogg": ogg_mended,
    ".opus": ogg_mended,
    ".png": png_mended,
    ".apng": png_mended,
}


def read(path: Path, way: str) -> tuple[int, list[Any]]:
    """Decodes a file in one of `WAYS`, and holds it to what is promised of every file.

    Returns:
      The number of pictures and samples, and everything found, to be compared.
    """
    if way == "streamed" and not path.is_dir():
        return _streamed(path)
    sampled = way == "sampled"
    clip = read_clip(
        path,
        clip_id="mutant",
        frame_rate=10.0 if sampled else None,
        size=(24, 40) if sampled else None,
        sample_rate=16000,
        max_seconds=3.0 if sampled else None,
        audio_source=path / "sound.wav" if path.is_dir() else None,
        frames_per_second=25.0,
    )
    _check_clip(clip)
    found = [clip.frames, clip.frame_times, clip.waveform, clip.remarks, clip.damaged_packets]
    return len(clip.frames) + len(clip.waveform), found


def _check_clip(clip: Clip) -> None:
    assert clip.frames.dtype == np.uint8 and clip.frames.ndim == 4 and clip.frames.shape[3] == 3
    assert clip.has_video == (len(clip.frames) > 0), "has_video is false"
    assert clip.has_audio == (len(clip.waveform) > 0), "has_audio is false"
    assert clip.has_video or clip.has_audio, "the clip holds nothing"
    check_times(clip.frame_times, len(clip.frames))
    check_sound(clip.waveform)


def check_times(times: np.ndarray, count: int) -> None:
    """Raises AssertionError unless `count` times strictly increase from 0 on."""
    assert len(times) == count, "a time is missing"
    assert np.isfinite(times).all(), "a time is not finite"
    assert (np.diff(times) > 0).all(), f"times do not increase: {times.tolist()[:20]}"
    assert not count or times[0] >= 0, f"the first time is {times[0]}"


def check_sound(samples: np.ndarray) -> None:
    """Raises AssertionError unless samples are finite float32 within [-1, 1]."""
    assert samples.dtype == np.float32 and samples.ndim == 1
    assert np.isfinite(samples).all() and np.abs(samples).max(initial=0) <= 1, "sound is beyond [-1, 1]"


def _streamed(path: Path) -> tuple[int, list[Any]]:
    """Both tracks as streams, with what their reader remarks; the other one goes on where one is put aside."""
    found: list[Any] = []
    info = probe(path)
    found.append(repr(info))
    problems, count = [], 0
    for there, stream in (
        (info.has_video, lambda: stream_frames(path, 12.5, 16)),
        (info.has_audio, lambda: stream_audio(path, 8000, 0.1)),
    ):
        times, parts = [], []
        try:
            for time, part in stream() if there else ():
                times.append(time)
                parts.append(part)
        except MediaProblem as problem:
            problems.append(problem)
            found.append(str(problem))
        check_times(np.array(times), len(parts))
        for part in parts:
            if part.dtype == np.float32:
                check_sound(part)
        found += parts
        count += len(parts)
    if problems and not count:
        raise problems[0]
    return count, found


def check(path: Path) -> str:
    """Reads a mutant twice; an AssertionError tells of an invariant that is broken."""
    way = (path.parent / "way").read_text()
    first, second = _outcome(path, way), _outcome(path, way)
    assert first[0] == second[0], f"it is {first[0]}, then {second[0]}"
    assert len(first[1]) == len(second[1]), "a second decode gives another number of parts"
    for one, other in zip(first[1], second[1], strict=True):
        same = np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other
        assert same, "a second decode gives something else"
    return first[0]


def _outcome(path: Path, way: str) -> tuple[str, list[Any]]:
    try:
        return _told(path, way)
    except av.FFmpegError:
        with room_to_spare():
            return _told(path, way, tolerant=True)


def _told(path: Path, way: str, tolerant: bool = False) -> tuple[str, list[Any]]:
    """What was read, or why not.

    Raises:
      MemoryError: it ran out; with `tolerant`, libav is believed to have asked for nothing.
      AssertionError: the problem is not told in a line, or a reader of avx failed, which the boundary would hide.
    """
    try:
        return "read", read(path, way)[1]
    except MediaProblem as problem:
        assert str(problem).isprintable(), f"the problem is told in more than a line: {problem!s}"
        cause = problem.__cause__
        if isinstance(cause, MemoryError) and not (tolerant and isinstance(cause, av.FFmpegError)):
            raise cause from None
        if cause is not None and not isinstance(cause, MediaProblem | OSError | MemoryError):
            place = traceback.extract_tb(cause.__traceback__)[-1]
            assert not Path(place.filename).is_relative_to(PACKAGE), (
                f"a reader fails: {type(cause).__name__}: {cause} ({Path(place.filename).name}:{place.lineno})"
            )
        return str(problem.reason), [problem.detail]


@contextlib.contextmanager
def room_to_spare() -> Iterator[None]:
    """Allows more memory than a case has, so that what is really taken is measured.

    libav says that memory has run out also where a file states a size that it would not even ask for.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    more = soft if soft == resource.RLIM_INFINITY else soft + (3 << 30)
    resource.setrlimit(resource.RLIMIT_AS, (more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
