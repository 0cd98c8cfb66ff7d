"""Nature and weather: tap and drop, bird, frog, rain on an umbrella, fireworks, waves."""

from __future__ import annotations

import numpy as np

from avx.studio.canvas import INK, PAPER, Pen, box, faded, shade
from avx.studio.plans import Plan
from avx.studio.scenes import Look

_DROP = np.array([0.3j, 0.1 + 0.1j, 0.15 - 0.02j, 0.1 - 0.13j, -0.16j, -0.1 - 0.13j, -0.15 - 0.02j, -0.1 + 0.1j])
_GOLDEN = 0.61803398875


def tap(pen: Pen, plan: Plan, look: Look, time: float) -> None:
    """A tap from which drops fall into a basin and make rings."""
    fall = 0.36
    pen.polygon(
        [*(0.95 * np.cos(a) - 0.72j + 0.34j * np.sin(a) for a in np.linspace(np.pi, 2 * np.pi, 14))], look.second
    )
    pen.ellipse(0, -0.72, 0.95, 0.2, shade(look.accent, 0.1))
    for _, age, strength in plan.recent(time, 0.8):
        for ring in (1.0, 0.55):
            radius = ring * (0.15 + 0.9 * age) * (0.5 + 0.5 * strength)
            if radius < 0.85:
                angles = np.linspace(0, 2 * np.pi, 24)
                circle = radius * np.cos(angles) + 1j * (0.19 * radius * np.sin(angles) - 0.72)
                pen.line(circle, faded(PAPER, 1 - age / 0.8), 0.035)
        if age < 0.3:
            for side in (-1, -0.4, 0.4, 1):
                jump = strength * (5.2 * age - 18 * age**2) * (1.2 - abs(side) * 0.5)
                pen.circle(
                    side * (0.1 + 1.2 * age * strength),
                    -0.68 + max(jump, 0),
                    0.075 * strength,
                    look.accent,
                    INK,
                    0.015,
                )
    for _, left, strength in plan.coming(time, 1.2):
        size = 0.65 + 0.7 * strength
        if left > fall:
            grown = np.clip((0.9 - left) / 0.5, 0, 1)
            if grown > 0:
                pen.at(0.3, 0.16, 0, size * grown).polygon(_DROP - 0.1j, look.accent)
            continue
        pen.at(0.3, 0.14 - 0.86 * (1 - left / fall) ** 2, 0, size).polygon(_DROP, look.accent)
    pen.polygon(
        [-0.9 + 0.42j, 0.2 + 0.42j, 0.44 + 0.3j, 0.46 + 0.12j, 0.14 + 0.12j, 0.1 + 0.18j, -0.9 + 0.18j], look.main
    )
    pen.polygon(box(-1.05, 0.08, -0.85, 0.52), shade(look.main, -0.4))
    pen.polygon(box(-0.36, 0.42, -0.16, 0.7), shade(look.main, -0.25))
    pen.polygon(box(-0.66, 0.68, 0.14, 0.88), look.main)
    pen.line([-0.8 + 0.34j, 0.1 + 0.34j], faded(PAPER, 0.7), 0.045)


def bird(pen: Pen, plan: Plan, look: Look, time: float) -> None:
    """A bird on a branch that opens its beak, flaps and stretches at every chirp."""
    song = min(plan.pulse(time, 0.16), 1)
    pen.polygon([-1.3 - 0.88j, 1.3 - 0.78j, 1.3 - 0.64j, -1.3 - 0.72j], shade(look.second, -0.45))
    for leaf in (-0.95, 0.85):
        pen.at(leaf, -0.68, 0.6).ellipse(0.12, 0, 0.2, 0.09, look.second, INK, 0.02)
    for side in (-0.12, 0.12):
        pen.line([side - 0.72j, side - 0.45j], INK, 0.05)
    body = pen.at(0, -0.05 + 0.12 * song, 0.12 + 0.12 * song)
    body.polygon([-0.5 + 0.0j, -1.12 - 0.12j, -1.02 - 0.34j, -0.4 - 0.3j], shade(look.main, -0.4))
    body.ellipse(-0.05, -0.08, 0.6, 0.45, look.main)
    body.ellipse(0.1, -0.2, 0.38, 0.28, shade(look.main, 0.5), None)
    body.at(-0.1, 0.05, -0.35 + 1.9 * song * abs(np.sin(14 * time))).polygon(
        [0.22 + 0.02j, -0.12 + 0.18j, -0.62 + 0.16j, -0.78, -0.2 - 0.22j], look.second
    )
    head = body.at(0.48, 0.42)
    gape = 0.1 + 0.75 * song
    for jaw in (-1, 1):
        turned = np.exp(1j * jaw * gape / 2)
        head.polygon([0.24 + 0.0j, 0.26 + 0.44 * turned, 0.2 + jaw * 0.15j], look.accent, INK, 0.02)
    head.circle(0, 0, 0.33, look.main)
    head.circle(0.1, 0.08, 0.09, PAPER, INK, 0.02)
    head.circle(0.12, 0.08, 0.045, INK, None)
    head.polygon([-0.1 + 0.3j, -0.2 + 0.52j, 0.02 + 0.38j, 0.04 + 0.56j, 0.14 + 0.28j], look.second, INK, 0.02)


def frog(pen: Pen, plan: Plan, look: Look, time: float) -> None:
    """A frog on a leaf whose throat swells at each croak and which hops with the loud ones."""
    croak = min(plan.pulse(time, 0.2), 1)
    hop = sum(
        strength * 0.55 * np.sin(np.pi * age / 0.35) for _, age, strength in plan.recent(time, 0.35) if strength > 0.6
    )
    pen.ellipse(0, -0.86, 1.15, 0.2, look.second)
    pen.line([-0.86j, 0.8 - 0.8j], shade(look.second, -0.4), 0.04)
    body = pen.at(0, -0.08 + hop, 0, 1, 1 + 0.12 * croak)
    for side in (-1, 1):
        body.polygon(
            [side * 0.3 - 0.4j, side * 0.95 - 0.25j, side * 0.98 - 0.62j, side * 1.08 - 0.75j, side * 0.55 - 0.75j],
            shade(look.main, -0.25),
        )
    body.ellipse(0, -0.22, 0.72, 0.5, look.main)
    for side in (-1, 1):
        body.polygon([side * 0.22 - 0.4j, side * 0.34 - 0.78j, side * 0.08 - 0.78j], shade(look.main, -0.15))
    body.ellipse(0, -0.28 - 0.1 * croak, 0.36 + 0.3 * croak, 0.22 + 0.3 * croak, shade(look.accent, 0.45))
    body.ellipse(0, 0.16, 0.64, 0.36, look.main)
    body.line([complex(x, 0.08 - 0.1 * (1 - (x / 0.5) ** 2)) for x in np.linspace(-0.5, 0.5, 9)], INK, 0.045)
    for eye in (-0.36, 0.36):
        body.circle(eye, 0.5, 0.2, look.main)
        body.circle(eye, 0.53, 0.13, PAPER, INK, 0.02)
        body.ellipse(eye, 0.52, 0.08, 0.05 + 0.02 * croak, INK, None)


def umbrella(pen: Pen, plan: Plan, look: Look, time: float) -> None:
    """Rain on an umbrella; the number and slant of the streaks follow the gusts."""
    level = float(plan.track("level", time))
    slant = 0.1 + 0.4 * level
    for drop in range(round(6 + 64 * level)):
        column = (drop * _GOLDEN % 1) * 3.6 - 1.8
        fall = (time * (2.2 + (drop % 7) * 0.12) + drop * 0.377) % 1
        top = complex(column + slant * fall, 1.5 - 3.0 * fall)
        pen.line([top, top + 0.32 * (slant - 1.5j) / 1.5], look.accent, 0.055)
    tilt = pen.at(0, -0.1, -0.3 * level)
    tilt.line([0.55j, -0.72j], INK, 0.09)
    tilt.arc(0.14, -0.74, 0.14, np.pi, 2 * np.pi + 0.5, INK, 0.09)
    arch = np.linspace(0, np.pi, 21)
    dome = 1.0 * np.cos(arch) + 1j * 0.82 * np.sin(arch)
    scallops = np.linspace(-1, 1, 25) + 1j * 0.1 * np.abs(np.sin(np.linspace(0, 4 * np.pi, 25)))
    tilt.polygon([*dome, *scallops], look.main)
    for panel, left in enumerate((-0.5, 0.0)):
        ribs = [0.82j, *(complex(left + 0.5 * x, 0.1 * np.sin(np.pi * x)) for x in np.linspace(0, 1, 6))]
        tilt.polygon(ribs, look.second if panel else shade(look.second, -0.2), INK, 0.02)
    tilt.circle(0, 0.86, 0.06, INK, None)
    for splash in range(round(12 * level)):
        angle = np.pi * ((splash * _GOLDEN + 3.1 * np.floor(time * 6)) % 1)
        point = 1.06 * np.cos(angle) + 0.9j * np.sin(angle)
        tilt.line([point, point * 1.14], look.accent, 0.04)


def fireworks(pen: Pen, plan: Plan, look: Look, time: float) -> None:
    """Rockets that climb over a town and burst into falling sparks."""
    colours = (look.main, look.second, look.accent)
    for block, height in enumerate((0.28, 0.5, 0.2, 0.38, 0.56, 0.24, 0.42, 0.3)):
        left = -1.6 + 0.4 * block
        pen.polygon(box(left, -1.6, left + 0.4, -1.1 + height), shade(look.second, -0.75))
        pen.polygon(box(left + 0.13, -1.2 + height, left + 0.25, -1.26 + height + 0.14), shade(look.accent, 0.3), None)
    for index, left, _ in plan.coming(time, 0.42):
        x, y = _burst_place(plan, index)
        head = complex(x * (1 - 0.4 * left), y - 2.6 * left)
        pen.line([head, head - 0.35j], shade(look.accent, 0.2), 0.06)
        pen.circle(head.real, head.imag, 0.09, colours[index % 3])
    for index, age, strength in plan.recent(time, 1.0):
        x, y = _burst_place(plan, index)
        reach = (0.35 + 0.75 * strength) * (1 - np.exp(-5 * (age + 0.03)))
        size = 0.13 * (1 - 0.8 * age)
        if age < 0.15:
            pen.circle(x, y, 0.5 * strength * (1 - age / 0.15), faded(PAPER, 0.9), None)
        for ray in range(22):
            ring = 1.0 if ray % 2 else 0.6
            spark = complex(x, y - 0.5 * age**2) + ring * reach * np.exp(2j * np.pi * ray / 22)
            inner = complex(x, y - 0.3 * age**2) + ring * 0.72 * reach * np.exp(2j * np.pi * ray / 22)
            pen.line([inner, spark], faded(colours[(index + 1 - ray % 2) % 3], 1.4 - age), 0.08)
            pen.circle(
                spark.real,
                spark.imag,
                size,
                faded(colours[(index + ray % 2) % 3], 1.5 - age),
                faded(INK, 1 - age),
                0.02,
            )


def _burst_place(plan: Plan, index: int) -> tuple[float, float]:
    return (-0.45, 0.0, 0.45)[plan.notes[index]], 0.3 + 0.25 * float(np.sin(5.0 * index))


def waves(pen: Pen, plan: Plan, look: Look, time: float) -> None:
    """A boat on rolling waves that swell, break and foam."""
    level = float(plan.track("level", time))
    x = np.linspace(-1.8, 1.8, 37)

    def surface(row: float, along: np.ndarray | float) -> np.ndarray:
        """Height of a wave row: it travels, and grows with the swell."""
        size = 0.07 + 0.34 * level
        return -0.45 - 0.32 * row + size * np.sin(2.6 * np.asarray(along) + 1.9 * row - 2.4 * time)

    slope = float(surface(0, 0.1) - surface(0, -0.1)) / 0.2
    boat = pen.at(0, float(surface(0, 0.0)) + 0.16, 0.6 * np.arctan(slope))
    boat.line([0, 1.15j], INK, 0.06)
    boat.polygon([0.06 + 0.2j, 0.06 + 1.12j, 0.68 + 0.26j], look.second)
    boat.polygon([-0.06 + 0.24j, -0.06 + 0.95j, -0.46 + 0.28j], PAPER)
    boat.polygon([-0.66 + 0.14j, 0.74 + 0.14j, 0.48 - 0.24j, -0.46 - 0.24j], look.main)
    for row in range(3):
        crest = surface(row, x)
        tone = shade(look.accent, 0.15 - 0.25 * row)
        pen.polygon([*(x + 1j * crest), 1.8 - 2j, -1.8 - 2j], tone)
        foam = (crest + 0.45 + 0.32 * row) > (0.05 + 0.16 * level)
        for place in np.flatnonzero(foam):
            pen.circle(float(x[place]), float(crest[place]), 0.04 + 0.09 * level, PAPER, None)
