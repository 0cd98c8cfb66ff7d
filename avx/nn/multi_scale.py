"""Encodes a text vector at several scales with local response normalisation, as SSAH does (Li et al., CVPR 2018)."""

from __future__ import annotations

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from avx.core.types import Array

POOLING_WINDOWS = (5, 10, 15, 30, 50)


def response_normalised(values: Array, radius: int = 2, bias: float = 2.0, scale: float = 1e-4) -> Array:
    """Local response normalisation over units, x_i / (bias + scale sum_{|j - i| <= radius} x_j^2)^(3/4).

    Args:
      values: (B, D).
      radius: neighbours on either side.
      bias: of the divisor; 2 in the published code.
      scale: of the sum of squares.
    """
    chex.assert_rank(values, 2)
    squares = jnp.pad(jnp.square(values), [(0, 0), (radius, radius)])
    total = sum(squares[:, shift : shift + values.shape[1]] for shift in range(2 * radius + 1))
    return values / (bias + scale * total) ** 0.75


class MultiScale(nn.Module):
    """A text vector at five coarser scales beside itself, (B, q) -> (B, 6 q).

    Each scale averages runs of 5, 10, 15, 30 or 50 neighbouring entries, passes a 1x1 convolution and ReLU, and is
    stretched back to q entries.
    """

    @nn.compact
    def __call__(self, values: Array) -> Array:
        width = values.shape[1]
        channels = [values]
        for window in POOLING_WINDOWS:
            pooled = nn.avg_pool(values[..., None], (window,), (window,), "SAME", count_include_pad=False)
            coarse = nn.relu(nn.Dense(1, kernel_init=nn.initializers.ones, name=f"scale_{window}")(pooled))[..., 0]
            channels.append(jax.image.resize(coarse, (len(values), width), "linear"))
        return jnp.concatenate(channels, axis=1)
