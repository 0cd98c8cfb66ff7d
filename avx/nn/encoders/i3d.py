"""Two-stream I3D (Carreira & Zisserman 2017): Inception-V1 with every filter and pool inflated to three dimensions.

Layers and padding are those of the published release (docs/methods.md 8a).
"""

from __future__ import annotations

from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen import initializers

from avx.core.errors import UserError
from avx.nn.convolution import Triple, convolve_3d, max_pool_3d

RGB_CHANNELS = 3
FLOW_CHANNELS = 2
KINETICS_CLASSES = 400
FULL_WIDTH = 64
NORMALISATION_EPSILON = 1e-3
STATISTICS_DECAY = 0.99
LAST_POOL = (2, 7, 7)

MIXED = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
"""Channels of a block's units: branch 0; branch 1 reduced and convolved; branch 2 likewise; branch 3."""
POOL_BEFORE: dict[str, tuple[str, Triple, Triple]] = {
    "Mixed_3b": ("MaxPool3d_3a_3x3", (1, 3, 3), (1, 2, 2)),
    "Mixed_4b": ("MaxPool3d_4a_3x3", (3, 3, 3), (2, 2, 2)),
    "Mixed_5b": ("MaxPool3d_5a_2x2", (2, 2, 2), (2, 2, 2)),
}
"""Block -> name, window and strides of the maximum before it."""
STEM = ("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3")
"""Units before the first block."""
BRANCHES = ("branch0", "branch1_reduce", "branch1", "branch2_reduce", "branch2", "branch3")


class Unit(nn.Module):
    """Convolution without bias, batch normalisation and ReLU.

    Attributes:
      channels: of the result.
      window: of the kernel, over time, height and width.
      strides: likewise.
      dtype: of the convolution; parameters, statistics and the normalisation's arithmetic stay float32.
    """

    channels: int
    window: Triple
    strides: Triple = (1, 1, 1)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, clips: jax.Array, train: bool = False, mask: jax.Array | None = None) -> jax.Array:
        """(B, T, H, W, C) -> (B, ceil(T / s_t), ceil(H / s_h), ceil(W / s_w), channels); see `I3D` for the rest."""
        shape = (*self.window, clips.shape[-1], self.channels)
        kernel = self.param("kernel", initializers.he_normal(), shape, jnp.float32)
        maps = convolve_3d(clips.astype(self.dtype), kernel.astype(self.dtype), self.strides)
        norm = nn.BatchNorm(
            use_running_average=not train,
            momentum=STATISTICS_DECAY,
            epsilon=NORMALISATION_EPSILON,
            use_fast_variance=False,
            dtype=self.dtype,
            name="norm",
        )
        shown = None if mask is None else mask[:, None, None, None, None]
        return nn.relu(norm(maps, mask=shown))


class Mixed(nn.Module):
    """An inflated Inception block: four branches side by side.

    Attributes:
      channels: of the six units, in the order of `BRANCHES`.
      dtype: of the convolutions.
    """

    channels: tuple[int, ...]
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, clips: jax.Array, train: bool = False, mask: jax.Array | None = None) -> jax.Array:
        """(B, T, H, W, C) -> (B, T, H, W, the sum of the four branches' channels)."""

        def unit(place: int, size: int, inputs: jax.Array) -> jax.Array:
            layer = Unit(self.channels[place], (size, size, size), dtype=self.dtype, name=BRANCHES[place])
            return layer(inputs, train, mask)

        branches = [
            unit(0, 1, clips),
            unit(2, 3, unit(1, 1, clips)),
            unit(4, 3, unit(3, 1, clips)),
            unit(5, 1, max_pool_3d(clips, (3, 3, 3), (1, 1, 1))),
        ]
        return jnp.concatenate(branches, axis=-1)


class I3D(nn.Module):
    """One stream, from a clip to its feature vector. Made for imported weights (`avx.nn.pretrained.i3d_weights`).

    Normalisation uses the imported running statistics, the collection "batch_stats", unless `train` is set. There are
    three ways to use the network:

    * frozen: apply it and train what comes after;
    * fine-tuned with frozen statistics: differentiate with respect to "params" alone, gains and shifts included. A
      clip's features then depend on the clip alone, on any number of devices: the way for the small batches that
      clips of this size allow;
    * fine-tuned with statistics of the batch: call with train=True and mutable=["batch_stats"], and carry the returned
      statistics along. They are those of one device's share of the batch.

    With mutable=["intermediates"], apply also returns {"endpoints": {name: map}} with the map behind each published
    endpoint, from Conv3d_1a_7x7 to Mixed_5c.

    Attributes:
      width: channels of the first convolution, a multiple of 8; all others are in proportion to the published 64.
      blocks: the Inception blocks to build, from the first on; features are read after the last one.
      dtype: of the convolutions; the last pooling is float32, and so are parameters and features.
    """

    width: int = FULL_WIDTH
    blocks: tuple[str, ...] = tuple(MIXED)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, clips: jax.Array, train: bool = False, mask: jax.Array | None = None) -> jax.Array:
        """Encodes clips of any length and size.

        The published last pooling averages 2 x 7 x 7 places at stride 1, clipped here to a smaller map, and the mean
        over what remains follows. So in longer clips the two ends count half.

        Args:
          clips: (B, T, H, W, C) in [-1, 1], with C = 3 for RGB and 2 for optical flow.
          train: normalise by the statistics of this batch and update the running ones.
          mask: (B,) bool, the clips that count in the statistics; all without it.

        Returns:
          (B, D) float32; after the last published block D is 16 width, 1024 at full size.

        Raises:
          UserError: a width that is no multiple of 8, or blocks that are not the first ones.
        """
        chex.assert_rank(clips, 5)
        if mask is not None:
            chex.assert_shape(mask, clips.shape[:1])
        if self.width < 8 or self.width % 8:
            raise UserError(f"I3D cannot have the width {self.width}; choose a multiple of 8, such as {FULL_WIDTH}.")
        if self.blocks != tuple(MIXED)[: len(self.blocks)]:
            raise UserError(f"I3D cannot have the blocks {self.blocks}; name the first ones of {', '.join(MIXED)}.")

        def scaled(channels: int) -> int:
            return channels * self.width // FULL_WIDTH

        def unit(name: str, channels: int, size: int, stride: int, inputs: jax.Array) -> jax.Array:
            layer = Unit(scaled(channels), (size, size, size), (stride, stride, stride), self.dtype, name=name)
            return layer(inputs, train, mask)

        endpoints = {}
        endpoints["Conv3d_1a_7x7"] = maps = unit("Conv3d_1a_7x7", 64, 7, 2, clips)
        endpoints["MaxPool3d_2a_3x3"] = maps = max_pool_3d(maps, (1, 3, 3), (1, 2, 2))
        endpoints["Conv3d_2b_1x1"] = maps = unit("Conv3d_2b_1x1", 64, 1, 1, maps)
        endpoints["Conv3d_2c_3x3"] = maps = unit("Conv3d_2c_3x3", 192, 3, 1, maps)
        for name in self.blocks:
            if name in POOL_BEFORE:
                pool, window, strides = POOL_BEFORE[name]
                endpoints[pool] = maps = max_pool_3d(maps, window, strides)
            block = Mixed(tuple(scaled(count) for count in MIXED[name]), self.dtype, name=name)
            endpoints[name] = maps = block(maps, train, mask)
        self.sow("intermediates", "endpoints", endpoints, reduce_fn=lambda _, new: new, init_fn=dict)
        last = tuple(min(sides) for sides in zip(LAST_POOL, maps.shape[1:4], strict=True))
        return nn.avg_pool(maps.astype(jnp.float32), last, padding="VALID").mean((1, 2, 3))


class I3DClassifier(nn.Module):
    """One stream with the published classifier behind it.

    Attributes:
      trunk: the stream.
      classes: of the classifier.
    """

    trunk: I3D
    classes: int = KINETICS_CLASSES

    @nn.compact
    def __call__(self, clips: jax.Array) -> jax.Array:
        """Logits (B, classes) of clips (B, T, H, W, C) in [-1, 1].

        The published classifier reads each time step and averages its logits; as it is linear, reading the average is
        the same.
        """
        return nn.Dense(self.classes, name="logits")(self.trunk(clips))


class TwoStreamI3D(nn.Module):
    """The RGB stream's features beside the flow stream's: 2048 at full size.

    Attributes:
      rgb: reads the first three channels.
      flow: reads the last two.
    """

    rgb: I3D
    flow: I3D

    def __call__(self, clips: jax.Array, train: bool = False, mask: jax.Array | None = None) -> jax.Array:
        """(B, T, H, W, 5) in [-1, 1], as `avx.signal.i3d_input.two_stream_input` makes it, -> (B, 2 D)."""
        chex.assert_rank(clips, 5)
        chex.assert_axis_dimension(clips, 4, RGB_CHANNELS + FLOW_CHANNELS)
        streams = (self.rgb, clips[..., :RGB_CHANNELS]), (self.flow, clips[..., RGB_CHANNELS:])
        return jnp.concatenate([stream(channels, train, mask) for stream, channels in streams], axis=-1)
