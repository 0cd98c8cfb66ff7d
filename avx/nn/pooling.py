"""Pools features by saliency, or crops frames to their salient region (docs/methods.md 10)."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp

FLOOR = 0.05


def saliency_pool(feature_map: jax.Array, saliency: jax.Array, floor: float = FLOOR) -> jax.Array:
    """Averages a feature map weighted by saliency: X = sum_xy S(x, y) Phi(x, y) / sum_xy S(x, y).

    The saliency map is resized to the feature map (bilinear, antialiased) and raised to `floor`, so that no region
    is without weight and no map without a sum.

    Args:
      feature_map: (..., h, w, D).
      saliency: (..., H, W) in [0, 1], of the same leading axes and any size.
      floor: least weight of a place, above 0.

    Returns:
      (..., D) in the feature map's dtype.
    """
    *leading, height, width, _ = feature_map.shape
    chex.assert_rank(saliency, len(leading) + 2)
    chex.assert_equal_shape_prefix([feature_map, saliency], len(leading))
    resized = jax.image.resize(saliency.astype(jnp.float32), (*leading, height, width), "linear")
    weight = jnp.maximum(resized, floor)
    weight = (weight / weight.sum((-2, -1), keepdims=True)).astype(feature_map.dtype)
    return (feature_map * weight[..., None]).sum((-3, -2))


def salient_box(saliency: jax.Array) -> jax.Array:
    """Finds the bounding box (N, 4) int32 of S >= 2 mean(S): top, left, bottom, right, the last two exclusive.

    Args:
      saliency: (N, H, W) in [0, 1].

    Returns:
      The boxes; the full frame where no place is that salient.
    """
    chex.assert_rank(saliency, 3)
    _, height, width = saliency.shape
    salient = saliency >= 2 * saliency.mean((1, 2), keepdims=True)
    salient |= ~salient.any((1, 2), keepdims=True)
    rows, columns = salient.any(2), salient.any(1)
    return jnp.stack(
        [
            rows.argmax(1),
            columns.argmax(1),
            height - rows[:, ::-1].argmax(1),
            width - columns[:, ::-1].argmax(1),
        ],
        axis=1,
    ).astype(jnp.int32)


def crop_to_salient(frames: jax.Array, saliency: jax.Array) -> jax.Array:
    """Cuts each frame to its salient box and stretches that to the frame's size: the "crop" mode.

    It stands before the backbone, whose map is then averaged without weights.

    Args:
      frames: (N, H, W, 3) floating.
      saliency: (N, H, W) in [0, 1].

    Returns:
      (N, H, W, 3), bilinear and antialiased.
    """
    chex.assert_shape(saliency, frames.shape[:3])
    _, height, width, _ = frames.shape
    size = jnp.asarray([height, width])
    boxes = salient_box(saliency)

    def stretch(frame, box):
        scale = size / (box[2:] - box[:2])
        place = jnp.arange(height)[:, None, None], jnp.arange(width)[None, :, None]
        inside = (place[0] >= box[0]) & (place[0] < box[2]) & (place[1] >= box[1]) & (place[1] < box[3])
        # Weighting by the box keeps the pixels around it out of the interpolation at its border.
        weighted = jnp.concatenate([jnp.where(inside, frame, 0), inside.astype(frame.dtype)], axis=-1)
        moved = jax.image.scale_and_translate(
            weighted, weighted.shape, (0, 1), scale, -box[:2] * scale, "linear", antialias=True
        )
        return moved[..., :-1] / moved[..., -1:]

    return jax.vmap(stretch)(frames, boxes)
