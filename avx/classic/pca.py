"""PCA as a cross-modal floor: one principal subspace of both modalities stacked (docs/methods.md 2.1)."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from avx.classic.covariance import CovarianceSums
from avx.classic.projection import LinearMap, PairedMap, Side, checked_count, checked_pair, project
from avx.core.errors import UserError


@dataclasses.dataclass(frozen=True)
class PCAState:
    """A fitted PCA.

    Attributes:
      maps: centred linear maps of both sides; the standardisation is folded into their weights.
      variances: (k,) variance along each stacked axis in "joint" mode, descending; (2, k) per side in "independent".
    """

    maps: PairedMap
    variances: np.ndarray


def fit(x: np.ndarray, y: np.ndarray, *, dimensions: int, mode: Literal["joint", "independent"] = "joint") -> PCAState:
    """Finds the k directions of largest variance.

    Columns are standardised with the statistics of the fitted rows. In "joint" mode each modality is scaled to equal
    total variance, [X Y] is stacked, and the top eigenvectors of its covariance are cut into W_x and W_y; the
    cross-covariance is what aligns the halves. In "independent" mode each modality gets its own axes, which are
    compared coordinate by coordinate: a chance-level reference.

    Args:
      x: (n, p) features of the first modality.
      y: (n, q) features of the second, paired by row.
      dimensions: k; at most p + q in "joint" mode and min(p, q) in "independent".
      mode: "joint" or "independent".

    Raises:
      UserError: rows that do not pair up or are not finite, k beyond the limit, an unknown mode, constant features.
    """
    return fit_sums(CovarianceSums.of(*checked_pair(x, y)), dimensions=dimensions, mode=mode)


def fit_sums(sums: CovarianceSums, *, dimensions: int, mode: Literal["joint", "independent"] = "joint") -> PCAState:
    """`fit` from streamed sums, for data that is read in batches; arguments and errors as there."""
    if sums.count < 2:
        raise UserError(f"The covariance sums cover {sums.count} pairs: stream at least 2.")
    p, q = sums.scatter_xy.shape
    x_scale = _standardisation(sums.scatter_xx, sums.mean_x, sums.count)
    y_scale = _standardisation(sums.scatter_yy, sums.mean_y, sums.count)
    if mode == "joint":
        checked_count("dimensions", dimensions, p + q, "joint PCA has at most p + q axes")
        # Standardised, the mean squared row norm of a block is its number of columns that vary.
        x_block, y_block = (scale / np.sqrt(np.count_nonzero(scale)) for scale in (x_scale, y_scale))
        stacked = np.block([[sums.scatter_xx, sums.scatter_xy], [sums.scatter_xy.T, sums.scatter_yy]])
        variances, axes = _principal_axes(stacked / sums.count, np.concatenate([x_block, y_block]), dimensions)
        x_weights, y_weights = x_block[:, None] * axes[:p], y_block[:, None] * axes[p:]
    elif mode == "independent":
        checked_count("dimensions", dimensions, min(p, q), "independent PCA has at most min(p, q) axes on both sides")
        x_variances, x_axes = _principal_axes(sums.scatter_xx / sums.count, x_scale, dimensions)
        y_variances, y_axes = _principal_axes(sums.scatter_yy / sums.count, y_scale, dimensions)
        variances = np.stack([x_variances, y_variances])
        x_weights, y_weights = x_scale[:, None] * x_axes, y_scale[:, None] * y_axes
    else:
        raise UserError(f'mode is {mode!r}: choose "joint" or "independent".')
    return PCAState(PairedMap(LinearMap(sums.mean_x, x_weights), LinearMap(sums.mean_y, y_weights)), variances)


def transform(state: PCAState, values: np.ndarray, side: Side) -> np.ndarray:
    """Principal coordinates (n, k) of rows of one modality; compare the two sides by cosine. Errors as in `project`."""
    return project(state.maps, values, side)


def _standardisation(scatter: np.ndarray, mean: np.ndarray, count: int) -> np.ndarray:
    """Reciprocal standard deviations (p,) of the columns, 0 for a constant one."""
    variance = np.diag(scatter) / count
    deviation = np.sqrt(variance)
    varies = deviation > 1e-12 * np.maximum(np.sqrt(variance + np.square(mean)), 1e-300)
    if not varies.any():
        raise UserError("All features of one modality are constant: there is no variance to keep.")
    return np.where(varies, 1 / np.where(varies, deviation, 1), 0)


def _principal_axes(covariance: np.ndarray, scale: np.ndarray, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalues (k,) of the covariance of scaled columns and their eigenvectors (p, k), largest first.

    An eigenvector's sign is the solver's choice and may differ with its number of threads, and sides that are compared
    coordinate by coordinate score by it: the entry of largest magnitude is made positive.
    """
    variances, axes = np.linalg.eigh(scale[:, None] * covariance * scale)
    axes = axes[:, ::-1][:, :dimensions]
    largest = axes[np.argmax(np.abs(axes), axis=0), np.arange(axes.shape[1])]
    return variances[::-1][:dimensions], axes * np.where(largest < 0, -1, 1)
