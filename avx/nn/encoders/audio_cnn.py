"""A compact network for log-mel examples, trained from scratch."""

from __future__ import annotations

from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen import initializers

from avx.core.arrays import masked_mean, ratio
from avx.core.errors import UserError
from avx.core.types import EncoderOutput
from avx.nn.encoders.vggish import max_pool_2x2
from avx.nn.normalisation import GroupNorm

GROUP_SIZE = 8
DEVIATION_FLOOR = 1e-3


def standardized(examples: jax.Array, mask: jax.Array) -> jax.Array:
    """Standardises each clip's log-mel values over its real examples, so that loudness does not count.

    Args:
      examples: (B, N, T, F); masked ones may hold anything.
      mask: (B, N) bool.

    Returns:
      (B, N, T, F) float32, zero at masked examples.
    """
    shown = mask[:, :, None, None]
    kept = jnp.where(shown, examples, 0)
    count = mask.sum(1)[:, None, None, None] * float(examples.shape[2] * examples.shape[3])
    mean = ratio(kept.sum((1, 2, 3), keepdims=True), count)
    centred = jnp.where(shown, kept - mean, 0)
    deviation = jnp.sqrt(ratio(jnp.square(centred).sum((1, 2, 3), keepdims=True), count) + DEVIATION_FLOOR**2)
    return centred / deviation


class AudioCNN(nn.Module):
    """A strided 5x5 convolution, then stages of 3x3 convolutions and a 2x2 maximum; time is summed up, pitch is kept.

    The layout of VGGish, with what training from scratch on few clips needs: normalised clips and stages, a first stage
    that is strided for speed, and the mean and maximum over time in place of a flat map, so that an event counts alike
    wherever in the example it falls.

    Attributes:
      widths: channels of each stage, multiples of 8; the first two stages have one convolution, the others two.
      features: widths of the fully connected layers, the last one the token's.
      dtype: of the convolutions; parameters stay float32.
    """

    widths: tuple[int, ...] = (8, 16, 32, 64)
    features: tuple[int, ...] = (256, 128)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, examples: jax.Array, mask: jax.Array) -> EncoderOutput:
        """Encodes log-mel examples (B, N, T, F) with mask (B, N); tokens (B, N, D), zero at masked examples.

        Raises:
          UserError: a width that is no multiple of 8.
        """
        chex.assert_rank(examples, 4)
        chex.assert_shape(mask, examples.shape[:2])
        if any(width % GROUP_SIZE for width in self.widths):
            raise UserError(f"AudioCNN cannot have the widths {self.widths}; choose multiples of {GROUP_SIZE}.")
        batch, count, frames, bands = examples.shape
        maps = standardized(examples, mask).reshape(batch * count, frames, bands, 1)
        for stage, width in enumerate(self.widths):
            for place in range(1 if stage < 2 else 2):
                convolution = nn.Conv(
                    width,
                    (5, 5) if stage == 0 else (3, 3),
                    strides=2 if stage == 0 else 1,
                    use_bias=False,
                    dtype=self.dtype,
                    kernel_init=initializers.he_normal(),
                    name=f"conv_{stage}_{place}",
                )
                norm = GroupNorm(GROUP_SIZE, dtype=self.dtype, name=f"norm_{stage}_{place}")
                maps = nn.relu(norm(convolution(maps)))
            if stage > 0:
                maps = max_pool_2x2(maps)
        summary = jnp.concatenate([maps.mean(1), maps.max(1)], axis=-1).reshape(batch * count, -1)
        for place, width in enumerate(self.features):
            summary = nn.Dense(width, dtype=self.dtype, kernel_init=initializers.he_normal(), name=f"dense_{place}")(
                summary
            )
            summary = nn.relu(summary) if place + 1 < len(self.features) else summary
        tokens = summary.reshape(batch, count, -1).astype(jnp.float32)
        tokens = jnp.where(mask[:, :, None], tokens, 0)
        return EncoderOutput(tokens, masked_mean(tokens, mask), mask)
