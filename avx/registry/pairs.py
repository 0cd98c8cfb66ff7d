"""Data sets of paired feature vectors by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from avx.core import processes
from avx.core.errors import UserError
from avx.data.batches import ModalitySpec
from avx.data.cache import FeatureCache, fingerprint, media_hash
from avx.data.sets import feature_pairs, nuswide, pascal_sentences, wikipedia
from avx.data.text import WORDS, WORDS_SIZE
from avx.extraction.frame_features import handcrafted
from avx.extraction.frozen import FrozenEncoder
from avx.extraction.pictures import PICTURES_AT_ONCE, picture_features
from avx.registry.encoders import FRAME_ENCODERS, frame_encoder
from avx.signal.hog import HANDCRAFTED_SIZE

OF_FILES = "image_"
HANDCRAFTED = f"{OF_FILES}handcrafted"
# Kinds that are made from picture files, and the numbers of each.
PICTURE_SIZES = {HANDCRAFTED: HANDCRAFTED_SIZE} | {
    f"{OF_FILES}{name}": encoder.feature_size for name, encoder in FRAME_ENCODERS.items()
}


def remembered(encoder: FrozenEncoder, cache: FeatureCache) -> feature_pairs.PictureFeatures:
    """`picture_features` that describes a picture once: again only after its file or the encoder has changed.

    A run that was stopped goes on where it was.

    Raises, when called:
      UserError: as `picture_features`; the disk is full.
    """
    features_of = picture_features(encoder)

    def described(files: Mapping[str, Path]) -> np.ndarray:
        keys = {item_id: fingerprint("picture", encoder.name, media_hash(path)) for item_id, path in files.items()}
        found = {item_id: cache.get(key) for item_id, key in keys.items()}
        rows = {item_id: arrays["picture"] for item_id, arrays in found.items() if arrays is not None}
        missing = [item_id for item_id in files if item_id not in rows]
        for first in range(0, len(missing), PICTURES_AT_ONCE):
            batch = missing[first : first + PICTURES_AT_ONCE]
            for item_id, row in zip(batch, features_of({name: files[name] for name in batch}), strict=True):
                cache.put(keys[item_id], {"picture": row})
                rows[item_id] = row
        return np.stack([rows[item_id] for item_id in files])

    return described


def described_pictures(
    kind: str, weights: str, option: str, cache_dir: Path
) -> dict[str, feature_pairs.PictureFeatures]:
    """The kind of features that is asked for, where it is made from pictures, and no other: they take minutes.

    Args:
      kind: of image features.
      weights: file of the network that the kind names; "" for the hand-crafted ones.
      option: how that file is given, for messages.
      cache_dir: its subfolder "features" keeps what was described.

    Raises:
      UserError: weights that are missing or of another network.
    """
    if kind not in PICTURE_SIZES:
        return {}
    name = kind.removeprefix(OF_FILES)
    encoder = handcrafted() if kind == HANDCRAFTED else frame_encoder(name, weights, option)
    return {kind: remembered(encoder, FeatureCache(cache_dir / "features"))}


def _of_config(config: ConfigDict) -> dict[str, feature_pairs.PictureFeatures]:
    option, cache_dir = "--config.features.image_weights", Path(config.data.cache_dir)
    return described_pictures(config.features.image, config.features.image_weights, option, cache_dir)


def _wikipedia(config: ConfigDict) -> feature_pairs.FeaturePairs:
    return wikipedia.build(Path(config.data.cache_dir), Path(config.data.root), _of_config(config))


def _pascal_sentences(config: ConfigDict) -> feature_pairs.FeaturePairs:
    return pascal_sentences.build(Path(config.data.cache_dir), Path(config.data.root), _of_config(config))


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


def check_pairs(config: ConfigDict) -> None:
    """Refuses, by a UserError, data that are no feature pairs or have no such features; nothing is read."""
    if config.data.kind not in PAIRS:
        raise UserError(
            f"data.kind = {config.data.kind!r} is no set of feature pairs; choose one of {', '.join(sorted(PAIRS))}."
        )
    if not config.data.root:
        raise UserError("data.root is empty; give the folder of the features as --config.data.root=PATH.")
    pair_specs(config)


def pairs(config: ConfigDict) -> feature_pairs.PairTable:
    """The table of `config.data`; it is built as a tfds dataset on first use."""
    check_pairs(config)
    build = PAIRS[config.data.kind]
    built = build(config) if processes.is_leader() else None
    processes.barrier("pair data set built")
    return feature_pairs.load(built or build(config))


def pair_specs(config: ConfigDict) -> tuple[ModalitySpec, ...]:
    """How the feature vectors of an item become batches: sequences of one step."""
    chosen = {"image": config.features.image, "text": config.features.text}
    sizes = pair_sizes(chosen(PAIR_SIZES, "data.kind", config.data.kind), chosen, "features.")
    return tuple(ModalitySpec(side, 1, (size,)) for side, size in sizes.items())


def pair_sizes(sizes: Mapping[str, int], chosen: Mapping[str, str], prefix: str = "") -> dict[str, int]:
    """Numbers of the chosen features, by side.

    Args:
      sizes: those of a data set, of `PAIR_SIZES`.
      chosen: "image" and "text" -> kind of features.
      prefix: of the options that choose, for messages.

    Raises:
      UserError: a kind that the side has not.
    """
    # The kinds of a side begin with its name.
    of_side = {side: {kind: size for kind, size in sizes.items() if kind.startswith(side)} for side in chosen}
    return {side: chosen(of_side[side], f"{prefix}{side}", kind) for side, kind in chosen.items()}
