"""Backgrounds of shots: six kinds of pattern in two related colours, larger than the picture so that it can pan."""

from __future__ import annotations

import colorsys

import numpy as np
from PIL import Image

from avx.studio.canvas import Colour

KINDS = ("gradient", "stripes", "tiles", "clouds", "spots", "horizon")
_SIDE = 126


def distance(first: Colour, second: Colour) -> float:
    """Euclidean distance of two colours with each channel in [0, 1]."""
    return float(np.linalg.norm(np.subtract(first[:3], second[:3])) / 255)


def pick_colour(rng: np.random.Generator, avoid: list[tuple[Colour, float]]) -> Colour:
    """A random colour at least as far from each entry of `avoid` as that entry's distance.

    Of 40 draws the first that satisfies all is taken, else the one with the largest smallest margin.
    """
    best, best_margin = (0, 0, 0), -np.inf
    for _ in range(40):
        red, green, blue = colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(0.15, 0.75), rng.uniform(0.3, 0.98))
        colour = (round(255 * red), round(255 * green), round(255 * blue))
        margin = min((distance(colour, other) - least for other, least in avoid), default=0.0)
        if margin > best_margin:
            best, best_margin = colour, margin
        if margin >= 0:
            break
    return best


def _smooth_noise(rng: np.random.Generator, cells: int) -> np.ndarray:
    coarse = Image.fromarray((255 * rng.uniform(size=(cells, cells))).astype(np.uint8))
    return np.asarray(coarse.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC), np.float32) / 255


def _pattern(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Mixing weight (_SIDE, _SIDE) in [0, 1] between the backdrop's two colours."""
    y, x = np.mgrid[0:_SIDE, 0:_SIDE] / _SIDE
    angle = rng.uniform(0, 2 * np.pi)
    along = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)
    if kind == "gradient":
        return np.clip(along + 0.5, 0, 1)
    if kind == "stripes":
        return np.clip(3 * np.sin(2 * np.pi * along * rng.uniform(3, 9)) + 0.5, 0, 1)
    if kind == "tiles":
        across = -(x - 0.5) * np.sin(angle) + (y - 0.5) * np.cos(angle)
        count = rng.uniform(2, 6)
        return np.clip(4 * np.sin(2 * np.pi * along * count) * np.sin(2 * np.pi * across * count) + 0.5, 0, 1)
    if kind == "clouds":
        return np.clip(0.65 * _smooth_noise(rng, 5) + 0.35 * _smooth_noise(rng, 13), 0, 1)
    if kind == "spots":
        centres = rng.uniform(size=(14, 2))
        sizes = rng.uniform(0.03, 0.09, 14)
        gaps = np.hypot(x[..., None] - centres[:, 0], y[..., None] - centres[:, 1]) - sizes
        return np.clip(0.5 - 60 * gaps.min(-1), 0, 1)
    assert kind == "horizon", kind
    land = np.clip(60 * (y - rng.uniform(0.5, 0.66) - 0.05 * np.sin(9 * x + angle)) + 0.5, 0, 1)
    return np.clip(land * 0.85 + 0.15 * y, 0, 1)


def backdrop(kind: str, base: Colour, second: Colour, side: int, rng: np.random.Generator) -> Image.Image:
    """RGB picture (side, side) of one of `KINDS`, mixed from two colours, with faint texture."""
    weight = _pattern(kind, rng)[..., None]
    mixed = (1 - weight) * np.array(base[:3]) + weight * np.array(second[:3])
    mixed += 10 * (_smooth_noise(rng, 40) - 0.5)[..., None]
    return Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8)).resize((side, side), Image.Resampling.BILINEAR)
