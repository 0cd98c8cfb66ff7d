"""Cuts signals into overlapping frames, and adds frames back together."""

from __future__ import annotations

from typing import Any, Literal

import chex
import jax
import jax.numpy as jnp
import numpy as np

from avx.core.errors import UserError

Padding = Literal["valid", "end", "centre"]
Border = Literal["constant", "reflect", "symmetric"]


def count_frames(num_samples: Any, frame_length: int, hop_length: int, padding: Padding = "valid") -> Any:
    """Number of frames that `frame` cuts from `num_samples` samples.

    "valid" counts whole frames only; "end" covers every sample, the last frame filled up with zeros; "centre" puts
    the middle of frame t on sample t * hop_length, one frame for each hop. Without samples there are no frames.

    Args:
      num_samples: int, or an integer array of any shape (the real lengths of a padded batch).
      frame_length: samples in a frame, at least 1.
      hop_length: samples between the starts of neighbouring frames, at least 1.
      padding: the policy at the ends.

    Returns:
      An int, or an int array of the same shape.

    Raises:
      UserError: for a length below 1 or an unknown policy.
    """
    _check_lengths(frame_length, hop_length)
    if padding == "valid":
        count = 1 + (num_samples - frame_length) // hop_length
    elif padding == "end":
        count = 1 + -(-(num_samples - frame_length) // hop_length)
        count = _maximum(count, 1)
    elif padding == "centre":
        count = 1 + (num_samples + 2 * (frame_length // 2) - frame_length) // hop_length
    else:
        raise UserError(f"unknown frame padding {padding!r}: use 'valid', 'end' or 'centre'")
    return _maximum(count, 0) * (num_samples > 0)


def frame_mask(num_samples: jax.Array, num_frames: int, frame_length: int, hop_length: int, padding: Padding = "valid"):
    """(..., T) bool, True for the frames that the real samples fill; num_samples (...,), T = num_frames."""
    counts = count_frames(jnp.asarray(num_samples), frame_length, hop_length, padding)
    return jnp.arange(num_frames) < counts[..., None]


def looped_frames(
    num_samples: jax.Array, total: int, frame_length: int, hop_length: int
) -> tuple[jax.Array, jax.Array]:
    """Indexes the samples of each whole frame, repeating a signal that is shorter than one frame.

    Args:
      num_samples: (...,) int, the real samples of each signal.
      total: samples with padding, which decide the number of frames T; at least 1.
      frame_length: samples in a frame.
      hop_length: samples between the starts of neighbouring frames.

    Returns:
      Places (..., T, frame_length) int32 below max(num_samples, 1), and (..., T) bool, True for real frames: one at
      least for each signal that has a sample.

    Raises:
      UserError: for a length below 1.
    """
    num_frames = max(count_frames(total, frame_length, hop_length), 1)
    num_samples = jnp.asarray(num_samples)
    counts = jnp.maximum(count_frames(num_samples, frame_length, hop_length), num_samples > 0)
    straight = jnp.arange(num_frames)[:, None] * hop_length + jnp.arange(frame_length)
    # A real frame of a long signal ends before the signal does, so that only short ones loop.
    places = straight % jnp.maximum(num_samples, 1)[..., None, None]
    return places.astype(jnp.int32), jnp.arange(num_frames) < counts[..., None]


def silence_padding(signal: jax.Array, num_samples: jax.Array | None) -> jax.Array:
    """Zeros behind the first `num_samples` (...,) samples of signal (..., N); without counts, the signal itself."""
    if num_samples is None:
        return signal
    real = jnp.arange(signal.shape[-1]) < jnp.asarray(num_samples)[..., None]
    return jnp.where(real, signal, 0)


def extend(
    signal: jax.Array, left: int, right: int, border: Border = "constant", num_samples: jax.Array | None = None
) -> jax.Array:
    """Signal (..., N) with `left` samples in front and `right` behind its real end -> (..., left + N + right).

    "constant" adds zeros, "reflect" mirrors about the outermost sample (d c b | a b c d | c b a), "symmetric" mirrors
    about the edge (c b a | a b c d | d c b). With num_samples (...,) the mirror stands at each example's real end and
    everything behind its extension is zero, so a padded example has the frames of the bare one.

    Raises:
      UserError: for an unknown border.
    """
    total = signal.shape[-1]
    if border == "constant" or total == 0:
        return _pad_last(silence_padding(signal, num_samples), left, right)
    if border not in ("reflect", "symmetric"):
        raise UserError(f"unknown border {border!r}: use 'constant', 'reflect' or 'symmetric'")
    length = jnp.asarray(total if num_samples is None else num_samples)[..., None]
    place = jnp.arange(-left, total + right)
    period = 2 * (length - 1) if border == "reflect" else 2 * length
    folded = jnp.mod(place, jnp.maximum(period, 1))
    folded = jnp.where(folded < length, folded, period - folded - (border == "symmetric"))
    source = jnp.clip(folded, 0, total - 1)
    source = jnp.broadcast_to(source, (*signal.shape[:-1], place.shape[0]))
    covered = (place < length + right) & (length > 0)
    return jnp.where(covered, jnp.take_along_axis(signal, source, axis=-1), 0)


def frame(
    signal: jax.Array,
    frame_length: int,
    hop_length: int,
    padding: Padding = "valid",
    border: Border = "constant",
    num_samples: jax.Array | None = None,
) -> jax.Array:
    """Overlapping frames (..., T, frame_length) of signal (..., N), with T by `count_frames` of N.

    Args:
      signal: (..., N).
      frame_length: samples in a frame.
      hop_length: samples between the starts of neighbouring frames.
      padding: "valid", "end" or "centre", see `count_frames`.
      border: what "centre" puts beyond the ends, see `extend`.
      num_samples: (...,) real samples of each example; frames beyond `frame_mask` carry no meaning.

    Raises:
      UserError: for a length below 1, or an unknown policy or border.
    """
    chex.assert_axis_dimension_gteq(signal, -1, 0)
    total = signal.shape[-1]
    num_frames = count_frames(total, frame_length, hop_length, padding)
    if padding == "centre":
        half = frame_length // 2
        signal = extend(signal, half, half, border, num_samples)
    else:
        missing = max(0, (num_frames - 1) * hop_length + frame_length - total) if num_frames else 0
        signal = _pad_last(silence_padding(signal, num_samples), 0, missing)
    if num_frames == 0:
        return jnp.zeros((*signal.shape[:-1], 0, frame_length), signal.dtype)
    starts = np.arange(num_frames) * hop_length
    return signal[..., starts[:, None] + np.arange(frame_length)]


def overlap_add(frames: jax.Array, hop_length: int) -> jax.Array:
    """Sum of frames (..., T, L), each shifted by hop_length against the last -> (..., (T - 1) * hop_length + L).

    Frames are cut into ceil(L / hop_length) pieces of one hop; piece j of frame t lands on hop t + j, so the sum is
    that many shifted additions and no scatter.
    """
    _check_lengths(frames.shape[-1], hop_length)
    num_frames, length = frames.shape[-2:]
    if num_frames == 0:
        return jnp.zeros((*frames.shape[:-2], 0), frames.dtype)
    pieces = -(-length // hop_length)
    lead = [(0, 0)] * (frames.ndim - 2)
    filled = jnp.pad(frames, [*lead, (0, 0), (0, pieces * hop_length - length)])
    hops = filled.reshape(*frames.shape[:-1], pieces, hop_length)
    shifted = [jnp.pad(hops[..., j, :], [*lead, (j, pieces - 1 - j), (0, 0)]) for j in range(pieces)]
    total = jnp.stack(shifted).sum(axis=0)
    return total.reshape(*frames.shape[:-2], -1)[..., : (num_frames - 1) * hop_length + length]


def _check_lengths(frame_length: int, hop_length: int) -> None:
    if frame_length < 1 or hop_length < 1:
        raise UserError(f"frame_length {frame_length} and hop_length {hop_length} must both be at least 1")


def _maximum(count: Any, bound: int) -> Any:
    return max(count, bound) if isinstance(count, int) else jnp.maximum(count, bound)


def _pad_last(signal: jax.Array, left: int, right: int) -> jax.Array:
    return jnp.pad(signal, [(0, 0)] * (signal.ndim - 1) + [(left, right)])
