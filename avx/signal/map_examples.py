"""Maps a function of one clip or picture over a batch, in the order that suits the device."""

from __future__ import annotations

from collections.abc import Callable

import jax


def map_examples(function: Callable[..., jax.Array], rank: int, examples: jax.Array, *aligned: jax.Array) -> jax.Array:
    """Maps a function of one example over all leading axes of `examples`, and of arrays that share those axes.

    On a CPU examples run one after the other, because what one example needs stays in the cache: measured on 64 clips
    of ten seconds, the power spectrum takes less than half the time that it takes over the whole batch at once.
    Accelerators get the whole batch.

    Args:
      function: one example, and one entry of each aligned array -> an array.
      rank: axes of one example, 1 for a waveform (N,), 3 for a picture (H, W, 3).
      examples: (..., *example).
      *aligned: arrays (..., anything) with the same leading axes.

    Returns:
      (..., *result) with the leading axes of `examples`.
    """
    lead = examples.shape[: examples.ndim - rank]
    if not lead:
        return function(examples, *aligned)
    flat = [array.reshape(-1, *array.shape[len(lead) :]) for array in (examples, *aligned)]
    result = jax.lax.platform_dependent(
        *flat,
        cpu=lambda *arrays: jax.lax.map(lambda one: function(*one), arrays),
        default=lambda *arrays: jax.vmap(function)(*arrays),
    )
    return result.reshape(*lead, *result.shape[1:])
