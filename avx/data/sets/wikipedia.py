"""The Wikipedia cross-modal data (Rasiwasia et al., ACM MM 2010): 2,173 training and 693 test pairs.

The folder is laid out as published: raw_features.mat with I_tr, I_te (128-d SIFT words) and T_tr, T_te (10-d topics),
raw_features_tfidf.mat with T_tfidf_tr, T_tfidf_te (1000-d) beside them, trainset_txt_img_cat.list and
testset_txt_img_cat.list (text id, image id, class from 1, tab separated, one line for each row of the arrays), and
categories.list (the class names in order). The published archive also holds images/CLASS/IMAGE.jpg and texts/TEXT.xml;
where both folders are there, features are made from the files, and the feature files may be missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from avx.core.errors import UserError
from avx.core.foreign.child import read_in_child
from avx.data.sets import feature_pairs
from avx.data.sets.feature_pairs import PairTable, PictureFeatures
from avx.data.text import WORDS, WORDS_SIZE, lines_of, tf_idf, word_counts, words_of

PUBLISHED = "Wikipedia features"
SIZES = {"image": 128, "text": 10, "text_tfidf": 1000}
ARRAYS = {
    "image": ("raw_features.mat", "I_tr", "I_te"),
    "text": ("raw_features.mat", "T_tr", "T_te"),
    "text_tfidf": ("raw_features_tfidf.mat", "T_tfidf_tr", "T_tfidf_te"),
}
PICTURES, ARTICLES = "images", "texts"
LISTS = {"train": "trainset_txt_img_cat.list", "test": "testset_txt_img_cat.list"}


def read(folder: Path, describe: Mapping[str, PictureFeatures] | None = None) -> PairTable:
    """The published files as one checked table of the features "image", "text" and "text_tfidf", rows as stored.

    Where the folder holds images/ and texts/, "text_words" (1000-d, see `word_counts` and `tf_idf`, fitted on the
    training articles) and the kinds of `describe` come with them.

    Args:
      folder: the folder of the files.
      describe: kind -> features of picture files, for kinds that are made from images/.

    Raises:
      UserError: a file or an array is missing or unreadable, features of another size, a malformed line, the picture
        or article of a listed item is missing or unreadable, and what `feature_pairs.checked` refuses.
    """
    raw = all((folder / name).is_dir() for name in (PICTURES, ARTICLES))
    if describe and not raw:
        raise UserError(
            f"{folder} holds no folders {PICTURES} and {ARTICLES}, which {' and '.join(describe)} are made from: "
            "unpack the published archive there or choose other features."
        )
    class_names = tuple(lines_of(folder / "categories.list", PUBLISHED))
    item_ids: list[str] = []
    picture_names: list[str] = []
    labels: list[int] = []
    splits: list[str] = []
    for split, name in LISTS.items():
        for number, line in enumerate(lines_of(folder / name, PUBLISHED), start=1):
            cells = line.split("\t")
            if len(cells) != 3 or not cells[2].strip().isdecimal():
                raise UserError(f"Line {number} of {folder / name} must be: text id, image id, class number, by tabs.")
            item_ids.append(cells[0])
            picture_names.append(cells[1])
            labels.append(int(cells[2]) - 1)
            splits.append(split)
    needed = {name for name, _, _ in ARRAYS.values() if not raw or (folder / name).is_file()}
    files = {name: _arrays(folder / name) for name in needed}
    features = {}
    for kind, (name, *keys) in ARRAYS.items():
        if name not in files:
            continue
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
    table = PairTable("wikipedia", class_names, tuple(item_ids), features, np.array(labels), np.array(splits))
    if raw:
        # Labels and ids are looked at before they become paths, and before the pictures are read.
        feature_pairs.checked(table)
        features |= _of_files(folder, table, picture_names, describe or {})
    return feature_pairs.checked(table)


def build(
    data_dir: Path, folder: Path, describe: Mapping[str, PictureFeatures] | None = None
) -> feature_pairs.FeaturePairs:
    """Reads the published files and writes them as a tfds dataset; see `read` and `feature_pairs.build`."""
    return feature_pairs.build(data_dir, read(folder, describe))


def _of_files(
    folder: Path, table: PairTable, picture_names: Sequence[str], describe: Mapping[str, PictureFeatures]
) -> dict[str, np.ndarray]:
    """Features made from articles and pictures, rows in the order of the lists."""
    articles, pictures = [], {}
    for item_id, picture, label in zip(table.item_ids, picture_names, table.label, strict=True):
        if any(Path(name).name != name for name in (item_id, picture)):
            raise UserError(f"Item {item_id} with picture {picture} is no pair of file names: correct its line.")
        articles.append(words_of(folder / ARTICLES / f"{item_id}.xml", item_id))
        path = folder / PICTURES / table.class_names[label] / f"{picture}.jpg"
        if not path.is_file():
            raise UserError(
                f"Item {item_id} has no picture {path}: unpack the published images again or unlist the item."
            )
        pictures[item_id] = path
    training = table.split == "train"
    words = tf_idf(word_counts(articles, training, WORDS_SIZE), training)
    return {WORDS: words} | {kind: features_of(pictures) for kind, features_of in describe.items()}


def _arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise UserError(f"There is no file {path}: give the folder of the published {PUBLISHED}.")
    return read_in_child(path, "avx.data.sets.matlab_file:arrays", "MATLAB file of version 5 to 7.3")
