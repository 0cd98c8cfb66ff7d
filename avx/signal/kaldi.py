"""Computes filter banks and MFCC value for value as Kaldi, without dither.

Used by `signal.ast_input`, and with it by system B, which is still to be added.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from avx.core.errors import UserError
from avx.signal.framing import count_frames, extend, frame, silence_padding
from avx.signal.map_examples import map_examples
from avx.signal.mel import apply_filter_bank, mel_filter_bank
from avx.signal.mfcc import dct_matrix, lifter_weights
from avx.signal.windows import window

SMALLEST_ENERGY = float(np.finfo(np.float32).eps)


@dataclasses.dataclass(frozen=True)
class KaldiFraming:
    """How Kaldi cuts and prepares frames.

    Attributes:
      sample_rate: Hz.
      frame_length: samples in a frame; transforms have the next power of two.
      hop_length: samples between frames.
      window_name: "povey", "hann", "hamming" or "rectangular", in the symmetric form.
      preemphasis: x[n] - preemphasis * x[n - 1] within each frame.
      snip_edges: True for whole frames only; False for one frame per hop with its middle in the hop's middle, the
        signal mirrored at its ends.
      amplitude: factor that brings samples in [-1, 1] to the scale of the reference; Kaldi reads 16-bit integers.
    """

    sample_rate: int = 16_000
    frame_length: int = 400
    hop_length: int = 160
    window_name: str = "povey"
    preemphasis: float = 0.97
    snip_edges: bool = True
    amplitude: float = 32_768.0

    @property
    def fft_length(self) -> int:
        """Points of the transform."""
        return 1 << (self.frame_length - 1).bit_length()


def count_kaldi_frames(num_samples: Any, framing: KaldiFraming) -> Any:
    """Number of frames that Kaldi cuts from `num_samples` samples (int or integer array)."""
    if framing.snip_edges:
        return count_frames(num_samples, framing.frame_length, framing.hop_length)
    return (num_samples + framing.hop_length // 2) // framing.hop_length


def kaldi_fbank(
    signal: jax.Array,
    framing: KaldiFraming | None = None,
    num_mels: int = 23,
    lower_hz: float = 20.0,
    upper_hz: float | None = None,
    use_energy: bool = False,
    num_samples: jax.Array | None = None,
) -> jax.Array:
    """Log mel energies (..., T, M) of signal (..., N) in [-1, 1], as compute-fbank-feats; masked frames are zero.

    Args:
      signal: (..., N).
      framing: how frames are cut and prepared; Kaldi's defaults if None.
      num_mels: M filters.
      lower_hz: lower corner of the bank.
      upper_hz: upper corner; half the sample rate if None.
      use_energy: puts the log energy of the frame in front, so that the result has M + 1 columns.
      num_samples: (...,) real samples; all N if None.

    Raises:
      UserError: for an impossible bank or an unknown window.
    """
    framing = framing or KaldiFraming()
    bank = _bank(framing, num_mels, lower_hz, upper_hz)

    def one(clip, clip_samples):
        frames, energy = _frames_and_energy(clip, clip_samples, framing)
        mels = _log_mels(frames, framing, bank)
        return jnp.concatenate([energy[:, None], mels], axis=1) if use_energy else mels

    return _over_clips(one, signal, framing, num_samples)


def kaldi_mfcc(
    signal: jax.Array,
    framing: KaldiFraming | None = None,
    num_coefficients: int = 13,
    num_mels: int = 23,
    lower_hz: float = 20.0,
    upper_hz: float | None = None,
    lifter: float = 22.0,
    use_energy: bool = True,
    num_samples: jax.Array | None = None,
) -> jax.Array:
    """MFCC (..., T, num_coefficients) of signal (..., N) in [-1, 1], as compute-mfcc-feats; masked frames are zero.

    Args:
      signal: (..., N).
      framing: how frames are cut and prepared; Kaldi's defaults if None.
      num_coefficients: cepstral coefficients kept.
      num_mels: mel filters.
      lower_hz: lower corner of the bank.
      upper_hz: upper corner; half the sample rate if None.
      lifter: emphasis of the high coefficients; 0 for none.
      use_energy: the log energy of the frame replaces coefficient 0.
      num_samples: (...,) real samples; all N if None.

    Raises:
      UserError: for an impossible bank, an unknown window, or more coefficients than filters.
    """
    framing = framing or KaldiFraming()
    bank = _bank(framing, num_mels, lower_hz, upper_hz)
    transform = dct_matrix(num_mels, num_coefficients) * lifter_weights(num_coefficients, lifter, first=0)

    def one(clip, clip_samples):
        frames, energy = _frames_and_energy(clip, clip_samples, framing)
        cepstra = _log_mels(frames, framing, bank) @ transform
        return cepstra.at[:, 0].set(energy) if use_energy else cepstra

    return _over_clips(one, signal, framing, num_samples)


def _over_clips(one, signal: jax.Array, framing: KaldiFraming, num_samples: jax.Array | None) -> jax.Array:
    """`one` over the leading axes, its result zero beyond each clip's real frames."""
    counts = jnp.broadcast_to(jnp.asarray(signal.shape[-1] if num_samples is None else num_samples), signal.shape[:-1])

    def masked(clip, clip_samples):
        features = one(clip, clip_samples)
        real = jnp.arange(features.shape[0]) < count_kaldi_frames(clip_samples, framing)
        return jnp.where(real[:, None], features, 0)

    return map_examples(masked, 1, signal, counts)


def _frames_and_energy(clip: jax.Array, num_samples: jax.Array, framing: KaldiFraming) -> tuple[jax.Array, jax.Array]:
    """Windowed frames (T, L) of clip (N,), and the log energy (T,) of the frames before emphasis and window."""
    length, hop = framing.frame_length, framing.hop_length
    if framing.snip_edges:
        clip = silence_padding(clip, num_samples)
        frames = frame(clip * framing.amplitude, length, hop)
    else:
        left = length // 2 - hop // 2
        if left < 0:
            raise UserError(f"without snip_edges the hop {hop} must not exceed the frame length {length}")
        count = count_kaldi_frames(clip.shape[0], framing)
        clip = extend(clip, left, length, "symmetric", num_samples)
        frames = frame(clip * framing.amplitude, length, hop)[:count]
    frames = frames - frames.mean(axis=1, keepdims=True)
    energy = jnp.log(jnp.maximum(jnp.square(frames).sum(axis=1), SMALLEST_ENERGY))
    previous = jnp.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    emphasised = frames - framing.preemphasis * previous
    return emphasised * window(framing.window_name, length, periodic=False), energy


def _log_mels(frames: jax.Array, framing: KaldiFraming, bank: np.ndarray) -> jax.Array:
    spectrum = jnp.fft.rfft(frames, framing.fft_length)
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    return jnp.log(jnp.maximum(apply_filter_bank(power, bank), SMALLEST_ENERGY))


def _bank(framing: KaldiFraming, num_mels: int, lower_hz: float, upper_hz: float | None) -> np.ndarray:
    return mel_filter_bank(
        framing.sample_rate, framing.fft_length, num_mels, lower_hz, upper_hz, "natural", "mel", unit_area=False
    )
