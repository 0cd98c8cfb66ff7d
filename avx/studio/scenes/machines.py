"""Machines: siren lamp, locomotive, typewriter, door, saw, windmill, telephone."""

from __future__ import annotations

import numpy as np

from avx.studio.canvas import INK, PAPER, Pen, box, faded, shade
from avx.studio.plans import Plan
from avx.studio.scenes import Look


def siren_lamp(pen: Pen, plan: Plan, look: Look, time: float) -> None:
    """A beacon whose two beams turn round; it faces the camera when the tone is highest."""
    turn, force = 2 * np.pi * float(plan.track("phase", time)), float(plan.track("force", time))
    sideways, facing = np.sin(turn), np.cos(turn)
    for side in (-1, 1):
        reach = side * sideways * (0.9 + 1.0 * force)
        spread = 0.14 + 0.5 * abs(sideways)
        beam = [0.0, complex(reach, spread), complex(reach, -spread * 0.6)]
        pen.polygon(beam, faded(look.accent, 0.35 + 0.55 * force), INK if abs(sideways) > 0.2 else None, 0.012)
    pen.polygon([-0.78 - 1j, 0.78 - 1j, 0.66 - 0.5j, -0.66 - 0.5j], look.second)
    pen.line([-0.6 - 0.75j, 0.6 - 0.75j], shade(look.second, -0.5), 0.1)
    dome = 0.55 * np.cos(np.linspace(0, np.pi, 16)) + 1j * (0.95 * np.sin(np.linspace(0, np.pi, 16)) - 0.5)
    pen.polygon(dome, look.main)
    bright = max(facing, 0) * force
    pen.at(0.34 * sideways, 0).ellipse(0, -0.1, 0.08 + 0.22 * abs(facing), 0.32, shade(look.accent, 0.4 * bright))
    if bright > 0.1:
        pen.circle(0, -0.1, 0.3 + 0.55 * bright, faded(shade(look.accent, 0.6), 0.75 * bright), None)
    pen.line([-0.3 - 0.3j, -0.22 + 0.15j], faded(PAPER, 0.6), 0.06)


def train(pen: Pen, plan: Plan, look: Look, time: float) -> None:
    """A steam locomotive seen from its side: wheels, driving rod, and a puff for each chuff."""
    phase = float(plan.track("phase", time))
    drift = 0.5 + 2.2 * float(plan.track("speed", time))
    for index, age, strength in plan.recent(time, 0.9):
        size = (0.1 + 0.3 * age) * (0.5 + 0.9 * strength)
        pen.circle(0.62 - drift * age, 0.62 + 0.55 * age, size, faded(shade(PAPER, -0.1 * (index % 2)), 1 - age), None)
    pen.polygon(box(-1.6, -1.0, 1.6, -0.93), shade(look.second, -0.5))
    for tie in range(9):
        place = (tie - (phase * 2) % 1) * 0.4 - 1.6
        pen.polygon(box(place, -1.1, place + 0.16, -0.99), shade(look.second, -0.2), None)
    rock = pen.at(0, 0.02 * np.sin(4 * np.pi * phase))
    rock.polygon(box(-0.95, -0.55, -0.35, 0.5), look.second)
    rock.polygon(box(-1.05, 0.5, -0.28, 0.64), shade(look.second, -0.4))
    rock.polygon(box(-0.82, 0.02, -0.5, 0.36), PAPER)
    rock.polygon(box(-0.38, -0.5, 0.85, 0.12), look.main)
    for band in (-0.1, 0.25):
        rock.line([band - 0.5j, band + 0.12j], shade(look.main, -0.45), 0.04)
    rock.polygon([0.5 + 0.12j, 0.74 + 0.12j, 0.8 + 0.55j, 0.44 + 0.55j], shade(look.main, -0.35))
    rock.ellipse(0.02, 0.14, 0.15, 0.13, look.accent)
    rock.polygon([0.85 - 0.55j, 1.12 - 0.92j, 0.72 - 0.92j, 0.6 - 0.55j], shade(look.second, -0.3))
    spokes = np.exp(-2j * np.pi * (phase + np.arange(3) / 6))
    for centre in (-0.65, 0.0, 0.62):
        wheel = rock.at(centre, -0.65)
        wheel.circle(0, 0, 0.29, shade(look.accent, -0.1), INK, 0.05)
        for spoke in spokes:
            wheel.line(np.array([-0.26, 0.26]) * spoke, INK, 0.035)
    crank = 0.17 * np.exp(-2j * np.pi * phase) - 0.65j
    rock.line([crank - 0.65, crank + 0.62], PAPER, 0.08)


def typewriter(pen: Pen, plan: Plan, look: Look, time: float) -> None:
    """A typewriter: its carriage steps with each key and runs back at the end of a line."""
    place = 0.42 - 0.84 * float(plan.track("carriage", time))
    carriage = pen.at(place, 0)
    carriage.polygon(box(-0.44, 0.25, 0.44, 1.02), PAPER)
    for row in range(3):
        carriage.line(
            [-0.34 + (0.9 - 0.15 * row) * 1j, (0.3 - 0.2 * (row == 2)) + (0.9 - 0.15 * row) * 1j], shade(INK, 0.4), 0.03
        )
    carriage.polygon(box(-0.7, 0.14, 0.7, 0.38), look.second)
    for side in (-1, 1):
        carriage.polygon(box(side * 0.76 - 0.07, 0.08, side * 0.76 + 0.07, 0.44), shade(look.second, -0.45))
    pen.polygon([-0.72 + 0.16j, 0.72 + 0.16j, 0.8 - 0.2j, 1.0 - 0.95j, -1.0 - 0.95j, -0.8 - 0.2j], look.main)
    pen.polygon([-0.3 + 0.16j, 0.3 + 0.16j, 0.2 - 0.1j, -0.2 - 0.1j], shade(look.main, -0.6))
    for _, age, strength in plan.recent(time, 0.13):
        tip = (0.1 + 0.5j) * (1 - age / 0.13) * strength
        pen.line([-0.12j, tip - 0.02 + 0.05j], look.accent, 0.06)
    for note in range(9):
        press = min(plan.pulse(time, 0.1, note + 1), 1)
        row, column = divmod(note, 3)
        x, y = (column - 1) * (0.42 + 0.06 * row), -0.28 - 0.23 * row
        pen.circle(x, y - 0.05 * press, 0.115 - 0.02 * press, look.accent if press > 0.15 else PAPER)
    ding = min(plan.pulse(time, 0.25, 0), 1)
    if ding > 0.05:
        for ring in (0.16, 0.28, 0.4):
            pen.arc(0.85, 0.1, ring, -0.4, 1.6, faded(look.accent, 2 * ding), 0.06)


def door(pen: Pen, plan: Plan, look: Look, time: float) -> None:
    """A door that swings towards the camera on its left hinge and lets light through."""
    opening = 1.25 * float(plan.track("place", time))
    pen.polygon(box(-0.72, -1, 0.72, 1.02), look.second)
    pen.polygon(box(-0.58, -1, 0.58, 0.9), shade(look.accent, 0.55))
    pen.circle(0.22, 0.35, 0.2, faded(PAPER, 0.9), None)
    pen.polygon([-0.58 - 1j, 0.58 - 1j, 0.58 - 0.75j, -0.58 - 0.6j], shade(look.accent, -0.25), None)
    across, depth = np.cos(opening), 0.26 * np.sin(opening)

    def leaf(u: float, v: float) -> complex:
        """Point of the door, u from hinge to knob and v from bottom to top, both in [0, 1], in perspective."""
        return complex(-0.58 + 1.16 * u * across * (1 - 0.2 * depth), -1 + 1.9 * v + depth * u * (2 * v - 1) * 0.9)

    pen.polygon([leaf(0, 0), leaf(1, 0), leaf(1, 1), leaf(0, 1)], look.main)
    for low, high in ((0.08, 0.45), (0.55, 0.92)):
        pen.polygon(
            [leaf(0.18, low), leaf(0.82, low), leaf(0.82, high), leaf(0.18, high)], shade(look.main, -0.3), INK, 0.02
        )
    knob = leaf(0.9, 0.49)
    pen.circle(knob.real, knob.imag, 0.075, look.accent)
    speed = min(float(plan.track("speed", time)), 1)
    if speed > 0.1:
        for ring in (0.12, 0.22):
            for height in (0.62, -0.68):
                pen.arc(-0.72, height, ring + 0.12 * speed, 2.2, 4.0, faded(INK, 0.9 * speed), 0.045)


def saw(pen: Pen, plan: Plan, look: Look, time: float) -> None:
    """A toothed saw that goes back and forth in a log on a trestle, with falling dust."""
    place, speed = float(plan.track("place", time)), min(float(plan.track("speed", time)), 1)
    for side in (-1, 1):
        for lean in (-1, 1):
            pen.line([side * 0.55 + lean * 0.18 - 1j, side * 0.55 - lean * 0.18 - 0.3j], INK, 0.12)
    pen.polygon(box(-0.95, -0.62, 0.85, -0.02), look.second)
    for grain in (-0.45, -0.3, -0.16):
        pen.line([-0.85 + grain * 1j, 0.6 + grain * 1j], shade(look.second, -0.35), 0.025)
    pen.ellipse(0.85, -0.32, 0.17, 0.3, shade(look.second, 0.5))
    pen.ellipse(0.85, -0.32, 0.09, 0.16, shade(look.second, 0.2), INK, 0.015)
    pen.polygon(box(-0.1, -0.35, -0.02, -0.02), shade(look.second, -0.7), None)
    for speck in range(14):
        fall = (time * (1.3 + 0.1 * (speck % 5)) + speck * 0.37) % 1
        if speck < 14 * speed:
            pen.circle(
                -0.06 + 0.4 * np.sin(speck * 2.4) * fall, -0.5 - 0.5 * fall, 0.045, shade(look.second, 0.6), INK, 0.01
            )
    blade = pen.at(-0.62 + 0.85 * place, 0.0, 0.14)
    teeth = np.arange(25) / 24 * 1.75 - 0.65 + 1j * np.where(np.arange(25) % 2, -0.17, -0.06)
    blade.polygon([*teeth, 1.1 + 0.32j, -0.65 + 0.12j], look.accent)
    blade.polygon([1.02 - 0.14j, 1.42 - 0.2j, 1.5 + 0.42j, 1.08 + 0.4j], look.main)
    blade.circle(1.25, 0.1, 0.1, shade(look.main, -0.6))


def windmill(pen: Pen, plan: Plan, look: Look, time: float) -> None:
    """A windmill on a hill with four latticed sails and streaks of wind."""
    phase, force = float(plan.track("phase", time)), float(plan.track("force", time))
    pen.ellipse(0, -1.35, 1.7, 0.6, shade(look.second, -0.25))
    pen.polygon([-0.42 - 1j, 0.42 - 1j, 0.26 + 0.3j, -0.26 + 0.3j], look.second)
    pen.polygon([-0.3 + 0.28j, 0.3 + 0.28j, 0.18 + 0.5j, 0.62j, -0.18 + 0.5j], shade(look.main, -0.4))
    pen.polygon(box(-0.12, -1, 0.12, -0.65), shade(look.second, -0.6))
    for streak in range(4):
        x = (time * (0.5 + 1.6 * force) + streak * 0.61) % 2.8 - 1.4
        pen.line(
            [complex(x, 0.9 - 0.5 * streak), complex(x + 0.2 + 0.5 * force, 0.9 - 0.5 * streak)],
            faded(PAPER, force),
            0.045,
        )
    for blade in range(4):
        sail = pen.at(0, 0.25, -2 * np.pi * (phase + blade / 4), 1.0)
        sail.line([0, 0.95j], INK, 0.06)
        sail.polygon(box(0.02, 0.2, 0.3, 0.95), look.main)
        for rung in (0.38, 0.57, 0.76):
            sail.line([0.02 + rung * 1j, 0.3 + rung * 1j], shade(look.main, -0.5), 0.03)
    pen.circle(0, 0.25, 0.1, look.accent)


def telephone(pen: Pen, plan: Plan, look: Look, time: float) -> None:
    """A dial telephone that shakes while it rings; its receiver jumps on the cradle."""
    level = float(plan.track("level", time))
    shake = level * np.sin(2 * np.pi * 9.3 * time)
    base = pen.at(0.07 * shake, 0, 0.07 * shake)
    base.polygon([-0.95 - 0.9j, 0.95 - 0.9j, 0.88 - 0.55j, 0.5 + 0.2j, -0.5 + 0.2j, -0.88 - 0.55j], look.main)
    for side in (-1, 1):
        base.polygon(box(side * 0.36 - 0.1, 0.15, side * 0.36 + 0.1, 0.42), shade(look.main, -0.4))
    base.circle(0, -0.38, 0.44, look.second)
    for hole in np.arange(8) * 0.68 + 0.6:
        base.circle(0.31 * np.cos(hole), -0.38 + 0.31 * np.sin(hole), 0.075, PAPER, INK, 0.015)
    base.circle(0, -0.38, 0.15, PAPER)
    receiver = pen.at(0, 0.48 + 0.14 * level * abs(np.sin(2 * np.pi * 7.1 * time)), 0.16 * shake)
    curve = np.linspace(0, np.pi, 10)
    receiver.polygon(
        [*(0.9 * np.cos(curve) + 0.32j * np.sin(curve)), *(-0.66 * np.cos(curve) + 0.1j * np.sin(curve))], look.main
    )
    for side in (-1, 1):
        receiver.ellipse(side * 0.8, -0.04, 0.24, 0.19, shade(look.main, -0.25))
    if level > 0:
        for side in (-1, 1):
            for ring in range(2):
                arc = 0.0 if side > 0 else np.pi
                pen.arc(0, 0.3, 1.05 + 0.14 * ring, arc - 0.35, arc + 0.35, faded(look.accent, 0.3 + 0.7 * level), 0.08)
