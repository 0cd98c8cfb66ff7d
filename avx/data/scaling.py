"""Puts feature vectors on one scale: rows of unit norm, then columns standardised by the training rows."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping

import numpy as np

from avx.core.dataset import Dataset, Features
from avx.core.errors import UserError
from avx.core.host_arrays import unit_rows

SMALLEST_NORM = 1e-12
SMALLEST_DEVIATION = 1e-9
_BLOCK = 1 << 22
"""Numbers that are worked on at once, so that no second copy of a large matrix is made."""


@dataclasses.dataclass(frozen=True, eq=False)
class Scaling:
    """Scales vectors of D numbers as the training rows were; the same for a row alone and among others.

    Attributes:
      normalise: rows are scaled to unit norm first.
      mean: (D,) float32 that is subtracted, or None where columns stay as they are.
      scale: (D,) float32 that the difference is multiplied by; 0 for columns that are constant in training.
    """

    normalise: bool = False
    mean: np.ndarray | None = None
    scale: np.ndarray | None = None

    def __post_init__(self):
        assert (self.mean is None) == (self.scale is None), "a column has a mean and a scale, or neither"

    @classmethod
    def fit(cls, values: np.ndarray, *, normalise: bool, standardise: bool) -> Scaling:
        """Takes mean and deviation of each column from training rows.

        Args:
          values: (N, D) float32, N at least 1; not changed, and never copied whole.
          normalise: scale rows to unit norm, here and in `apply`.
          standardise: subtract the mean of each column and divide by its standard deviation.
        """
        assert values.ndim == 2 and len(values), f"training rows are (N, D), got {values.shape}"
        if not standardise:
            return cls(normalise)
        norms = _norms(values) if normalise else None
        mean, scale = np.zeros(values.shape[1], np.float32), np.zeros(values.shape[1], np.float32)
        for columns in _column_blocks(*values.shape):
            block = values[:, columns] if norms is None else values[:, columns] / norms
            deviation = block.std(0)
            mean[columns] = block.mean(0)
            # The rounded mean of a constant column may leave a deviation above any absolute bound.
            varies = (deviation > SMALLEST_DEVIATION) & (block.max(0) > block.min(0))
            scale[columns] = np.where(varies, 1 / np.where(varies, deviation, 1), 0)
        return cls(normalise, mean, scale)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Scales (..., D) float32.

        Raises:
          UserError: vectors of another length than those that were fitted.
        """
        if self.mean is not None and values.shape[-1] != len(self.mean):
            raise UserError(
                f"Vectors have {values.shape[-1]} numbers, but the scaling was fitted on {len(self.mean)}: "
                "give the kind of features that the method was trained on."
            )
        if self.normalise:
            values = unit_rows(values)
        if self.mean is not None and self.scale is not None:
            values = (values - self.mean) * self.scale
        return np.asarray(values, np.float32)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Arrays to store: "normalise" (), and where columns are standardised "mean" and "scale" (D,)."""
        arrays: dict[str, np.ndarray] = {"normalise": np.array(self.normalise)}
        if self.mean is not None and self.scale is not None:
            arrays |= {"mean": self.mean, "scale": self.scale}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Scaling:
        """Reads what `to_arrays` gave."""
        return cls(bool(arrays["normalise"]), arrays.get("mean"), arrays.get("scale"))


def fitted(
    dataset: Dataset, modalities: Iterable[str], rows: np.ndarray, *, normalise: bool, standardise: bool
) -> dict[str, Scaling]:
    """Fits a `Scaling` to each modality from the given rows, all steps of a sequence being vectors of their own.

    One modality is in memory at a time; rows that lack it are passed over.

    Raises:
      UserError: not one of the rows has the modality.
    """
    scalings = {}
    for name in modalities:
        if not standardise:
            scalings[name] = Scaling(normalise)
            continue
        values = _stacked(dataset, name, rows)
        scalings[name] = Scaling.fit(values, normalise=normalise, standardise=standardise)
    return scalings


def scaled(dataset: Dataset, scalings: Mapping[str, Scaling]) -> Dataset:
    """Returns `dataset` with the named features of every row scaled as they are loaded."""

    def load(row: int) -> Features:
        features = dataset.load(row)
        return {name: scalings[name].apply(values) if name in scalings else values for name, values in features.items()}

    return dataclasses.replace(dataset, load=load)


def _stacked(dataset: Dataset, name: str, rows: np.ndarray) -> np.ndarray:
    """(sum of T, D) float32: a modality's vectors of all rows."""
    shapes = [dataset.shapes(int(row)).get(name) for row in rows]
    present = [(int(row), shape) for row, shape in zip(rows, shapes, strict=True) if shape is not None]
    if not present:
        raise UserError(f"No training item of {dataset.name} has the modality {name}: choose another one.")
    values = np.empty((sum(shape[0] for _, shape in present), present[0][1][-1]), np.float32)
    first = 0
    for row, shape in present:
        values[first : first + shape[0]] = dataset.load(row)[name]
        first += shape[0]
    return values


def _norms(values: np.ndarray) -> np.ndarray:
    """(N, 1) Euclidean norms of rows, at least `SMALLEST_NORM`."""
    size = max(1, _BLOCK // values.shape[1])
    parts = [
        np.linalg.norm(values[first : first + size], axis=1, keepdims=True) for first in range(0, len(values), size)
    ]
    return np.maximum(np.concatenate(parts), SMALLEST_NORM)


def _column_blocks(rows: int, columns: int) -> list[slice]:
    """Slices of at least two columns each: numpy adds up a column that stands alone in another order."""
    count = min(max(1, rows * columns // _BLOCK), max(1, columns // 2))
    edges = np.linspace(0, columns, count + 1).round().astype(int).tolist()
    return [slice(first, last) for first, last in itertools.pairwise(edges)]
