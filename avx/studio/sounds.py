"""What sounds: one function (plan, rng, sample_rate) -> (N,) float64 for each kind of thing.

Each follows the plan's events and tracks, the same ones that the picture is drawn from, at the plan's pitch. Levels are
relative: `avx.studio.render` mixes, adds surroundings and sets the gain.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from avx.studio.plans import Plan
from avx.studio.synthesis import add, clock, glide, noise_band, partials, puff, resonate, sweep

PENTATONIC = np.array([0, 2, 4, 7, 9, 12, 14, 16, 19])


def _silence(plan: Plan, sample_rate: int) -> np.ndarray:
    return np.zeros(round(plan.duration * sample_rate))


def _voiced(rng: np.random.Generator, levels: Sequence[float] | np.ndarray) -> np.ndarray:
    """Partial levels as one maker's instrument has them: each up to 8 dB off, so no class has one loudest tone."""
    return np.asarray(levels) * 10 ** (rng.uniform(-8, 8, len(levels)) / 20)


def thuds(plan: Plan, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Rubber ball on a floor: a low tone that drops in pitch, with a slap at its start."""
    total = _silence(plan, sample_rate)
    time = clock(round(0.3 * sample_rate), sample_rate)
    for moment, strength in zip(plan.times, plan.strengths, strict=True):
        body = glide(plan.pitch * (110 + 170 * np.exp(-time / 0.035)), sample_rate, (1, 0.4, 0.15)) * np.exp(
            -time / 0.07
        )
        slap = puff(rng, 0.05, 900 * plan.pitch, 2600 * plan.pitch, 0.008, sample_rate)
        add(total, strength * body, moment, sample_rate)
        add(total, 0.25 * strength * slap, moment, sample_rate)
    return total


def ticks(plan: Plan, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Clockwork: dry wooden clicks, higher and lower in turn."""
    total = _silence(plan, sample_rate)
    for moment, strength, note in zip(plan.times, plan.strengths, plan.notes, strict=True):
        base = plan.pitch * (1500 if note else 1050)
        wood = partials(
            0.12, base * np.array([1, 1.62, 2.41, 0.45]), (1, 0.6, 0.35, 0.5), (0.016, 0.01, 0.007, 0.03), sample_rate
        )
        add(total, strength * wood, moment, sample_rate)
        add(total, 0.3 * strength * puff(rng, 0.02, 2000, 6000, 0.003, sample_rate), moment, sample_rate)
    return total


def clangs(plan: Plan, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Hammer on an anvil: bright inharmonic partials that ring for a third of a second."""
    total = _silence(plan, sample_rate)
    ratios = np.array([1, 1.51, 2.76, 3.9, 5.4])
    levels, decays = _voiced(rng, (0.6, 0.8, 1, 0.7, 0.5)), (0.4, 0.3, 0.22, 0.15, 0.1)
    for moment, strength in zip(plan.times, plan.strengths, strict=True):
        add(
            total, strength * partials(1.2, 820 * plan.pitch * ratios, levels, decays, sample_rate), moment, sample_rate
        )
        add(total, strength * puff(rng, 0.03, 1500, 7000, 0.005, sample_rate), moment, sample_rate)
    return total


def drumming(plan: Plan, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Snare drum: the modes of a membrane and the rattle of wires under it."""
    total = _silence(plan, sample_rate)
    modes = 150 * plan.pitch * np.array([1, 1.59, 2.14, 2.3])
    for moment, strength, note in zip(plan.times, plan.strengths, plan.notes, strict=True):
        skin = partials(0.4, modes * (1.06 if note else 1), (1, 0.6, 0.4, 0.3), (0.12, 0.08, 0.06, 0.05), sample_rate)
        add(total, strength * skin, moment, sample_rate)
        add(total, 0.55 * strength * puff(rng, 0.35, 1400, 7000, 0.07, sample_rate), moment, sample_rate)
    return total


def tolls(plan: Plan, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Church bell: hum, prime, minor third, fifth and octave, fading over more than a second, slowly beating."""
    total = _silence(plan, sample_rate)
    ratios = np.array([0.5, 1, 1.004, 1.19, 1.5, 2, 2.67, 4.1])
    levels, decays = _voiced(rng, (0.5, 0.6, 0.4, 0.7, 0.5, 0.8, 0.5, 0.3)), (2.0, 1.4, 1.4, 1.1, 0.8, 0.9, 0.5, 0.25)
    for moment, strength, note in zip(plan.times, plan.strengths, plan.notes, strict=True):
        strike = partials(3.0, 380 * plan.pitch * ratios * (1.004 if note else 1), levels, decays, sample_rate)
        add(total, strength**1.5 * strike, moment, sample_rate)
    return total


def drips(plan: Plan, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Drops into water: short tones that sweep upward as the bubble closes, often followed by a smaller one."""
    total = _silence(plan, sample_rate)
    time = clock(round(0.14 * sample_rate), sample_rate)
    for moment, strength in zip(plan.times, plan.strengths, strict=True):
        for delay, level, ratio in ((0.0, 1.0, 1.0), (0.085, 0.45 * rng.uniform(0.3, 1), 1.35)):
            frequency = plan.pitch * ratio * 620 * np.exp(time / 0.075) * rng.uniform(0.95, 1.05)
            tone = glide(frequency, sample_rate, (1, 0.08)) * np.exp(-time / 0.032) * np.minimum(time / 0.003, 1)
            add(total, strength * level * tone, moment + delay, sample_rate)
    return total


def siren(plan: Plan, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Siren: a reedy tone that rises and falls once in every turn of the lamp."""
    time = clock(round(plan.duration * sample_rate), sample_rate)
    turn = np.cos(2 * np.pi * plan.track("phase", time))
    harmonics = _voiced(rng, (0.8, 0.15, 0.6, 0.05, 0.4))
    return glide(plan.pitch * 700 * 2 ** (0.5 * turn), sample_rate, harmonics) * plan.track("force", time)


def steam_engine(plan: Plan, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Locomotive: a chuff of steam at each half turn of the wheels, and double clacks at the rail joints."""
    total = _silence(plan, sample_rate)
    for moment, strength, note in zip(plan.times, plan.strengths, plan.notes, strict=True):
        chuff = puff(rng, 0.22, 250 * plan.pitch, 1300 * plan.pitch, 0.055, sample_rate)
        add(total, strength * (1 if note else 0.8) * chuff, moment, sample_rate)
        if note:
            for delay in (0.0, 0.07):
                clack = partials(
                    0.1, plan.pitch * np.array([190, 1240, 2300]), (1, 0.8, 0.5), (0.03, 0.012, 0.008), sample_rate
                )
                add(total, 1.1 * clack, moment + 0.03 + delay, sample_rate)
    return total


def chirps(plan: Plan, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Bird: phrases of two to four fast sweeps high in the range, the shape of the phrase fixed for each bird."""
    total = _silence(plan, sample_rate)
    syllables = [
        (rng.uniform(1600, 2800), rng.uniform(0.6, 1.7), rng.uniform(0.05, 0.09)) for _ in range(rng.integers(2, 5))
    ]
    for moment, strength in zip(plan.times, plan.strengths, strict=True):
        start = moment
        for frequency, ratio, seconds in syllables:
            top = min(frequency * plan.pitch, 6300)
            add(
                total,
                strength * sweep(seconds, top, min(top * ratio, 7200), sample_rate, (1, 0.12)),
                start,
                sample_rate,
            )
            start += seconds + 0.015
    return total


def croaks(plan: Plan, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Frog: trains of glottal pulses through two low resonances, gone in a quarter of a second."""
    total = _silence(plan, sample_rate)
    for moment, strength in zip(plan.times, plan.strengths, strict=True):
        samples = round((0.16 + 0.16 * strength) * sample_rate)
        share = np.arange(samples) / samples
        rate = (34 + 16 * share) * np.sqrt(plan.pitch)
        pulses = np.diff(np.floor(np.cumsum(rate) / sample_rate), prepend=0.0)
        voice = resonate(np.pad(pulses, (0, 800)), (430 * plan.pitch, 1150 * plan.pitch), 0.12, sample_rate)
        envelope = np.pad(np.sin(np.pi * share) ** 0.5, (0, 800))
        add(total, strength * voice / np.abs(voice).max() * envelope, moment, sample_rate)
    return total


def rainfall(plan: Plan, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Rain on an umbrella: a hiss of many drops, and single taps whose number follows the gusts."""
    total = _silence(plan, sample_rate)
    level = plan.track("level", clock(len(total), sample_rate))
    hiss = noise_band(rng, len(total), 1200 * plan.pitch, 7000, sample_rate, slope=0.3) * level
    taps = np.where(rng.uniform(size=len(total)) < 140 * level / sample_rate, rng.uniform(0.3, 1, len(total)), 0)
    skin = resonate(taps, (650 * plan.pitch, 1500 * plan.pitch), 0.2, sample_rate)
    return 0.28 * hiss + 0.9 * skin / max(float(np.abs(skin).max()), 1e-9)


def fireworks(plan: Plan, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Fireworks: a rising whistle, a boom, and crackle that thins out."""
    total = _silence(plan, sample_rate)
    for moment, strength in zip(plan.times, plan.strengths, strict=True):
        whistle = sweep(0.42, 900 * plan.pitch, 2300 * plan.pitch, sample_rate)
        add(total, 0.16 * whistle, moment - 0.42, sample_rate)
        add(total, strength * puff(rng, 0.6, 40, 420 * plan.pitch, 0.12, sample_rate), moment, sample_rate)
        add(total, 0.3 * strength * puff(rng, 0.25, 800, 6000, 0.04, sample_rate), moment, sample_rate)
        samples = round(0.8 * sample_rate)
        fade = np.exp(-clock(samples, sample_rate) / 0.3)
        sparks = np.where(rng.uniform(size=samples) < 110 * fade / sample_rate, rng.uniform(-1, 1, samples), 0)
        crackle = resonate(sparks, (3300 * plan.pitch**0.5,), 0.35, sample_rate)
        add(total, 0.6 * strength * crackle / max(float(np.abs(crackle).max()), 1e-9), moment + 0.12, sample_rate)
    return total


def mallets(plan: Plan, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Xylophone: a clear tone with its twelfth and a high overtone, one pitch for each bar."""
    total = _silence(plan, sample_rate)
    for moment, strength, note in zip(plan.times, plan.strengths, plan.notes, strict=True):
        base = 520 * plan.pitch * 2 ** (PENTATONIC[note] / 12)
        tone = partials(0.8, base * np.array([1, 3, 6.1]), (1, 0.45, 0.15), (0.22, 0.07, 0.03), sample_rate)
        add(total, strength * tone, moment, sample_rate)
    return total


def plucks(plan: Plan, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Guitar: many harmonics, the higher ones gone sooner, plucked at a fifth of the string's length."""
    total = _silence(plan, sample_rate)
    order = np.arange(1, 15)
    levels = _voiced(rng, np.abs(np.sin(np.pi * order / 5)) / order + 0.02)
    for moment, strength, note in zip(plan.times, plan.strengths, plan.notes, strict=True):
        base = 175 * plan.pitch * 2 ** (PENTATONIC[2 * note] / 12)
        tone = partials(1.6, base * order * np.sqrt(1 + 2e-4 * order**2), levels, 0.75 / order**0.7, sample_rate)
        add(total, strength * tone, moment, sample_rate)
    return total


def keystrokes(plan: Plan, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Typewriter: sharp clacks, a small bell at the end of a line, and the ratchet of the returning carriage."""
    total = _silence(plan, sample_rate)
    for moment, strength, note in zip(plan.times, plan.strengths, plan.notes, strict=True):
        if note == 0:
            bell = partials(
                0.9, 2050 * plan.pitch**0.5 * np.array([1, 2.01, 2.9]), (1, 0.5, 0.3), (0.3, 0.2, 0.1), sample_rate
            )
            add(total, 0.55 * bell, moment, sample_rate)
            for tooth in range(12):
                add(total, 0.35 * puff(rng, 0.02, 1500, 5000, 0.003, sample_rate), moment + 0.025 * tooth, sample_rate)
            continue
        clack = puff(rng, 0.08, 1100 * plan.pitch, 5000 * plan.pitch**0.5, 0.009, sample_rate)
        frame = partials(0.08, plan.pitch * np.array([310, 760]), (0.8, 0.5), (0.02, 0.012), sample_rate)
        add(total, strength * (0.55 * clack + frame), moment, sample_rate)
    return total


def creaks(plan: Plan, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Rusty hinge: stick and slip, a pulse train whose rate follows the door's speed, through woody resonances."""
    time = clock(round(plan.duration * sample_rate), sample_rate)
    speed = plan.track("speed", time)
    knots = np.arange(0, plan.duration + 0.1, 0.05)
    unsteady = 1 + 0.05 * np.interp(time, knots, rng.standard_normal(len(knots)))
    rate = plan.pitch * (45 + 190 * speed) * unsteady
    slips = np.diff(np.floor(np.cumsum(rate) / sample_rate), prepend=0.0)
    voice = resonate(slips, plan.pitch**0.5 * np.array([620, 1480, 2600]), 0.07, sample_rate)
    total = voice / max(float(np.abs(voice).max()), 1e-9) * np.minimum(speed * 1.5, 1)
    for moment, strength in zip(plan.times, plan.strengths, strict=True):
        jerk = partials(0.15, (130 * plan.pitch, 330 * plan.pitch), (1, 0.5), (0.04, 0.02), sample_rate)
        add(total, 0.4 * strength * jerk, moment, sample_rate)
    return total


def sawing(plan: Plan, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Saw in wood: strokes of rasping noise, brighter one way than the other, loud where the blade is fast."""
    time = clock(round(plan.duration * sample_rate), sample_rate)
    speed = plan.track("speed", time)
    push = noise_band(rng, len(time), 900 * plan.pitch, 2200 * plan.pitch, sample_rate)
    pull = noise_band(rng, len(time), 1500 * plan.pitch, 3600 * plan.pitch, sample_rate)
    forward = np.gradient(plan.track("place", time)) > 0
    teeth = 0.55 + 0.45 * np.sign(np.sin(2 * np.pi * np.cumsum(60 + 130 * speed) / sample_rate))
    return np.where(forward, push, pull) * teeth * speed


def whooshes(plan: Plan, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Windmill: soft low noise that swells as each blade passes the tower."""
    time = clock(round(plan.duration * sample_rate), sample_rate)
    near = (0.5 + 0.5 * np.cos(2 * np.pi * 4 * plan.track("phase", time))) ** 3
    low = noise_band(rng, len(time), 90 * plan.pitch, 420 * plan.pitch, sample_rate)
    high = noise_band(rng, len(time), 420 * plan.pitch, 1300 * plan.pitch, sample_rate)
    return (0.12 + near) * plan.track("force", time) * (low + 0.4 * near * high)


def telephone(plan: Plan, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Telephone: a clapper that hits two small bells in turn, some twenty times a second, while the ring lasts."""
    total = _silence(plan, sample_rate)
    bells = [
        partials(0.35, plan.pitch * base * np.array([1, 2.7, 4.2]), (1, 0.4, 0.2), (0.12, 0.05, 0.03), sample_rate)
        for base in (1080, 1360)
    ]
    beat = 1 / rng.uniform(20, 26)
    for stroke, moment in enumerate(np.arange(0, plan.duration, beat)):
        level = float(plan.track("level", moment))
        if level > 0:
            add(total, level * bells[stroke % 2], moment, sample_rate)
    return total


def surf(plan: Plan, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Waves: a deep rush that swells and breaks, and a hiss of foam that lags behind it."""
    time = clock(round(plan.duration * sample_rate), sample_rate)
    rush = noise_band(rng, len(time), 60, 700 * plan.pitch, sample_rate, slope=-0.4)
    foam = noise_band(rng, len(time), 1000 * plan.pitch, 5200, sample_rate, slope=-0.6)
    level, lagging = plan.track("level", time), plan.track("level", np.maximum(time - 0.3, 0))
    return level**1.6 * rush + 0.55 * lagging**2.2 * foam
