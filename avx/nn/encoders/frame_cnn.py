"""A compact convolutional backbone that learns from scratch on small frames."""

from __future__ import annotations

from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen import initializers

from avx.core.errors import UserError
from avx.nn.normalisation import GroupNorm

GROUP_SIZE = 8


class FrameCNN(nn.Module):
    """Stages of a strided 3x3 convolution, group normalisation and ReLU.

    Groups are normalised within one picture, so nothing depends on the batch or needs running statistics.

    Attributes:
      widths: channels of each stage, multiples of 8; every stage halves height and width.
      dtype: of the convolutions; parameters stay float32.
    """

    widths: tuple[int, ...] = (16, 32, 64, 128)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Feature map (N, ceil(H / 2^S), ceil(W / 2^S), widths[-1]) of images (N, H, W, 3) in [0, 1], S stages.

        Raises:
          UserError: a width that is no multiple of 8.
        """
        chex.assert_rank(images, 4)
        if any(width % GROUP_SIZE for width in self.widths):
            raise UserError(f"FrameCNN cannot have the widths {self.widths}; choose multiples of {GROUP_SIZE}.")
        features = 2 * images - 1
        for stage, width in enumerate(self.widths):
            features = nn.Conv(
                width,
                (3, 3),
                strides=2,
                use_bias=False,
                dtype=self.dtype,
                kernel_init=initializers.he_normal(),
                name=f"conv_{stage}",
            )(features)
            features = GroupNorm(GROUP_SIZE, dtype=self.dtype, name=f"norm_{stage}")(features)
            features = nn.relu(features)
        return features
