"""What the closed-form methods share: checked pairs of feature matrices, and one centred linear map per side.

Two modalities are called "x" and "y". Rows are items: x is (n, p), y is (n, q), and row i of both describes item i.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from avx.core.errors import UserError

Side = Literal["x", "y"]


@dataclasses.dataclass(frozen=True)
class LinearMap:
    """values -> (values - mean) @ weights, with mean (p,) and weights (p, k) float64."""

    mean: np.ndarray
    weights: np.ndarray

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Maps (n, p) to (n, k); UserError where the number of columns is not the fitted p."""
        return (fitted_features(values, len(self.mean)) - self.mean) @ self.weights


@dataclasses.dataclass(frozen=True)
class PairedMap:
    """One linear map per side into one common space of k dimensions."""

    x: LinearMap
    y: LinearMap


def project(maps: PairedMap, values: np.ndarray, side: Side) -> np.ndarray:
    """Rows of one modality in the common space.

    Args:
      maps: the fitted pair.
      values: (n, p) for side "x", (n, q) for side "y".
      side: which modality `values` comes from.

    Returns:
      (n, k) float64.

    Raises:
      UserError: an unknown side, or features of another kind than the fitted ones.
    """
    if side not in ("x", "y"):
        raise UserError(f'side is {side!r}: name the modality of the values, "x" or "y".')
    return maps.x(values) if side == "x" else maps.y(values)


def checked_features(values: np.ndarray, name: str) -> np.ndarray:
    """`values` as (n, p) float64; UserError for another rank, no entries, NaN or infinity."""
    values = np.asarray(values, np.float64)
    if values.ndim != 2 or values.size == 0:
        raise UserError(f"{name} has shape {values.shape}: pass a matrix with one row per item.")
    if not np.isfinite(values).all():
        raise UserError(f"{name} holds NaN or infinity: leave those items out before fitting or transforming.")
    return values


def fitted_features(values: np.ndarray, features: int) -> np.ndarray:
    """`values` (n, features) as float64; UserError where their number of columns is not the fitted one."""
    values = checked_features(values, "values")
    if values.shape[1] != features:
        raise UserError(
            f"The method was fitted on {features} features but was given {values.shape[1]}: "
            "transform the same kind of features as were fitted, on the same side."
        )
    return values


def checked_pair(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both matrices as float64 with equal row counts of at least 2; UserError otherwise."""
    x, y = checked_features(x, "x"), checked_features(y, "y")
    if len(x) != len(y):
        raise UserError(f"x has {len(x)} rows and y has {len(y)}: row i of both must describe the same item.")
    if len(x) < 2:
        raise UserError("A single pair cannot be fitted: pass at least 2 rows.")
    return x, y


def checked_labelled(x: np.ndarray, y: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`checked_pair` with class indicators (n, c) float64, one row per item; UserError otherwise."""
    x, y = checked_pair(x, y)
    labels = np.asarray(labels, np.float64)
    if labels.ndim != 2 or len(labels) != len(x):
        raise UserError(f"labels have shape {labels.shape}: pass ({len(x)}, classes) indicators, one row per item.")
    if not np.isfinite(labels).all():
        raise UserError("labels hold NaN or infinity: pass indicators, 1 for each class of an item and 0 elsewhere.")
    return x, y, labels


def checked_count(name: str, value: int, limit: int, reason: str) -> int:
    """`value` where 1 <= value <= limit; UserError naming the limit otherwise."""
    if not 1 <= value <= limit:
        raise UserError(f"{name} = {value} is outside 1..{limit}: {reason}.")
    return value
