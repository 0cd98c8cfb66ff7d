"""Reading real clips: 2 pictures a second at 224 x 224 and sound at 16 kHz, beside decord on as many threads.

Needs AVX_REAL_DATA, and decord 0.6 (`pip install decord`), which no extra of the package holds: it is not maintained.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from avx.core.errors import UserError
from avx.media.decode import read_clip
from benchmarks.harness import Row

CLIPS, SIDE, FRAME_RATE, SAMPLE_RATE, THREADS, TURNS = 20, 224, 2.0, 16000, 2, 5


def _ours(path: Path) -> int:
    clip = read_clip(path, clip_id=path.stem, frame_rate=FRAME_RATE, size=(SIDE, SIDE), sample_rate=SAMPLE_RATE)
    return len(clip.frames)


def _decord() -> Callable[[Path], int]:
    try:
        import decord  # type: ignore[import-not-found,import-untyped]
    except ImportError as error:
        raise UserError("the reading benchmark's rival is missing; run pip install decord==0.6.0.") from error

    def read(path: Path) -> int:
        video = decord.VideoReader(str(path), width=SIDE, height=SIDE, num_threads=1)
        times = video.get_frame_timestamp(range(len(video)))
        slots = np.arange(0, times[-1, 1], 1 / FRAME_RATE)
        shown = np.unique(np.searchsorted(times[:, 1], slots, side="right").clip(0, len(video) - 1))
        frames = video.get_batch(shown).asnumpy()
        decord.AudioReader(str(path), ctx=decord.cpu(), sample_rate=SAMPLE_RATE, mono=True)[:].asnumpy()
        return len(frames)

    return read


def _timed(read: Callable[[Path], int], paths: list[Path]) -> tuple[float, float, int]:
    """(wall seconds, processor seconds, pictures) of all files."""
    wall, processor = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(THREADS) as pool:
        pictures = sum(pool.map(read, paths))
    return time.perf_counter() - wall, time.process_time() - processor, pictures


def run() -> list[Row]:
    """Both take turns, so that they see the same load; the least of the turns counts."""
    root = os.environ.get("AVX_REAL_DATA")
    if not root:
        raise UserError("AVX_REAL_DATA is not set; the reading benchmark needs the folder of real media.")
    paths = sorted((Path(root) / "av_clips" / "with_audio").iterdir())[:CLIPS]
    readers: dict[str, Any] = {"ours": _ours, "decord": _decord()}
    found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in readers}
    for _ in range(TURNS):
        for name, read in readers.items():
            found[name].append(_timed(read, paths))
    least = {name: [min(column) for column in zip(*turns, strict=True)] for name, turns in found.items()}
    (wall, processor, pictures), (their_wall, their_processor, their_pictures) = least["ours"], least["decord"]
    note = (
        f"processor {processor:.2f} s (rival {their_processor:.2f} s), {pictures} pictures (rival {their_pictures}), "
        f"{THREADS} threads"
    )
    return [Row(f"reading {len(paths)} clips with sound", wall, "decord 0.6", their_wall, note)]
