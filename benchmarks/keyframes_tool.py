"""Key frames of a film against decoding it: what describing and clustering add to reading the same file.

A film of shots with moving pictures is encoded once. "Features and clustering" is the time of reading, describing
(hand-crafted features, histograms, grey levels), looking for transitions on every frame and choosing, less that of
reading every frame in the same small size alone. The rival is decoding the film into pictures, in its own size and in
the small one; the goal is that features and clustering cost less than decoding.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from avx.extraction import key_frames
from avx.extraction.film import read_film
from avx.extraction.frame_features import SIDE, FrameDescriber
from avx.keyframes.coverage import CoverageConfig
from avx.media.decode import stream_frames
from avx.media.encode import write_clip
from avx.registry import frame_methods
from benchmarks.harness import Row

HEIGHT, WIDTH, FRAME_RATE, SHOT_SECONDS, SAMPLE_RATE = 360, 640, 25, 4, 16000


def shots(seconds: int) -> Iterator[np.ndarray]:
    """Frames (360, 640, 3) of a film whose shots each pan over a smooth random picture of their own."""
    for shot in range(-(-seconds // SHOT_SECONDS)):
        generator = np.random.default_rng(shot)
        coarse = generator.integers(0, 256, (10, 24, 3)).astype(np.float32)
        rows = np.linspace(0, 8.999, HEIGHT)
        columns = np.linspace(0, 22.999, 2 * WIDTH)
        top, left = rows.astype(int)[:, None], columns.astype(int)[None]
        down, along = (rows[:, None] - top)[..., None], (columns[None] - left)[..., None]
        upper = coarse[top, left] * (1 - along) + coarse[top, left + 1] * along
        lower = coarse[top + 1, left] * (1 - along) + coarse[top + 1, left + 1] * along
        picture = (upper * (1 - down) + lower * down).astype(np.uint8)
        for frame in range(SHOT_SECONDS * FRAME_RATE):
            yield picture[:, 4 * frame : 4 * frame + WIDTH]


def against_decoding(film: Path, frame_rate: float | None, seconds: int, repeats: int = 5) -> list[Row]:
    """Two rows, one for each size that the film may be decoded at; every frame is described, or so many a second."""
    describer = FrameDescriber(frame_methods.encoder(frame_methods.HANDCRAFTED))
    method = frame_methods.METHODS["skm"].bounded(1024)

    def read(size: tuple[int, int] | None) -> int:
        return sum(1 for _ in stream_frames(film, None, size))

    def choose() -> int:
        return len(
            key_frames.choose_from_film(read_film(describer, film, frame_rate), method, CoverageConfig()).indices
        )

    start = time.perf_counter()
    choose()
    compiled = time.perf_counter() - start
    tasks = {"own": lambda: read(None), "small": lambda: read((SIDE, SIDE)), "whole": choose}
    counts: dict[str, int] = {}
    durations: dict[str, list[float]] = {name: [] for name in tasks}
    # In turn, so that a slow spell of the machine meets all of them.
    for _ in range(repeats):
        for name, task in tasks.items():
            start = time.perf_counter()
            counts[name] = task()
            durations[name].append(time.perf_counter() - start)
    own, small, whole = (float(np.median(durations[name])) for name in tasks)
    rate = "every frame" if frame_rate is None else f"{frame_rate:g} a second"
    name = f"features and clustering, {WIDTH} x {HEIGHT}, {rate}"
    note = (
        f"{counts['small']} frames read, {counts['whole']} kept; frames of film a second: "
        f"{seconds * FRAME_RATE / whole:.0f} with key frames, {seconds * FRAME_RATE / own:.0f} decoded alone; "
        f"first call {compiled:.1f} s"
    )
    return [
        Row(name, whole - small, f"decoding alone, {WIDTH} x {HEIGHT}", own, note),
        Row(name, whole - small, f"decoding alone, {SIDE} x {SIDE}", small),
    ]


def run(seconds: int = 60) -> list[Row]:
    """Both rates that the command is used at."""
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        write_clip(film, shots(seconds), FRAME_RATE, np.zeros(seconds * SAMPLE_RATE, np.float32), SAMPLE_RATE)
        return [row for rate in (2.0, None) for row in against_decoding(film, rate, seconds)]
