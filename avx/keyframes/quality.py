"""Measures key frames of a video: fidelity, compression and the clustering objective (docs/methods.md 9.5).

All methods are measured on the same evaluation features, never on a method's own.
"""

from __future__ import annotations

from collections.abc import Sequence

import chex
import jax
import jax.numpy as jnp
from flax import struct

from avx.core.arrays import product, ratio, weighted_sum
from avx.keyframes.distances import unit_vectors
from avx.keyframes.partition import MAX_TABLE_ENTRIES, nearest_center

THEORETICAL = "theoretical"
VIDEO = "video"


@struct.dataclass
class Quality:
    """Measures of one video's key frames, each () float32.

    Attributes:
      fidelity: 1 - semi-Hausdorff distance / D_max, set by the frame that is represented worst.
      mean_fidelity: 1 - mean distance to the nearest key frame / D_max.
      compression_ratio: 1 - K / n.
      objective: sum of the distances to the nearest key frame.
      sse: sum of the squared distances (Sun 2024, eq. 11).
    """

    fidelity: jax.Array
    mean_fidelity: jax.Array
    compression_ratio: jax.Array
    objective: jax.Array
    sse: jax.Array


def evaluation_units(parts: Sequence[jax.Array], mask: jax.Array) -> jax.Array:
    """Joins features to rows whose distance is the mean of their cosine distances.

    Args:
      parts: features (T, D_i), such as colour histograms and deep features; the distance to a zero vector is that of
        `distances.unit_vectors`, for each part alone.
      mask: (T,) bool.

    Returns:
      (T, sum of D_i + 1) unit rows.

    >>> units = evaluation_units([jnp.eye(2), jnp.ones((2, 1))], jnp.ones(2, bool))
    >>> round(float(1 - units[0] @ units[1]), 3)  # the mean of 1, between the rows of the identity, and of 0
    0.5
    """
    return jnp.concatenate([unit_vectors(part, mask) for part in parts], -1) / jnp.sqrt(len(parts))


def distance_to_key_frames(units: jax.Array, mask: jax.Array, indices: jax.Array, key_mask: jax.Array) -> jax.Array:
    """(T,) distance of each frame to the nearest key frame; 1 if there is none, 0 for padding."""
    _, similarity = nearest_center(units, mask, units[indices], key_mask)
    return jnp.where(mask, jnp.maximum(1 - similarity, 0), 0)


def diameter(units: jax.Array, mask: jax.Array) -> jax.Array:
    """() largest distance between any two frames: O(T^2 D) time, in blocks of bounded memory.

    >>> float(diameter(unit_vectors(jnp.array([[1.0, 0.0], [0.0, 1.0]]), jnp.ones(2, bool)), jnp.ones(2, bool)))
    1.0
    """
    num_frames = units.shape[0]
    length = max(1, min(num_frames, MAX_TABLE_ENTRIES // num_frames))

    def visit(block, largest):
        start = jnp.minimum(block * length, num_frames - length)
        rows = jax.lax.dynamic_slice_in_dim(units, start, length)
        both = jax.lax.dynamic_slice_in_dim(mask, start, length)[:, None] & mask
        return jnp.maximum(largest, jnp.where(both, 1 - product(rows, units.T), 0).max())

    return jax.lax.fori_loop(0, -(-num_frames // length), visit, jnp.asarray(0.0))


def measure(
    units: jax.Array, mask: jax.Array, indices: jax.Array, key_mask: jax.Array, largest_distance: str = THEORETICAL
) -> Quality:
    """Measures the key frames of one video.

    Args:
      units: (T, D) evaluation rows, of `evaluation_units` or `distances.unit_vectors`.
      mask: (T,) bool.
      indices: (K,) int32 frame indices of the key frames.
      key_mask: (K,) bool, True where a key frame is real.
      largest_distance: D_max; "theoretical" is 1, which no distance of non-negative features exceeds; "video" is the
        largest distance that occurs in this video, and fidelity is 1 where that is 0.

    Returns:
      A `Quality`; a video without frames has fidelity 1 and compression ratio 0.

    Raises:
      ValueError: for another `largest_distance`.

    >>> units = unit_vectors(jnp.array([[1.0, 0.0], [1.0, 0.0], [0.6, 0.8]]), jnp.ones(3, bool))
    >>> found = measure(units, jnp.ones(3, bool), jnp.array([0]), jnp.ones(1, bool))
    >>> round(float(found.fidelity), 4), round(float(found.compression_ratio), 4)
    (0.6, 0.6667)
    """
    chex.assert_rank([units, mask, indices, key_mask], [2, 1, 1, 1])
    if largest_distance not in (THEORETICAL, VIDEO):
        raise ValueError(f"largest_distance is {largest_distance!r}; choose {THEORETICAL} or {VIDEO}.")
    distances = distance_to_key_frames(units, mask, indices, key_mask)
    scale = diameter(units, mask) if largest_distance == VIDEO else jnp.asarray(1.0)
    frames = mask.sum()
    return Quality(
        fidelity=1 - ratio(distances.max(initial=0), scale),
        mean_fidelity=1 - ratio(ratio(*weighted_sum(distances, mask)), scale),
        compression_ratio=jnp.where(frames > 0, 1 - ratio(key_mask.sum().astype(jnp.float32), frames), 0),
        objective=distances.sum(),
        sse=jnp.square(distances).sum(),
    )
