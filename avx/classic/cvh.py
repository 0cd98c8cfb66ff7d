"""Cross-view hashing (Kumar & Udupa, IJCAI 2011), for pairs that are similar only to each other.

With two views and the identity as affinity, the relaxed problem is exactly CCA: bit j of an item is the sign of its
j-th canonical variate about the training mean.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from avx.classic import cca
from avx.classic.anchors import AnchorMap, fit_anchors
from avx.classic.covariance import CovarianceSums
from avx.classic.projection import LinearMap, PairedMap, Side, checked_count, checked_pair, project


@dataclasses.dataclass(frozen=True)
class CVHState:
    """A fitted hash function.

    Attributes:
      maps: linear maps of both sides to b real values whose signs are the code.
      anchors: the radial basis maps that come before, one per side (x, y); None where the features are hashed as such.
      meaningful_bits: leading bits that carry cross-view correlation; the rest are noise directions.
    """

    maps: PairedMap
    anchors: tuple[AnchorMap, AnchorMap] | None
    meaningful_bits: int


def fit_linear(x: np.ndarray, y: np.ndarray, *, bits: int, ridge: float = 1e-3, seed: int = 0) -> CVHState:
    """Hashes the features themselves, as published.

    Only min(p, q, n - 1) canonical pairs exist. Published runs ask for more bits than that and get whatever the
    eigensolver returns for eigenvalue zero, which is why their accuracy falls with the code length. The same is done
    here in a reproducible way: each side's further directions are drawn at random and whitened.

    Args:
      x: (n, p) features of the first modality.
      y: (n, q) features of the second, paired by row.
      bits: code length b.
      ridge: relative ridge, as in `cca.fit`.
      seed: of the directions beyond the rank.

    Raises:
      UserError: as `cca.fit`, and for fewer than one bit.
    """
    return fit_linear_sums(CovarianceSums.of(*checked_pair(x, y)), bits=bits, ridge=ridge, seed=seed)


def fit_linear_sums(sums: CovarianceSums, *, bits: int, ridge: float = 1e-3, seed: int = 0) -> CVHState:
    """`fit_linear` from streamed sums, for data that is read in batches; arguments and errors as there."""
    checked_count("bits", bits, 2**16, "a code has at least one bit")
    meaningful = min(bits, *sums.scatter_xy.shape, sums.count - 1)
    maps = cca.fit_sums(sums, dimensions=meaningful, ridge=ridge).maps
    if bits > meaningful:
        rng = np.random.default_rng(seed)
        maps = PairedMap(
            _with_noise_directions(maps.x, sums.scatter_xx / (sums.count - 1), bits, ridge, rng),
            _with_noise_directions(maps.y, sums.scatter_yy / (sums.count - 1), bits, ridge, rng),
        )
    return CVHState(maps, None, meaningful)


def fit_anchor(
    x: np.ndarray, y: np.ndarray, *, bits: int, anchors: int = 500, ridge: float = 1e-3, seed: int = 0
) -> CVHState:
    """Hashes radial basis features about k-means anchors, so that all bits are real ones (docs/methods.md, D5.2).

    Args:
      x: (n, p) features of the first modality.
      y: (n, q) features of the second, paired by row.
      bits: code length b, at most min(anchors, n - 1).
      anchors: anchors per modality, at most n.
      ridge: relative ridge, as in `cca.fit`.
      seed: of the k-means start.

    Raises:
      UserError: as `cca.fit`, and for more anchors than rows.
    """
    x, y = checked_pair(x, y)
    checked_count("bits", bits, min(anchors, len(x) - 1), "no more than min(anchors, n - 1) bits exist")
    x_anchors = fit_anchors(x, count=anchors, seed=seed)
    y_anchors = fit_anchors(y, count=anchors, seed=seed)
    maps = cca.fit(x_anchors(x), y_anchors(y), dimensions=bits, ridge=ridge).maps
    return CVHState(maps, (x_anchors, y_anchors), bits)


def transform(state: CVHState, values: np.ndarray, side: Side) -> np.ndarray:
    """Real projections (n, b) of rows of one modality; bit j is set where column j is >= 0. Errors as in `project`."""
    if state.anchors is not None and side in ("x", "y"):
        values = state.anchors[0 if side == "x" else 1](values)
    return project(state.maps, values, side)


def _with_noise_directions(
    linear: LinearMap, covariance: np.ndarray, bits: int, ridge: float, rng: np.random.Generator
) -> LinearMap:
    extra = rng.normal(size=(len(covariance), bits - linear.weights.shape[1]))
    whitened = cca.inverse_square_root(covariance, ridge) @ (extra / np.linalg.norm(extra, axis=0))
    return LinearMap(linear.mean, np.hstack([linear.weights, whitened]))
