"""Datasets by name: the rows of `data.kind`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from avx.core import processes
from avx.core.dataset import Card, Dataset, Features
from avx.core.errors import UserError, chosen
from avx.data import splits
from avx.data.cache import FeatureCache
from avx.data.folders import MISSING, folder_clips
from avx.data.grid import SENTENCE, WORDS, grid_clips
from avx.data.records import Clips, with_spoken_audio
from avx.data.sets import feature_pairs, vectors
from avx.data.sets.tfds_io import tfds_clips
from avx.extraction.corpus import Corpus, Memoised, extract
from avx.extraction.front_end import FrontEnd
from avx.media.quarantine import Quarantine
from avx.registry.inputs import decoding
from avx.registry.picture_features import described_pictures

ReadClips = Callable[[ConfigDict], Clips]
ReadTable = Callable[[ConfigDict], Dataset]


@dataclasses.dataclass(frozen=True)
class DatasetEntry:
    """One value of `data.kind`: either clips, whose features are extracted, or a table of feature vectors.

    Attributes:
      clips, table: reads it.
      root: what `data.root` has to be; "" where it may be left empty.
      file: `data.root` may be a file as well.
    """

    clips: ReadClips | None = None
    table: ReadTable | None = None
    root: str = ""
    file: bool = False


def check_places(config: ConfigDict) -> None:
    """Refuses a `data.root` or a `data.csv` that is not there, before anything is made on its behalf.

    Raises:
      UserError: it names the field and what is expected.
    """
    entry, given = chosen(DATASETS, "data.kind", config.data.kind), config.data.get("root", "")
    wanted = entry.root or "a folder that is there, or leave it empty for data.cache_dir,"
    if not given:
        if entry.root:
            raise UserError(f"data.root is empty; give {wanted} as --config.data.root=PATH.")
        return
    root = Path(given)
    csv = config.data.get("csv", "") if entry.clips is not None else ""
    try:
        there = root.is_dir() or (entry.file and root.is_file())
        listed = not csv or (root / csv).is_file()
    except OSError as error:
        raise UserError(f"data.root = {root} cannot be looked at ({error.strerror}); mend its rights.") from error
    if not there:
        raise UserError(f"data.root = {root} is not there; give {wanted} as --config.data.root=PATH.")
    if not listed:
        raise UserError(f"data.csv = {csv} is not there below {root}; correct it, or leave it empty.")


def check_choices(config: ConfigDict) -> None:
    """Refuses unknown words of the group `data`.

    Raises:
      UserError: the first such field.
    """
    from avx.data.sets import embedded, mpii_cooking

    known = {
        "missing": MISSING,
        "speech": (embedded.TRACK, embedded.SPOKEN),
        "grid_classes": (*WORDS, SENTENCE),
        "cooking_split": mpii_cooking.UNITS,
    }
    for name, allowed in known.items():
        if name in config.data:
            chosen(dict.fromkeys(allowed), f"data.{name}", config.data[name])


def _folder(config: ConfigDict) -> Clips:
    root = Path(config.data.root)
    csv = config.data.csv or ("clips.csv" if (root / "clips.csv").exists() else None)
    return folder_clips(root, csv, missing=config.data.missing, frames_per_second=config.data.frames_per_second)


def _embedded(config: ConfigDict) -> Clips:
    from avx.data.sets import embedded

    root = Path(config.data.root or config.data.cache_dir)
    options = {"clips": config.data.clips, "seed": config.data.seed, "speech": config.data.speech}
    if processes.is_leader():
        embedded.build(root, **options, workers=config.data.workers or os.cpu_count() or 1)
    processes.barrier("embedded data set built")
    rendered = tfds_clips(embedded.load(root, **options), name="embedded")
    return with_spoken_audio(rendered) if config.data.speech == embedded.SPOKEN else rendered


def _grid(config: ConfigDict) -> Clips:
    return grid_clips(Path(config.data.root), config.data.grid_classes)


def _mpii_cooking(config: ConfigDict) -> Clips:
    from avx.data.sets import mpii_cooking

    corpus = mpii_cooking.read(
        Path(config.data.root),
        config.data.csv or "speech.csv",
        seed=config.data.split_seed,
        fractions=config.data.split_fractions,
        unit=config.data.cooking_split,
    )
    cache = Path(config.data.cache_dir)
    if processes.is_leader():
        mpii_cooking.build(cache, corpus)
    processes.barrier("MPII Cooking 2 built")
    return mpii_cooking.clips_of(mpii_cooking.build(cache, corpus))


def _features(config: ConfigDict) -> Dataset:
    data = config.data
    return vectors.read_features(
        Path(data.root), data.columns, sides=kinds_of(config), fractions=data.split_fractions, seed=data.split_seed
    )


def kinds_of(config: ConfigDict) -> dict[str, str]:
    """Returns side -> the feature matrix that it reads.

    Raises:
      UserError: not one kind for each of two sides.
    """
    sides, kinds = config.features.sides, config.features.kinds
    if len(sides) != 2 or len(set(sides)) != 2 or len(kinds) != 2:
        raise UserError(
            f"features.sides = {tuple(sides)} and features.kinds = {tuple(kinds)} must name two sides and the features "
            "of either."
        )
    return dict(zip(sides, kinds, strict=True))


def _published(build: Callable[[ConfigDict, Path, Path], feature_pairs.FeaturePairs]) -> ReadTable:
    """A table of published files, which is built as a tfds dataset on first use."""

    def read(config: ConfigDict) -> Dataset:
        root, cache = Path(config.data.root), Path(config.data.cache_dir)
        built = build(config, cache, root) if processes.is_leader() else None
        processes.barrier("feature table built")
        table = feature_pairs.load(built or build(config, cache, root))
        return feature_pairs.dataset(table, kinds_of(config), config.data.validation_share, config.data.split_seed)

    return read


def _pictures(config: ConfigDict) -> dict[str, feature_pairs.PictureFeatures]:
    """Features of picture files, where a side reads such a kind."""
    option, cache = "--config.features.image_weights", Path(config.data.cache_dir)
    found: dict[str, feature_pairs.PictureFeatures] = {}
    for kind in config.features.kinds:
        found |= described_pictures(kind, config.features.image_weights, option, cache)
    return found


def _wikipedia(config: ConfigDict, cache: Path, root: Path) -> feature_pairs.FeaturePairs:
    from avx.data.sets import wikipedia

    return wikipedia.build(cache, root, _pictures(config))


def _pascal_sentences(config: ConfigDict, cache: Path, root: Path) -> feature_pairs.FeaturePairs:
    from avx.data.sets import pascal_sentences

    return pascal_sentences.build(cache, root, _pictures(config))


def _nuswide(config: ConfigDict, cache: Path, root: Path) -> feature_pairs.FeaturePairs:
    from avx.data.sets import nuswide

    return nuswide.build(cache, root, several=config.data.several_labels)


def _mirflickr(config: ConfigDict, cache: Path, root: Path) -> feature_pairs.FeaturePairs:
    from avx.data.sets import mirflickr

    return mirflickr.build(cache, root, _pictures(config))


PUBLISHED = "the folder of the published files"
DATASETS: dict[str, DatasetEntry] = {
    "folder": DatasetEntry(clips=_folder, root="the folder of your clips"),
    "embedded": DatasetEntry(clips=_embedded),
    "grid": DatasetEntry(clips=_grid, root="the folder of the corpus"),
    "mpii_cooking": DatasetEntry(clips=_mpii_cooking, root="the folder of videos, annotations and speech"),
    "features": DatasetEntry(table=_features, root="the file or folder of your features", file=True),
    "wikipedia": DatasetEntry(table=_published(_wikipedia), root=PUBLISHED),
    "pascal_sentences": DatasetEntry(table=_published(_pascal_sentences), root=PUBLISHED),
    "nuswide": DatasetEntry(table=_published(_nuswide), root=PUBLISHED),
    "mirflickr": DatasetEntry(table=_published(_mirflickr), root=PUBLISHED),
}


def reads_clips(config: ConfigDict) -> bool:
    """Returns whether a config's data are clips, whose features are extracted.

    Raises:
      UserError: an unknown `data.kind`, or clips for a config that has no groups to decode them by.
    """
    entry = chosen(DATASETS, "data.kind", config.data.kind)
    if entry.clips is None:
        return False
    if missing := [group for group in ("decode", "keyframes") if group not in config]:
        raise UserError(
            f"data.kind = {config.data.kind!r} is a set of clips, and config {config.name} has no group {missing[0]!r} "
            "to read them by; take a config of clips, such as configs/folder.py."
        )
    return True


def clips(config: ConfigDict) -> Clips:
    """Returns the clips of a config, not decoded; the embedded data set is rendered on first use.

    Args:
      config: `reads_clips` holds.

    Raises:
      UserError: as `check_places`, and clips that cannot be listed.
    """
    check_places(config)
    read = chosen(DATASETS, "data.kind", config.data.kind).clips
    assert read is not None, "the data are no clips"
    return read(config)


def dataset(config: ConfigDict, quarantine: Quarantine, front_end: FrontEnd | None) -> Dataset:
    """Returns the dataset of a config; the features of clips are extracted where the cache lacks them.

    Args:
      config: its groups data, decode and features.
      quarantine: where files that cannot be used are recorded.
      front_end: what is computed from clips; None for tables of features.

    Raises:
      UserError: data that cannot be used.
    """
    entry = chosen(DATASETS, "data.kind", config.data.kind)
    if entry.table is not None:
        check_places(config)
        return entry.table(config)
    assert front_end is not None, "clips need a front end"
    cache = FeatureCache(Path(config.data.cache_dir) / "features")
    corpus = extract(clips(config), decoding(config), front_end, cache, quarantine, config.data.workers)
    return of_corpus(corpus, config.data.split_fractions, config.data.split_seed)


def of_corpus(corpus: Corpus, fractions: tuple[float, float, float], seed: int) -> Dataset:
    """Returns a corpus of clips as a dataset; rows are its usable clips.

    Args:
      corpus: with cached features.
      fractions, seed: of the split, where the clips state none.

    Raises:
      UserError: as `splits.split_rows`.
    """
    found, rows = corpus.clips, corpus.usable.tolist()
    ids = tuple(found.ids[row] for row in rows)
    labels = np.asarray(found.labels)[corpus.usable].astype(np.int64)
    groups, stated = [found.groups[row] for row in rows], [found.splits[row] for row in rows]
    if not any(stated):
        # Copies of one file train together or are tested together.
        groups = splits.join_equal(ids, groups, [corpus.keys[row] for row in rows])
    parts = splits.split_rows(ids, labels, groups, stated, fractions, seed)

    def card(row: int) -> Card:
        place = rows[row]
        label = int(labels[row])
        return Card(
            caption=found.captions[place],
            classes=(found.class_names[label],) if label >= 0 else (),
            file=found.files[place],
            shot_boundaries=tuple(found.shot_boundaries[place]),
        )

    def media(row: int) -> tuple[Any, Any]:
        record = found.record(rows[row])
        return record.media, record.audio

    def load(row: int) -> Features:
        return corpus.load(rows[row])

    def shapes(row: int) -> Mapping[str, tuple[int, ...]]:
        return corpus.shapes[rows[row]]

    return Dataset(
        found.name, found.class_names, ids, labels, parts, Memoised(load), shapes, card, corpus.coverage, media
    )
