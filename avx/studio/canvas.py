"""A pen that draws in the units of a thing, whatever camera looks at it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from PIL import ImageDraw

Colour = tuple[int, ...]
"""(red, green, blue) or (red, green, blue, alpha), each 0 to 255."""

INK: Colour = (28, 26, 34)
PAPER: Colour = (248, 246, 238)
OUTLINE = 0.028
_RING = np.exp(2j * np.pi * np.arange(28) / 28)


def shade(colour: Colour, amount: float) -> Colour:
    """Moves a colour towards black (amount in [-1, 0]) or white (amount in [0, 1]); alpha is kept."""
    target = 255 if amount > 0 else 0
    mixed = tuple(round(value + (target - value) * abs(amount)) for value in colour[:3])
    return mixed + tuple(colour[3:])


def faded(colour: Colour, opacity: float) -> Colour:
    """The colour with alpha set from an opacity, which is clipped to [0, 1]."""
    return (*colour[:3], round(255 * min(max(opacity, 0.0), 1.0)))


def box(left: float, bottom: float, right: float, top: float) -> list[complex]:
    """Corners of an upright rectangle, in order."""
    return [complex(left, bottom), complex(right, bottom), complex(right, top), complex(left, top)]


@dataclasses.dataclass(frozen=True)
class Pen:
    """Draws on a picture through an affine map from thing units to pixels.

    A point z = x + iy (y up, the thing fills about [-1, 1] on both axes) lands on pixel a z + b conj(z) + c, with
    pixels counted right and down. Pens are values: `at` gives another pen and leaves this one alone.

    Attributes:
      draw: the picture's drawing context, in a mode that blends alpha.
      a, b, c: the affine map.
      unit: pixels per thing unit, for line widths.
    """

    draw: ImageDraw.ImageDraw
    a: complex
    b: complex
    c: complex
    unit: float

    def at(self, x: float, y: float, angle: float = 0.0, scale: float = 1.0, stretch: float = 1.0) -> Pen:
        """A pen whose origin is (x, y) here, turned counter-clockwise by `angle` radians.

        `scale` enlarges both axes; `stretch` widens x by that factor and narrows y by its inverse (squash).
        """
        turn = np.exp(1j * angle) * scale
        along, across = turn * (stretch + 1 / stretch) / 2, turn * (stretch - 1 / stretch) / 2
        place = complex(x, y)
        return Pen(
            self.draw,
            self.a * along + self.b * np.conj(across),
            self.a * across + self.b * np.conj(along),
            self.a * place + self.b * place.conjugate() + self.c,
            self.unit * scale,
        )

    def _pixels(self, points: Sequence[complex] | np.ndarray) -> list[float]:
        z = np.asarray(points, np.complex128)
        return (self.a * z + self.b * z.conj() + self.c).view(np.float64).tolist()

    def polygon(
        self, points: Sequence[complex] | np.ndarray, fill: Colour, outline: Colour | None = INK, width: float = OUTLINE
    ) -> None:
        """Fills a closed polygon and strokes its edge."""
        flat = self._pixels(points)
        self.draw.polygon(flat, fill=fill)
        if outline is not None:
            self.draw.line(flat + flat[:4], fill=outline, width=max(1, round(width * self.unit)))

    def line(self, points: Sequence[complex] | np.ndarray, colour: Colour = INK, width: float = OUTLINE) -> None:
        """Strokes an open polyline with flat ends."""
        self.draw.line(self._pixels(points), fill=colour, width=max(1, round(width * self.unit)))

    def ellipse(
        self,
        x: float,
        y: float,
        radius_x: float,
        radius_y: float,
        fill: Colour,
        outline: Colour | None = INK,
        width: float = OUTLINE,
    ) -> None:
        """Fills an ellipse and strokes its edge."""
        ring = complex(x, y) + radius_x * _RING.real + 1j * radius_y * _RING.imag
        self.polygon(ring, fill, outline, width)

    def circle(
        self, x: float, y: float, radius: float, fill: Colour, outline: Colour | None = INK, width: float = OUTLINE
    ) -> None:
        """Fills a circle and strokes its edge."""
        self.ellipse(x, y, radius, radius, fill, outline, width)

    def arc(
        self, x: float, y: float, radius: float, start: float, stop: float, colour: Colour = INK, width: float = OUTLINE
    ) -> None:
        """Strokes part of a circle, from `start` to `stop` radians."""
        self.line(complex(x, y) + radius * np.exp(1j * np.linspace(start, stop, 12)), colour, width)
