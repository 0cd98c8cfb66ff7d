"""Adversarial alignment: a discriminator and the gradient reversal that sets features against it.

Ganin & Lempitsky (ICML 2015): the layer below the reversal ascends the loss that the discriminator descends, so one
loss and one optimiser train both.
"""

from __future__ import annotations

import functools

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def reverse_gradient(values: jax.Array, strength: float) -> jax.Array:
    """The identity, whose gradient is multiplied by -strength.

    Args:
      values: any shape, floating.
      strength: static; 0 cuts the gradient off.
    """
    return values


def _forward(values: jax.Array, strength: float) -> tuple[jax.Array, None]:
    return values, None


def _backward(strength: float, residual: None, gradient: jax.Array) -> tuple[jax.Array]:
    return (-strength * gradient,)


reverse_gradient.defvjp(_forward, _backward)


class Discriminator(nn.Module):
    """Classifies which of two sources a feature comes from: fully connected layers with ReLU, then one logit.

    Attributes:
      sizes: widths of the hidden layers; those of Li et al. 2018 by default.
    """

    sizes: tuple[int, ...] = (512, 256)

    @nn.compact
    def __call__(self, features: jax.Array) -> jax.Array:
        """Logits (B,) of features (B, D); a positive one stands for the first source."""
        chex.assert_rank(features, 2)
        for layer, size in enumerate(self.sizes):
            features = nn.relu(nn.Dense(size, name=f"hidden_{layer}")(features))
        return nn.Dense(1, name="logit")(features)[:, 0].astype(jnp.float32)
