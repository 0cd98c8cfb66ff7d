"""What happens in a clip, and when: the one truth from which picture and sound are both made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

TRACK_RATE = 100
"""Samples per second of the continuous motion tracks."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """The course of one clip.

    Attributes:
      duration: seconds.
      times: (E,) float64 seconds of the sounding events, increasing, all inside the clip.
      strengths: (E,) float64 in (0, 1]: how large the motion and how loud the sound.
      tempo: 0 for the slowest clip of its class, 1 for the fastest.
      pitch: frequency ratio in [0.5, 2].
      notes: (E,) int64, which key, bar, string or place an event uses.
      tracks: name -> (N,) float64 motion sampled at `TRACK_RATE`.
    """

    duration: float
    times: np.ndarray
    strengths: np.ndarray
    tempo: float
    pitch: float
    notes: np.ndarray
    tracks: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def track(self, name: str, time: float | np.ndarray) -> np.ndarray:
        """A motion track at any times, linearly interpolated."""
        values = self.tracks[name]
        return np.interp(np.asarray(time) * TRACK_RATE, np.arange(len(values)), values)

    def pulse(self, time: float, fade: float = 0.14, note: int | None = None) -> float:
        """Sum of strength x exp(-age / fade) over past events, those of one note where it is given."""
        age = time - self.times
        past = (age >= 0) if note is None else (age >= 0) & (self.notes == note)
        return float((self.strengths[past] * np.exp(-age[past] / fade)).sum())

    def recent(self, time: float, span: float) -> list[tuple[int, float, float]]:
        """(index, age, strength) of the events that began in the last `span` seconds, oldest first."""
        age = time - self.times
        return [(int(i), float(age[i]), float(self.strengths[i])) for i in np.flatnonzero((age >= 0) & (age < span))]

    def coming(self, time: float, span: float) -> list[tuple[int, float, float]]:
        """(index, seconds left, strength) of the events that begin within `span` seconds, soonest first."""
        left = self.times - time
        return [(int(i), float(left[i]), float(self.strengths[i])) for i in np.flatnonzero((left > 0) & (left <= span))]

    def lift(self, time: float, span: float = 0.55) -> float:
        """Height in [0, 1] of a tool that is raised before each event and lands exactly on it."""
        following = int(np.searchsorted(self.times, time, side="right"))
        if following == len(self.times):
            return 0.0
        before = self.times[following - 1] if following else -np.inf
        window = min(span, self.times[following] - before)
        progress = np.clip(1 - (self.times[following] - time) / window, 0, 1)
        return float(self.strengths[following] * np.sin(np.pi * progress**1.6))
