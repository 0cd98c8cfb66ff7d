"""VGGish over log-mel examples (Hershey 2017), full size or narrow."""

from __future__ import annotations

from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen import initializers

from avx.core.arrays import masked_mean
from avx.core.types import EncoderOutput

WIDTHS = ((64,), (128,), (256, 256), (512, 512))
FULLY_CONNECTED = (4096, 4096, 128)


def max_pool_2x2(features: jax.Array) -> jax.Array:
    """Maximum over disjoint 2x2 windows, (N, h, w, C) -> (N, h // 2, w // 2, C); odd rows and columns are cut off.

    A maximum over folded axes: its gradient is a comparison, several times faster on CPUs than scattering to the
    selected places.
    """
    count, height, width, channels = features.shape
    even = features[:, : height // 2 * 2, : width // 2 * 2]
    return even.reshape(count, height // 2, 2, width // 2, 2, channels).max((2, 4))


class VGGish(nn.Module):
    """Stages of 3x3 convolutions with ReLU and a 2x2 maximum, then fully connected layers on the flat map.

    The map is flattened in the order time, frequency, channel, as TensorFlow does; a PyTorch port transposes before
    flattening for the same reason.

    Attributes:
      widths: channels of the convolutions of each stage.
      fully_connected: widths of the fully connected layers, the last one the embedding's.
      activate_embedding: ReLU on the embedding, as in the first release and its PyTorch port; the later TensorFlow
        release gives the values before it.
      dtype: of the convolutions and matrix products; parameters stay float32.
    """

    widths: tuple[tuple[int, ...], ...] = WIDTHS
    fully_connected: tuple[int, ...] = FULLY_CONNECTED
    activate_embedding: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, examples: jax.Array, mask: jax.Array) -> EncoderOutput:
        """Encodes log-mel examples one by one.

        Args:
          examples: (B, N, 96, 64) log-mel patches of 0.96 s; masked ones may hold anything.
          mask: (B, N) bool.

        Returns:
          tokens (B, N, D) float32, zero at masked examples; pooled (B, D), their mean; the mask.
        """
        chex.assert_rank(examples, 4)
        chex.assert_shape(mask, examples.shape[:2])
        batch, count, frames, bands = examples.shape
        shown = jnp.where(mask[:, :, None, None], examples, 0)
        features = shown.reshape(batch * count, frames, bands, 1)
        for stage, widths in enumerate(self.widths, start=1):
            for place, width in enumerate(widths, start=1):
                convolution = nn.Conv(
                    width,
                    (3, 3),
                    dtype=self.dtype,
                    kernel_init=initializers.he_normal(),
                    bias_init=initializers.zeros,
                    name=f"conv{stage}_{place}",
                )
                features = nn.relu(convolution(features))
            features = max_pool_2x2(features)
        features = features.reshape(batch * count, -1)
        for place, width in enumerate(self.fully_connected, start=1):
            layer = nn.Dense(
                width,
                dtype=self.dtype,
                kernel_init=initializers.he_normal(),
                bias_init=initializers.zeros,
                name=f"fc{place}",
            )
            features = layer(features)
            if place < len(self.fully_connected) or self.activate_embedding:
                features = nn.relu(features)
        tokens = features.reshape(batch, count, -1).astype(jnp.float32)
        tokens = jnp.where(mask[:, :, None], tokens, 0)
        return EncoderOutput(tokens, masked_mean(tokens, mask), mask)
