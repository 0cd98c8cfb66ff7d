"""The input of YAMNet (Plakal & Ellis 2020): overlapping patches of 96 log-mel frames, 64 bands, 0.96 seconds."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from avx.signal.framing import count_frames, frame
from avx.signal.map_examples import map_examples
from avx.signal.vggish_input import (
    EXAMPLE_FRAMES,
    EXAMPLE_SAMPLES,
    HOP_LENGTH,
    NUM_MELS,
    vggish_log_mel,
    whole_hop_frames,
)

LOG_OFFSET = 0.001
HOP_SECONDS = 0.48
"""Between the starts of neighbouring patches, as in the release."""


def count_yamnet_patches(num_samples: Any, hop_seconds: float = HOP_SECONDS) -> Any:
    """Number of patches in `num_samples` samples (int or integer array) at 16 kHz.

    Every sample lies in a patch: the last one is filled up with silence, as in the release. No samples give none.

    Args:
      num_samples: real samples, any shape.
      hop_seconds: seconds between the starts of neighbouring patches, a multiple of 0.01.

    Raises:
      UserError: for a hop that is no positive multiple of 10 ms.
    """
    return count_frames(num_samples, EXAMPLE_SAMPLES, whole_hop_frames(hop_seconds) * HOP_LENGTH, "end")


def yamnet_patches(
    signal: jax.Array, num_samples: jax.Array | None = None, hop_seconds: float = HOP_SECONDS
) -> tuple[jax.Array, jax.Array]:
    """Patches (..., P, 96, 64) of log(mel + 0.001) and their mask (..., P) bool, of signal (..., N) at 16 kHz.

    The spectrogram is that of VGGish; only the offset, the overlap of the patches and the silence after the last sample
    differ. P is `count_yamnet_patches` of N; masked patches are zero.

    Args:
      signal: (..., N) mono in [-1, 1].
      num_samples: (...,) real samples; all N if None.
      hop_seconds: seconds between the starts of neighbouring patches.

    Raises:
      UserError: as `count_yamnet_patches`.
    """
    total = signal.shape[-1]
    counts = jnp.broadcast_to(jnp.asarray(total if num_samples is None else num_samples), signal.shape[:-1])
    num_patches = count_yamnet_patches(total, hop_seconds)
    mask = np.arange(num_patches) < count_yamnet_patches(counts, hop_seconds)[..., None]
    if num_patches == 0:
        return jnp.zeros((*signal.shape[:-1], 0, EXAMPLE_FRAMES, NUM_MELS), signal.dtype), mask
    hop_frames = whole_hop_frames(hop_seconds)
    used = EXAMPLE_SAMPLES + (num_patches - 1) * hop_frames * HOP_LENGTH

    def one(clip, clip_samples, clip_mask):
        clip = jnp.pad(clip, (0, max(0, used - total)))[:used]
        clip = jnp.where(jnp.arange(used) < clip_samples, clip, 0)
        bands_first = jnp.swapaxes(vggish_log_mel(clip, LOG_OFFSET), 0, 1)
        patches = jnp.moveaxis(frame(bands_first, EXAMPLE_FRAMES, hop_frames), 0, -1)
        return jnp.where(clip_mask[:, None, None], patches, 0)

    return map_examples(one, 1, signal, counts, mask), mask
