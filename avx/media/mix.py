"""Samples of any format and layout to one float signal."""

from __future__ import annotations

import functools
import math

import av
import numpy as np

# Share of a channel in the mono mix, before division by the sum: the ITU-R BS.775 stereo mix with both sides added,
# in which the centre enters each side at -3 dB, a surround its own side at -3 dB, and the bass effects not at all.
_SHARES = {"FL": 1.0, "FR": 1.0, "FC": math.sqrt(2), "LFE": 0.0, "LFE2": 0.0}
_SURROUND_SHARE = math.sqrt(0.5)
# Full scale of samples that someone turned from integers to floats without dividing.
_INTEGER_SCALES = (1 << 7, 1 << 15, 1 << 23, 1 << 31)


def mono_mix(channels: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Mixes channels (C, N) float32 with speaker names such as FL, FC, LFE to (N,), with weights that sum to one.

    Unnamed and discrete channels count as surround; a layout with nothing but bass keeps it.
    """
    return mix_weights(names) @ channels


@functools.lru_cache
def mix_weights(names: tuple[str, ...]) -> np.ndarray:
    """(C,) float32 shares of the channels in the mix, which sum to one; see `mono_mix`."""
    shares = np.array([_SHARES.get(name, _SURROUND_SHARE) for name in names], np.float32)
    if not shares.any():
        shares = np.ones_like(shares)
    return shares / shares.sum()


def to_float(frame: av.AudioFrame, full_scale: float = 1.0) -> np.ndarray:
    """(C, N) float32 of a decoded frame, full scale at 1; NaN and infinities of float formats become 0 and +-1.

    Args:
      frame: as decoded.
      full_scale: what float samples are divided by.
    """
    samples: np.ndarray = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, len(frame.layout.channels)).T
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if np.issubdtype(samples.dtype, np.integer):
        return (samples / -float(np.iinfo(samples.dtype).min)).astype(np.float32)
    if full_scale != 1:
        samples = samples / full_scale
    samples = samples.astype(np.float32, copy=False)
    return samples if np.isfinite(samples).all() else np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)


def full_scale_of(peak: float) -> float:
    """What float samples are divided by so that they lie in [-1, 1].

    1 where they do. Peaks that no overshoot reaches are those of integers: the full scale of the smallest that holds
    them; else the peak itself.
    """
    if peak <= 1:
        return 1.0
    if peak > _INTEGER_SCALES[0]:
        return next((float(scale) for scale in _INTEGER_SCALES if peak <= scale), peak)
    return peak
