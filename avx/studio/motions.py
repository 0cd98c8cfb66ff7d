"""How things move: functions (rng, duration) -> Plan, and functions that make one from a range of tempi.

Tempo, rhythm, strength and pitch are drawn for each clip, so that a clip's sound belongs to its own picture and not
just to its class.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from avx.studio.plans import TRACK_RATE, Plan


def _pitch(rng: np.random.Generator) -> float:
    return float(2 ** rng.uniform(-1, 1))


def _moments(duration: float) -> np.ndarray:
    return np.arange(int(np.ceil(duration * TRACK_RATE)) + 2) / TRACK_RATE


def _wander(rng: np.random.Generator, duration: float, low: float, high: float) -> np.ndarray:
    """A smooth random track between `low` and `high`."""
    knots = rng.uniform(0, 1, 5)
    place = np.linspace(0, 4, len(_moments(duration)))
    left = np.minimum(place.astype(int), 3)
    blend = (1 - np.cos(np.pi * (place - left))) / 2
    return low + (high - low) * (knots[left] * (1 - blend) + knots[left + 1] * blend)


def _between(rng: np.random.Generator, slow: float, fast: float) -> tuple[float, float]:
    """A tempo in [0, 1] and the log-interpolated value from `slow` to `fast`."""
    tempo = rng.uniform()
    return float(tempo), float(slow * (fast / slow) ** tempo)


def rhythm(slow: float, fast: float, *, earliest: float = 0.12, notes: int = 2) -> Callable[..., Plan]:
    """Plan of single hits: each clip repeats its own pattern of 3 to 5 intervals and accents.

    Args:
      slow: mean seconds between hits of the slowest clip.
      fast: the same of the fastest.
      earliest: seconds before the first hit.
      notes: how many places a hit can fall on.
    """

    def plan(rng: np.random.Generator, duration: float) -> Plan:
        tempo, interval = _between(rng, slow, fast)
        steps = rng.choice([0.6, 1.0, 1.0, 1.5, 2.0], rng.integers(3, 6))
        steps *= interval / steps.mean()
        accents = rng.uniform(0.3, 1, len(steps))
        accents[rng.integers(len(steps))] = 1
        count = int(2 * duration / interval) + 8
        jitter = rng.uniform(0.94, 1.06, count)
        times = earliest + rng.uniform(0, 0.4) + np.cumsum(np.resize(steps, count) * jitter) - steps[0] * jitter[0]
        times = times[times < duration - 0.15]
        return Plan(
            duration,
            times,
            np.resize(accents, len(times)) * rng.uniform(0.9, 1, len(times)),
            tempo,
            _pitch(rng),
            rng.integers(0, notes, len(times)),
        )

    return plan


def bounces(rng: np.random.Generator, duration: float) -> Plan:
    """A ball under gravity that loses height at each impact and is thrown up again; track "height" in units."""
    tempo, gravity = _between(rng, 3.5, 16)
    keep = rng.uniform(0.5, 0.75)
    height, time = rng.uniform(0.8, 1.25), -rng.uniform(0.1, 0.5)
    impacts, heights = [], []
    while time < duration:
        impacts.append(time)
        heights.append(height)
        time += np.sqrt(8 * height / gravity)
        height *= keep * rng.uniform(0.92, 1.08)
        if height < 0.1:
            height = rng.uniform(0.6, 1.25)
    begins, ends = np.array(impacts), np.append(impacts[1:], time)
    moments = _moments(duration)
    flight = np.clip(np.searchsorted(begins, moments, side="right") - 1, 0, None)
    track = gravity / 2 * (moments - begins[flight]) * (ends[flight] - moments)
    # An impact is as hard as the fall that ends in it.
    strengths = np.sqrt(np.append(heights[0], heights[:-1]) / 1.3)
    inside = (begins > 0) & (begins < duration - 0.1)
    return Plan(
        duration,
        begins[inside],
        np.clip(strengths[inside], 0.15, 1),
        tempo,
        _pitch(rng),
        np.zeros(inside.sum(), np.int64),
        {"height": np.maximum(track, 0)},
    )


def swings(slow: float, fast: float, *, at_extremes: bool) -> Callable[..., Plan]:
    """Plan of a pendulum, track "angle" in [-1, 1], that sounds at its lowest points or at its extremes.

    `slow` and `fast` are full swings per second; the swing's width wanders and sets the strength.
    """

    def plan(rng: np.random.Generator, duration: float) -> Plan:
        tempo, frequency = _between(rng, slow, fast)
        moments = _moments(duration)
        phase = rng.uniform() + frequency * moments
        width = _wander(rng, duration, 0.3, 1)
        crossing = 2 * phase - (0.5 if at_extremes else 0.0)
        first = np.ceil(crossing[0])
        times = np.interp(np.arange(first, crossing[-1]), crossing, moments)
        times = times[(times > 0.03) & (times < duration - 0.1)]
        notes = (np.arange(len(times)) + int(first)) % 2
        strengths = np.interp(times, moments, width)
        return Plan(duration, times, strengths, tempo, _pitch(rng), notes, {"angle": width * np.sin(2 * np.pi * phase)})

    return plan


def turns(slow: float, fast: float, *, events_per_turn: float, unsteady: float) -> Callable[..., Plan]:
    """Plan of something that rotates, tracks "phase" in turns and "force" in [0.35, 1].

    Args:
      slow: turns per second of the slowest clip.
      fast: the same of the fastest.
      events_per_turn: how many events a turn makes, evenly spaced.
      unsteady: relative size of the speed's slow changes within a clip.
    """

    def plan(rng: np.random.Generator, duration: float) -> Plan:
        tempo, rate = _between(rng, slow, fast)
        moments = _moments(duration)
        speed = rate * _wander(rng, duration, 1 - unsteady, 1 + unsteady)
        phase = rng.uniform() + np.cumsum(speed) / TRACK_RATE
        force = _wander(rng, duration, 0.35, 1)
        times = np.interp(
            np.arange(np.ceil(phase[0] * events_per_turn), phase[-1] * events_per_turn),
            phase * events_per_turn,
            moments,
        )
        times = times[(times > 0.03) & (times < duration - 0.1)]
        return Plan(
            duration,
            times,
            np.interp(times, moments, force),
            tempo,
            _pitch(rng),
            np.arange(len(times)) % 2,
            {"phase": phase, "force": force, "speed": speed / fast},
        )

    return plan


def moves(slow: float, fast: float, *, rest: float, returns: bool) -> Callable[..., Plan]:
    """Plan of something pushed from place to place, track "place" in [0, 1] and its |speed|, "speed".

    Args:
      slow: seconds that a full move takes in the slowest clip.
      fast: the same in the fastest.
      rest: longest pause between moves as a fraction of a move's time.
      returns: each move turns back on the one before; otherwise places are drawn anew.
    """

    def plan(rng: np.random.Generator, duration: float) -> Plan:
        tempo, seconds = _between(rng, slow, fast)
        moments = _moments(duration)
        place, target = 0.0, 0.0
        track = np.zeros(len(moments))
        time, times, strengths = rng.uniform(0.1, 0.35), [], []
        while time < duration - 0.2:
            reach = rng.uniform(0.4, 1)
            target = (reach if place < 0.2 else 0.0) if returns else (reach if place < 0.35 else rng.uniform(0, 0.2))
            spend = seconds * rng.uniform(0.7, 1.4)
            ramp = (1 - np.cos(np.pi * np.clip((moments - time) / spend, 0, 1))) / 2
            track += (target - place) * ramp
            times.append(time)
            strengths.append(abs(target - place))
            time += spend * (1 + rng.uniform(0.05, rest))
            place = target
        speed = np.abs(np.gradient(track, 1 / TRACK_RATE)) * seconds / (np.pi / 2)
        return Plan(
            duration,
            np.array(times),
            np.clip(np.array(strengths), 0.1, 1),
            tempo,
            _pitch(rng),
            np.arange(len(times)) % 2,
            {"place": track, "speed": np.clip(speed, 0, 1.5)},
        )

    return plan


def swells(slow: float, fast: float, *, calm: float) -> Callable[..., Plan]:
    """Plan of something that comes and goes, track "level" in [0, 1]; events are the peaks.

    Args:
      slow: mean seconds between peaks of the slowest clip.
      fast: the same of the fastest.
      calm: the level between the peaks.
    """

    def plan(rng: np.random.Generator, duration: float) -> Plan:
        tempo, interval = _between(rng, slow, fast)
        moments = _moments(duration)
        times, time = [], rng.uniform(0.25, 0.9)
        while time < duration - 0.25:
            times.append(time)
            time += interval * rng.uniform(0.6, 1.5)
        strengths = rng.uniform(0.35, 1, len(times))
        level = np.full(len(moments), calm)
        for peak, strength in zip(times, strengths, strict=True):
            rise = np.where(moments < peak, 0.3, 0.45) * interval
            level = np.maximum(level, calm + (1 - calm) * strength * np.exp(-(((moments - peak) / rise) ** 2) * 1.5))
        return Plan(
            duration,
            np.array(times),
            strengths,
            tempo,
            _pitch(rng),
            rng.integers(0, 3, len(times)),
            {"level": level},
        )

    return plan


def rings(rng: np.random.Generator, duration: float) -> Plan:
    """A telephone: bursts of ringing of different lengths, track "level" with each burst's strength."""
    plan = rhythm(1.5, 0.6, earliest=0.05)(rng, duration)
    lengths = np.append(np.diff(plan.times), 0.7) * rng.uniform(0.45, 0.75)
    moments = _moments(duration)
    level = np.zeros(len(moments))
    for start, length, strength in zip(plan.times, lengths, plan.strengths, strict=True):
        level[(moments >= start) & (moments < start + length)] = strength
    return dataclasses.replace(plan, tracks={"level": level})


def typing(rng: np.random.Generator, duration: float) -> Plan:
    """Key strokes in lines; track "carriage" in [0, 1] steps with each key and runs back, with a bell, at line ends.

    Note 0 is the bell at the end of a line; notes 1 to 9 are keys.
    """
    plan = rhythm(0.3, 0.12, notes=9)(rng, duration)
    notes = plan.notes + 1
    line = int(rng.integers(5, 11))
    notes[line::line] = 0
    # The bell rings on its own beat, and the keys wait for the carriage to come back.
    times = plan.times + 0.35 * np.cumsum(np.append(0, notes[:-1] == 0))
    times = times[times < duration - 0.1]
    notes = notes[: len(times)]
    moments = _moments(duration)
    carriage = np.zeros(len(moments))
    column = 0.0
    for time, note in zip(times, notes, strict=True):
        step = -column if note == 0 else 1 / line
        carriage += step * np.clip((moments - time) / (0.3 if note == 0 else 0.05), 0, 1)
        column += step
    return dataclasses.replace(
        plan, times=times, notes=notes, strengths=plan.strengths[: len(times)], tracks={"carriage": carriage}
    )
