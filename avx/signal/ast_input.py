"""The input of the Audio Spectrogram Transformer (Gong, Chung & Glass 2021): 128 normalised log-mel bands.

Used by the audio encoder of system B (Rashmi & Chethan), which is still to be added.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from avx.core.errors import UserError
from avx.signal.framing import frame_mask
from avx.signal.kaldi import KaldiFraming, kaldi_fbank

NUM_MELS = 128
AUDIOSET_MEAN = -4.2677393
AUDIOSET_STD = 4.5689974
AST_FRAMING = KaldiFraming(window_name="hann", amplitude=1.0)


def ast_input(
    signal: jax.Array,
    num_samples: jax.Array | None = None,
    mean: float = AUDIOSET_MEAN,
    std: float = AUDIOSET_STD,
    num_frames: int | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Normalised filter bank (..., T, 128) and its mask (..., T) bool, of signal (..., N) at 16 kHz in [-1, 1].

    Kaldi's filter bank (25 ms symmetric Hann window every 10 ms, 128 filters from 20 Hz) in natural log, then
    (x - mean) / (2 std). A masked frame holds (0 - mean) / (2 std), because the original pads before it normalises and
    pretrained weights expect that value.

    Args:
      signal: (..., N).
      num_samples: (...,) real samples; all N if None.
      mean: mean of the log energies over the training data; AudioSet's by default.
      std: their standard deviation.
      num_frames: cuts or pads to this T (1024 for ten seconds in AST); the natural number of frames if None.

    Raises:
      UserError: for a standard deviation that is not positive.
    """
    if std <= 0:
        raise UserError(f"the standard deviation of the log-mel energies must be positive, got {std}")
    features = kaldi_fbank(signal, AST_FRAMING, NUM_MELS, num_samples=num_samples)
    if num_frames is not None:
        features = features[..., :num_frames, :]
        missing = num_frames - features.shape[-2]
        features = jnp.pad(features, [(0, 0)] * (features.ndim - 2) + [(0, missing), (0, 0)])
    counts = jnp.broadcast_to(jnp.asarray(signal.shape[-1] if num_samples is None else num_samples), signal.shape[:-1])
    mask = frame_mask(counts, features.shape[-2], AST_FRAMING.frame_length, AST_FRAMING.hop_length)
    return (features - mean) / (2 * std), mask
