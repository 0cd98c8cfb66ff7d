"""Scales NumPy arrays to unit rows and standardised columns, for rooms that touch no device.

`core.arrays` has the same for JAX arrays, where gradients count.
"""

from __future__ import annotations

import numpy as np

EPSILON = 1e-12


def unit_rows(values: np.ndarray) -> np.ndarray:
    """Scales the rows (..., D) to unit Euclidean norm; a zero row stays zero."""
    return values / np.maximum(np.linalg.norm(values, axis=-1, keepdims=True), EPSILON)


def column_statistics(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and reciprocal deviation of each column, so that (values - mean) * scale is standardised.

    Args:
      values: (N, D) rows.

    Returns:
      mean (D,) and scale (D,), float64. The scale is 0 for a constant column, which therefore becomes zero.
    """
    values = np.asarray(values, np.float64)
    deviation = values.std(0)
    varies = deviation > EPSILON * np.abs(values).max(0)
    return values.mean(0), np.where(varies, 1 / np.where(varies, deviation, 1), 0)
