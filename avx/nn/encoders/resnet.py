"""ResNet with bottleneck blocks (He 2016, version 1.5), in the form for inference: normalisation folded away."""

from __future__ import annotations

from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen import initializers

STAGES = (3, 4, 6, 3)
EXPANSION = 4
RGB_MEANS = (0.485, 0.456, 0.406)
RGB_DEVIATIONS = (0.229, 0.224, 0.225)


def _convolution(width: int, size: int, stride: int, dtype: Any, name: str) -> nn.Conv:
    # Equal padding on all sides: with a stride of 2 "SAME" would pad one side less and shift the picture.
    return nn.Conv(
        width,
        (size, size),
        strides=stride,
        padding=size // 2,
        dtype=dtype,
        kernel_init=initializers.he_normal(),
        bias_init=initializers.zeros,
        name=name,
    )


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with a shortcut; version 1.5 has its stride in the 3x3.

    Attributes:
      width: channels of the 3x3 convolution.
      stride: of the block.
      dtype: of the convolutions.
    """

    width: int
    stride: int
    dtype: Any

    @nn.compact
    def __call__(self, features: jax.Array) -> jax.Array:
        """(N, h, w, C) -> (N, ceil(h / stride), ceil(w / stride), 4 width)."""
        outputs = self.width * EXPANSION
        moved = nn.relu(_convolution(self.width, 1, 1, self.dtype, "conv1")(features))
        moved = nn.relu(_convolution(self.width, 3, self.stride, self.dtype, "conv2")(moved))
        moved = _convolution(outputs, 1, 1, self.dtype, "conv3")(moved)
        if self.stride != 1 or features.shape[-1] != outputs:
            features = _convolution(outputs, 1, self.stride, self.dtype, "downsample")(features)
        return nn.relu(moved + features)


class ResNet(nn.Module):
    """Backbone for frames; ResNet-50 by default. Made for imported weights (`avx.nn.pretrained.name_maps`).

    Each batch normalisation, with its frozen statistics, is part of the convolution before it: the map is the same
    and there is no state to update or to forget.

    Attributes:
      stages: blocks in each of the stages.
      width: channels of the first convolution; stage s has 4 width 2^s channels.
      dtype: of the convolutions; parameters stay float32.
    """

    stages: tuple[int, ...] = STAGES
    width: int = 64
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Feature map (N, ceil(H / 32), ceil(W / 32), 2048) of RGB images (N, H, W, 3) in [0, 1]."""
        chex.assert_rank(images, 4)
        features = (images - jnp.asarray(RGB_MEANS)) / jnp.asarray(RGB_DEVIATIONS)
        features = nn.relu(_convolution(self.width, 7, 2, self.dtype, "conv1")(features))
        features = nn.max_pool(features, (3, 3), (2, 2), padding=((1, 1), (1, 1)))
        for stage, blocks in enumerate(self.stages):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                name = f"layer{stage + 1}_{block}"
                features = Bottleneck(self.width * 2**stage, stride, self.dtype, name=name)(features)
        return features
