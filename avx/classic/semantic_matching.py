"""Semantic matching: retrieval by class posteriors (Rasiwasia et al., ACM MM 2010).

SM maps each modality to class probabilities by logistic regression on its own features, SCM on its canonical variates.
Their third method, CM, is `avx.classic.cca` with cosine scores.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Literal

import numpy as np
import scipy.optimize

from avx.classic import cca
from avx.classic.projection import Side, checked_features, checked_pair, fitted_features
from avx.core.errors import UserError
from avx.core.host_arrays import column_statistics

SMALLEST_PROBABILITY = 1e-12


@dataclasses.dataclass(frozen=True)
class LogisticState:
    """Multinomial logistic regression on standardised features.

    Attributes:
      mean: (p,) subtracted from the features.
      scale: (p,) multiplied with them; 0 for a constant feature.
      weights: (p, c).
      bias: (c,).
    """

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: np.ndarray


@dataclasses.dataclass(frozen=True)
class SemanticState:
    """Posteriors of both sides; `correlation` is the CCA that comes before them in SCM, None in SM."""

    x: LogisticState
    y: LogisticState
    correlation: cca.CCAState | None


def fit(
    x: np.ndarray,
    y: np.ndarray,
    labels: np.ndarray,
    *,
    num_classes: int,
    dimensions: int | None = None,
    ridge: float = 1e-3,
    penalty: float = 1e-2,
    max_iterations: int = 300,
) -> SemanticState:
    """Fits SM, or SCM where `dimensions` is given.

    Args:
      x: (n, p) features of the first modality.
      y: (n, q) features of the second, paired by row.
      labels: as in `fit_logistic`.
      num_classes: c.
      dimensions: canonical dimensions of SCM; None leaves the features as they are (SM).
      ridge: relative ridge of the CCA.
      penalty: as in `fit_logistic`.
      max_iterations: as in `fit_logistic`.

    Raises:
      UserError: as `cca.fit` and `fit_logistic`.
    """
    x, y = checked_pair(x, y)
    correlation = None
    if dimensions is not None:
        correlation = cca.fit(x, y, dimensions=dimensions, ridge=ridge)
        x, y = cca.transform(correlation, x, "x"), cca.transform(correlation, y, "y")
    regress = functools.partial(
        fit_logistic, labels=labels, num_classes=num_classes, penalty=penalty, max_iterations=max_iterations
    )
    return SemanticState(regress(x), regress(y), correlation)


def transform(state: SemanticState, values: np.ndarray, side: Side) -> np.ndarray:
    """Class posteriors (n, c) of rows of one modality; UserError for another kind of features or an unknown side."""
    if side not in ("x", "y"):
        raise UserError(f'side is {side!r}: name the modality of the values, "x" or "y".')
    if state.correlation is not None:
        values = cca.transform(state.correlation, values, side)
    return posteriors(state.x if side == "x" else state.y, values)


def score(
    queries: np.ndarray, gallery: np.ndarray, metric: Literal["cosine", "correlation", "kl", "l1"] = "cosine"
) -> np.ndarray:
    """Similarity of class posteriors, (Q, G) float64, larger is better.

    Args:
      queries: (Q, c) posteriors of one modality.
      gallery: (G, c) posteriors of the other.
      metric: "cosine"; "correlation", the cosine after each row's mean 1 / c is subtracted (the "normalised
        correlation" of the paper); "kl", the negative divergence of the gallery item from the query; "l1", the
        negative sum of absolute differences.

    Raises:
      UserError: an unknown metric or different numbers of classes.
    """
    queries, gallery = checked_features(queries, "queries"), checked_features(gallery, "gallery")
    if queries.shape[1] != gallery.shape[1]:
        raise UserError(f"Posteriors over {queries.shape[1]} and {gallery.shape[1]} classes cannot be compared.")
    if metric == "kl":
        log_queries, log_gallery = (np.log(np.maximum(side, SMALLEST_PROBABILITY)) for side in (queries, gallery))
        return queries @ log_gallery.T - (queries * log_queries).sum(1, keepdims=True)
    if metric == "l1":
        # One class at a time: no (Q, G, c) array.
        total = np.zeros((len(queries), len(gallery)))
        for query_column, gallery_column in zip(queries.T, gallery.T, strict=True):
            total -= np.abs(query_column[:, None] - gallery_column)
        return total
    if metric not in ("cosine", "correlation"):
        raise UserError(f'metric is {metric!r}: choose "cosine", "correlation", "kl" or "l1".')
    if metric == "correlation":
        queries, gallery = (side - side.mean(1, keepdims=True) for side in (queries, gallery))
    query_norm, gallery_norm = (np.maximum(np.linalg.norm(side, axis=1), 1e-12) for side in (queries, gallery))
    return queries @ gallery.T / (query_norm[:, None] * gallery_norm)


def fit_logistic(
    values: np.ndarray, labels: np.ndarray, *, num_classes: int, penalty: float = 1e-2, max_iterations: int = 300
) -> LogisticState:
    """Minimises mean cross entropy + penalty / 2 * |weights|^2 by L-BFGS from zero; the bias is not penalised.

    Args:
      values: (n, p) features, standardised here.
      labels: (n,) class indices from 0, or (n, c) indicators: the classes of an item share its target equally.
      num_classes: c.
      penalty: strength of the quadratic penalty on the weights of standardised features.
      max_iterations: L-BFGS iterations at most.

    Raises:
      UserError: labels that are no class indices, one per row, and no indicators of a class at least; or features that
        are not finite.
    """
    values = checked_features(values, "values")
    shares = _shares(np.asarray(labels), len(values), num_classes)
    mean, scale = column_statistics(values)
    standard = (values - mean) * scale
    count, features = standard.shape

    def objective(parameters):
        weights, bias = _split(parameters, features, num_classes)
        log_probabilities = _log_softmax(standard @ weights + bias)
        value = -(shares * log_probabilities).sum(1).mean() + penalty / 2 * np.square(weights).sum()
        residual = (np.exp(log_probabilities) - shares) / count
        slope = np.vstack([standard.T @ residual + penalty * weights, residual.sum(0)])
        return value, slope.ravel()

    start = np.zeros((features + 1) * num_classes)
    options = {"maxiter": max_iterations, "maxfun": 10 * max_iterations}
    found = scipy.optimize.minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    return LogisticState(mean, scale, *_split(found.x, features, num_classes))


def posteriors(state: LogisticState, values: np.ndarray) -> np.ndarray:
    """Class probabilities (n, c) of features (n, p), rows summing to 1; UserError for another number of features."""
    values = fitted_features(values, len(state.mean))
    return np.exp(_log_softmax((values - state.mean) * state.scale @ state.weights + state.bias))


def _shares(labels: np.ndarray, count: int, num_classes: int) -> np.ndarray:
    """Target distribution (n, c) of each row's classes."""
    if labels.ndim == 2:
        if labels.shape != (count, num_classes) or not ((labels == 0) | (labels == 1)).all() or not labels.any(1).all():
            raise UserError(
                f"labels have shape {labels.shape}: pass indicators of 0 and 1 of shape ({count}, {num_classes}), "
                "at least one class for each row."
            )
        return labels / labels.sum(1, keepdims=True)
    if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer):
        raise UserError(f"labels are {labels.dtype} {labels.shape}: pass one integer class index per row.")
    if labels.min() < 0 or labels.max() >= num_classes:
        raise UserError(f"Labels run from {labels.min()} to {labels.max()}: they must lie in 0..{num_classes - 1}.")
    return np.eye(num_classes)[labels]


def _split(parameters: np.ndarray, features: int, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    stacked = parameters.reshape(features + 1, num_classes)
    return stacked[:-1], stacked[-1]


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
