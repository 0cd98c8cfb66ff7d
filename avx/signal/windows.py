"""Computes analysis windows once in float64, as constants for the device."""

from __future__ import annotations

import numpy as np

from avx.core.errors import UserError


def window(name: str, length: int, periodic: bool = True) -> np.ndarray:
    """Window of `length` samples, float32.

    Args:
      name: "hann", "hamming", "povey" (Kaldi's Hann to the power 0.85), or "rectangular".
      length: number of samples, at least 1.
      periodic: True for one period of length `length` (spectral analysis; librosa, VGGish), False for the symmetric
        form that ends where it began (filter design; Kaldi).

    Raises:
      UserError: for an unknown name or a length below 1.
    """
    if length < 1:
        raise UserError(f"a window needs at least 1 sample, got {length}")
    period = length if periodic else max(length - 1, 1)
    cosine = np.cos(2 * np.pi * np.arange(length) / period) if length > 1 else np.full(1, -1.0)
    shapes = {
        "hann": 0.5 - 0.5 * cosine,
        "hamming": 0.54 - 0.46 * cosine,
        "povey": np.maximum(0.5 - 0.5 * cosine, 0.0) ** 0.85,
        "rectangular": np.ones(length),
    }
    if name not in shapes:
        raise UserError(f"unknown window {name!r}: use one of {sorted(shapes)}")
    return shapes[name].astype(np.float32)
