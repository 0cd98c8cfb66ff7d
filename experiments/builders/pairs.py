"""Data sets of paired feature vectors by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ml_collections import ConfigDict

from avx.core.errors import UserError
from avx.data.builders import feature_pairs, nuswide, pascal_sentences, wikipedia
from avx.data.builders.article_words import WORDS, WORDS_SIZE
from avx.data.pipeline import ModalitySpec
from avx.extraction.frame_features import handcrafted
from avx.extraction.frozen import FrozenEncoder
from avx.extraction.pictures import picture_features
from avx.signal.hog import HANDCRAFTED_SIZE
from experiments import cluster
from experiments.builders.encoders import FRAME_ENCODERS, frame_encoder
from experiments.builders.lookup import lookup

OF_FILES = "image_"
HANDCRAFTED = f"{OF_FILES}handcrafted"
# Kinds that are made from picture files, and the numbers of each.
PICTURE_SIZES = {HANDCRAFTED: HANDCRAFTED_SIZE} | {
    f"{OF_FILES}{name}": encoder.feature_size for name, encoder in FRAME_ENCODERS.items()
}


def _picture_encoder(config: ConfigDict) -> FrozenEncoder:
    if config.features.image == HANDCRAFTED:
        return handcrafted()
    name = config.features.image.removeprefix(OF_FILES)
    return frame_encoder(name, config.features.image_weights, "--config.features.image_weights")


def _of_pictures(config: ConfigDict) -> dict[str, feature_pairs.PictureFeatures]:
    """The kind of features of pictures that the config asks for, and no other: they take minutes."""
    kind = config.features.image
    return {kind: picture_features(_picture_encoder(config))} if kind in PICTURE_SIZES else {}


def _wikipedia(config: ConfigDict) -> feature_pairs.FeaturePairs:
    return wikipedia.build(Path(config.data.cache_dir), Path(config.data.root), _of_pictures(config))


def _pascal_sentences(config: ConfigDict) -> feature_pairs.FeaturePairs:
    return pascal_sentences.build(Path(config.data.cache_dir), Path(config.data.root), _of_pictures(config))


def _nuswide(config: ConfigDict) -> feature_pairs.FeaturePairs:
    return nuswide.build(Path(config.data.cache_dir), Path(config.data.root))


PAIRS: dict[str, Callable[[ConfigDict], feature_pairs.FeaturePairs]] = {
    "wikipedia": _wikipedia,
    "nuswide": _nuswide,
    "pascal_sentences": _pascal_sentences,
}
PAIR_SIZES: dict[str, Mapping[str, int]] = {
    "wikipedia": wikipedia.SIZES | {WORDS: WORDS_SIZE} | PICTURE_SIZES,
    "nuswide": nuswide.SIZES,
    "pascal_sentences": {WORDS: WORDS_SIZE} | PICTURE_SIZES,
}


def pairs(config: ConfigDict) -> feature_pairs.PairTable:
    """The table of `config.data`; it is built as a tfds dataset on first use."""
    build = lookup(PAIRS, "data.kind", config.data.kind)
    if not config.data.root:
        raise UserError("data.root is empty; give the folder of the features as --config.data.root=PATH.")
    pair_specs(config)  # refuses features that there are none of, before any file is read
    built = build(config) if cluster.is_leader() else None
    cluster.barrier("pair data set built")
    return feature_pairs.load(built or build(config))


def pair_specs(config: ConfigDict) -> tuple[ModalitySpec, ...]:
    """How the feature vectors of an item become batches: sequences of one step."""
    sizes = lookup(PAIR_SIZES, "data.kind", config.data.kind)

    def spec(side: str) -> ModalitySpec:
        # The kinds of a side begin with its name.
        of_side = {kind: size for kind, size in sizes.items() if kind.startswith(side)}
        return ModalitySpec(side, 1, (lookup(of_side, f"features.{side}", config.features[side]),))

    return spec("image"), spec("text")
