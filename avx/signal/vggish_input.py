"""The input of VGGish (Hershey et al. 2017): examples of 96 log-mel frames, 64 bands, 0.96 seconds."""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from avx.core.errors import UserError
from avx.signal.framing import count_frames, frame
from avx.signal.map_examples import map_examples
from avx.signal.mel import apply_filter_bank, mel_filter_bank
from avx.signal.stft import spectrogram
from avx.signal.windows import window

SAMPLE_RATE = 16_000
WINDOW_LENGTH = 400
HOP_LENGTH = 160
FFT_LENGTH = 512
NUM_MELS = 64
LOWER_HZ = 125.0
UPPER_HZ = 7_500.0
LOG_OFFSET = 0.01
EXAMPLE_FRAMES = 96
EXAMPLE_SAMPLES = WINDOW_LENGTH + (EXAMPLE_FRAMES - 1) * HOP_LENGTH
EXAMPLE_SECONDS = EXAMPLE_FRAMES * HOP_LENGTH / SAMPLE_RATE

ShortClip = Literal["pad", "drop"]


def vggish_log_mel(signal: jax.Array, offset: float = LOG_OFFSET) -> jax.Array:
    """log(mel + offset) of magnitudes, (..., T, 64), for signal (..., N) at 16 kHz in [-1, 1].

    Frames of 25 ms every 10 ms under a periodic Hann window, transforms of 512 points, whole frames only; 64 filters
    straight in mel from 125 to 7500 Hz.

    Args:
      signal: (..., N).
      offset: keeps the logarithm of silence finite; 0.01 for VGGish, 0.001 for YAMNet.
    """
    bank = mel_filter_bank(
        SAMPLE_RATE, FFT_LENGTH, NUM_MELS, LOWER_HZ, UPPER_HZ, scale="natural", straight_in="mel", unit_area=False
    )
    shape = window("hann", WINDOW_LENGTH)

    def one(clip):
        magnitudes = spectrogram(clip, shape, HOP_LENGTH, FFT_LENGTH, power=1, padding="valid")
        return jnp.log(apply_filter_bank(magnitudes, bank) + offset)

    return map_examples(one, 1, signal)


def count_vggish_examples(num_samples: Any, hop_seconds: float = 0.96, short: ShortClip = "pad") -> Any:
    """Number of whole examples in `num_samples` samples (int or integer array) at 16 kHz.

    Args:
      num_samples: real samples, any shape.
      hop_seconds: seconds between the starts of neighbouring examples, a multiple of 0.01.
      short: "pad" gives a clip between 1 and 15,599 samples one example, filled up with zeros; "drop" gives none.

    Raises:
      UserError: for a hop that is no positive multiple of 10 ms, or an unknown policy.
    """
    hop_frames = whole_hop_frames(hop_seconds)
    if short not in ("pad", "drop"):
        raise UserError(f"unknown policy {short!r} for clips under one example: use 'pad' or 'drop'")
    frames = count_frames(num_samples, WINDOW_LENGTH, HOP_LENGTH)
    whole = count_frames(frames, EXAMPLE_FRAMES, hop_frames)
    return whole + (short == "pad") * (whole == 0) * (num_samples > 0)


def vggish_examples(
    signal: jax.Array, num_samples: jax.Array | None = None, hop_seconds: float = 0.96, short: ShortClip = "pad"
) -> tuple[jax.Array, jax.Array]:
    """VGGish examples (..., E, 96, 64) and their mask (..., E) bool for signal (..., N) at 16 kHz in [-1, 1].

    The samples after the last whole example are left out, as in the original; E is `count_vggish_examples` of N.
    Masked examples are zero.

    Args:
      signal: (..., N) mono.
      num_samples: (...,) real samples; all N if None.
      hop_seconds: seconds between the starts of neighbouring examples.
      short: what becomes of a clip shorter than one example.

    Raises:
      UserError: as `count_vggish_examples`.
    """
    hop_frames = whole_hop_frames(hop_seconds)
    total = signal.shape[-1]
    counts = jnp.broadcast_to(jnp.asarray(total if num_samples is None else num_samples), signal.shape[:-1])
    num_examples = count_vggish_examples(total, hop_seconds, short)
    used = WINDOW_LENGTH + ((num_examples - 1) * hop_frames + EXAMPLE_FRAMES - 1) * HOP_LENGTH
    mask = np.arange(num_examples) < count_vggish_examples(counts, hop_seconds, short)[..., None]
    if num_examples == 0:
        return jnp.zeros((*signal.shape[:-1], 0, EXAMPLE_FRAMES, NUM_MELS), signal.dtype), mask

    def one(clip, clip_samples, clip_mask):
        clip = jnp.pad(clip, (0, max(0, used - total)))[:used]
        clip = jnp.where(jnp.arange(used) < clip_samples, clip, 0)
        bands_first = jnp.swapaxes(vggish_log_mel(clip), 0, 1)
        examples = jnp.moveaxis(frame(bands_first, EXAMPLE_FRAMES, hop_frames), 0, -1)
        return jnp.where(clip_mask[:, None, None], examples, 0)

    return map_examples(one, 1, signal, counts, mask), mask


def whole_hop_frames(hop_seconds: float) -> int:
    """Frames of 10 ms in the hop between two examples. Raises UserError for a hop that is no positive multiple."""
    frames = round(hop_seconds * SAMPLE_RATE / HOP_LENGTH)
    if frames < 1 or abs(frames * HOP_LENGTH - hop_seconds * SAMPLE_RATE) > 1e-6:
        raise UserError(f"hop_seconds {hop_seconds} must be a positive multiple of 0.01, the hop of the log-mel frames")
    return frames
