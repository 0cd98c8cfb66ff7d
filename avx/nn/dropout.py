"""Drops units by a pattern that depends on the example, not on its batch."""

from __future__ import annotations

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from avx.core.errors import UserError
from avx.core.rng import per_example


class ExampleDropout(nn.Module):
    """Dropout with one key for each example, folded with its position in the global batch.

    The same example at the same position loses the same units on one device and on eight, alone or with others,
    so that a step does not depend on how the batch is split. Kept units are scaled by 1 / (1 - rate).

    Attributes:
      rate: probability in [0, 1) that a unit is dropped.
    """

    rate: float

    @nn.compact
    def __call__(self, inputs: jax.Array, position: jax.Array, deterministic: bool) -> jax.Array:
        """Drops units of `inputs`.

        Args:
          inputs: (B, ...) floating.
          position: (B,) int32 place of each row in the global batch.
          deterministic: static; True returns the inputs unchanged and needs no "dropout" key.

        Returns:
          An array like `inputs`.

        Raises:
          UserError: a rate outside of [0, 1).
        """
        chex.assert_shape(position, inputs.shape[:1])
        if not 0 <= self.rate < 1:
            raise UserError(f"The dropout rate {self.rate} does not lie in [0, 1); choose a smaller one.")
        if deterministic or self.rate == 0:
            return inputs
        keep = 1 - self.rate
        keys = per_example(self.make_rng("dropout"), position)
        kept = jax.vmap(lambda key: jax.random.bernoulli(key, keep, inputs.shape[1:]))(keys)
        return jnp.where(kept, inputs / keep, 0).astype(inputs.dtype)
