"""The saliency maps by name: (..., H, W, 3) pictures -> (..., H, W) in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable

import jax

from avx.signal.minimum_barrier import minimum_barrier
from avx.signal.saliency import frequency_tuned, spectral_residual

SALIENCY: dict[str, Callable[[jax.Array], jax.Array]] = {
    "spectral_residual": spectral_residual,
    "frequency_tuned": frequency_tuned,
    "minimum_barrier": minimum_barrier,
}
