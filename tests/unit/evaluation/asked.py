"""Small datasets and scores in blocks, as the tests of evaluation share them."""

import dataclasses

import numpy as np
from toy_dataset import table

from avx.evaluation.measure import measure
from avx.evaluation.protocol import both_directions

SIDES = ("video", "audio")
LABELS = np.array([0, 0, 0, 1, 1, 2, -1])


def dataset_of(labels, **split):
    """A dataset of which nothing but labels and splits is looked at; all rows test unless splits are given."""
    labels = np.asarray(labels)
    classes = labels.shape[1] if labels.ndim == 2 else labels.max() + 1
    found = table({"video": np.zeros((len(labels), 1))}, labels, tuple(f"class{one}" for one in range(classes)))
    nothing = np.zeros(0, np.int64)
    parts = {name: np.asarray(split.get(name, nothing)) for name in ("train", "val", "test")}
    return dataclasses.replace(found, split=parts if split else parts | {"test": np.arange(len(labels))})


def blocks_of(scores, rows=2):
    """Scores as a method gives them: some queries at a time."""
    for begin in range(0, len(scores), rows):
        yield slice(begin, begin + rows), scores[begin : begin + rows]


def protocols(ks=(1, 5), queries="test", gallery="test", map_cutoffs=()):
    return both_directions(SIDES, queries, gallery, ks, map_cutoffs)


def measured(scores, labels, ks=(1, 2), rows=2):
    """Direction from scores (N, N) of all items against all."""
    dataset, everyone = dataset_of(labels), np.arange(len(labels))
    forward, _ = protocols(ks)
    return measure(blocks_of(np.asarray(scores), rows), dataset, forward, everyone, everyone)
