"""Stretches of long videos as short files of their own, so that a data set can be shuffled and read at random."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from avx.core.errors import UserError
from avx.media.encode import write_clip
from avx.media.pictures import iterate_pictures
from avx.media.probe import probe
from avx.media.quarantine import MediaProblem


def cut_segments(
    video: Path, spans: Iterable[tuple[int, int]], short_side: int, longest_seconds: float
) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Cuts spans of frames out of a video, without sound, decoding it once.

    A span is held in memory until its last frame, which `longest_seconds` and `short_side` bound.

    Args:
      video: a file of constant frame rate.
      spans: (first, last) frames, from 1, both included; they may overlap.
      short_side: pixels of the shorter side of the pictures, even; the longer one is rounded to an even number.
      longest_seconds: what lies further than this from a span's first frame is left out.

    Yields:
      Each span once, in the order in which they end, with its mp4 file (H.264) at the video's frame rate.

    Raises:
      UserError: a video that cannot be decoded, or that ends before a span does.
    """
    try:
        yield from _cut(video, sorted(set(spans)), short_side, longest_seconds)
    except MediaProblem as problem:
        raise UserError(
            f"{video} cannot be cut, since {problem.detail}; fetch it again, or remove its rows from the table."
        ) from problem


def _cut(
    video: Path, waiting: list[tuple[int, int]], short_side: int, longest_seconds: float
) -> Iterator[tuple[tuple[int, int], bytes]]:
    info = probe(video)
    if info.frame_rate is None:
        raise UserError(f"{video} states no frame rate, so its frames cannot be timed; fetch it again.")
    scale = short_side / min(info.height, info.width)
    size = (2 * round(info.height * scale / 2), 2 * round(info.width * scale / 2))
    longest = max(1, round(longest_seconds * info.frame_rate))
    silence = np.zeros(0, np.float32)
    started: dict[tuple[int, int], list[np.ndarray]] = {}
    pictures = iterate_pictures(video, None, size, threads=0)
    number = 0
    while waiting or started:
        picture = next(pictures, None)
        if picture is None:
            first, last = (waiting or list(started))[0]
            raise UserError(
                f"{video} has {number} frames, but frames {first} to {last} of it are asked for: the file is cut short "
                "or is not the annotated one; fetch it again."
            )
        number += 1
        while waiting and waiting[0][0] == number:
            started[waiting.pop(0)] = []
        for span in list(started):
            started[span].append(picture[1])
            if number == min(span[1], span[0] + longest - 1):
                encoded = write_clip(None, started.pop(span), info.frame_rate, silence, 16000)
                assert encoded is not None, "without a target the bytes are returned"
                yield span, encoded
