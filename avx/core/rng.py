"""Named key streams: every random number of a run is a function of (seed, stream name, step)."""

from __future__ import annotations

import zlib

import jax


def stream(seed: int, name: str, step: int | jax.Array = 0) -> jax.Array:
    """Derives the key for one purpose at one step, so that any step can be reproduced alone.

    Args:
      seed: the run's seed.
      name: the purpose, such as "dropout" or "init"; two names never share a key.
      step: () int, may be traced.

    Returns:
      A typed scalar PRNG key.
    """
    root = jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()) & 0x7FFFFFFF)
    return jax.random.fold_in(root, step)


def per_example(key: jax.Array, position: jax.Array) -> jax.Array:
    """Derives one key for each example, folded with its global position (B,), never with the device index."""
    return jax.vmap(lambda place: jax.random.fold_in(key, place))(position)
