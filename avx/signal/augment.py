"""Augments frames and log-mel examples at random: one key, one clip; the caller vmaps over clips.

They stand before an encoder that is trained from scratch. Keys come from the example's place in the global batch, so
that a step stays the same on any number of devices.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from avx.signal.colour import as_unit

SHIFT_SHARE = 0.1
LARGEST_GAIN = 1.3
BAND_SHIFT = 3
BAND_MASK = 8
TIME_MASK = 16


def augment_frames(key: jax.Array, frames: jax.Array) -> jax.Array:
    """Mirrors, shifts and recolours all frames of a clip alike.

    Args:
      key: of this clip and step.
      frames: (K, H, W, 3) uint8, or floating in [0, 1].

    Returns:
      (K, H, W, 3) float32 in [0, 1]: left and right swapped for half of the clips, moved by up to a tenth of each side
      with the border repeated, each colour channel multiplied by 1/1.3 to 1.3.
    """
    mirror_key, shift_key, gain_key = jax.random.split(key, 3)
    unit = as_unit(frames)
    unit = jnp.where(jax.random.bernoulli(mirror_key), unit[:, :, ::-1], unit)
    height, width = unit.shape[1:3]
    reach = jnp.array([SHIFT_SHARE * height, SHIFT_SHARE * width])
    shift = jnp.round(jax.random.uniform(shift_key, (2,), minval=-1, maxval=1) * reach).astype(jnp.int32)
    rows = jnp.clip(jnp.arange(height) + shift[0], 0, height - 1)
    columns = jnp.clip(jnp.arange(width) + shift[1], 0, width - 1)
    unit = unit[:, rows][:, :, columns]
    exponent = jax.random.uniform(gain_key, (3,), minval=-1, maxval=1)
    return jnp.clip(unit * LARGEST_GAIN**exponent, 0, 1)


def augment_log_mel(key: jax.Array, examples: jax.Array) -> jax.Array:
    """Moves the pitch of a clip by up to three bands, and hides one run of bands and one of frames (Park et al. 2019).

    Args:
      key: of this clip and step.
      examples: (N, T, F) log-mel examples.

    Returns:
      (N, T, F); hidden places hold the clip's mean, bands that move in repeat the border.
    """
    shift_key, band_key, time_key = jax.random.split(key, 3)
    _, frames, bands = examples.shape
    shift = jax.random.randint(shift_key, (), -BAND_SHIFT, BAND_SHIFT + 1)
    moved = jnp.asarray(examples)[:, :, jnp.clip(jnp.arange(bands) + shift, 0, bands - 1)]
    hidden = _random_run(band_key, bands, BAND_MASK)[None, :] | _random_run(time_key, frames, TIME_MASK)[:, None]
    return jnp.where(hidden, examples.mean(), moved)


def _random_run(key: jax.Array, length: int, longest: int) -> jax.Array:
    """(length,) bool, True on a run of 0 to `longest` places."""
    size_key, start_key = jax.random.split(key)
    size = jax.random.randint(size_key, (), 0, longest + 1)
    start = jax.random.randint(start_key, (), 0, length - size + 1)
    place = jnp.arange(length)
    return (place >= start) & (place < start + size)
