"""Data sets of paired feature vectors by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ml_collections import ConfigDict

from avx.core.errors import UserError
from avx.data.builders import feature_pairs, nuswide, wikipedia
from avx.data.pipeline import ModalitySpec
from avx.extraction.frame_features import handcrafted
from avx.extraction.pictures import picture_features
from avx.signal.hog import HANDCRAFTED_SIZE
from experiments import cluster
from experiments.builders.lookup import lookup

HANDCRAFTED = "image_handcrafted"


def _wikipedia(config: ConfigDict) -> feature_pairs.FeaturePairs:
    """With features of the pictures only where the config asks for them: they take minutes."""
    describe = {HANDCRAFTED: picture_features(handcrafted())} if config.features.image == HANDCRAFTED else {}
    return wikipedia.build(Path(config.data.cache_dir), Path(config.data.root), describe)


def _nuswide(config: ConfigDict) -> feature_pairs.FeaturePairs:
    return nuswide.build(Path(config.data.cache_dir), Path(config.data.root))


PAIRS: dict[str, Callable[[ConfigDict], feature_pairs.FeaturePairs]] = {"wikipedia": _wikipedia, "nuswide": _nuswide}
PAIR_SIZES: dict[str, Mapping[str, int]] = {
    "wikipedia": wikipedia.SIZES | {wikipedia.WORDS: wikipedia.WORDS_SIZE, HANDCRAFTED: HANDCRAFTED_SIZE},
    "nuswide": nuswide.SIZES,
}


def pairs(config: ConfigDict) -> feature_pairs.PairTable:
    """The table of `config.data`; it is built as a tfds dataset on first use."""
    build = lookup(PAIRS, "data.kind", config.data.kind)
    if not config.data.root:
        raise UserError("data.root is empty; give the folder of the features as --config.data.root=PATH.")
    built = build(config) if cluster.is_leader() else None
    cluster.barrier("pair data set built")
    return feature_pairs.load(built or build(config))


def pair_specs(config: ConfigDict) -> tuple[ModalitySpec, ...]:
    """How the feature vectors of an item become batches: sequences of one step."""
    sizes = lookup(PAIR_SIZES, "data.kind", config.data.kind)
    return tuple(
        ModalitySpec(side, 1, (lookup(dict(sizes), f"features.{side}", config.features[side]),))
        for side in ("image", "text")
    )
