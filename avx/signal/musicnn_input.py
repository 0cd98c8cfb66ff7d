"""The input of MusiCNN (Pons & Serra 2019): patches of 187 log-mel frames, 96 bands, three seconds.

Used by MusiCNN as the audio front end of VM-Net, a comparator of systems A and C that is still to be added.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from avx.core.errors import UserError
from avx.signal.framing import count_frames, frame
from avx.signal.map_examples import map_examples
from avx.signal.mel import log_compress, mel_spectrogram
from avx.signal.mfcc import count_mfcc_frames

SAMPLE_RATE = 16_000
FFT_LENGTH = 512
HOP_LENGTH = 256
NUM_MELS = 96
PATCH_FRAMES = 187


def count_musicnn_patches(num_samples: Any, hop_frames: int = PATCH_FRAMES) -> Any:
    """Number of patches in `num_samples` samples (int or integer array) at 16 kHz.

    A clip shorter than one patch gives one, filled up with silence; no samples give none.

    Raises:
      UserError: for a hop below one frame.
    """
    if hop_frames < 1:
        raise UserError(f"hop_frames {hop_frames} must be at least 1")
    whole = count_frames(count_mfcc_frames(num_samples, HOP_LENGTH), PATCH_FRAMES, hop_frames)
    return whole + (whole == 0) * (num_samples > 0)


def musicnn_patches(
    signal: jax.Array, num_samples: jax.Array | None = None, hop_frames: int = PATCH_FRAMES
) -> tuple[jax.Array, jax.Array]:
    """Patches (..., P, 187, 96) of log10(10000 mel + 1) and their mask (..., P) bool, of signal (..., N) at 16 kHz.

    librosa's mel spectrogram with 512 points every 256 samples and 96 bands. The frames after the last whole patch are
    left out; masked patches are zero, which is also the value of silence.

    Args:
      signal: (..., N) mono in [-1, 1].
      num_samples: (...,) real samples; all N if None.
      hop_frames: frames between the starts of neighbouring patches.

    Raises:
      UserError: for a hop below one frame.
    """
    total = signal.shape[-1]
    counts = jnp.broadcast_to(jnp.asarray(total if num_samples is None else num_samples), signal.shape[:-1])
    num_patches = count_musicnn_patches(total, hop_frames)
    mask = np.arange(num_patches) < count_musicnn_patches(counts, hop_frames)[..., None]
    if num_patches == 0:
        return jnp.zeros((*signal.shape[:-1], 0, PATCH_FRAMES, NUM_MELS), signal.dtype), mask
    used = (num_patches - 1) * hop_frames + PATCH_FRAMES

    def one(clip, clip_samples, clip_mask):
        mels = mel_spectrogram(clip, SAMPLE_RATE, FFT_LENGTH, HOP_LENGTH, NUM_MELS, num_samples=clip_samples)
        bands_first = log_compress(mels[:used]).T
        bands_first = jnp.pad(bands_first, ((0, 0), (0, used - bands_first.shape[1])))
        patches = jnp.moveaxis(frame(bands_first, PATCH_FRAMES, hop_frames), 0, -1)
        return jnp.where(clip_mask[:, None, None], patches, 0)

    return map_examples(one, 1, signal, counts, mask), mask
