"""Computes dense optical flow between frames by TV-L1 on a pyramid."""

from __future__ import annotations

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp

from avx.core.errors import UserError
from avx.signal.colour import to_grey
from avx.signal.map_examples import map_examples
from avx.signal.median import median_filter
from avx.signal.warp import resize_linear, warp_backward

SMALLEST_SIDE = 16
I3D_BOUND = 20.0
_SMALLEST_GRADIENT = float(jnp.finfo(jnp.float32).eps)

# Flow (2, H, W), and the x and the y part (2, H, W) of the dual variable of each of its components.
State = tuple[jax.Array, jax.Array, jax.Array]


@dataclasses.dataclass(frozen=True)
class FlowOptions:
    """Every number of TV-L1; hashable, so that it can be a static argument. The defaults are OpenCV's.

    Attributes:
      time_step: tau of the dual ascent, at most 1/4.
      data_weight: lambda, the weight of brightness constancy against smoothness; smaller is smoother.
      tightness: theta, how closely the data term's flow and the smooth flow are tied.
      scales: pyramid levels at most; a level with a side below 16 pixels is left out.
      scale_step: size of a level relative to the next finer one, in (0, 1).
      warps: linearisations per level.
      tolerance: a warp ends when the root mean square change of the flow in an iteration is at most this, pixels.
      inner_iterations: iterations between two median filters.
      outer_iterations: rounds of median filter and inner iterations per warp, at most.
      median_size: side of the median filter of the flow, odd; 1 for none.
    """

    time_step: float = 0.25
    data_weight: float = 0.15
    tightness: float = 0.3
    scales: int = 5
    scale_step: float = 0.8
    warps: int = 5
    tolerance: float = 0.01
    inner_iterations: int = 30
    outer_iterations: int = 10
    median_size: int = 5

    def __post_init__(self):
        if not 0 < self.time_step <= 0.25:
            raise UserError(f"time_step is {self.time_step}; the dual ascent is stable in (0, 0.25].")
        if not 0 < self.scale_step < 1:
            raise UserError(f"scale_step is {self.scale_step}; choose a value between 0 and 1.")
        for name in ("data_weight", "tightness"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} is {getattr(self, name)}; give a positive number.")
        for name in ("scales", "warps", "inner_iterations", "outer_iterations"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}; give at least 1.")
        if self.tolerance < 0:
            raise UserError(f"tolerance is {self.tolerance}; give 0 (all iterations) or more.")
        if self.median_size < 1 or self.median_size % 2 == 0:
            raise UserError(f"median_size is {self.median_size}; give an odd number, 1 for no filter.")


FULL = FlowOptions()
"""As OpenCV's DualTVL1OpticalFlow, on whose flow the published I3D was trained."""

FAST = FlowOptions(scales=4, scale_step=0.5, warps=3)
"""A third of the time of `FULL`: on twelve real pairs of 224 x 224 the mean difference to OpenCV is 0.16 pixels, where
that of `FULL` is 0.012 (docs/methods.md 10a)."""


def optical_flow(
    previous: jax.Array, following: jax.Array, options: FlowOptions = FULL, mask: jax.Array | None = None
) -> jax.Array:
    """TV-L1 flow of frame pairs (Zach, Pock and Bischof 2007; Sanchez Perez et al. 2013, algorithm 1).

    The flow u minimises the sum over all pixels x of |grad u1| + |grad u2| + lambda |I1(x + u(x)) - I0(x)|. Each pair
    stops by itself, so it gets the same flow alone and in any batch. What moves in from outside the frame counts as
    black, as in OpenCV, so flow within a few pixels of the border is unreliable. Loops of unknown length have no
    reverse-mode gradient.

    Args:
      previous: (B, H, W) grey frames I0, 0 to 255, integer or floating.
      following: (B, H, W) the frames I1 that come after them.
      options: see `FlowOptions`.
      mask: (B,) bool, False for pairs that only fill up the batch; they may hold NaN and get zero flow. None for all
        real.

    Returns:
      (B, H, W, 2) float32, pixels from a frame to the next: x to the right, then y downwards.

    Raises:
      UserError: for frames smaller than 16 x 16 pixels.
    """
    chex.assert_rank(previous, 3)
    chex.assert_equal_shape([previous, following])
    batch, height, width = previous.shape
    if min(height, width) < SMALLEST_SIDE:
        raise UserError(f"optical flow needs frames of at least 16 x 16 pixels, got {height} x {width}")
    pairs = jnp.stack([previous, following], axis=1).astype(jnp.float32)
    if mask is not None:
        chex.assert_shape(mask, (batch,))
        # Black pairs are at rest from the first iteration on, so they cost next to nothing.
        pairs = jnp.where(mask[:, None, None, None], pairs, 0)
    return _flow_of_pairs(pairs, options)


def flow_of_colours(pairs: jax.Array, options: FlowOptions = FULL) -> jax.Array:
    """Flow between pairs of pictures: (B, 2, H, W, 3) uint8, or floating in [0, 1] -> (B, H, W, 2).

    Grey values are rounded to whole numbers of 0 to 255, as eight-bit pictures hold them. See `optical_flow`.
    """
    chex.assert_rank(pairs, 5)
    grey = jnp.round(255 * to_grey(pairs))
    return optical_flow(grey[:, 0], grey[:, 1], options)


def for_i3d(flow: jax.Array) -> jax.Array:
    """Flow in pixels as I3D's flow stream reads it: clipped to 20 pixels either way, then scaled to [-1, 1]."""
    return jnp.clip(flow, -I3D_BOUND, I3D_BOUND) / I3D_BOUND


@functools.partial(jax.jit, static_argnames="options")
def _flow_of_pairs(pairs: jax.Array, options: FlowOptions) -> jax.Array:
    """(B, 2, H, W) -> (B, H, W, 2)."""
    return map_examples(functools.partial(_flow_of_pair, options=options), 3, pairs)


def _flow_of_pair(pair: jax.Array, options: FlowOptions) -> jax.Array:
    """(2, H, W) two frames -> (H, W, 2): from the coarsest level to the finest, each starting from the last one's."""
    levels = [pair]
    for _ in range(1, options.scales):
        height, width = (round(side * options.scale_step) for side in levels[-1].shape[1:])
        if min(height, width) < SMALLEST_SIDE:
            break
        levels.append(resize_linear(levels[-1], height, width, step=1 / options.scale_step))
    flow = jnp.zeros_like(levels[-1])
    for place, level in enumerate(reversed(levels)):
        if place:
            flow = resize_linear(flow, *level.shape[1:]) / options.scale_step
        flow = _flow_of_level(level, flow, options)
    return jnp.moveaxis(flow, 0, -1)


def _flow_of_level(level: jax.Array, flow: jax.Array, options: FlowOptions) -> jax.Array:
    """Refines (2, H, W) flow on one level (2, H, W) of two frames by warping the second one again and again."""
    previous, following = level
    surroundings = jnp.stack([following, *_central_gradient(following)])

    def warp(_, state):
        flow, dual_x, dual_y = state
        warped = warp_backward(surroundings, flow)
        gradient = warped[1:]
        # The residual I1(x + u) - I0(x), linear in u: what does not depend on u.
        constant = warped[0] - (gradient * flow).sum(0) - previous
        return _minimise((flow, dual_x, dual_y), gradient, constant, options)

    at_rest = jnp.zeros_like(flow)
    flow, _, _ = jax.lax.fori_loop(0, options.warps, warp, (flow, at_rest, at_rest))
    return flow


def _minimise(state: State, gradient: jax.Array, constant: jax.Array, options: FlowOptions) -> State:
    """Alternates thresholding of the data term and dual ascent of the smoothness until the flow no longer changes.

    Args:
      state: where to start from.
      gradient: (2, H, W) of the warped frame.
      constant: (H, W) part of the residual that does not depend on the flow.
      options: see `FlowOptions`.

    Returns:
      The state at the end.
    """
    largest_step = options.data_weight * options.tightness
    ascent = options.time_step / options.tightness
    inverse = 1 / jnp.maximum(jnp.square(gradient).sum(0), _SMALLEST_GRADIENT)
    still = options.tolerance**2 * constant.size

    def moves(carry, bound):
        _, change, count = carry
        return (change > still) & (count < bound)

    def iterate(carry):
        (flow, dual_x, dual_y), _, count = carry
        residual = constant + gradient[0] * flow[0] + gradient[1] * flow[1]
        # The three cases of the thresholding step are one clipping of the step that would cancel the residual.
        step = jnp.clip(-residual * inverse, -largest_step, largest_step)
        smoother = options.tightness * (_backward_difference(dual_x, -1) + _backward_difference(dual_y, -2))
        moved = flow + step * gradient + smoother
        change = jnp.square(moved - flow).sum()
        slope_x, slope_y = ascent * _forward_difference(moved, -1), ascent * _forward_difference(moved, -2)
        shrink = 1 / (1 + jnp.sqrt(slope_x * slope_x + slope_y * slope_y))
        return (moved, (dual_x + slope_x) * shrink, (dual_y + slope_y) * shrink), change, count + 1

    def one_round(carry):
        (flow, dual_x, dual_y), change, count = carry
        state = (median_filter(flow, options.median_size), dual_x, dual_y)
        inner = functools.partial(moves, bound=options.inner_iterations)
        state, change, _ = jax.lax.while_loop(inner, iterate, (state, change, jnp.int32(0)))
        return state, change, count + 1

    start = (state, jnp.float32(jnp.inf), jnp.int32(0))
    state, _, _ = jax.lax.while_loop(functools.partial(moves, bound=options.outer_iterations), one_round, start)
    return state


def _central_gradient(picture: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Half the difference of the two neighbours along x and along y, (H, W) each; borders repeat outwards."""
    padded = jnp.pad(picture, 1, mode="edge")
    return 0.5 * (padded[1:-1, 2:] - padded[1:-1, :-2]), 0.5 * (padded[2:, 1:-1] - padded[:-2, 1:-1])


def _forward_difference(maps: jax.Array, axis: int) -> jax.Array:
    """Next minus own along an axis, 0 at its end."""
    border = [(0, 0)] * maps.ndim
    border[axis] = (0, 1)
    return jnp.pad(jnp.diff(maps, axis=axis), border)


def _backward_difference(maps: jax.Array, axis: int) -> jax.Array:
    """Own minus previous along an axis, 0 standing before its start: minus the transpose of `_forward_difference`."""
    border = [(0, 0)] * maps.ndim
    border[axis] = (1, 0)
    return jnp.diff(jnp.pad(maps, border), axis=axis)
