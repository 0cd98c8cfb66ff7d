"""Frames and flow of one clip in; out, for each window, a network's feature vector, or the bytes that one reads."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from avx.core.errors import UserError
from avx.extraction.frozen import Apply, in_fixed_batches
from avx.signal.framing import looped_frames
from avx.signal.i3d_input import flow_to_levels, two_stream_input
from avx.signal.optical_flow import FULL, FlowOptions, flow_of_colours

Describe = Callable[[np.ndarray, np.ndarray], np.ndarray]


def clip_flow(options: FlowOptions = FULL, pairs_at_once: int = 8) -> Callable[[np.ndarray], np.ndarray]:
    """A function of frames (T, H, W, 3) uint8 -> flow (T - 1, H, W, 2) in pixels, a few pairs at a time."""

    batched = in_fixed_batches(functools.partial(flow_of_colours, options=options), pairs_at_once)
    return lambda frames: batched(np.stack([frames[:-1], frames[1:]], axis=1))


def two_stream_features(apply: Apply, length: int = 64, stride: int = 64, windows_at_once: int = 4) -> Describe:
    """Features of whole windows, as `avx.nn.encoders.i3d_windows.I3DWindows` cuts them; short clips loop.

    Windows go to the device in groups of one fixed size, so that one compilation serves clips of all lengths, and a
    window's features do not depend on the clip's others. Beside the clip itself, the memory is that of one group.

    Args:
      apply: pure function of windows (n, length, H, W, 5) in [-1, 1], such as a frozen `TwoStreamI3D`, -> (n, D).
      length: frames in a window.
      stride: frames between the starts of neighbouring windows.
      windows_at_once: size of a group.

    Returns:
      A function of frames (T, H, W, 3) uint8 and flow (T - 1, H, W, 2) in pixels -> (W, D) float32. The last frame,
      which no flow leaves, is not read. It raises UserError for a clip of fewer than two frames, and for flow of
      another length or size.
    """

    @jax.jit
    def features(frames: jax.Array, flow: jax.Array) -> jax.Array:
        return apply(two_stream_input(frames, flow)).astype(jnp.float32)

    def describe(frames: np.ndarray, flow: np.ndarray) -> np.ndarray:
        places = _places(frames, flow, length, stride)
        results = []
        for first in range(0, len(places), windows_at_once):
            # The last group is filled up with copies of its first windows.
            group = np.resize(places[first : first + windows_at_once], (windows_at_once, length))
            count = min(windows_at_once, len(places) - first)
            results.append(np.asarray(features(frames[group], flow[group]))[:count])
        return np.concatenate(results)

    return describe


def two_stream_windows(length: int = 64, stride: int = 64, pairs_at_once: int = 32) -> Describe:
    """The windows of `two_stream_features` themselves, as bytes: what a network that is trained reads again and again.

    Args:
      length: frames in a window.
      stride: frames between the starts of neighbouring windows.
      pairs_at_once: flow fields that are brought to bytes at a time.

    Returns:
      A function of frames (T, H, W, 3) uint8 and flow (T - 1, H, W, 2) in pixels -> (W, length, H, W, 5) uint8, to be
      read by `avx.signal.i3d_input.stored_input`. It raises what that of `two_stream_features` raises.
    """
    levels = in_fixed_batches(flow_to_levels, pairs_at_once)

    def describe(frames: np.ndarray, flow: np.ndarray) -> np.ndarray:
        places = _places(frames, flow, length, stride)
        return np.concatenate([frames[:-1], levels(flow)], axis=-1)[places]

    return describe


def _places(frames: np.ndarray, flow: np.ndarray, length: int, stride: int) -> np.ndarray:
    """(W, length) which frame stands where in each window; refuses flow that is not that of the frames."""
    if len(frames) < 2:
        raise UserError(f"a clip of {len(frames)} frames has no flow; give at least two frames.")
    expected = (len(frames) - 1, *frames.shape[1:3], 2)
    if flow.shape != expected:
        raise UserError(f"the flow of these frames has the shape {expected}, not {flow.shape}; compute it from them.")
    return np.asarray(looped_frames(jnp.asarray(len(flow)), len(flow), length, stride)[0])
