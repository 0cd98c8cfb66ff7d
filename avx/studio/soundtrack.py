"""The soundtrack of a clip: its thing in a room, sounds that belong to nothing in the picture, noise, and a gain."""

from __future__ import annotations

import numpy as np

from avx.studio.catalogue import Kind
from avx.studio.plans import Plan
from avx.studio.synthesis import add, clock, noise_band, partials, puff, room, sweep

SAMPLE_RATE = 16000
PEAK = 0.85
"""Largest sample magnitude before encoding; the sound codec may overshoot it slightly."""


def _distractor(rng: np.random.Generator) -> np.ndarray:
    """A short sound that belongs to nothing in the picture."""
    base = float(2 ** rng.uniform(7.5, 11.5))
    seconds = rng.uniform(0.08, 0.35)
    match rng.integers(5):
        case 0:
            return partials(seconds, (base, 2 * base), (1, 0.3), (0.2, 0.1), SAMPLE_RATE)
        case 1:
            return 0.5 * puff(rng, seconds, base / 2, 2 * base, 0.08, SAMPLE_RATE)
        case 2:
            return sweep(seconds, base, base * rng.uniform(0.5, 2), SAMPLE_RATE)
        case 3:
            return partials(seconds, (base / 2, 0.8 * base), (1, 0.6), (0.03, 0.02), SAMPLE_RATE)
        case _:
            return 0.5 * sweep(seconds, base / 4, base / 4, SAMPLE_RATE, (1, 0.7, 0.5, 0.35, 0.25))


def soundtrack(kind: Kind, plan: Plan, rng: np.random.Generator) -> tuple[np.ndarray, bool]:
    """The mixed waveform (N,) float32 and whether its surroundings are loud."""
    dry = kind.sound(plan, rng, SAMPLE_RATE)
    sound = room(rng, dry, rng.uniform(0, 0.35), rng.uniform(0.04, 0.22), SAMPLE_RATE)
    sound /= np.abs(sound).max()
    for _ in range(rng.integers(0, 5)):
        piece = _distractor(rng)
        level = rng.uniform(0.06, 0.25) / max(float(np.abs(piece).max()), 1e-9)
        add(sound, level * piece, rng.uniform(0, plan.duration - 0.4), SAMPLE_RATE)
    power = float(np.sqrt(np.mean(sound**2)))
    margin = rng.uniform(9, 27)
    ambience = noise_band(
        rng, len(sound), rng.uniform(30, 200), rng.uniform(1500, 7000), SAMPLE_RATE, rng.uniform(-0.9, 0)
    )
    if rng.uniform() < 0.4:
        hum = rng.uniform(45, 130)
        ambience += 0.7 * np.sin(2 * np.pi * hum * clock(len(sound), SAMPLE_RATE))
    sound += ambience * power * 10 ** (-margin / 20)
    gain = PEAK * 10 ** (rng.uniform(-9, 0) / 20)
    return (gain * sound / np.abs(sound).max()).astype(np.float32), margin < 15
