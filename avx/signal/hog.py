"""Describes pictures by colour and edges on a grid of cells, without any weights."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp
import numpy as np

from avx.core.arrays import l2_normalize
from avx.core.errors import UserError
from avx.signal.colour import as_unit, lab_planes, to_grey

ORIENTATIONS = 9
CLIP_AT = 0.2
GRID = 6
CELL = 16
BLOCK = 2
SALIENCY_FLOOR = 0.05
HANDCRAFTED_SIZE = GRID * GRID * (5 + ORIENTATIONS)


def orientation_cells(grey: jax.Array, cell: int, orientations: int = ORIENTATIONS) -> jax.Array:
    """Histograms of unsigned edge direction over square cells (Dalal & Triggs 2005): (..., H, W) -> (..., h, w, O).

    The gradient is the difference of the two neighbours (0 on the border); each pixel adds its gradient's length to
    the bin of its direction, bins being equal parts of [0, 180) degrees from the horizontal gradient.

    Args:
      grey: (..., H, W); H and W are multiples of `cell`.
      cell: side of a cell in pixels.
      orientations: O bins.

    Raises:
      UserError: if the cells do not fill the picture.
    """
    *lead, height, width = grey.shape
    if height % cell or width % cell:
        raise UserError(f"cells of {cell} pixels do not fill a picture of {height} x {width}: resize it first")
    edge = [(0, 0)] * len(lead)
    down = jnp.pad(grey[..., 2:, :] - grey[..., :-2, :], [*edge, (1, 1), (0, 0)])
    right = jnp.pad(grey[..., :, 2:] - grey[..., :, :-2], [*edge, (0, 0), (1, 1)])
    squared = jnp.square(down) + jnp.square(right)
    sloped = squared > 0
    length = jnp.where(sloped, jnp.sqrt(jnp.where(sloped, squared, 1)), 0)
    angle = jnp.arctan2(jnp.where(sloped, down, 0), jnp.where(sloped, right, 1))
    place = jnp.floor(jnp.mod(angle / np.pi, 1) * orientations).astype(jnp.int32)
    votes = jax.nn.one_hot(jnp.minimum(place, orientations - 1), orientations) * length[..., None]
    cells = votes.reshape(*lead, height // cell, cell, width // cell, cell, orientations)
    return cells.sum((-4, -2))


def normalize_blocks(cells: jax.Array, block: int = BLOCK) -> jax.Array:
    """Cells (..., h, w, O) with every block of cells brought to unit length, clipped at 0.2 and brought back to it.

    Lowe's clipping keeps one strong edge from hiding the others. Blocks lie side by side, so that the descriptor holds
    every cell once; an empty block stays zero.

    Raises:
      UserError: if the blocks do not fill the grid of cells.
    """
    *lead, height, width, orientations = cells.shape
    if height % block or width % block:
        raise UserError(f"blocks of {block} cells do not fill a grid of {height} x {width} cells")
    tiled = cells.reshape(*lead, height // block, block, width // block, block, orientations)
    tiled = jnp.moveaxis(tiled, -4, -3)
    blocks = tiled.reshape(*lead, height // block, width // block, block * block * orientations)
    blocks = l2_normalize(jnp.minimum(l2_normalize(blocks), CLIP_AT))
    tiled = blocks.reshape(*lead, height // block, width // block, block, block, orientations)
    return jnp.moveaxis(tiled, -3, -4).reshape(cells.shape)


def handcrafted_features(frames: jax.Array, saliency: jax.Array | None = None) -> jax.Array:
    """Colour and edges on a 6 x 6 grid, weighted by saliency: (..., H, W, 3) -> (..., 504), non-negative, unit norm.

    The picture is resized to 96 x 96. Every cell holds five colour means (L, and the positive and negative parts of a
    and b, each divided by 100, so that nothing is negative and grey has no colour) and nine edge directions. Each kind
    is scaled to unit length over the picture, so that both count alike in a cosine. With a saliency map, cell means of
    max(S, 0.05) weight the cells: a still background counts less than what stands out from it.

    Args:
      frames: (..., H, W, 3) sRGB, uint8 or floating in [0, 1].
      saliency: (..., H', W') in [0, 1], or None for equal weights.
    """
    unit = as_unit(frames)
    lead = unit.shape[:-3]
    side = GRID * CELL
    small = jax.image.resize(unit, (*lead, side, side, 3), "linear")
    planes = (plane.reshape(*lead, GRID, CELL, GRID, CELL).mean((-3, -1)) / 100 for plane in lab_planes(small))
    lightness, green_red, blue_yellow = planes
    opponent = jnp.stack([green_red, blue_yellow], axis=-1)
    colour = jnp.concatenate([lightness[..., None], jnp.maximum(opponent, 0), jnp.maximum(-opponent, 0)], axis=-1)
    edges = normalize_blocks(orientation_cells(to_grey(small), CELL))
    if saliency is not None:
        chex.assert_shape(saliency, (*lead, None, None))
        weight = jax.image.resize(saliency, (*lead, side, side), "linear")
        weight = jnp.maximum(weight, SALIENCY_FLOOR).reshape(*lead, GRID, CELL, GRID, CELL).mean((-3, -1))
        colour, edges = colour * weight[..., None], edges * weight[..., None]
    parts = [l2_normalize(part.reshape(*lead, -1)) for part in (colour, edges)]
    return l2_normalize(jnp.concatenate(parts, axis=-1))
