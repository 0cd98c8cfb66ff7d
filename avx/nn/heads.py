"""Maps encoder outputs to embeddings, and embeddings to class logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen import initializers

from avx.core.arrays import l2_normalize
from avx.nn.dropout import ExampleDropout

VIDEO_SIZES = (2048, 512)
AUDIO_SIZES = (2048, 1024, 512)


def identity(inputs: jax.Array) -> jax.Array:
    """The inputs, for a layer without an activation."""
    return inputs


class EmbeddingHead(nn.Module):
    """The embedding network of Sun 2024: fully connected layers, dropout, unit norm (docs/methods.md 9.9).

    The paper names sigmoid and tanh without saying where; by decision the hidden layers have sigmoid and the last
    one tanh.

    Attributes:
      sizes: widths of the layers, the last one the embedding's; `VIDEO_SIZES` and `AUDIO_SIZES` are the paper's.
      hidden: activation of all layers but the last.
      output: activation of the last layer; `identity` for none.
      dropout: rate after each hidden layer.
      normalise: scale to unit Euclidean norm.
      dtype: of the matrix products; the result is float32.
    """

    sizes: tuple[int, ...] = VIDEO_SIZES
    hidden: Callable[[jax.Array], jax.Array] = nn.sigmoid
    output: Callable[[jax.Array], jax.Array] = jnp.tanh
    dropout: float = 0.2
    normalise: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: jax.Array, position: jax.Array, deterministic: bool) -> jax.Array:
        """Embeds features (B, D), with position (B,) as of `ExampleDropout`; returns (B, sizes[-1]) float32."""
        chex.assert_rank(features, 2)
        *hidden_sizes, width = self.sizes
        for layer, size in enumerate(hidden_sizes):
            features = self.hidden(self._dense(size, f"hidden_{layer}")(features))
            features = ExampleDropout(self.dropout)(features, position, deterministic)
        embedding = self.output(self._dense(width, "embedding")(features)).astype(jnp.float32)
        return l2_normalize(embedding) if self.normalise else embedding

    def _dense(self, size: int, name: str) -> nn.Dense:
        return nn.Dense(
            size,
            dtype=self.dtype,
            kernel_init=initializers.xavier_uniform(),
            bias_init=initializers.zeros,
            name=name,
        )


class Classifier(nn.Module):
    """One linear layer to class logits; called on both modalities it shares its weights (Sun 2024, eq. 12).

    Attributes:
      classes: number of classes.
    """

    classes: int

    @nn.compact
    def __call__(self, embedding: jax.Array) -> jax.Array:
        """Logits (B, classes) float32 of embeddings (B, D)."""
        chex.assert_rank(embedding, 2)
        return nn.Dense(
            self.classes, kernel_init=initializers.xavier_uniform(), bias_init=initializers.zeros, name="logits"
        )(embedding)
