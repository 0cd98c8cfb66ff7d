"""Features of picture files by name, for tables of image-text pairs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from avx.data.cache import FeatureCache, fingerprint, media_hash
from avx.data.sets import feature_pairs
from avx.extraction.frame_features import handcrafted
from avx.extraction.frozen import FrozenEncoder
from avx.extraction.picture_files import PICTURES_AT_ONCE, picture_features
from avx.registry.encoders import FRAME_ENCODERS, frame_encoder, imported

OF_FILES = "image_"
HANDCRAFTED = f"{OF_FILES}handcrafted"
PICTURE_KINDS = (HANDCRAFTED, *(f"{OF_FILES}{name}" for name in FRAME_ENCODERS))
"""Kinds of features that are made from picture files."""


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
    if kind not in PICTURE_KINDS:
        return {}
    name = kind.removeprefix(OF_FILES)
    if kind == HANDCRAFTED:
        encoder = handcrafted()
    else:
        encoder = frame_encoder(name, imported(FRAME_ENCODERS, name, weights, option))
    return {kind: remembered(encoder, FeatureCache(cache_dir / "features"))}
