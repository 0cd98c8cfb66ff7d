"""Short-time Fourier transform, its inverse, and the power and magnitude spectra."""

from __future__ import annotations

from typing import Literal

import chex
import jax
import jax.numpy as jnp
import numpy as np

from avx.core.errors import UserError
from avx.signal.framing import Border, Padding, count_frames, frame, overlap_add
from avx.signal.map_examples import map_examples

SMALLEST_WINDOW_SUM = 1e-8


def stft(
    signal: jax.Array,
    window: np.ndarray,
    hop_length: int,
    fft_length: int | None = None,
    padding: Padding = "centre",
    border: Border = "constant",
    num_samples: jax.Array | None = None,
) -> jax.Array:
    """Short-time Fourier transform (..., T, fft_length // 2 + 1) complex64 of signal (..., N).

    Bin f of frame t is sum_n window[n] x[t hop + n] exp(-2 pi i f n / fft_length): phases are counted from the
    frame's first sample. On two CPU cores a real FFT beats a product with the DFT matrix, 1.9 times for windows of 400
    samples (log-mel, clip by clip) and 4 times for 2048 (power spectrum, whole batch).

    Args:
      signal: (..., N) real.
      window: (L,) analysis window; frames are L samples long and filled up with zeros to fft_length.
      hop_length: samples between frames.
      fft_length: points of the transform, at least L; L if None.
      padding: "valid", "end" or "centre", see `framing.count_frames`.
      border: what "centre" puts beyond the ends.
      num_samples: (...,) real samples; frames beyond `framing.frame_mask` carry no meaning.

    Raises:
      UserError: if the window is longer than the transform, or for an unknown policy.
    """
    length, fft_length = _lengths(window, fft_length)
    frames = frame(signal, length, hop_length, padding, border, num_samples)
    return jnp.fft.rfft(frames * window, fft_length)


def istft(
    spectrum: jax.Array, window: np.ndarray, hop_length: int, length: int, padding: Padding = "centre"
) -> jax.Array:
    """Signal (..., length) whose `stft` with the same window, hop and padding is nearest to spectrum (..., T, F).

    Least squares (Griffin & Lim 1984, eq. 6): windowed inverse frames are added and divided by the sum of squared
    windows. `istft(stft(x))` is x for every length, also those that are no multiple of the hop.

    Args:
      spectrum: (..., T, F) complex, F = fft_length // 2 + 1 of an even fft_length.
      window: (L,) the analysis window.
      hop_length: samples between frames.
      length: samples of the result.
      padding: the policy that `stft` was given.

    Raises:
      UserError: if some of the `length` samples lie under no frame with a positive window.
    """
    num_frames, num_bins = spectrum.shape[-2:]
    window_length, fft_length = _lengths(window, max(2 * (num_bins - 1), 1))
    first = window_length // 2 if padding == "centre" else 0
    places = np.arange(num_frames)[:, None] * hop_length + np.arange(window_length)
    squares = np.broadcast_to(np.square(window, dtype=np.float64), places.shape)
    weight = np.bincount(places.ravel(), squares.ravel())
    covered = weight[first : first + length]
    if covered.shape[0] < length or (length and covered.min() <= SMALLEST_WINDOW_SUM):
        raise UserError(
            f"{num_frames} frames of {window_length} samples at hop {hop_length} leave part of the {length} samples "
            f"without weight: use padding 'centre', a shorter hop, or a smaller length"
        )
    frames = jnp.fft.irfft(spectrum, fft_length)[..., :window_length] * window
    return overlap_add(frames, hop_length)[..., first : first + length] / covered.astype(np.float32)


def spectrogram(
    signal: jax.Array,
    window: np.ndarray,
    hop_length: int,
    fft_length: int | None = None,
    power: Literal[1, 2] = 2,
    padding: Padding = "centre",
    border: Border = "constant",
    num_samples: jax.Array | None = None,
) -> jax.Array:
    """Magnitude (power=1) or squared magnitude (power=2) of `stft`, (..., T, F) float32; zero beyond the real frames.

    Args: as `stft`.

    Raises:
      UserError: for a power other than 1 and 2, and as `stft`.
    """
    if power not in (1, 2):
        raise UserError(f"a spectrogram has power 1 or 2, not {power}")
    real = jnp.asarray(signal.shape[-1] if num_samples is None else num_samples)
    real = jnp.broadcast_to(real, signal.shape[:-1])
    masked = num_samples is not None

    def one(clip, clip_samples):
        spectrum = stft(clip, window, hop_length, fft_length, padding, border, clip_samples if masked else None)
        # jnp.abs, not the root of the power: its gradient is 0 rather than NaN where the spectrum is 0.
        values = jnp.abs(spectrum) if power == 1 else jnp.square(spectrum.real) + jnp.square(spectrum.imag)
        if not masked:
            return values
        count = count_frames(clip_samples, window.shape[0], hop_length, padding)
        return jnp.where((jnp.arange(values.shape[0]) < count)[:, None], values, 0)

    return map_examples(one, 1, signal, real)


def _lengths(window: np.ndarray, fft_length: int | None) -> tuple[int, int]:
    """(samples in a frame, points of the transform), checked."""
    chex.assert_rank(window, 1)
    length = window.shape[0]
    points = length if fft_length is None else fft_length
    if length > points:
        raise UserError(f"a window of {length} samples does not fit a transform of {points} points")
    return length, points
