"""YAMNet (Plakal & Ellis 2020) over log-mel patches: MobileNet v1 (Howard 2017), trained on the classes of AudioSet."""

from __future__ import annotations

from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen import initializers

from avx.core.arrays import masked_mean
from avx.core.types import EncoderOutput

STEM = 32
BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
)
"""(Channels, stride) of each depthwise separable block; the release numbers them from 2."""
FIRST_BLOCK = 2
CLASSES = 521


class YAMNet(nn.Module):
    """A 3x3 convolution of stride 2, depthwise separable blocks, and the mean over time and frequency.

    Each convolution is followed by a batch normalisation and a ReLU. Published weights come with the normalisation
    folded into kernel and bias, so that it is no part of this module.

    Attributes:
      blocks: channels and stride of each block: a 3x3 convolution of every channel alone, then a 1x1 convolution.
      stem: channels of the first convolution.
      dtype: of the convolutions; parameters stay float32.
    """

    blocks: tuple[tuple[int, int], ...] = BLOCKS
    stem: int = STEM
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, patches: jax.Array, mask: jax.Array) -> EncoderOutput:
        """Encodes log-mel patches one by one.

        Args:
          patches: (B, N, 96, 64) log-mel patches of 0.96 s, see `yamnet_patches`; masked ones may hold anything.
          mask: (B, N) bool.

        Returns:
          tokens (B, N, D) float32, not negative, zero at masked patches; pooled (B, D), their mean; the mask.
        """
        chex.assert_rank(patches, 4)
        chex.assert_shape(mask, patches.shape[:2])
        batch, count, frames, bands = patches.shape
        shown = jnp.where(mask[:, :, None, None], patches, 0)
        features = shown.reshape(batch * count, frames, bands, 1)

        def convolve(inputs: jax.Array, width: int, size: int, stride: int, groups: int, name: str) -> jax.Array:
            layer = nn.Conv(
                width,
                (size, size),
                strides=stride,
                feature_group_count=groups,
                dtype=self.dtype,
                kernel_init=initializers.he_normal(),
                bias_init=initializers.zeros,
                name=name,
            )
            return nn.relu(layer(inputs))

        features = convolve(features, self.stem, 3, 2, 1, "layer1")
        for number, (width, stride) in enumerate(self.blocks, start=FIRST_BLOCK):
            channels = features.shape[-1]
            features = convolve(features, channels, 3, stride, channels, f"layer{number}_depthwise")
            features = convolve(features, width, 1, 1, 1, f"layer{number}_pointwise")
        tokens = features.astype(jnp.float32).mean((1, 2)).reshape(batch, count, -1)
        tokens = jnp.where(mask[:, :, None], tokens, 0)
        return EncoderOutput(tokens, masked_mean(tokens, mask), mask)


class YAMNetClassifier(nn.Module):
    """YAMNet with the published classifier: the share of each AudioSet class in every patch.

    Attributes:
      trunk: the encoder.
      classes: number of classes.
    """

    trunk: YAMNet = YAMNet()
    classes: int = CLASSES

    @nn.compact
    def __call__(self, patches: jax.Array, mask: jax.Array) -> jax.Array:
        """Scores (B, N, classes) in [0, 1] of patches (B, N, 96, 64); several classes may apply. Zero where masked."""
        tokens = self.trunk(patches, mask).tokens
        scores = nn.sigmoid(nn.Dense(self.classes, name="classifier")(tokens))
        return jnp.where(mask[:, :, None], scores, 0)
