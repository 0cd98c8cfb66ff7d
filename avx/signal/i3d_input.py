"""The input of I3D (Carreira & Zisserman 2017): RGB and optical flow of the same frames, both in [-1, 1].

The published preparation samples 25 frames a second, scales the shorter side to 256 pixels, computes TV-L1 flow
(`avx.signal.optical_flow`), and crops the middle 224 x 224 of both.
"""

from __future__ import annotations

from typing import TypeVar

import chex
import jax
import jax.numpy as jnp
import numpy as np

from avx.core.errors import UserError
from avx.signal.optical_flow import I3D_BOUND, for_i3d

FRAME_RATE = 25
CROP = 224
Pictures = TypeVar("Pictures", jax.Array, np.ndarray)


def centre_crop(frames: Pictures, side: int = CROP, width: int | None = None) -> Pictures:
    """The middle side x side (or side x width) pixels of (..., H, W, C); an odd rest is longer at the end.

    Raises:
      UserError: frames smaller than the crop.
    """
    size = (side, side if width is None else width)
    found = frames.shape[-3:-1]
    if found[0] < size[0] or found[1] < size[1]:
        raise UserError(
            f"frames of {found[0]} x {found[1]} pixels have no {size[0]} x {size[1]} crop; resize them first."
        )
    top, left = ((whole - part) // 2 for whole, part in zip(found, size, strict=True))
    return frames[..., top : top + size[0], left : left + size[1], :]


def rgb_input(frames: jax.Array) -> jax.Array:
    """Frames (..., 3) in 0..255, integer or floating, as float32 in [-1, 1]."""
    return frames.astype(jnp.float32) * (2 / 255) - 1


def two_stream_input(frames: jax.Array, flow: jax.Array) -> jax.Array:
    """Frames beside the flow that leaves each, as `avx.nn.encoders.i3d.TwoStreamI3D` reads them.

    Args:
      frames: (..., H, W, 3) in 0..255.
      flow: (..., H, W, 2) pixels from each frame to its next; beyond 20 pixels it is cut off.

    Returns:
      (..., H, W, 5) float32 in [-1, 1].
    """
    chex.assert_equal_shape_prefix([frames, flow], frames.ndim - 1)
    return jnp.concatenate([rgb_input(frames), for_i3d(flow)], axis=-1)


def flow_to_levels(flow: jax.Array) -> jax.Array:
    """Flow in pixels as bytes, the way flow is published: clipped to 20 pixels, the nearest of 256 levels.

    Neighbouring levels are 40 / 255 pixels apart, so flow within 20 pixels comes back from `levels_to_flow` with an
    error of 20 / 255 = 0.078 pixels at most. No flow lies between two levels and takes the upper one, 128.

    Args:
      flow: (...) pixels, any floating numbers.

    Returns:
      (...) uint8, 0 for -20 pixels and 255 for 20.
    """
    return jnp.round((for_i3d(flow) + 1) * (255 / 2)).astype(jnp.uint8)


def levels_to_flow(levels: jax.Array) -> jax.Array:
    """(...) uint8 of `flow_to_levels` -> (...) float32 pixels."""
    return I3D_BOUND * rgb_input(levels)


def stored_input(stored: jax.Array) -> jax.Array:
    """What `two_stream_input` gives, to half a level of flow, from its stored form.

    Args:
      stored: (..., 5) uint8, RGB as it is beside `flow_to_levels` of the flow. Pictures and flow share one scale: -1 at
        0, 1 at 255.

    Returns:
      (..., 5) float32 in [-1, 1].
    """
    chex.assert_axis_dimension(stored, -1, 5)
    return rgb_input(stored)
