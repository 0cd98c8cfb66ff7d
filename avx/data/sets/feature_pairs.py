"""Data sets of paired feature vectors: one checked table in memory, and its tfds builder.

A reader (wikipedia.py, nuswide.py, pascal_sentences.py) turns published files into a `PairTable`; `build` writes it as
a tfds dataset whose folder name holds a digest of the content, and `load` gives the table back. Nothing is asked of a
network.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from avx.core import disk
from avx.core.dataset import SPLITS, Card, Dataset
from avx.core.errors import UserError
from avx.data.sets.tfds_io import quiet, text_of
from avx.data.splits import hold_out

PictureFeatures = Callable[[Mapping[str, Path]], np.ndarray]
"""Item id -> picture file, to (n, D) in that order."""


@dataclasses.dataclass(frozen=True, eq=False)
class PairTable:
    """n items, each described by the same kinds of features.

    Attributes:
      name: of the data set, lower case with underscores.
      class_names: c names.
      item_ids: n unique names.
      features: kind -> (n, D) float32, row i being item i.
      label: (n,) int64 class indices, or (n, c) bool where items may have several classes.
      split: (n,) "train", "val" or "test".
    """

    name: str
    class_names: tuple[str, ...]
    item_ids: tuple[str, ...]
    features: Mapping[str, np.ndarray]
    label: np.ndarray
    split: np.ndarray

    def rows(self, split: str) -> np.ndarray:
        """Indices of a split's items, ascending."""
        return np.flatnonzero(self.split == split)


def checked(table: PairTable) -> PairTable:
    """`table` with float32 features, int64 labels, items in order of their ids.

    Raises:
      UserError: ids that repeat, rows that do not pair up, features that are not finite, labels outside the list of
        classes, an item without any of several classes, an unknown split, or an empty training or test split. The
        message names the item.
    """
    count = len(table.item_ids)
    if len(set(table.item_ids)) != count:
        seen: set[str] = set()
        repeated = next(item for item in table.item_ids if item in seen or seen.add(item))  # type: ignore[func-returns-value]
        raise UserError(f"{table.name}: item {repeated} is listed twice; every item needs an id of its own.")
    label = np.asarray(table.label)
    several = label.ndim == 2
    shape = (count, len(table.class_names)) if several else (count,)
    if label.shape != shape or np.shape(table.split) != (count,):
        raise UserError(f"{table.name}: {count} items, {len(label)} labels: every row of the list needs both.")
    bare = np.flatnonzero(~label.any(1)) if several else np.zeros(0, int)
    if bare.size:
        raise UserError(
            f"{table.name}: item {table.item_ids[bare[0]]} has none of {len(table.class_names)} classes; leave it out."
        )
    outside = np.zeros(0, int) if several else np.flatnonzero((label < 0) | (label >= len(table.class_names)))
    if outside.size:
        raise UserError(
            f"{table.name}: item {table.item_ids[outside[0]]} has class {label[outside[0]] + 1}, but only classes 1 to "
            f"{len(table.class_names)} are listed; correct its row or the list of classes."
        )
    features = {}
    for kind, values in table.features.items():
        if values.ndim != 2 or len(values) != count:
            raise UserError(
                f"{table.name}: {kind} has shape {values.shape} for {count} listed items; "
                "the features need one row for each line of the list."
            )
        bad = np.flatnonzero(~np.isfinite(values).all(1))
        if bad.size:
            raise UserError(
                f"{table.name}: {kind} of item {table.item_ids[bad[0]]} holds NaN or infinity ({bad.size} such items); "
                "fetch the file again or leave those items out of features and list."
            )
        features[kind] = values
    unknown = set(np.unique(table.split).tolist()) - set(SPLITS)
    if unknown:
        raise UserError(f"{table.name}: split {sorted(unknown)[0]!r} is unknown; choose train, val or test.")
    for needed in ("train", "test"):
        if not (table.split == needed).any():
            raise UserError(f"{table.name}: the {needed} split is empty; give its list.")
    order = np.array(sorted(range(count), key=table.item_ids.__getitem__))
    return PairTable(
        name=table.name,
        class_names=tuple(table.class_names),
        item_ids=tuple(table.item_ids[place] for place in order),
        features={kind: np.ascontiguousarray(values[order], np.float32) for kind, values in features.items()},
        label=label[order].astype(bool if several else np.int64),
        split=np.asarray(table.split)[order],
    )


def dataset(table: PairTable, sides: Mapping[str, str], validation_share: float, split_seed: int) -> Dataset:
    """Shows a table as a dataset, each side described by one kind of features; rows in the order of the table.

    Where the data name no validation items, a share of the training items is cut off for them, class by class.

    Args:
      table: checked.
      sides: such as {"image": "image_squeezenet", "text": "text_words"} -> the modality's name and the kind it reads.
      validation_share: in [0, 1); 0 cuts off none.
      split_seed: of that cut.

    Returns:
      A dataset whose rows load as {side: (1, D) float32}, as stored.

    Raises:
      UserError: features that the table has not.
    """
    if missing := [kind for kind in sides.values() if kind not in table.features]:
        raise UserError(f"{table.name} has no features {missing[0]!r}; choose of {', '.join(sorted(table.features))}.")
    chosen = {side: table.features[kind] for side, kind in sides.items()}
    parts = {split: table.rows(split) for split in SPLITS}
    if not len(parts["val"]):
        first = table.label if table.label.ndim == 1 else table.label.argmax(1)
        parts = hold_out(parts, table.item_ids, first, None, validation_share, split_seed)
    return Dataset(
        name=table.name,
        class_names=table.class_names,
        ids=table.item_ids,
        labels=table.label,
        split=parts,
        load=lambda row: {side: values[row : row + 1] for side, values in chosen.items()},
        shapes=lambda row: {side: (1, values.shape[1]) for side, values in chosen.items()},
        card=lambda row: Card(classes=tuple(table.class_names[place] for place in classes_of(table, row))),
        coverage={"items": len(table.item_ids)},
    )


def classes_of(table: PairTable, row: int) -> list[int]:
    """Indices of an item's classes, ascending."""
    return [int(table.label[row])] if table.label.ndim == 1 else np.flatnonzero(table.label[row]).tolist()


def digest(table: PairTable) -> str:
    """12 hex digits of everything in a checked table."""
    total = hashlib.sha256(repr((table.name, table.class_names, table.item_ids, table.split.tolist())).encode())
    total.update(table.label.tobytes())
    for kind in sorted(table.features):
        total.update(kind.encode() + repr(table.features[kind].shape).encode() + table.features[kind].tobytes())
    return total.hexdigest()[:12]


@dataclasses.dataclass(eq=False)
class PairConfig(tfds.core.BuilderConfig):
    """Sizes of the features and names of the classes, which the schema needs, and the table while it is written.

    Attributes:
      sizes: kind -> D.
      class_names: c names.
      several: items may have several classes.
      table: None where a written dataset is read.
    """

    sizes: Mapping[str, int] = dataclasses.field(default_factory=dict)
    class_names: tuple[str, ...] = ()
    several: bool = False
    table: PairTable | None = None


class FeaturePairs(tfds.core.GeneratorBasedBuilder):
    """Items with an id, feature vectors, their classes and their split."""

    VERSION = tfds.core.Version("2.0.0")
    # Nothing is downloaded, so there are no checksum files to look for beside the code.
    url_infos: ClassVar[dict[str, Any]] = {}
    builder_config: PairConfig

    def _info(self) -> tfds.core.DatasetInfo:
        config = self.builder_config
        features: dict[str, Any] = {
            kind: tfds.features.Tensor(shape=(size,), dtype=np.float32) for kind, size in config.sizes.items()
        }
        features |= {
            "item_id": tfds.features.Text(),
            "label": tfds.features.Sequence(tfds.features.ClassLabel(names=list(config.class_names))),
            "split": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(
            builder=self, description=FeaturePairs.__doc__, features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
        del dl_manager
        table = self.builder_config.table
        assert table is not None, "a dataset is written from its table"
        return {split: _examples(table, split) for split in SPLITS if (table.split == split).any()}

    def _generate_examples(self, table: PairTable, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        return _examples(table, split)


def _examples(table: PairTable, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for row in table.rows(split):
        item_id = table.item_ids[row]
        values = {kind: matrix[row] for kind, matrix in table.features.items()}
        yield item_id, {"item_id": item_id, "label": classes_of(table, row), "split": split, **values}


def build(data_dir: Path, table: PairTable) -> FeaturePairs:
    """The table as a prepared tfds dataset in array_record files, written where `data_dir` does not hold it yet.

    tfds writes into a temporary folder and renames it when it is whole, so an interrupted build leaves no dataset.

    Args:
      data_dir: folder of tfds datasets; made where it is missing.
      table: any table; it is checked here.

    Returns:
      The builder; `load` reads it.

    Raises:
      UserError: see `checked`, and a full disk.
    """
    table = checked(table)
    config = PairConfig(
        name=f"{table.name}_{digest(table)}",
        sizes={kind: values.shape[1] for kind, values in table.features.items()},
        class_names=table.class_names,
        several=table.label.ndim == 2,
        table=table,
    )
    tfds.disable_progress_bar()
    with disk.user_errors(data_dir), quiet():
        builder = FeaturePairs(data_dir=data_dir, config=config, file_format="array_record")
        if not builder.is_prepared():
            offline = tfds.download.DownloadConfig(try_download_gcs=False)
            builder.download_and_prepare(download_config=offline)
    return builder


def load(builder: FeaturePairs) -> PairTable:
    """The whole of a built dataset as a checked table, in order of item id (tfds shuffles when it writes)."""
    splits = [split for split in SPLITS if split in builder.info.splits]
    examples = [one for split in splits for one in builder.as_data_source(split=split)]
    kinds = builder.builder_config.sizes
    class_names = builder.builder_config.class_names
    borne = np.zeros((len(examples), len(class_names)), bool)
    for row, one in enumerate(examples):
        borne[row, np.asarray(one["label"], np.int64)] = True
    return checked(
        PairTable(
            name=builder.builder_config.name.rpartition("_")[0],
            class_names=class_names,
            item_ids=tuple(text_of(one["item_id"]) for one in examples),
            features={kind: np.stack([one[kind] for one in examples]) for kind in kinds},
            label=borne if builder.builder_config.several else borne.argmax(1),
            split=np.array([text_of(one["split"]) for one in examples]),
        )
    )
