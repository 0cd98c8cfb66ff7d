"""Data sets of paired feature vectors by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ml_collections import ConfigDict

from avx.core.errors import UserError
from avx.data.builders import feature_pairs, nuswide, wikipedia
from avx.data.pipeline import ModalitySpec
from experiments import cluster
from experiments.builders.lookup import lookup

PAIRS: dict[str, Callable[[Path, Path], feature_pairs.FeaturePairs]] = {
    "wikipedia": wikipedia.build,
    "nuswide": nuswide.build,
}
PAIR_SIZES: dict[str, Mapping[str, int]] = {"wikipedia": wikipedia.SIZES, "nuswide": nuswide.SIZES}


def pairs(config: ConfigDict) -> feature_pairs.PairTable:
    """The table of `config.data`; it is built as a tfds dataset on first use."""
    build = lookup(PAIRS, "data.kind", config.data.kind)
    if not config.data.root:
        raise UserError("data.root is empty; give the folder of the features as --config.data.root=PATH.")
    if cluster.is_leader():
        build(Path(config.data.cache_dir), Path(config.data.root))
    cluster.barrier("pair data set built")
    return feature_pairs.load(build(Path(config.data.cache_dir), Path(config.data.root)))


def pair_specs(config: ConfigDict) -> tuple[ModalitySpec, ...]:
    """How the feature vectors of an item become batches: sequences of one step."""
    sizes = lookup(PAIR_SIZES, "data.kind", config.data.kind)
    return tuple(
        ModalitySpec(side, 1, (lookup(dict(sizes), f"features.{side}", config.features[side]),))
        for side in ("image", "text")
    )
