"""Encodes key frames to one vector a frame and one a video, by any picture backbone.

A backbone is a module from RGB images (N, H, W, 3) float32 in [0, 1] to a feature map (N, h, w, D). Its own
preprocessing (channel order, means) is part of it, so that the same picture means the same to all backbones and an
attack in the unit range reaches every one of them.
"""

from __future__ import annotations

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from avx.core.arrays import masked_mean
from avx.core.types import EncoderOutput
from avx.nn.pooling import FLOOR, saliency_pool


def unit_frames(frames: jax.Array, mask: jax.Array) -> jax.Array:
    """Converts frames to float32 in [0, 1], masked ones black.

    Args:
      frames: (B, K, H, W, 3), uint8 in 0..255 or floating in [0, 1]; masked frames may hold anything.
      mask: (B, K) bool.

    Returns:
      (B, K, H, W, 3) float32.
    """
    shown = jnp.where(mask[:, :, None, None, None], frames, 0).astype(jnp.float32)
    return shown / 255 if jnp.issubdtype(frames.dtype, jnp.integer) else shown


class FrameEncoder(nn.Module):
    """Encodes key frames one by one: tokens are the salient-region features X_i (Sun 2024, section II.B).

    Attributes:
      backbone: module from images (N, H, W, 3) in [0, 1] to feature maps (N, h, w, D).
      floor: least saliency of a place, see `saliency_pool`.
    """

    backbone: nn.Module
    floor: float = FLOOR

    @nn.compact
    def __call__(self, frames: jax.Array, mask: jax.Array, saliency: jax.Array | None = None) -> EncoderOutput:
        """Encodes a batch of videos.

        Args:
          frames: (B, K, H, W, 3), uint8 or floating in [0, 1].
          mask: (B, K) bool, True for real frames.
          saliency: (B, K, H, W) in [0, 1] (any H, W), the weight of each place; without it all places count alike.

        Returns:
          tokens (B, K, D) float32, zero at masked frames; pooled (B, D), their mean; the mask.
        """
        chex.assert_rank(frames, 5)
        chex.assert_shape(mask, frames.shape[:2])
        batch, count, height, width, channels = frames.shape
        images = unit_frames(frames, mask).reshape(batch * count, height, width, channels)
        feature_map = self.backbone(images)
        feature_map = feature_map.reshape(batch, count, *feature_map.shape[1:]).astype(jnp.float32)
        if saliency is None:
            tokens = feature_map.mean((2, 3))
        else:
            chex.assert_equal_shape_prefix([saliency, mask], 2)
            tokens = saliency_pool(feature_map, jnp.where(mask[:, :, None, None], saliency, 0), self.floor)
        tokens = jnp.where(mask[:, :, None], tokens, 0)
        return EncoderOutput(tokens, masked_mean(tokens, mask), mask)
