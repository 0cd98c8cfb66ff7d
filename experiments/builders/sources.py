"""Data sets of clips by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ml_collections import ConfigDict

from avx.core.errors import UserError
from avx.data.sources import Source, folder_source, tfds_source
from experiments import cluster
from experiments.builders.lookup import lookup


def _folder(config: ConfigDict) -> Source:
    if not config.data.root:
        raise UserError("data.root is empty; give the folder of your clips as --config.data.root=PATH.")
    root = Path(config.data.root)
    csv = config.data.csv or ("clips.csv" if (root / "clips.csv").exists() else None)
    return folder_source(root, csv)


def _embedded(config: ConfigDict) -> Source:
    from avx.data.builders import embedded

    root = Path(config.data.root or config.data.cache_dir)
    size = {"clips": config.data.clips, "seed": config.data.seed}
    if cluster.is_leader():
        embedded.build(root, **size, workers=config.data.workers or os.cpu_count() or 1)
    cluster.barrier("embedded data set built")
    return tfds_source(embedded.load(root, **size), name="embedded")


SOURCES: dict[str, Callable[[ConfigDict], Source]] = {"folder": _folder, "embedded": _embedded}


def source(config: ConfigDict) -> Source:
    """The records of `config.data`; the embedded data set is rendered on first use."""
    return lookup(SOURCES, "data.kind", config.data.kind)(config)
