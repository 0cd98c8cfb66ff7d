"""Computes mel-frequency cepstral coefficients and their slopes, value for value as librosa."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from avx.core.errors import UserError
from avx.signal.framing import count_frames
from avx.signal.map_examples import map_examples
from avx.signal.mel import log_mel_spectrogram


def dct_matrix(num_inputs: int, num_outputs: int) -> np.ndarray:
    """Orthonormal DCT-II (num_inputs, num_outputs) float32; multiply from the right.

    Raises:
      UserError: unless 1 <= num_outputs <= num_inputs.
    """
    if not 1 <= num_outputs <= num_inputs:
        raise UserError(f"cannot take {num_outputs} cepstral coefficients from {num_inputs} mel bands")
    angle = np.pi / num_inputs * (np.arange(num_inputs)[:, None] + 0.5) * np.arange(num_outputs)
    basis = np.cos(angle) * np.sqrt(2 / num_inputs)
    basis[:, 0] = np.sqrt(1 / num_inputs)
    return basis.astype(np.float32)


def lifter_weights(num_coefficients: int, lifter: float, first: int) -> np.ndarray:
    """1 + lifter / 2 * sin(pi k / lifter) for k = first, first + 1, ...; ones for lifter 0. librosa counts from 1,
    Kaldi from 0.

    Raises:
      UserError: for a negative lifter.
    """
    if lifter < 0:
        raise UserError(f"the cepstral lifter must not be negative, got {lifter}")
    if lifter == 0:
        return np.ones(num_coefficients, np.float32)
    places = first + np.arange(num_coefficients)
    return (1 + lifter / 2 * np.sin(np.pi * places / lifter)).astype(np.float32)


def mfcc(
    signal: jax.Array,
    sample_rate: float,
    num_coefficients: int = 13,
    num_mels: int = 128,
    hop_length: int = 512,
    lifter: float = 0.0,
    num_samples: jax.Array | None = None,
    **settings: Any,
) -> jax.Array:
    """MFCC (..., T, num_coefficients) of signal (..., N): DCT-II of the log-mel spectrogram in decibels.

    T = 1 + N // hop_length; frames beyond the real ones are zero.

    Args:
      signal: (..., N).
      sample_rate: Hz.
      num_coefficients: coefficients kept, 13 or 40 in the literature.
      num_mels: mel bands, at least num_coefficients.
      hop_length: samples between frames.
      lifter: emphasis of the high coefficients; 0 for none.
      num_samples: (...,) real samples.
      **settings: further arguments of `mel.mel_spectrogram`.

    Raises:
      UserError: for more coefficients than bands, a negative lifter, or an impossible filter bank.
    """
    transform = dct_matrix(num_mels, num_coefficients) * lifter_weights(num_coefficients, lifter, first=1)
    masked = num_samples is not None
    counts = jnp.broadcast_to(jnp.asarray(num_samples if masked else signal.shape[-1]), signal.shape[:-1])

    def one(clip, clip_samples):
        decibels = log_mel_spectrogram(
            clip, sample_rate, hop_length, clip_samples if masked else None, num_mels=num_mels, **settings
        )
        real = jnp.arange(decibels.shape[0]) < count_mfcc_frames(clip_samples, hop_length)
        return jnp.where(real[:, None], decibels @ transform, 0)

    return map_examples(one, 1, signal, counts)


def count_mfcc_frames(num_samples: Any, hop_length: int = 512) -> Any:
    """Number of frames of `mfcc` and `mel.mel_spectrogram` for `num_samples` samples, one for each hop begun."""
    return count_frames(num_samples, 2, hop_length, "centre")


def delta(features: jax.Array, width: int = 9, order: int = 1, num_frames: jax.Array | None = None) -> jax.Array:
    """Slope (order 1) or curvature (order 2) of features (..., T, D) over time, (..., T, D).

    Savitzky & Golay 1964: the derivative, at its centre, of the polynomial of degree `order` that fits `width` frames
    best. That derivative is constant over the window, so the frames near the ends take it from the first or last whole
    window, which is librosa's mode "interp". Clips shorter than `width` have no slope and give zeros, as do the frames
    beyond num_frames.

    Args:
      features: (..., T, D).
      width: frames in the window, odd, more than `order`.
      order: 1 or 2.
      num_frames: (...,) real frames; all T if None.

    Raises:
      UserError: for an even or too short width, or another order.
    """
    if order not in (1, 2) or width % 2 == 0 or width <= order:
        raise UserError(f"delta needs order 1 or 2 and an odd width above it, got order {order} and width {width}")
    total = features.shape[-2]
    if total < width:
        return jnp.zeros_like(features)
    frames = jnp.broadcast_to(jnp.asarray(total if num_frames is None else num_frames), features.shape[:-2])
    real = jnp.arange(total) < frames[..., None]
    features = jnp.where(real[..., None], features, 0)

    powers = np.vander(np.arange(width) - width // 2, order + 1, increasing=True)
    weights = (np.linalg.pinv(powers)[order] * order).astype(np.float32)
    windows = total - width + 1
    slopes = sum(weights[k] * features[..., k : k + windows, :] for k in range(width))
    last = frames[..., None] - width
    nearest = jnp.clip(jnp.arange(total) - width // 2, 0, jnp.maximum(last, 0))
    slopes = jnp.take_along_axis(slopes, nearest[..., None], axis=-2)
    return jnp.where((real & (last >= 0))[..., None], slopes, 0)


def with_deltas(features: jax.Array, width: int = 9, num_frames: jax.Array | None = None) -> jax.Array:
    """features (..., T, D), their slopes and their curvatures side by side, (..., T, 3 D)."""
    real = jnp.arange(features.shape[-2]) < (
        jnp.asarray(features.shape[-2]) if num_frames is None else jnp.asarray(num_frames)[..., None]
    )
    kept = jnp.where(real[..., None], features, 0)
    return jnp.concatenate([kept, *(delta(features, width, order, num_frames) for order in (1, 2))], axis=-1)
