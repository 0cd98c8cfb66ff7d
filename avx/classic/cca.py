"""Canonical correlation analysis (Hotelling 1936; as cross-modal "CM" in Rasiwasia et al. 2010)."""

from __future__ import annotations

import dataclasses

import numpy as np

from avx.classic.covariance import CovarianceSums
from avx.classic.projection import LinearMap, PairedMap, Side, checked_count, checked_pair, project
from avx.core.errors import UserError

EIGENVALUE_FLOOR = 1e-12
"""Smallest eigenvalue of a covariance that is inverted, as a share of the largest one."""


@dataclasses.dataclass(frozen=True)
class CCAState:
    """A fitted CCA.

    Attributes:
      maps: centred linear maps of both sides onto the canonical variates, strongest correlation first.
      correlations: (k,) canonical correlations in [0, 1], descending, on the training pairs and under the ridge.
    """

    maps: PairedMap
    correlations: np.ndarray


def fit(
    x: np.ndarray, y: np.ndarray, *, dimensions: int, ridge: float = 1e-3, correlation_power: float = 0.0
) -> CCAState:
    """Finds the k pairs of directions along which paired rows correlate most.

    With S_xx, S_yy, S_xy the centred covariances, ridges added, and U D V^T the singular value decomposition of
    S_xx^(-1/2) S_xy S_yy^(-1/2), the directions are S_xx^(-1/2) U_k and S_yy^(-1/2) V_k and the correlations D.

    Args:
      x: (n, p) features of the first modality.
      y: (n, q) features of the second, paired by row.
      dimensions: k, at most min(p, q, n - 1).
      ridge: added to each covariance's diagonal, in units of its mean diagonal entry, so that one value suits all
        feature scales.
      correlation_power: s of the weighting D^s of the variates (Gong et al. 2014 use 4); 0 leaves them unweighted.

    Returns:
      The state for `transform`.

    Raises:
      UserError: rows that do not pair up or are not finite, k beyond the rank, a negative ridge.
    """
    x, y = checked_pair(x, y)
    return fit_sums(CovarianceSums.of(x, y), dimensions=dimensions, ridge=ridge, correlation_power=correlation_power)


def fit_sums(
    sums: CovarianceSums,
    *,
    dimensions: int,
    ridge: float | tuple[float, float] = 1e-3,
    correlation_power: float = 0.0,
) -> CCAState:
    """`fit` from streamed sums, for data that is read in batches; errors as there.

    Args:
      sums: of the training pairs.
      dimensions: as in `fit`.
      ridge: as in `fit`; two values where the sides differ, first x then y.
      correlation_power: as in `fit`.
    """
    if sums.count < 2:
        raise UserError(f"The covariance sums cover {sums.count} pairs: stream at least 2.")
    limit = min(*sums.scatter_xy.shape, sums.count - 1)
    checked_count("dimensions", dimensions, limit, "CCA has no more directions than min(p, q, n - 1)")
    ridge_x, ridge_y = ridge if isinstance(ridge, tuple) else (ridge, ridge)
    whiten_x = inverse_square_root(sums.scatter_xx / (sums.count - 1), ridge_x)
    whiten_y = inverse_square_root(sums.scatter_yy / (sums.count - 1), ridge_y)
    whitened = whiten_x @ (sums.scatter_xy / (sums.count - 1)) @ whiten_y
    # Thin: sides of different width would otherwise pay for the square basis of the wider one.
    left, correlations, right = np.linalg.svd(whitened, full_matrices=False)
    correlations = correlations[:dimensions]
    weighting = correlations**correlation_power
    return CCAState(
        PairedMap(
            LinearMap(sums.mean_x, whiten_x @ left[:, :dimensions] * weighting),
            LinearMap(sums.mean_y, whiten_y @ right[:dimensions].T * weighting),
        ),
        correlations,
    )


def transform(state: CCAState, values: np.ndarray, side: Side) -> np.ndarray:
    """Canonical variates (n, k) of rows of one modality; compare the two sides by cosine. Errors as in `project`."""
    return project(state.maps, values, side)


def inverse_square_root(covariance: np.ndarray, ridge: float) -> np.ndarray:
    """(S + r I)^(-1/2), symmetric, with r = ridge * trace(S) / p and eigenvalues floored at 1e-12 of the largest.

    Args:
      covariance: (p, p) symmetric positive semi-definite.
      ridge: relative ridge, at least 0.

    Raises:
      UserError: a negative ridge, or a covariance of constant features.
    """
    if ridge < 0:
        raise UserError(f"ridge = {ridge} is negative: pass 0 or more.")
    size = len(covariance)
    values, vectors = np.linalg.eigh(covariance + ridge * np.trace(covariance) / size * np.eye(size))
    if values[-1] <= 0:
        raise UserError("All features of one modality are constant: there is nothing to correlate.")
    values = np.maximum(values, EIGENVALUE_FLOOR * values[-1])
    return (vectors / np.sqrt(values)) @ vectors.T
