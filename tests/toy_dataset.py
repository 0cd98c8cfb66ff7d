"""Small datasets of made-up features that every system can be fitted to."""

from __future__ import annotations

import dataclasses

import numpy as np

from avx.core.dataset import Card, Dataset

SIDES = ("image", "text")
WIDTHS = {"image": 12, "text": 9}


def toy_dataset(
    count: int = 96,
    classes: int = 4,
    sides: tuple[str, str] = SIDES,
    seed: int = 0,
    noise: float = 0.3,
    name: str = "toy",
) -> Dataset:
    """Items whose sides are noisy views of their class; half of them train, a quarter each validates and tests."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    widths = dict(zip(sides, WIDTHS.values(), strict=True))
    centres = {side: np.random.default_rng(7).normal(size=(classes, width)) for side, width in widths.items()}
    values = {
        side: np.abs(centres[side][labels] + noise * generator.normal(size=(count, width))).astype(np.float32)
        for side, width in widths.items()
    }
    return table(values, labels, tuple(f"class{number}" for number in range(classes)), name)


def table(
    values: dict[str, np.ndarray], labels: np.ndarray, class_names: tuple[str, ...], name: str = "toy"
) -> Dataset:
    """A dataset of vectors: {side: (N, D)}, and labels (N,) or (N, C)."""
    count = len(labels)
    return Dataset(
        name=name,
        class_names=class_names,
        ids=tuple(f"item{row:03d}" for row in range(count)),
        labels=labels if labels.ndim == 2 else labels.astype(np.int64),
        split={
            "train": np.arange(count // 2),
            "val": np.arange(count // 2, 3 * count // 4),
            "test": np.arange(3 * count // 4, count),
        },
        load=lambda row: {side: matrix[row : row + 1] for side, matrix in values.items()},
        shapes=lambda row: {side: (1, matrix.shape[1]) for side, matrix in values.items()},
        card=lambda row: Card(caption=f"caption of {row}"),
        coverage={"items": count},
    )


def without(dataset: Dataset, side: str, rows: np.ndarray) -> Dataset:
    """The dataset with some rows lacking a side."""
    lacking = set(rows.tolist())

    def kept(row: int, found: dict) -> dict:
        return {name: value for name, value in found.items() if name != side or row not in lacking}

    return dataclasses.replace(
        dataset,
        load=lambda row: kept(row, dict(dataset.load(row))),
        shapes=lambda row: kept(row, dict(dataset.shapes(row))),
    )
