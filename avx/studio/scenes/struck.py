"""Things that are hit: ball, clock, anvil, drum, bell, xylophone, guitar."""

from __future__ import annotations

import numpy as np

from avx.studio.canvas import INK, PAPER, Pen, box, faded, shade
from avx.studio.plans import Plan
from avx.studio.scenes import Look

_BELL = np.array([0.12 + 0.1j, 0.2, 0.26 - 0.4j, 0.36 - 0.62j, 0.52 - 0.8j])
_BELL_OUTLINE = np.concatenate([_BELL, -_BELL.conj()[::-1]])


def ball(pen: Pen, plan: Plan, look: Look, time: float) -> None:
    """A striped ball that bounces on a plank and is squashed by each impact."""
    radius, floor = 0.5, -0.88
    height = float(plan.track("height", time))
    squash = 1 + 0.35 * min(plan.pulse(time, 0.07), 1)
    pen.polygon(box(-1.15, floor - 0.16, 1.15, floor), look.second)
    pen.ellipse(0, floor - 0.05, 0.5 / (1 + height), 0.07, faded(INK, 0.6 / (1 + height)), None)
    for index, age, strength in plan.recent(time, 0.3):
        spread = 0.3 + 1.6 * age
        for side in (-1, 1):
            puff = shade(look.accent, 0.2 * (index % 2))
            pen.circle(side * spread, floor + 0.08, 0.14 * strength * (1 - age / 0.3) + 0.02, puff, INK, 0.015)
    body = pen.at(0, floor + radius / squash + height, 0, 1, squash).at(0, 0, -2.5 * time)
    body.circle(0, 0, radius, look.main)
    body.polygon(radius * np.exp(1j * np.array([-0.35, 0, 0.35, 2.79, 3.14, 3.49])), look.second, INK, 0.02)
    body.arc(0, 0, radius * 0.72, 0.9, 2.2, faded(PAPER, 0.8), 0.05)


def clock(pen: Pen, plan: Plan, look: Look, time: float) -> None:
    """A wall clock with a roof, a dial and a long pendulum in a glass case."""
    pen.polygon([*box(-0.5, -1, 0.5, 0.7)], look.main)
    pen.polygon([-0.66 + 0.62j, 0.66 + 0.62j, 1.05j], shade(look.main, -0.35))
    pen.polygon(box(-0.4, -0.92, 0.4, 0.0), shade(look.main, -0.6))
    pen.circle(0, 0.3, 0.31, PAPER)
    for hour in np.arange(12) * np.pi / 6:
        mark = np.exp(1j * hour)
        pen.line([0.3j + 0.23 * mark, 0.3j + 0.28 * mark], INK, 0.02)
    for length, rate, width in ((0.24, 0.9, 0.035), (0.16, 0.08, 0.05)):
        pen.line([0.3j, 0.3j + length * np.exp(1j * (1.2 - rate * time))], INK, width)
    arm = pen.at(0, 0.02, 0.62 * float(plan.track("angle", time)))
    arm.line([0, -0.62j], look.accent, 0.05)
    arm.circle(0, -0.66, 0.17, look.second)
    arm.circle(-0.04, -0.62, 0.06, faded(PAPER, 0.6), None)


def anvil(pen: Pen, plan: Plan, look: Look, time: float) -> None:
    """A hammer that falls on an anvil and strikes sparks."""
    iron = look.second
    pen.polygon(
        [
            -0.5 - 1j,
            0.5 - 1j,
            0.24 - 0.62j,
            0.24 - 0.5j,
            0.66 - 0.42j,
            0.66 - 0.2j,
            -0.55 - 0.2j,
            -1.05 - 0.28j,
            -0.6 - 0.42j,
            -0.24 - 0.5j,
            -0.24 - 0.62j,
        ],
        iron,
    )
    pen.line([-0.5 - 0.25j, 0.62 - 0.25j], faded(PAPER, 0.5), 0.04)
    for index, age, strength in plan.recent(time, 0.32):
        for ray in range(9):
            direction = np.exp(1j * (0.15 + 0.36 * ray + 0.2 * np.sin(7.0 * index + ray)))
            near, far = 0.12 + 1.6 * age, 0.25 + (1.2 + 1.6 * strength) * (0.12 + age)
            pen.line(
                -0.05 - 0.18j + direction * np.array([near, max(far, near + 0.02)]), look.accent, 0.05 * (1 - age / 0.4)
            )
    arm = pen.at(0.95, -0.02, -1.15 * plan.lift(time))
    arm.polygon(box(-1.0, -0.055, 0.15, 0.055), shade(look.main, -0.35))
    arm.polygon(box(-1.16, -0.18, -0.86, 0.34), look.main)
    arm.polygon(box(-1.2, -0.2, -0.82, -0.08), shade(look.main, 0.35), INK, 0.02)


def drum(pen: Pen, plan: Plan, look: Look, time: float) -> None:
    """A drum with cords round its side and two sticks that take turns."""
    shake = 0.05 * min(plan.pulse(time, 0.09), 1) * np.sin(60 * time)
    skin = pen.at(0, shake)
    rim = np.linspace(np.pi, 2 * np.pi, 14)
    skin.polygon([-0.8 - 0.1j, *(0.8 * np.cos(rim) + 0.22j * np.sin(rim) - 0.75j), 0.8 - 0.1j], look.main)
    zigzag = np.linspace(-0.76, 0.76, 9) + 1j * np.where(np.arange(9) % 2, -0.82, -0.26)
    skin.line(zigzag, look.accent, 0.04)
    skin.ellipse(0, -0.1, 0.8, 0.25, look.second)
    skin.ellipse(0, -0.1, 0.7, 0.2, PAPER, INK, 0.015)
    for index, age, strength in plan.recent(time, 0.25):
        side = -0.28 if plan.notes[index] else 0.28
        skin.ellipse(
            side, -0.1, 0.1 + 1.2 * age, 0.04 + 0.3 * age, faded(look.accent, strength * (1 - age / 0.25)), None
        )
    for note, side in ((1, -1), (0, 1)):
        own = np.flatnonzero(plan.notes == note)
        hand = Plan(plan.duration, plan.times[own], plan.strengths[own], 0, 1, plan.notes[own])
        stick = pen.at(side * 1.0, 0.55, side * (0.62 - 1.15 * hand.lift(time, 0.4) - 0.1))
        stick.polygon(np.array([0.06j, -0.06j, -0.82 * side - 0.04j, -0.82 * side + 0.04j]), shade(look.second, 0.3))
        stick.circle(-0.84 * side, 0, 0.085, look.second)


def bell(pen: Pen, plan: Plan, look: Look, time: float) -> None:
    """A bell that swings from a beam, its clapper late, with rings of sound at each strike."""
    angle = float(plan.track("angle", time))
    for index, age, strength in plan.recent(time, 0.5):
        side = 1 if plan.notes[index] == plan.notes[0] else -1
        for ring in range(3):
            radius = 0.55 + 0.16 * ring + 0.8 * age
            pen.arc(0.2 * side, -0.3, radius, -0.7, 0.5, faded(look.accent, strength * (1 - age / 0.5)), 0.06)
            pen.arc(
                -0.2 * side,
                -0.3,
                radius,
                np.pi - 0.5,
                np.pi + 0.7,
                faded(look.accent, strength * (1 - age / 0.5)),
                0.06,
            )
    pen.polygon(box(-0.95, 0.72, 0.95, 0.95), look.second)
    for side in (-1, 1):
        pen.polygon(box(side * 0.82 - 0.09, -1, side * 0.82 + 0.09, 0.72), shade(look.second, -0.3))
    clapper = pen.at(0, 0.6, 0.5 * float(plan.track("angle", max(time - 0.12, 0))))
    clapper.line([0, -1.35j], INK, 0.06)
    clapper.circle(0, -1.4, 0.13, look.accent)
    body = pen.at(0, 0.6, 0.85 * angle, 1.3)
    body.polygon(_BELL_OUTLINE, look.main)
    body.line([-0.36 - 0.6j, 0.36 - 0.6j], shade(look.main, -0.4), 0.05)
    body.line([-0.12 - 0.05j, -0.17 - 0.45j], faded(PAPER, 0.7), 0.05)


def xylophone(pen: Pen, plan: Plan, look: Look, time: float) -> None:
    """Five hanging bars that light up under a mallet; the shorter a bar, the higher its tone."""
    pen.polygon([-1 + 0.45j, -1 + 0.57j, 1 + 0.35j, 1 + 0.23j], shade(look.second, -0.2))
    pen.polygon([-1 - 0.75j, -1 - 0.63j, 1 - 0.43j, 1 - 0.55j], shade(look.second, -0.2))
    for note in range(5):
        middle, length = -0.8 + 0.4 * note, 0.86 - 0.09 * note
        glow = min(plan.pulse(time, 0.2, note), 1)
        bar = pen.at(middle, -0.1, 0.05 * glow * np.sin(40 * time))
        if glow > 0.06:
            bar.polygon(box(-0.25, -length - 0.08, 0.25, length + 0.08), faded(look.accent, 0.85 * glow), None)
        bar.polygon(box(-0.155, -length, 0.155, length), shade(shade(look.main, -0.45 + 0.15 * note), 0.9 * glow))
        for end in (-0.66, 0.66):
            bar.circle(0, end * length, 0.045, INK, None)
    coming, past = plan.coming(time, 0.45), plan.recent(time, 10)
    source = plan.notes[past[-1][0]] if past else 2
    target, share = (plan.notes[coming[0][0]], 1 - coming[0][1] / 0.45) if coming else (source, 0.0)
    column = -0.8 + 0.4 * (source + (target - source) * share)
    head = pen.at(column, -0.05 + 0.75 * plan.lift(time, 0.45))
    head.line([0, 0.75 + 0.6j], shade(look.second, -0.5), 0.07)
    head.circle(0, 0, 0.15, look.second)


def guitar(pen: Pen, plan: Plan, look: Look, time: float) -> None:
    """A guitar whose strings swing out after each pluck."""
    body = pen.at(-0.32, -0.22, 0.5, 1.12)
    body.polygon(box(0.1, -0.11, 1.35, 0.11), shade(look.second, -0.25))
    for fret in np.linspace(0.5, 1.25, 6):
        body.line([fret - 0.1j, fret + 0.1j], faded(PAPER, 0.8), 0.02)
    body.polygon(box(1.3, -0.15, 1.58, 0.15), shade(look.second, -0.45))
    for rim, fill in ((0.03, INK), (0.0, look.main)):
        body.circle(-0.3, 0, 0.55 + rim, fill, None)
        body.circle(0.28, 0, 0.4 + rim, fill, None)
    body.circle(0.14, 0, 0.2, shade(look.main, -0.7))
    body.polygon(box(-0.55, -0.2, -0.45, 0.2), INK, None)
    along = np.linspace(-0.5, 1.3, 19)
    for note in range(4):
        rest = -0.12 + 0.08 * note
        swing = 0.16 * min(plan.pulse(time, 0.35, note), 1) * np.cos(2 * np.pi * (4.1 + note) * time)
        thick = 0.03 if abs(swing) < 0.01 else 0.04
        body.line(along + 1j * (rest + swing * np.sin(np.pi * (along + 0.5) / 1.8)), look.accent, thick)
    past = plan.recent(time, 10)
    hand = body.at(-0.1, (-0.12 + 0.08 * plan.notes[past[-1][0]] if past else 0) - 0.1 + 0.45 * plan.lift(time, 0.3))
    hand.polygon([0, -0.17 + 0.26j, 0.17 + 0.26j], look.second)
