"""Key frames of a film against decoding it: what describing and clustering add to reading the same file.

A film of shots with moving pictures is encoded once. "Beyond decoding" is the time of reading, describing (hand-crafted
features, histograms, grey levels) and choosing less that of reading the same frames alone; its goal is to cost less
than the reading.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from avx.extraction.frame_features import FrameDescriber
from avx.media.decode import stream_frames
from avx.media.encode import write_clip
from benchmarks.harness import Row
from experiments.builders import key_frames

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


def against_decoding(film: Path, frame_rate: float | None, seconds: int, repeats: int = 3) -> Row:
    """One row: every frame for None, else so many pictures a second."""
    describer = FrameDescriber(key_frames.encoder(key_frames.HANDCRAFTED))
    method = key_frames.METHODS["skm"].bounded(1024)

    def read() -> int:
        return sum(1 for _ in stream_frames(film, frame_rate))

    def choose() -> int:
        return len(key_frames.choose(describer(film, frame_rate), method).indices)

    found = choose()  # compiles
    reading, whole = [], []
    for _ in range(repeats):
        for function, durations in ((read, reading), (choose, whole)):
            start = time.perf_counter()
            frames = function()
            durations.append(time.perf_counter() - start)
            if function is read:
                looked_at = frames
    decode, both = np.median(reading), np.median(whole)
    rate = "every frame" if frame_rate is None else f"{frame_rate:g} a second"
    note = (
        f"{looked_at} frames looked at, {found} kept; frames of film a second: {seconds * FRAME_RATE / both:.0f} with "
        f"key frames, {seconds * FRAME_RATE / decode:.0f} read alone"
    )
    name = f"key frames beyond decoding, {WIDTH} x {HEIGHT}, {rate}"
    return Row(name, float(both - decode), "decoding alone", float(decode), note)


def run(seconds: int = 60) -> list[Row]:
    """Both rates that the command is used at."""
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        write_clip(film, shots(seconds), FRAME_RATE, np.zeros(seconds * SAMPLE_RATE, np.float32), SAMPLE_RATE)
        return [against_decoding(film, rate, seconds) for rate in (2.0, None)]
