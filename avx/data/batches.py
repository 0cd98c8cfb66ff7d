"""grain pipeline: shuffle, then shard by process, load in threads, pad with masks; the iterator is checkpointable.

The order of examples is a function of (seed, epoch) alone. Each process takes its contiguous rows of every global
batch, so that one process and several see the same global batches in the same order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grain
import numpy as np

from avx.core.dataset import Dataset, Features
from avx.core.errors import UserError
from avx.core.types import Batch, Padded

Loader = Callable[[int], Features]


@dataclasses.dataclass(frozen=True)
class ModalitySpec:
    """How one modality of a clip becomes a row of a batch.

    Attributes:
      name: key in `Batch.modalities`.
      length: steps T of the padded axis; longer sequences keep `length` evenly spread steps.
      shape: shape of one step.
      dtype: numpy dtype name of the values.
      key: the feature of an item that is read; "" reads the one called `name`.
    """

    name: str
    length: int
    shape: tuple[int, ...]
    dtype: str = "float32"
    key: str = ""

    @property
    def feature(self) -> str:
        """Name of the feature that is read."""
        return self.key or self.name


@dataclasses.dataclass(frozen=True)
class Shard:
    """Which rows of each global batch this process reads: process `index` of `count`."""

    index: int = 0
    count: int = 1


def kept_steps(count: int, length: int) -> np.ndarray:
    """Picks the steps that stay of `count` where a sequence has room for `length`.

    Returns:
      (min(count, length),) ascending indices, evenly spread over the sequence.
    """
    if count <= length:
        return np.arange(count)
    return np.linspace(0, count - 1, length).round().astype(int)


def thinned(values: np.ndarray, length: int) -> np.ndarray:
    """Thins (T, ...) evenly to (min(T, length), ...), order kept; their times thin the same way."""
    return values if len(values) <= length else values[kept_steps(len(values), length)]


def pad_sequence(values: np.ndarray, spec: ModalitySpec) -> tuple[np.ndarray, np.ndarray]:
    """Fits (T, ...) to (length, ...) with mask (length,) bool; too long a sequence is `thinned`.

    Raises:
      UserError: a step's shape is not the one that the spec states.
    """
    if values.shape[1:] != spec.shape:
        raise UserError(
            f"{spec.feature}: cached steps have shape {values.shape[1:]} but the config expects {spec.shape}; "
            "extract the features again with this config."
        )
    values = thinned(values, spec.length)
    padded = np.zeros((spec.length, *spec.shape), np.dtype(spec.dtype))
    padded[: len(values)] = values
    return padded, np.arange(spec.length) < len(values)


def labels_of(dataset: Dataset, row: int) -> Features:
    """The class of a row (the first of several) as "label", and all of them as "classes", as `assemble` reads them."""
    first: Any = np.int32(dataset.first_label[row])
    return {"label": first} | ({"classes": dataset.labels[row]} if dataset.labels.ndim == 2 else {})


def labelled(dataset: Dataset) -> Loader:
    """Wraps a dataset's `load` to give the row's classes too, see `labels_of`."""

    def load(row: int) -> Features:
        return {**dataset.load(row), **labels_of(dataset, row)}

    return load


def several_classes(dataset: Dataset) -> int:
    """C where items of a dataset may have several classes, else 0."""
    return 0 if dataset.labels.ndim == 1 else dataset.labels.shape[1]


def assemble(
    rows: Sequence[Features | None],
    positions: np.ndarray,
    specs: Sequence[ModalitySpec],
    items: np.ndarray | None = None,
    classes: int = 0,
) -> Batch:
    """Stacks clips into a `Batch` of numpy arrays.

    Args:
      rows: features and "label" of each clip; None stands for a row that only fills up the batch.
      positions: (B,) `Batch.position`.
      specs: how each modality is padded.
      items: (B,) `Batch.item`; None leaves it out.
      classes: C of the clips' "classes"; 0 where clips have one class at most.
    """
    modalities = {}
    for spec in specs:
        values: Any = np.zeros((len(rows), spec.length, *spec.shape), np.dtype(spec.dtype))
        mask: Any = np.zeros((len(rows), spec.length), bool)
        for number, features in enumerate(rows):
            if features is not None and spec.feature in features:
                values[number], mask[number] = pad_sequence(features[spec.feature], spec)
        modalities[spec.name] = Padded(values, mask)
    label: Any = np.array([-1 if row is None else int(row["label"]) for row in rows], np.int32)
    position: Any = np.asarray(positions, np.int32)
    example_mask: Any = np.array([row is not None for row in rows])
    borne: Any = None
    if classes:
        borne = np.stack([np.zeros(classes, bool) if row is None else row["classes"] for row in rows])
    item: Any = None if items is None else np.asarray(items, np.int32)
    return Batch(modalities, label, position, example_mask, borne, item)


def local_rows(batch_size: int, shard: Shard) -> tuple[int, int]:
    """First and one-past-last row of each global batch that belong to this process.

    Raises:
      UserError: the global batch does not divide by the number of processes.
    """
    if batch_size % shard.count:
        raise UserError(
            f"train.batch_size = {batch_size} does not divide by {shard.count} processes; choose a multiple of it."
        )
    rows = batch_size // shard.count
    return shard.index * rows, (shard.index + 1) * rows


def train_iterator(
    load: Loader,
    indices: np.ndarray,
    specs: Sequence[ModalitySpec],
    *,
    batch_size: int,
    seed: int,
    shard: Shard = Shard(),
    num_threads: int = 4,
    prefetch: int = 4,
    classes: int = 0,
) -> grain.DatasetIterator:
    """Endless iterator over shuffled global batches, this process's rows of each.

    Args:
      load: index of a clip -> its features; called from several threads.
      indices: (n,) the clips of the training split.
      specs: how each modality is padded.
      batch_size: rows of the global batch; the last batch of an epoch is filled up with masked rows.
      seed: with the epoch it fixes the order.
      shard: this process among all.
      num_threads: threads that load ahead.
      prefetch: batches that are held ready.
      classes: as in `assemble`.

    Returns:
      A grain iterator of `Batch` with numpy leaves; `get_state` and `set_state` are exact.
    """
    if len(indices) == 0:
        raise UserError("the training split is empty; give more clips or a larger data.split_fractions[0].")
    start, stop = local_rows(batch_size, shard)
    order = np.asarray(indices)

    def to_batch(chosen: np.ndarray) -> Batch:
        items = np.full(batch_size, -1)
        items[: len(chosen)] = chosen
        items = items[start:stop]
        rows = [None if item < 0 else load(int(order[item])) for item in items]
        return assemble(rows, np.arange(start, stop), specs, items, classes)

    dataset = grain.MapDataset.range(len(order)).seed(seed).shuffle().batch(batch_size, drop_remainder=False)
    options = grain.ReadOptions(num_threads=num_threads, prefetch_buffer_size=prefetch)
    return iter(dataset.repeat().map(to_batch).to_iter_dataset(options))


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Global batches that cover `examples` once."""
    return -(-examples // batch_size)


def evaluation_batches(
    load: Loader, indices: np.ndarray, specs: Sequence[ModalitySpec], batch_size: int, classes: int = 0
) -> Iterator[Batch]:
    """Yields the clips in order, in batches of one fixed size; the last one is filled up with masked rows."""
    for first in range(0, len(indices), batch_size):
        chosen = indices[first : first + batch_size]
        rows: list[Features | None] = [load(int(index)) for index in chosen]
        items = np.full(batch_size, -1)
        items[: len(rows)] = np.arange(first, first + len(rows))
        rows += [None] * (batch_size - len(rows))
        yield assemble(rows, np.arange(batch_size), specs, items, classes)
