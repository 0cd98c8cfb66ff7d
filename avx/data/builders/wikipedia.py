"""The Wikipedia cross-modal data (Rasiwasia et al., ACM MM 2010) as features: 2,173 training and 693 test pairs.

The folder is laid out as published: raw_features.mat with I_tr, I_te (128-d SIFT words) and T_tr, T_te (10-d topics),
raw_features_tfidf.mat with T_tfidf_tr, T_tfidf_te (1000-d) beside them, trainset_txt_img_cat.list and
testset_txt_img_cat.list (text id, image id, class from 1, tab separated, one line for each row of the arrays), and
categories.list (the class names in order).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.io

from avx.core.errors import UserError
from avx.data.builders import feature_pairs
from avx.data.builders.feature_pairs import PairTable
from avx.data.builders.text_files import lines_of

PUBLISHED = "Wikipedia features"
SIZES = {"image": 128, "text": 10, "text_tfidf": 1000}
ARRAYS = {
    "image": ("raw_features.mat", "I_tr", "I_te"),
    "text": ("raw_features.mat", "T_tr", "T_te"),
    "text_tfidf": ("raw_features_tfidf.mat", "T_tfidf_tr", "T_tfidf_te"),
}
LISTS = {"train": "trainset_txt_img_cat.list", "test": "testset_txt_img_cat.list"}


def read(folder: Path) -> PairTable:
    """The published files as one checked table of the features "image", "text" and "text_tfidf", rows as stored.

    Args:
      folder: the folder of the files.

    Raises:
      UserError: a file or an array is missing or unreadable, features of another size, a malformed line, and what
        `feature_pairs.checked` refuses.
    """
    class_names = tuple(lines_of(folder / "categories.list", PUBLISHED))
    item_ids: list[str] = []
    labels: list[int] = []
    splits: list[str] = []
    for split, name in LISTS.items():
        for number, line in enumerate(lines_of(folder / name, PUBLISHED), start=1):
            cells = line.split("\t")
            if len(cells) != 3 or not cells[2].strip().isdecimal():
                raise UserError(f"Line {number} of {folder / name} must be: text id, image id, class number, by tabs.")
            item_ids.append(cells[0])
            labels.append(int(cells[2]) - 1)
            splits.append(split)
    files = {name: _arrays(folder / name) for name, _, _ in ARRAYS.values()}
    features = {}
    for kind, (name, *keys) in ARRAYS.items():
        parts = []
        for split, key in zip(LISTS, keys, strict=True):
            if key not in files[name]:
                raise UserError(f"{folder / name} holds no array {key}; fetch the published file again.")
            part, listed = np.asarray(files[name][key]), splits.count(split)
            if part.shape != (listed, SIZES[kind]):
                raise UserError(
                    f"{key} in {folder / name} has shape {part.shape}; {LISTS[split]} lists {listed} items of "
                    f"{SIZES[kind]} features each."
                )
            parts.append(part)
        features[kind] = np.concatenate(parts)
    return feature_pairs.checked(
        PairTable("wikipedia", class_names, tuple(item_ids), features, np.array(labels), np.array(splits))
    )


def build(data_dir: Path, folder: Path) -> feature_pairs.FeaturePairs:
    """Reads the published files and writes them as a tfds dataset; see `read` and `feature_pairs.build`."""
    return feature_pairs.build(data_dir, read(folder))


def _arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise UserError(f"There is no file {path}: give the folder of the published {PUBLISHED}.")
    try:
        return scipy.io.loadmat(path)
    except (ValueError, NotImplementedError, OSError, TypeError) as error:
        raise UserError(f"{path} is no MATLAB file of version 5 to 7.2: {error}; fetch it again.") from error
