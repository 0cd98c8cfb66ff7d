"""Kernels between a batch and fitted points, on a device: the features of KCCA and of CVH on anchors.

The formulas are those of `avx.classic.kernels`, in float32; a test holds the two to each other.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

from avx.classic.kernels import HISTOGRAM_KERNELS, KernelMap
from avx.classic.projection import LinearMap
from avx.core.arrays import product, ratio
from avx.core.types import Array
from avx.systems.closed_form import Apply, affine, apply_affine


def radial_parameters(points: np.ndarray, gamma: float, linear: LinearMap) -> dict[str, np.ndarray]:
    """Parameters of value -> linear(exp(-gamma |value - point|^2)) for `apply_kernel("rbf")`.

    Distances do not change when all vectors are moved together: points are stored about their mean, the origin, so that
    float32 products of features with a large offset lose no digits.

    Args:
      points: (m, p).
      gamma: in 1 / feature units^2.
      linear: map of the m kernel values.
    """
    origin = points.mean(0).astype(np.float32)
    return {
        "origin": origin,
        "points": (points - origin).astype(np.float32),
        "gamma": np.asarray(gamma, np.float32),
        **affine(linear),
    }


def kernel_parameters(features: KernelMap, linear: LinearMap) -> dict[str, np.ndarray]:
    """Parameters of value -> linear(features(value)) for `apply_kernel(features.kernel)`.

    Coordinates are kernel values times L^-T, with L the pivots' Cholesky factor. That product is folded into the
    weights in float64, and the mean of the kernel values is L times that of the coordinates.
    """
    weights = scipy.linalg.solve_triangular(features.factor, linear.weights, trans="T", lower=True)
    on_kernel = LinearMap(features.factor @ linear.mean, weights)
    if features.kernel == "rbf":
        return radial_parameters(features.pivots, features.gamma, on_kernel)
    if features.kernel == "linear":
        # Products with the pivots are linear in the value itself, about any centre.
        center = features.pivots.mean(0)
        shift = (on_kernel.mean - features.pivots @ center) @ weights
        return affine(LinearMap(center, features.pivots.T @ weights), shift)
    return {
        "points": features.pivots.astype(np.float32),
        "gamma": np.asarray(features.gamma, np.float32),
        **affine(on_kernel),
    }


def apply_kernel(kernel: str) -> Apply:
    """The map of `kernel_parameters` for one kernel: values (B, p) -> (B, k) float32."""

    def apply(params: dict[str, Array], values: Array) -> Array:
        if kernel == "linear":
            return apply_affine(params, values)
        if kernel == "rbf":
            products = radial_basis(values - params["origin"], params["points"], params["gamma"])
        else:
            products = histogram_kernel(values, params["points"], kernel, params["gamma"])
        return apply_affine(params, products)

    return apply


def radial_basis(values: Array, points: Array, gamma: Array) -> Array:
    """exp(-gamma |value - point|^2) of values (B, p) and points (m, p), (B, m)."""
    products = product(values, points.T)
    squared = jnp.square(values).sum(1)[:, None] - 2 * products + jnp.square(points).sum(1)
    return jnp.exp(-gamma * jnp.maximum(squared, 0))


def histogram_kernel(values: Array, points: Array, kernel: str, gamma: Array) -> Array:
    """ "chi2" or "intersection" kernel of histograms (B, p), scaled to sum 1 here, and scaled ones (m, p), (B, m)."""
    assert kernel in HISTOGRAM_KERNELS, kernel
    values = ratio(values, values.sum(1, keepdims=True))

    def add_bin(total: Array, columns: tuple[Array, Array]) -> tuple[Array, None]:
        left, right = columns[0][:, None], columns[1]
        if kernel == "intersection":
            return total + jnp.minimum(left, right), None
        return total + ratio(jnp.square(left - right), left + right), None

    # One bin at a time: no (B, m, p) array.
    total, _ = jax.lax.scan(add_bin, jnp.zeros((len(values), len(points))), (values.T, points.T))
    return total if kernel == "intersection" else jnp.exp(-gamma * total)
