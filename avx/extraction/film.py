"""Reads a film once: every frame for where its shots meet, some of them for its key frames.

Cuts are found to the frame whatever the rate of the features is. What stays of a frame that is not described is its
soft histogram and its coarse picture, 4 kilobytes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from avx.extraction.frame_features import BINS, FRAMES_AT_ONCE, SIDE, FrameDescriber, FrameFeatures, Report
from avx.keyframes.transitions import DEFAULT, Scene, Transition, TransitionConfig, find_transitions, scenes_between
from avx.media.container import Source, open_media, video_stream
from avx.media.decode import stream_frames
from avx.media.pictures import Shown, sample_by_time
from avx.signal.colour import as_unit, soft_hsv_histogram

TILES = 16
HISTOGRAM_SIDE = 56


@dataclasses.dataclass(frozen=True)
class Film:
    """A film of N frames, T of which are described.

    Attributes:
      frames: `FrameFeatures` of the T frames.
      numbers: (T,) int64 numbers of these frames in the file, from 0, ascending.
      times: (N,) float64 s, presentation times of all frames.
      transitions: between its shots, in order.
      sampled: (T,) bool, False for frames that were described beside those of the rate, for a scene without one.
    """

    frames: FrameFeatures
    numbers: np.ndarray
    times: np.ndarray
    transitions: list[Transition]
    sampled: np.ndarray

    @property
    def scenes(self) -> list[Scene]:
        """Its scenes, in order; they follow each other without a gap."""
        return scenes_between(self.transitions, len(self.times))

    @property
    def scene_of(self) -> np.ndarray:
        """(T,) int64 number of each described frame's scene."""
        return np.searchsorted([found.boundary for found in self.transitions], self.numbers, side="right")

    @property
    def whole(self) -> np.ndarray:
        """(T,) bool, True for described frames that show one shot alone: none within a gradual transition."""
        within = [(self.numbers > found.first) & (self.numbers < found.last) for found in self.transitions]
        return ~np.any(within, axis=0) if within else np.ones(len(self.numbers), bool)


def transition_signals(frames: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Computes what transitions are found by: (n, 224, 224, 3) uint8 -> soft histograms (n, 256) and tiles (n, 768).

    Histograms are of the means over 4 x 4 pixels, which noise and compression move less than single pixels; tiles are
    the colours of 16 x 16 places.
    """
    unit = as_unit(frames)

    def means(side: int) -> jax.Array:
        return unit.reshape(len(frames), side, SIDE // side, side, SIDE // side, 3).mean((2, 4))

    return soft_hsv_histogram(means(HISTOGRAM_SIDE), BINS), means(TILES).reshape(len(frames), -1)


class _Watcher:
    """Lets the pictures of a stream pass, and keeps the signals and the times of all of them."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self._signals = jax.jit(transition_signals)
        self._batch = np.zeros((FRAMES_AT_ONCE, SIDE, SIDE, 3), np.uint8)
        self._rows: list[tuple[np.ndarray, ...]] = []

    def watch(self, pictures: Iterator[tuple[float, np.ndarray]]) -> Iterator[tuple[float, np.ndarray]]:
        for time, pixels in pictures:
            place = len(self.times) % FRAMES_AT_ONCE
            self._batch[place] = pixels
            self.times.append(time)
            if place == FRAMES_AT_ONCE - 1:
                self._measure()
            yield time, pixels
        if len(self.times) % FRAMES_AT_ONCE:
            self._measure()

    def _measure(self) -> None:
        histograms, tiles = self._signals(jnp.asarray(self._batch))
        # Half precision is finer than the levels of a picture.
        self._rows.append((np.asarray(histograms), np.asarray(tiles, np.float16)))

    def signals(self) -> tuple[np.ndarray, np.ndarray]:
        """Soft histograms (N, 256) and tiles (N, 768) of all pictures that have passed."""
        histograms, tiles = (np.concatenate(rows)[: len(self.times)] for rows in zip(*self._rows, strict=True))
        return histograms, tiles


def _sampled(
    pictures: Iterator[tuple[float, np.ndarray]], frame_rate: float | None, tolerance: float
) -> Iterator[tuple[int, float, np.ndarray]]:
    """(number, time, pixels) of the pictures that `stream_frames` would give at `frame_rate`, from all pictures."""

    def shown() -> Iterator[Shown[tuple[int, np.ndarray]]]:
        step, last = math.inf, None
        for number, (time, pixels) in enumerate(pictures):
            step, last = (time - last if last is not None else step), time
            yield Shown(time, time + step, (number, pixels))

    for item in shown() if frame_rate is None else sample_by_time(shown(), frame_rate, tolerance):
        number, pixels = item.picture
        yield number, item.start, pixels


def _tolerance(source: Source) -> float:
    """How much later than its slot a picture may start, as in `avx.media.pictures.iterate_pictures`."""
    with open_media(source) as container:
        stream = video_stream(container)
        return min(float(stream.time_base or 0), 1e-3) if stream is not None else 0.0


def read_film(
    describer: FrameDescriber,
    source: Source,
    frame_rate: float | None,
    config: TransitionConfig = DEFAULT,
    report: Report = lambda _: None,
) -> Film:
    """Reads a film in one decoding pass; a second one only for scenes that fall between two described frames.

    Args:
      describer: of the frames that key frames are chosen from.
      source: a path, or a whole file in memory.
      frame_rate: described pictures per second as in `avx.media.decode.stream_frames`; None describes every frame.
        A scene without one of them gets its middle frame described.
      config: constants of the transitions.
      report: told the time in s of the last described frame, batch by batch.

    Raises:
      MediaProblem: missing_file, unreadable, truncated, no_video, zero_frames, bad_timestamps.
      UserError: the encoder gives features that are not finite.
    """
    watcher, numbers = _Watcher(), []
    tolerance = _tolerance(source)

    def sampled() -> Iterator[tuple[float, np.ndarray]]:
        everything = watcher.watch(stream_frames(source, None, (SIDE, SIDE)))
        for number, time, pixels in _sampled(everything, frame_rate, tolerance):
            numbers.append(number)
            yield time, pixels

    frames = describer.described(sampled(), report)
    transitions = find_transitions(*watcher.signals(), config)
    film = Film(
        frames,
        np.array(numbers, np.int64),
        np.array(watcher.times, np.float64),
        transitions,
        np.ones(len(numbers), bool),
    )
    described = set(film.scene_of[film.whole].tolist())
    missed = [scene for place, scene in enumerate(film.scenes) if place not in described]
    middles = sorted({(scene.first + scene.last) // 2 for scene in missed} - set(numbers))
    return _with_frames(film, describer, source, middles) if middles else film


def _with_frames(film: Film, describer: FrameDescriber, source: Source, numbers: list[int]) -> Film:
    """The film with these further frames described."""

    def wanted() -> Iterator[tuple[float, np.ndarray]]:
        for number, picture in enumerate(stream_frames(source, None, (SIDE, SIDE))):
            if number in numbers:
                yield picture
            if number == numbers[-1]:
                return

    added = describer.described(wanted())
    together = np.concatenate([film.numbers, numbers])
    order = np.argsort(together)
    joined = FrameFeatures(
        **{
            field.name: np.concatenate([getattr(film.frames, field.name), getattr(added, field.name)])
            for field in dataclasses.fields(FrameFeatures)
        }
    )
    sampled = np.concatenate([film.sampled, np.zeros(len(numbers), bool)])
    return dataclasses.replace(film, frames=joined.rows(order), numbers=together[order], sampled=sampled[order])
