"""Colour spaces and colour histograms of pictures (..., H, W, 3), sRGB, uint8 or floating in [0, 1]."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp
import numpy as np

from avx.core.errors import UserError

# IEC 61966-2-1, primaries of sRGB under D65; rows are X, Y, Z.
SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
LAB_CORNER = 6 / 29
RELIABLE_CHROMA = 0.1
"""Chroma (max - min of R, G, B in [0, 1]) from which on the hue of a pixel is taken at its word."""


def as_unit(pictures: jax.Array) -> jax.Array:
    """float32 in [0, 1]: integers are divided by 255, floating values are taken as they are."""
    chex.assert_axis_dimension(pictures, -1, 3)
    pictures = jnp.asarray(pictures)
    return pictures.astype(jnp.float32) / 255 if jnp.issubdtype(pictures.dtype, jnp.integer) else pictures


def to_grey(pictures: jax.Array) -> jax.Array:
    """Luma 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601) in [0, 1]: (..., H, W, 3) -> (..., H, W)."""
    unit = as_unit(pictures)
    # Plane by plane: a product with the three weights would keep the whole picture as floating numbers on a CPU.
    return LUMA[0] * unit[..., 0] + LUMA[1] * unit[..., 1] + LUMA[2] * unit[..., 2]


def to_lab(pictures: jax.Array) -> jax.Array:
    """CIE L*a*b* under D65: (..., H, W, 3) -> (..., H, W, 3), L in [0, 100], a and b roughly in [-110, 110]."""
    return jnp.stack(lab_planes(pictures), axis=-1)


def lab_planes(pictures: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """L, a and b of `to_lab` as three maps (..., H, W): on a CPU two to four times faster than triples."""
    unit = as_unit(pictures)
    low = unit <= 0.04045
    linear = jnp.where(low, unit / 12.92, _power((jnp.where(low, 1.0, unit) + 0.055) / 1.055, 2.4))
    red, green, blue = (linear[..., channel] for channel in range(3))

    def curve(weights):
        # Dividing by the row's sum makes the white of sRGB the white of Lab exactly, so greys have a = b = 0.
        share = (weights / weights.sum()).astype(np.float32)
        relative = share[0] * red + share[1] * green + share[2] * blue
        dark = relative <= LAB_CORNER**3
        # CIE's curve less 4/29, the offset that cancels in L, a and b: black is 0 without rounding.
        return jnp.where(dark, relative / (3 * LAB_CORNER**2), _power(jnp.where(dark, 1.0, relative), 1 / 3) - 4 / 29)

    x, y, z = (curve(weights) for weights in SRGB_TO_XYZ)
    return 116 * y, 500 * (x - y), 200 * (y - z)


def to_hsv(pictures: jax.Array) -> jax.Array:
    """Hue in [0, 1) turns from red, saturation and value in [0, 1]: (..., H, W, 3) -> (..., H, W, 3).

    Grey has hue 0, black also saturation 0 (Smith 1978). Integer pictures are compared as integers, so that a hue or
    saturation on the border of a histogram bin is not moved by rounding.
    """
    pictures = jnp.asarray(pictures)
    chex.assert_axis_dimension(pictures, -1, 3)
    whole = 255.0 if jnp.issubdtype(pictures.dtype, jnp.integer) else 1.0
    red, green, blue = jnp.moveaxis(pictures.astype(jnp.float32), -1, 0)
    value = jnp.maximum(jnp.maximum(red, green), blue)
    chroma = value - jnp.minimum(jnp.minimum(red, green), blue)
    coloured = chroma > 0
    divisor = jnp.where(coloured, chroma, 1)
    sextant = jnp.where(
        value == red,
        (green - blue) / divisor,
        jnp.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    hue = jnp.where(coloured, sextant / 6, 0)
    hue = jnp.where(hue < 0, hue + 1, hue)
    saturation = jnp.where(coloured, chroma / jnp.where(coloured, value, 1), 0)
    return jnp.stack([hue, saturation, value / whole], axis=-1)


def hsv_histogram(pictures: jax.Array, bins: tuple[int, int, int] = (16, 4, 4)) -> jax.Array:
    """Joint histogram of hue, saturation and value: (..., H, W, 3) -> (..., 16 * 4 * 4), non-negative, sum 1.

    Bin (h, s, v) stands at (h * 4 + s) * 4 + v; bins are equally wide and closed on the left, the last one on both
    sides (docs/methods.md 9.5, 9.6).

    Raises:
      UserError: for bins below 1.
    """
    hues, saturations, values = bins
    hsv = to_hsv(pictures)
    hue, saturation, value = (_bin_of(hsv[..., axis], size) for axis, size in enumerate(bins))
    return _histogram((hue * saturations + saturation) * values + value, hues * saturations * values)


def soft_hsv_histogram(pictures: jax.Array, bins: tuple[int, int, int] = (16, 4, 4)) -> jax.Array:
    """Joint histogram whose pixels are shared between neighbouring bins: (..., H, W, 3) -> (..., 16 * 4 * 4), sum 1.

    `hsv_histogram` counts a pixel in one bin, so that a grey area that crosses the border of two bins by one level
    changes its histogram altogether. Here a pixel between the centres of two bins counts in both, linearly in its
    distance, on each of the three axes; hue goes round. Grey has no hue and black no saturation, and noise decides
    what `to_hsv` says of them. Below `RELIABLE_CHROMA` a pixel therefore counts in the share chroma / RELIABLE_CHROMA
    where its hue and saturation say, and with the rest in the lowest saturation, evenly over the hues. The histogram
    is so a continuous function of the picture.

    Args:
      pictures: (..., H, W, 3) uint8, or floating in [0, 1].
      bins: of hue, saturation and value; bin (h, s, v) stands at (h * 4 + s) * 4 + v.

    Raises:
      UserError: for bins below 1.
    """
    hues, saturations, values = bins
    if min(bins) < 1:
        raise UserError(f"a histogram needs at least 1 bin, got {bins}")
    lead = pictures.shape[:-3]
    hue, saturation, value = jnp.moveaxis(to_hsv(pictures).reshape(*lead, -1, 3), -1, 0)
    reliable = jnp.clip(saturation * value / RELIABLE_CHROMA, 0, 1)[..., None]
    of_hue, of_saturation, of_value = _ring(hue, hues), _ramp(saturation, saturations), _ramp(value, values)
    coloured = (reliable * of_saturation)[..., None] * of_value[..., None, :]
    coloured = coloured.reshape(*coloured.shape[:-2], saturations * values)
    # One product over the pixels instead of eight scattered additions for each of them.
    joint = jnp.einsum("...ph,...pk->...hk", of_hue, coloured, precision=jax.lax.Precision.HIGHEST)
    grey = jnp.zeros((*lead, saturations, values)).at[..., 0, :].set(((1 - reliable) * of_value).sum(-2) / hues)
    joint = joint.reshape(*lead, hues, saturations, values) + grey[..., None, :, :]
    return joint.reshape(*lead, -1) / hue.shape[-1]


def _ramp(shares: jax.Array, bins: int) -> jax.Array:
    """Shares (..., bins) of values in [0, 1] between the two bins whose centres enclose them; the ends count alone."""
    position = jnp.clip(shares * bins - 0.5, 0, bins - 1)
    return jnp.maximum(1 - jnp.abs(position[..., None] - jnp.arange(bins)), 0)


def _ring(turns: jax.Array, bins: int) -> jax.Array:
    """As `_ramp` of values in [0, 1) that go round: the last bin is the first one's neighbour."""
    if bins == 1:
        return jnp.ones((*turns.shape, 1))
    apart = jnp.abs((turns * bins - 0.5)[..., None] - jnp.arange(bins))
    return jnp.maximum(1 - jnp.minimum(apart, bins - apart), 0)


def hue_histogram(pictures: jax.Array, bins: int = 16) -> jax.Array:
    """Histogram of hue alone: (..., H, W, 3) -> (..., bins), non-negative, sum 1 (VSUMM; docs/methods.md 9.8).

    Used to compare key frames with those of people (`keyframes.agreement`).

    Raises:
      UserError: for bins below 1.
    """
    return _histogram(_bin_of(to_hsv(pictures)[..., 0], bins), bins)


def _bin_of(values: jax.Array, bins: int) -> jax.Array:
    if bins < 1:
        raise UserError(f"a histogram needs at least 1 bin, got {bins}")
    return jnp.clip(jnp.floor(values * bins).astype(jnp.int32), 0, bins - 1)


def _histogram(places: jax.Array, bins: int) -> jax.Array:
    """Shares of the bins among places (..., H, W) int32 -> (..., bins) float32."""
    *lead, height, width = places.shape
    count = jax.vmap(lambda picture: jnp.zeros(bins, jnp.float32).at[picture].add(1.0))
    return count(places.reshape(-1, height * width)).reshape(*lead, bins) / (height * width)


def _power(values: jax.Array, exponent: float) -> jax.Array:
    """values ** exponent for positive values; exp and log are vectorised where the general power is not."""
    return jnp.exp(exponent * jnp.log(values))
