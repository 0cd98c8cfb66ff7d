"""Closed forms on few clips: CCA, ridge regression and nearest neighbours, on what system A's linear heads read."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from avx.classic import cca
from avx.core.dataset import Dataset
from avx.core.host_arrays import unit_rows

Scores = tuple[np.ndarray, np.ndarray]
"""(Q, Q) of video queries against sounds, and of sound queries against videos."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """Training and test clips of one fold, each side about its training mean, in the span of the training clips.

    A ridge is the same in all directions, so that directions without a training clip decide nothing in any method here;
    leaving them out makes a fit a matter of milliseconds.

    Attributes:
      video, audio: (n, r) training and (t, r) test features.
      labels: (n,) classes of the training clips.
      classes: C.
    """

    video: tuple[np.ndarray, np.ndarray]
    audio: tuple[np.ndarray, np.ndarray]
    labels: np.ndarray
    classes: int

    @property
    def targets(self) -> np.ndarray:
        """(n, C) indicators of the classes about their mean."""
        indicators = np.eye(self.classes)[self.labels]
        return indicators - indicators.mean(0)


@dataclasses.dataclass(frozen=True)
class Items:
    """Clips with both sides: features (N, D) at mean 0 and deviation 1 within each clip, and classes (N,)."""

    video: np.ndarray
    audio: np.ndarray
    labels: np.ndarray

    @classmethod
    def of(cls, dataset: Dataset, rows: np.ndarray) -> Items:
        """Averages the steps of frozen features of the named rows."""
        sides = []
        for name in ("video", "audio"):
            means = np.stack([np.asarray(dataset.load(int(row))[name], np.float64).mean(0) for row in rows])
            centred = means - means.mean(1, keepdims=True)
            sides.append(centred / np.sqrt(np.square(centred).mean(1, keepdims=True) + 1e-6))
        return cls(*sides, dataset.first_label[rows])

    def pair(self, train: np.ndarray, test: np.ndarray) -> Pair:
        """The clips at places `train` and `test`."""

        def spanned(side: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            centred = side - side[train].mean(0)
            _, strength, axes = np.linalg.svd(centred[train], full_matrices=False)
            axes = axes[strength > 1e-9 * strength[0]]
            return centred[train] @ axes.T, centred[test] @ axes.T

        return Pair(spanned(self.video), spanned(self.audio), self.labels[train], int(self.labels.max()) + 1)


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(Q, G) cosines of rows."""
    return unit_rows(first) @ unit_rows(second).T


def ridge_map(features: np.ndarray, targets: np.ndarray, ridge: float) -> np.ndarray:
    """(r, k) of ridge regression without intercept, the ridge in units of the mean eigenvalue of X^T X / r."""
    gram = features.T @ features
    penalty = ridge * np.trace(gram) / len(gram)
    return np.linalg.solve(gram + penalty * np.eye(len(gram)), features.T @ targets)


def by_cca(pair: Pair, dimensions: int, ridge: float) -> Scores:
    """Cosines of canonical variates; the classes stay unused."""
    (x, x_test), (y, y_test) = pair.video, pair.audio
    limit = min(dimensions, x.shape[1], y.shape[1], len(x) - 1)
    state = cca.fit(x, y, dimensions=limit, ridge=ridge)
    found = cosines(cca.transform(state, x_test, "x"), cca.transform(state, y_test, "y"))
    return found, found.T


def by_ridge_to_classes(pair: Pair, ridge: float) -> Scores:
    """Cosines of what each side says of the classes, by regression onto their indicators."""
    video, audio = (test @ ridge_map(train, pair.targets, ridge) for train, test in (pair.video, pair.audio))
    found = cosines(video, audio)
    return found, found.T


def by_ridge_to_other_side(pair: Pair, ridge: float) -> Scores:
    """The query is mapped onto the other side's features by regression; the classes stay unused."""
    (x, x_test), (y, y_test) = pair.video, pair.audio
    return cosines(x_test @ ridge_map(x, y, ridge), y_test), cosines(y_test @ ridge_map(y, x, ridge), x_test)


def by_nearest_neighbour(pair: Pair) -> Scores:
    """The query becomes the other side of the training clip that is nearest on its own side."""
    (x, x_test), (y, y_test) = pair.video, pair.audio
    by_sound, by_picture = cosines(y_test, y).argmax(1), cosines(x_test, x).argmax(1)
    return cosines(y[by_picture], y_test), cosines(x[by_sound], x_test)


def by_neighbours_classes(pair: Pair, sharpness: float) -> Scores:
    """Cosines of class shares among training clips, weighted by exp(sharpness cosine)."""

    def shares(side: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        weights = np.exp(sharpness * cosines(side[1], side[0]))
        return weights / weights.sum(1, keepdims=True) @ pair.targets

    found = cosines(shares(pair.video), shares(pair.audio))
    return found, found.T


def grid(**fields: Sequence[Any]) -> tuple[Mapping[str, Any], ...]:
    """All combinations of candidates."""
    return tuple(dict(zip(fields, values, strict=True)) for values in itertools.product(*fields.values()))


@dataclasses.dataclass(frozen=True)
class ClosedForm:
    """A method with the constants that are tried."""

    scores: Callable[..., Scores]
    candidates: tuple[Mapping[str, Any], ...]


RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
CLOSED_FORMS = {
    "CCA": ClosedForm(by_cca, grid(dimensions=(5, 10, 20, 40), ridge=(1e-2, 1e-1, 1.0, 10.0))),
    "ridge to classes": ClosedForm(by_ridge_to_classes, grid(ridge=RIDGES)),
    "ridge to the other side": ClosedForm(by_ridge_to_other_side, grid(ridge=RIDGES)),
    "nearest neighbour": ClosedForm(by_nearest_neighbour, ({},)),
    "neighbours' classes": ClosedForm(by_neighbours_classes, grid(sharpness=(2.0, 5.0, 10.0, 20.0))),
}
