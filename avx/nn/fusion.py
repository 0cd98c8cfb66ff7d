"""Predicts whether a pair matches, by a small network on two concatenated embeddings (Li 2022, section 3.3).

A dense layer on a concatenation is the sum of a dense layer on each part. Each item's part is therefore computed once,
and what is left for a pair is one addition, one ReLU and one inner product of `hidden` numbers.
"""

from __future__ import annotations

import functools

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen import initializers

from avx.core.arrays import product
from avx.nn.dropout import ExampleDropout

UNITS_AT_ONCE = 16
"""With 8, XLA for CPUs fuses the choice of the units into the loop over pairs, which is then not vectorised: seven
times the time. With 32, what the units of a row share leaves the registers."""


class PairFusion(nn.Module):
    """Concatenation, a dense layer with ReLU and dropout, and two logits, the second for "match".

    Attributes:
      hidden: width of the hidden layer.
      dropout: rate after it.
    """

    hidden: int = 256
    dropout: float = 0.2

    def setup(self):
        # Half the variance each: together as one layer that reads both embeddings.
        start = initializers.variance_scaling(0.5, "fan_in", "truncated_normal")
        self.first = nn.Dense(self.hidden, kernel_init=start)
        self.second = nn.Dense(self.hidden, use_bias=False, kernel_init=start)
        self.drop = ExampleDropout(self.dropout)
        self.logits = nn.Dense(2)

    def project(self, first: jax.Array, second: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Projects both sides (A, D) and (G, D) to their parts of the hidden layer: (A, hidden) and (G, hidden)."""
        return self.first(first), self.second(second)

    def __call__(self, first: jax.Array, second: jax.Array, position: jax.Array, deterministic: bool) -> jax.Array:
        """Log odds (N,) that the pairs of rows (N, D), (N, D) match; with position (N,) as of `ExampleDropout`."""
        hidden = self.drop(nn.relu(sum(self.project(first, second))), position, deterministic)
        logits = self.logits(hidden)
        return logits[:, 1] - logits[:, 0]

    def readout(self) -> tuple[jax.Array, jax.Array]:
        """(weights (hidden,), bias ()) of the log odds, for `all_pairs`."""
        layer = self.logits.variables["params"]
        return layer["kernel"] @ jnp.array([-1.0, 1.0]), layer["bias"] @ jnp.array([-1.0, 1.0])


@functools.partial(jax.jit, static_argnames="units_at_once")
def all_pairs(
    first: jax.Array, second: jax.Array, weights: jax.Array, bias: jax.Array, units_at_once: int = UNITS_AT_ONCE
) -> jax.Array:
    """Computes the log odds (Q, G) of every pair, from the projections (Q, H) and (G, H) and the readout (H,), ().

    The hidden layer of all pairs, (Q, G, H), never exists: the loop adds a few units at a time to the table. As
    relu(a + b) = max(a, -b) + b, whose last term is a sum over one side alone, each unit costs one `max` and one
    multiply-add per pair.
    """
    chex.assert_equal_shape_suffix([first, second, weights], 1)
    padding = -weights.shape[0] % units_at_once

    def steps(units: jax.Array) -> jax.Array:
        """(H, ...) -> (steps, units_at_once, ...); what fills up the last step has weight 0."""
        padded = jnp.pad(units, ((0, padding), *((0, 0) for _ in units.shape[1:])))
        return padded.reshape(-1, units_at_once, *units.shape[1:])

    def add_units(table: jax.Array, step: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        rows, columns, weight = step
        for unit in range(units_at_once):
            table += weight[unit] * jnp.maximum(rows[unit][:, None], columns[unit][None, :])
        return table, None

    own = product(second, weights) + bias
    start = jnp.broadcast_to(own, (first.shape[0], second.shape[0]))
    return jax.lax.scan(add_units, start, (steps(first.T), steps(-second.T), steps(weights)))[0]
