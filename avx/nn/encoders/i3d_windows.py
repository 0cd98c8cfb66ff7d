"""Encodes clips by I3D over sliding windows: a sequence of features for each clip, whatever its length.

Used where I3D is fine-tuned on action labels (Li 2022), which is still to be added; the contract of all
encoders is tested through it.
"""

from __future__ import annotations

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from avx.core.arrays import masked_mean
from avx.core.types import EncoderOutput
from avx.nn.encoders.i3d import I3D, TwoStreamI3D
from avx.signal.framing import looped_frames


class I3DWindows(nn.Module):
    """Encodes windows of a fixed number of frames one by one.

    Attributes:
      network: a stream, or both.
      length: frames in a window; the published clips have 64, of 2.56 s.
      stride: frames between the starts of neighbouring windows.
    """

    network: I3D | TwoStreamI3D
    length: int = 64
    stride: int = 64

    @nn.compact
    def __call__(self, clips: jax.Array, mask: jax.Array, train: bool = False) -> EncoderOutput:
        """Encodes a batch of clips.

        Whole windows count; a tail shorter than the stride is left out. A clip shorter than one window is repeated in
        a loop until it fills one, as in the published evaluation (docs/methods.md 8a).

        Args:
          clips: (B, T, H, W, C) in [-1, 1], with C = 3 for RGB, 2 for flow and 5 for both; masked frames may hold
            anything.
          mask: (B, T) bool, True for the first n frames of each clip.
          train: normalise by the statistics of the batch's real windows, see `I3D`.

        Returns:
          tokens (B, W, D) float32 with W the number of windows in T frames, zero at masked ones; pooled (B, D), their
          mean; mask (B, W).

        Raises:
          UserError: a length or stride below 1.
        """
        chex.assert_rank(clips, 5)
        chex.assert_shape(mask, clips.shape[:2])
        batch, total = mask.shape
        places, window_mask = looped_frames(mask.sum(1), total, self.length, self.stride)
        shown = jnp.where(mask[:, :, None, None, None], clips, 0)
        windows = jax.vmap(lambda clip, chosen: clip[chosen])(shown, places)
        windows = windows.reshape(-1, *windows.shape[2:])
        features = self.network(windows, train, window_mask.reshape(-1))
        tokens = jnp.where(window_mask[:, :, None], features.reshape(batch, -1, features.shape[-1]), 0)
        return EncoderOutput(tokens, masked_mean(tokens, window_mask), window_mask)
