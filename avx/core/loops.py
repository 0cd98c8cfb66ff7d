"""Iterates a function to its fixed point in a lax loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp

State = TypeVar("State")


def fixed_point(
    body: Callable[[State], State],
    converged: Callable[[State, State], jax.Array],
    initial: State,
    max_iterations: int,
) -> tuple[State, jax.Array]:
    """Applies `body` until `converged(previous, current)` holds or `max_iterations` have run.

    Args:
      body: state -> state of the same structure, shapes and dtypes.
      converged: (previous, current) -> () bool.
      initial: the starting pytree.
      max_iterations: upper bound on the number of applications, at least 0.

    Returns:
      The last state and the number of applications, () int32.
    """

    def keep_going(carry):
        _, done, count = carry
        return jnp.logical_and(jnp.logical_not(done), count < max_iterations)

    def advance(carry):
        state, _, count = carry
        following = body(state)
        return following, converged(state, following), count + 1

    state, _, count = jax.lax.while_loop(keep_going, advance, (initial, jnp.asarray(False), jnp.asarray(0, jnp.int32)))
    return state, count
