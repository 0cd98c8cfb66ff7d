"""Building blocks of sound: decaying partials, coloured noise, sweeps, and their placement in time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def clock(samples: int, sample_rate: int) -> np.ndarray:
    """Times (samples,) float64 in seconds."""
    return np.arange(samples) / sample_rate


def add(total: np.ndarray, piece: np.ndarray, time: float, sample_rate: int) -> None:
    """Adds `piece` to `total` in place from `time` seconds on; what would stand outside is dropped."""
    start = round(time * sample_rate)
    stop = min(start + len(piece), len(total))
    if stop > start >= 0:
        total[start:stop] += piece[: stop - start]


def partials(
    seconds: float,
    frequencies: Sequence[float] | np.ndarray,
    levels: Sequence[float] | np.ndarray,
    decays: Sequence[float] | np.ndarray,
    sample_rate: int,
) -> np.ndarray:
    """Struck body: sum of sines with their own exponential decay times in seconds.

    Partials at or above the Nyquist frequency are left out; the attack is softened over one millisecond.
    """
    time = clock(round(seconds * sample_rate), sample_rate)
    total = np.zeros(len(time))
    for frequency, level, decay in zip(frequencies, levels, decays, strict=True):
        if frequency < sample_rate / 2:
            total += level * np.exp(-time / decay) * np.sin(2 * np.pi * frequency * time)
    return total * np.minimum(time / 0.001, 1)


def noise_band(
    rng: np.random.Generator, samples: int, low: float, high: float, sample_rate: int, slope: float = 0.0
) -> np.ndarray:
    """Gaussian noise (samples,) of unit power between `low` and `high` Hz.

    The edges fall off softly over a fifth of their frequency; amplitude goes as frequency ** slope in between.
    """
    if samples == 0:
        return np.zeros(0)
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequency = np.maximum(np.fft.rfftfreq(samples, 1 / sample_rate), 1.0)
    keep = 1 / (1 + (low / frequency) ** 10) / (1 + (frequency / high) ** 10) * (frequency / high) ** slope
    shaped = np.fft.irfft(spectrum * keep, samples)
    return shaped / max(float(np.sqrt(np.mean(shaped**2))), 1e-9)


def puff(
    rng: np.random.Generator, seconds: float, low: float, high: float, decay: float, sample_rate: int
) -> np.ndarray:
    """A short burst of band-passed noise with an exponential tail."""
    samples = round(seconds * sample_rate)
    time = clock(samples, sample_rate)
    return noise_band(rng, samples, low, high, sample_rate) * np.exp(-time / decay) * np.minimum(time / 0.002, 1)


def glide(frequency: np.ndarray, sample_rate: int, harmonics: Sequence[float] | np.ndarray = (1.0,)) -> np.ndarray:
    """Tone (N,) whose frequency in Hz is given at every sample, with the levels of its harmonics 1, 2, 3 ...

    A harmonic fades out where it comes near the Nyquist frequency, so that nothing folds back.
    """
    phase = 2 * np.pi * np.cumsum(frequency) / sample_rate
    total = np.zeros(len(frequency))
    for order, level in enumerate(harmonics, start=1):
        room = np.clip((0.48 - order * frequency / sample_rate) * 20, 0, 1)
        total += level * room * np.sin(order * phase)
    return total


def sweep(
    seconds: float, start: float, stop: float, sample_rate: int, harmonics: Sequence[float] = (1.0,)
) -> np.ndarray:
    """Tone that glides exponentially from `start` to `stop` Hz under a smooth bell-shaped envelope."""
    samples = round(seconds * sample_rate)
    share = np.arange(samples) / max(samples, 1)
    return glide(start * (stop / start) ** share, sample_rate, harmonics) * np.sin(np.pi * share)


def resonate(signal: np.ndarray, centres: Sequence[float], width: float, sample_rate: int) -> np.ndarray:
    """Passes a signal through resonances at `centres` Hz whose bandwidth is `width` times the centre."""
    frequency = np.fft.rfftfreq(len(signal), 1 / sample_rate)
    gain = sum(1 / (1 + ((frequency - centre) / (width * centre)) ** 2) for centre in centres)
    return np.fft.irfft(np.fft.rfft(signal) * gain, len(signal))


def room(rng: np.random.Generator, signal: np.ndarray, wet: float, decay: float, sample_rate: int) -> np.ndarray:
    """Adds the tail of a room: `wet` times the signal convolved with exponentially fading noise of unit energy."""
    tail = clock(round(4 * decay * sample_rate), sample_rate)
    response = rng.standard_normal(len(tail)) * np.exp(-tail / decay)
    response /= np.sqrt((response**2).sum())
    size = 1 << (len(signal) + len(tail)).bit_length()
    echo = np.fft.irfft(np.fft.rfft(signal, size) * np.fft.rfft(response, size), size)[: len(signal)]
    return signal + wet * echo
