"""Term frequencies weighted by how rare each term is among the training items."""

from __future__ import annotations

import numpy as np

from avx.core.errors import UserError


def tf_idf(counts: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """counts * (1 + ln((1 + N) / (1 + d))) for the N fitted items, d of which hold the term (Salton & Buckley 1988).

    Both ones in the ratio stand for one more item that holds every term, so that terms which no fitted item holds keep
    a finite weight; the one before it keeps terms that all items hold.

    Args:
      counts: (n, D) at least 0.
      fitted: (n,) bool, the items whose counts set the weights: the training items, never those of a test.

    Returns:
      (n, D) float32.

    Raises:
      UserError: negative counts.
    """
    counts = np.asarray(counts, np.float32)
    if (counts < 0).any():
        raise UserError("Term counts must be at least 0: pass counts or presence, not standardised features.")
    holding = (counts[fitted] > 0).sum(0)
    weight = 1 + np.log((1 + fitted.sum()) / (1 + holding))
    return counts * weight.astype(np.float32)
