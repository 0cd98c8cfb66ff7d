"""Runs LSTMs over masked sequences, with or without peepholes.

The recurrence is Sun 2024, eq. 1-4 with the errata of docs/methods.md 17: eq. 1 is the input gate, and the cell update
that the paper leaves out is c = f c + i tanh(g).

    i = sigmoid(W_i x + U_i h + p_i c + b_i)        f = sigmoid(W_f x + U_f h + p_f c + b_f)
    g = tanh(W_g x + U_g h + b_g)                   c' = f c + i g
    o = sigmoid(W_o x + U_o h + p_o c' + b_o)       h' = o tanh(c')

The peepholes p are diagonal; without them this is the LSTM of the frameworks. Gates are packed in the order i, f, g, o.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen import initializers

GATES = 4


class LSTMWeights(NamedTuple):
    """One direction of one layer: input (D, 4H), recurrent (H, 4H), bias (4H,), peepholes (3, H) of i, f, o."""

    input: jax.Array
    recurrent: jax.Array
    bias: jax.Array
    peepholes: jax.Array


def lstm_step(
    hidden: jax.Array, cell: jax.Array, projected: jax.Array, recurrent: jax.Array, peepholes: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Takes one step of the recurrence above.

    Args:
      hidden: (B, H) previous h.
      cell: (B, H) float32 previous c.
      projected: (B, 4H) the inputs' part of the gates, W x + b.
      recurrent: (H, 4H).
      peepholes: (3, H), zeros for an LSTM without them.

    Returns:
      The following (hidden, cell), of the same shapes and dtypes.
    """
    size = hidden.shape[-1]
    gates = (projected + hidden @ recurrent).astype(cell.dtype)
    input_gate, forget_gate, cell_gate, output_gate = (
        gates[:, gate * size : (gate + 1) * size] for gate in range(GATES)
    )
    # c' = f c + i tanh(g), with f and i looking at the old cell (eq. 1, 2; the update itself is an erratum).
    following = nn.sigmoid(forget_gate + peepholes[1] * cell) * cell
    following += nn.sigmoid(input_gate + peepholes[0] * cell) * jnp.tanh(cell_gate)
    # h' = o tanh(c'), with o looking at the new cell (eq. 3, 4).
    following_hidden = nn.sigmoid(output_gate + peepholes[2] * following) * jnp.tanh(following)
    return following_hidden.astype(hidden.dtype), following


def _scan(projected, masks, recurrents, peepholes):
    """Runs several directions in one loop, each already in its own order of time; returns their hidden states."""

    def step(carry, inputs):
        # One turn moves every direction by one step, so that a bidirectional layer is one loop and not two.
        states = []
        for (hidden, cell), gates, mask, recurrent, peephole in zip(carry, *inputs, recurrents, peepholes, strict=True):
            moved = lstm_step(hidden, cell, gates, recurrent, peephole)
            # Padded or missing steps leave the state unchanged.
            states.append(
                tuple(jnp.where(mask[:, None], new, old) for new, old in zip(moved, (hidden, cell), strict=True))
            )
        return tuple(states), tuple(hidden for hidden, _ in states)

    def zero_state(gates, recurrent):
        # The hidden state has the dtype of the products; the cell adds up over time and stays float32.
        shape = (gates.shape[1], recurrent.shape[0])
        return jnp.zeros(shape, gates.dtype), jnp.zeros(shape, jnp.float32)

    initial = tuple(zero_state(*pair) for pair in zip(projected, recurrents, strict=True))
    return jax.lax.scan(step, initial, (projected, masks))[1]


@jax.custom_vjp
def recur(
    projected: tuple[jax.Array, ...],
    masks: tuple[jax.Array, ...],
    recurrents: tuple[jax.Array, ...],
    peepholes: tuple[jax.Array, ...],
) -> tuple[jax.Array, ...]:
    """Runs the recurrence of one or more directions side by side; only reverse-mode gradients.

    The gradient of a recurrent matrix is a sum over time of outer products. Left to the loop it is one small matrix
    product and one (H, 4H) addition in every step; here it is one large matrix product after the loop.

    Args:
      projected: for each direction (T, B, 4H).
      masks: for each direction (T, B) bool.
      recurrents: for each direction (H, 4H).
      peepholes: for each direction (3, H).

    Returns:
      For each direction the hidden states (T, B, H); at a masked step the state of the last real one.
    """
    return _scan(projected, masks, recurrents, peepholes)


def _recur_forward(projected, masks, recurrents, peepholes):
    def by_gates(projected, peepholes):
        return _scan(projected, masks, recurrents, peepholes)

    hidden, pullback = jax.vjp(by_gates, projected, peepholes)
    return hidden, (pullback, hidden)


def _recur_backward(residuals, cotangent):
    pullback, hidden = residuals
    of_projected, of_peepholes = pullback(cotangent)
    # The state before step t meets the gates of step t: dU = sum over t of h_{t-1}^T dgates_t, one product for all t.
    of_recurrents = tuple(
        jnp.einsum("tbh,tbg->hg", states[:-1], gates[1:], preferred_element_type=jnp.float32).astype(states.dtype)
        for states, gates in zip(hidden, of_projected, strict=True)
    )
    return of_projected, None, of_recurrents, of_peepholes


recur.defvjp(_recur_forward, _recur_backward)


def per_gate(initializer: initializers.Initializer) -> initializers.Initializer:
    """Draws the four gates' (N, H) blocks of an (N, 4H) matrix one by one, so that the fan is that of one gate."""

    def draw(key, shape, dtype=jnp.float32):
        block = (shape[0], shape[1] // GATES)
        return jnp.concatenate([initializer(part, block, dtype) for part in jax.random.split(key, GATES)], axis=1)

    return draw


def forget_bias(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
    """Draws zeros, with 1 for the forget gate: a fresh cell remembers (Jozefowicz 2015, section 2)."""
    del key
    size = shape[0] // GATES
    return jnp.zeros(shape, dtype).at[size : 2 * size].set(1)


class LSTMParameters(nn.Module):
    """The weights of one direction of one layer.

    Attributes:
      hidden: H.
      peephole: learn the diagonal peepholes; otherwise they are the constant zero.
    """

    hidden: int
    peephole: bool

    @nn.compact
    def __call__(self, features: int) -> LSTMWeights:
        """Weights for inputs of `features` entries."""
        width = GATES * self.hidden
        peepholes = jnp.zeros((3, self.hidden))
        if self.peephole:
            peepholes = self.param("peepholes", initializers.zeros, (3, self.hidden))
        return LSTMWeights(
            input=self.param("input", per_gate(initializers.xavier_uniform()), (features, width)),
            recurrent=self.param("recurrent", per_gate(initializers.orthogonal()), (self.hidden, width)),
            bias=self.param("bias", forget_bias, (width,)),
            peepholes=peepholes,
        )


class LSTM(nn.Module):
    """A stack of LSTM layers over (B, T, D), each reading forwards, or both ways and concatenated.

    Attributes:
      hidden: H, states of one direction.
      layers: depth of the stack.
      bidirectional: add the backward direction; a layer's output is then [forward, backward].
      peephole: gates see the cell (Sun 2024, eq. 1-3).
      dtype: of the matrix products; cells and parameters stay float32.
    """

    hidden: int
    layers: int = 1
    bidirectional: bool = False
    peephole: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, inputs: jax.Array, mask: jax.Array) -> jax.Array:
        """Hidden states of the last layer.

        Args:
          inputs: (B, T, D); masked steps may hold anything.
          mask: (B, T) bool. A masked step is skipped in both directions, wherever it stands.

        Returns:
          (B, T, H), or (B, T, 2H) when bidirectional; zeros at masked steps.
        """
        chex.assert_rank(inputs, 3)
        chex.assert_shape(mask, inputs.shape[:2])
        shown = mask[:, :, None]
        # Time leads inside: the loop then reads contiguous slices.
        states = jnp.where(shown, inputs, 0).astype(self.dtype).swapaxes(0, 1)
        steps = mask.swapaxes(0, 1)
        for layer in range(self.layers):
            states = self._layer(layer, states, steps)
        return jnp.where(shown, states.swapaxes(0, 1), 0)

    def _layer(self, layer: int, states: jax.Array, steps: jax.Array) -> jax.Array:
        names = ("forward", "backward") if self.bidirectional else ("forward",)
        weights = [
            LSTMParameters(self.hidden, self.peephole, name=f"{name}_{layer}")(states.shape[-1]) for name in names
        ]
        orders = (slice(None), slice(None, None, -1))[: len(names)]
        # The inputs' part of all gates at all times is one matrix product, outside of the loop.
        projected = tuple(
            states[order] @ weight.input.astype(self.dtype) + weight.bias.astype(self.dtype)
            for order, weight in zip(orders, weights, strict=True)
        )
        hidden = recur(
            projected,
            tuple(steps[order] for order in orders),
            tuple(weight.recurrent.astype(self.dtype) for weight in weights),
            tuple(weight.peepholes for weight in weights),
        )
        return jnp.concatenate([out[order] for out, order in zip(hidden, orders, strict=True)], axis=-1)


class BidirectionalLSTM(LSTM):
    """The stack of Sun 2024, section II.A: two layers of 1024 states each way, with peepholes; see `LSTM`."""

    hidden: int = 1024
    layers: int = 2
    bidirectional: bool = True
    peephole: bool = True
