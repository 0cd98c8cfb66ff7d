"""Pascal Sentences (Rashtchian et al., 2010): 1,000 pictures of 20 classes, each with five sentences.

The folder is laid out as the usual download script leaves it: dataset/CLASS/PICTURE.jpg and sentence/CLASS/PICTURE.txt,
one sentence a line. The data have no published features and no published split for retrieval: features are made from
the files, and items are split 8 : 1 : 1 by hash (as many as in Feng, Wang & Li, ACM MM 2014).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from avx.core.errors import UserError
from avx.data import splits
from avx.data.scan import files_below
from avx.data.sets import feature_pairs
from avx.data.sets.feature_pairs import PairTable, PictureFeatures
from avx.data.text import WORDS, WORDS_SIZE, lines_of, tf_idf, word_counts, words_in

PICTURES, SENTENCES = "dataset", "sentence"
FRACTIONS = (0.8, 0.1, 0.1)


def read(folder: Path, describe: Mapping[str, PictureFeatures], seed: int = 0) -> PairTable:
    """The pictures and their sentences as one checked table.

    Args:
      folder: holds the folders dataset and sentence.
      describe: kind -> features of picture files.
      seed: of the split.

    Returns:
      A table of the features "text_words" (1000-d, see `word_counts` and `tf_idf`, fitted on the training items; the
      five sentences of a picture are one text) and the kinds of `describe`. Item ids are CLASS/PICTURE.

    Raises:
      UserError: no pictures, a picture without sentences, and what `feature_pairs.checked` refuses.
    """
    pictures = {
        f"{path.parent.name}/{path.stem}": path
        for path in (files_below(folder / PICTURES) if (folder / PICTURES).exists() else ())
        if path.parent.parent == folder / PICTURES and path.suffix.lower() in (".jpg", ".jpeg", ".png")
    }
    if not pictures:
        raise UserError(f"{folder} has no {PICTURES}/CLASS/PICTURE.jpg: give the folder of Pascal Sentences.")
    texts = []
    for item_id in pictures:
        path = folder / SENTENCES / f"{item_id}.txt"
        if not path.is_file():
            raise UserError(f"Item {item_id} has no sentences {path}: fetch them again or remove its picture.")
        texts.append(words_in(" ".join(lines_of(path, "Pascal Sentences"))))
    class_names = tuple(sorted({path.parent.name for path in pictures.values()}))
    label = np.array([class_names.index(path.parent.name) for path in pictures.values()])
    item_ids = tuple(pictures)
    split = np.empty(len(item_ids), dtype="<U5")
    for name, members in splits.split_by_item(item_ids, label.tolist(), FRACTIONS, seed).items():
        split[members] = name
    training = split == "train"
    features = {WORDS: tf_idf(word_counts(texts, training, WORDS_SIZE), training)}
    features |= {kind: features_of(pictures) for kind, features_of in describe.items()}
    return feature_pairs.checked(PairTable("pascal_sentences", class_names, item_ids, features, label, split))


def build(data_dir: Path, folder: Path, describe: Mapping[str, PictureFeatures]) -> feature_pairs.FeaturePairs:
    """Describes the files and writes them as a tfds dataset; see `read` and `feature_pairs.build`."""
    return feature_pairs.build(data_dir, read(folder, describe))
