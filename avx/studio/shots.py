"""Shots of a clip: where they cut, what stands behind the thing, how the camera moves, and the pictures they give.

Consecutive shots differ in the colour behind the thing (by half of the colour cube's side at least, where the random
search finds it) and in the camera's distance, so that every cut can be seen; within a shot all changes are smooth.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
from PIL import Image, ImageDraw

from avx.studio import backdrops
from avx.studio.canvas import INK, Colour, Pen, faded, shade
from avx.studio.catalogue import Kind
from avx.studio.plans import Plan
from avx.studio.scenes import Look

SIDE = 112
FRAME_RATE = 12
SHORTEST_SHOT = 1.1
_SUPERSAMPLE = 3
_CANVAS = SIDE * _SUPERSAMPLE
_BACKDROP = _CANVAS * 3 // 2


@dataclasses.dataclass(frozen=True)
class Shot:
    """One camera position. Lengths are in picture sides, speeds per second.

    Attributes:
      start: first frame.
      stop: one past the last frame.
      backdrop: what stands behind the thing, wider than the picture.
      kind: the backdrop's pattern.
      height: part of the picture's height that the thing fills.
      roll: the camera's tilt in radians.
      mirrored: seen from the other side.
      place: (2,) the thing's offset from the middle, y up.
      drift: (2,) pan speed.
      zoom: relative growth per second.
      shake: size of the hand's tremor.
      gain: (3,) colour cast.
      spots: colour of the blobs and small shapes that float through.
      motes: (M, 6) place x, y, velocity x, y, size, corners (0 is a soft blob) of what floats.
    """

    start: int
    stop: int
    backdrop: Image.Image
    kind: str
    height: float
    roll: float
    mirrored: bool
    place: np.ndarray
    drift: np.ndarray
    zoom: float
    shake: float
    gain: np.ndarray
    spots: Colour
    motes: np.ndarray


def _cuts(rng: np.random.Generator, frames: int) -> np.ndarray:
    """First frames (S - 1,) of the later of 2 to 4 shots, none shorter than `SHORTEST_SHOT`."""
    shots = int(rng.integers(2, 5))
    shortest = int(np.ceil(SHORTEST_SHOT * FRAME_RATE))
    spare = np.sort(rng.integers(0, frames - shots * shortest + 1, shots - 1))
    return spare + shortest * np.arange(1, shots)


def plan_shots(rng: np.random.Generator, frames: int, look: Look) -> list[Shot]:
    """Two to four shots that cover `frames` frames, with backdrops that set off the thing's colours."""
    edges = [0, *_cuts(rng, frames), frames]
    shots: list[Shot] = []
    previous: list[tuple[Colour, float]] = []
    near = bool(rng.integers(2))
    for start, stop in itertools.pairwise(edges):
        base = backdrops.pick_colour(rng, [*previous, (look.main, 0.4), (look.second, 0.22)])
        second = shade(base, rng.uniform(0.2, 0.4) * (1 if sum(base) < 400 else -1))
        kind = backdrops.KINDS[rng.integers(len(backdrops.KINDS))]
        floating = int(rng.integers(1, 5))
        motes = np.zeros((floating, 6))
        motes[:, :2] = rng.uniform(-0.5, 0.5, (floating, 2))
        motes[:, 2:4] = rng.uniform(-0.12, 0.12, (floating, 2))
        motes[:, 4] = rng.uniform(0.03, 0.07, floating)
        motes[:, 5] = rng.integers(3, 7, floating)
        soft = rng.uniform(size=floating) < 0.5
        motes[soft, 4] *= 2.5
        motes[soft, 5] = 0
        shots.append(
            Shot(
                start=int(start),
                stop=int(stop),
                backdrop=backdrops.backdrop(kind, base, second, _BACKDROP, rng),
                kind=kind,
                height=rng.uniform(0.74, 0.86) if near else rng.uniform(0.58, 0.68),
                roll=rng.uniform(-0.16, 0.16),
                mirrored=bool(rng.integers(2)),
                place=rng.uniform(-0.08, 0.08, 2),
                drift=rng.uniform(-0.035, 0.035, 2),
                zoom=rng.uniform(-0.05, 0.05),
                shake=rng.uniform(0, 0.006),
                gain=rng.uniform(0.82, 1.12, 3),
                spots=shade(second, rng.uniform(-0.35, 0.35)),
                motes=motes,
            )
        )
        previous = [(base, 0.5)]
        near = not near
    return shots


def _draw_motes(draw: ImageDraw.ImageDraw, shot: Shot, age: float) -> None:
    pen = Pen(draw, 0, _CANVAS, complex(_CANVAS, _CANVAS) / 2, _CANVAS)
    for x, y, speed_x, speed_y, size, corners in shot.motes:
        place = complex(x + speed_x * age, y + speed_y * age)
        if corners == 0:
            pen.circle(place.real, place.imag, size, faded(shot.spots, 0.5), None)
        else:
            ring = np.exp(2j * np.pi * (np.arange(corners) / corners + 0.1 * age))
            pen.polygon(place + size * ring, shot.spots, INK, 0.006)


def _picture(kind: Kind, plan: Plan, look: Look, shot: Shot, frame: int, tremor: np.ndarray) -> np.ndarray:
    """One frame (SIDE, SIDE, 3) uint8 before the shot's colour cast."""
    age = (frame - shot.start) / FRAME_RATE
    half = (shot.stop - shot.start) / FRAME_RATE / 2
    pan = shot.drift * (age - half) + shot.shake * tremor
    growth = np.exp(shot.zoom * (age - half))
    span = _CANVAS / (0.95 * growth)
    corner = (_BACKDROP - span) / 2 + 0.6 * _CANVAS * pan * np.array([-1, 1])
    step = span / _CANVAS
    view = shot.backdrop.transform(
        (_CANVAS, _CANVAS), Image.Transform.AFFINE, (step, 0, corner[0], 0, step, corner[1]), Image.Resampling.NEAREST
    )
    draw = ImageDraw.Draw(view, "RGBA")
    _draw_motes(draw, shot, age)
    unit = _CANVAS * shot.height * growth / 2
    x, y = (shot.place + pan) * _CANVAS
    centre = complex(_CANVAS / 2 + x, _CANVAS / 2 - y)
    turn = unit * np.exp(1j * shot.roll)
    pen = Pen(draw, -turn, 0, centre, unit) if shot.mirrored else Pen(draw, 0, turn, centre, unit)
    kind.draw(pen, plan, look, frame / FRAME_RATE)
    return np.asarray(view.reduce(_SUPERSAMPLE))


def pictures(kind: Kind, plan: Plan, look: Look, shots: list[Shot], rng: np.random.Generator) -> np.ndarray:
    """Frames (T, SIDE, SIDE, 3) uint8 of all shots in order; frame i shows time i / FRAME_RATE."""
    total = shots[-1].stop
    tremor = rng.standard_normal((total, 2))
    axis = np.linspace(-1, 1, SIDE, dtype=np.float32)
    vignette = 1 - 0.12 * (axis[:, None] ** 2 + axis[None, :] ** 2)[..., None]
    frames = np.empty((total, SIDE, SIDE, 3), np.uint8)
    for shot in shots:
        light = vignette * shot.gain.astype(np.float32)
        for frame in range(shot.start, shot.stop):
            frames[frame] = np.minimum(_picture(kind, plan, look, shot, frame, tremor[frame]) * light, 255)
    return frames
