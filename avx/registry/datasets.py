"""Data sets of clips by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ml_collections import ConfigDict

from avx.core import processes
from avx.core.errors import UserError, chosen
from avx.data.folders import folder_clips
from avx.data.grid import grid_clips
from avx.data.records import Clips, with_spoken_audio
from avx.data.sets.tfds_io import tfds_clips
from avx.registry.pairs import PAIRS


def _root(config: ConfigDict, what: str) -> Path:
    if not config.data.root:
        raise UserError(f"data.root is empty; give {what} as --config.data.root=PATH.")
    return Path(config.data.root)


def _folder(config: ConfigDict) -> Clips:
    root = _root(config, "the folder of your clips")
    csv = config.data.csv or ("clips.csv" if (root / "clips.csv").exists() else None)
    return folder_clips(root, csv)


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
    return grid_clips(_root(config, "the folder of the corpus"), config.data.grid_classes)


def _mpii_cooking(config: ConfigDict) -> Clips:
    from avx.data.sets import mpii_cooking

    corpus = mpii_cooking.read(
        _root(config, "the folder of videos, annotations and speech"),
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


SOURCES: dict[str, Callable[[ConfigDict], Clips]] = {
    "folder": _folder,
    "embedded": _embedded,
    "grid": _grid,
    "mpii_cooking": _mpii_cooking,
}


def check_clips(config: ConfigDict) -> None:
    """Refuses, by a UserError, a `data.kind` that is no data set of clips; nothing is read."""
    if config.data.kind in PAIRS:
        raise UserError(
            f"data.kind = {config.data.kind!r} is a set of feature pairs, not of clips: use "
            "`python -m experiments.train_pairs`, which trains and tests on it."
        )
    chosen(SOURCES, "data.kind", config.data.kind)


def source(config: ConfigDict) -> Clips:
    """The records of `config.data`; the embedded data set is rendered on first use."""
    check_clips(config)
    return SOURCES[config.data.kind](config)
