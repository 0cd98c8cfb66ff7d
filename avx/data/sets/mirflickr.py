"""MIRFlickr-25K (Huiskes & Lew, MIR 2008): 25,000 pictures with the tags of their owners and 24 concepts.

The folder holds the published archives unpacked, at any depth: im1.jpg to im25000.jpg, tags1.txt to tags25000.txt (one
tag a line, of meta/tags), and of the annotations one file for each concept, such as animals.txt, whose lines are
numbers of pictures. Files such as animals_r1.txt, the stricter judgement of the same concept, are not read.

As in the hashing literature (Jiang & Li, CVPR 2017), the text of a picture is which of the tags it has that at least 20
pictures have, and pictures without such a tag or without a concept are left out; 20,015 of 25,000 stay. The published
2,000 queries are a random draw that was not kept: items are split by hash into 85 % to fit, 5 % to validate and 10 % to
test. A picture may bear several concepts.
"""

from __future__ import annotations

import collections
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from avx.core.errors import UserError
from avx.data import splits
from avx.data.sets import feature_pairs
from avx.data.sets.feature_pairs import PairTable, PictureFeatures
from avx.data.text import lines_of, tf_idf

CONCEPTS = (
    *("animals", "baby", "bird", "car", "clouds", "dog", "female", "flower", "food", "indoor", "lake", "male", "night"),
    *("people", "plant_life", "portrait", "river", "sea", "sky", "structures", "sunset", "transport", "tree", "water"),
)
FRACTIONS = (0.85, 0.05, 0.1)
LEAST_PICTURES = 20
PUBLISHED = "MIRFlickr-25K"
_NUMBERED = re.compile(r"(im|tags)([0-9]+)\.(jpg|txt)")


def read(
    folder: Path, describe: Mapping[str, PictureFeatures], seed: int = 0, least_pictures: int = LEAST_PICTURES
) -> PairTable:
    """The pictures, tags and concepts as one checked table.

    Args:
      folder: the unpacked archives.
      describe: kind -> features of picture files.
      seed: of the split.
      least_pictures: that have a tag, for it to be a column.

    Returns:
      A table of the features "text" (as many columns as there are such tags, 1386 in the published set; 1 where the
      picture has the tag), "text_tfidf" (the same, weighted by the training pictures) and the kinds of `describe`.
      Labels are (n, 24) bool. Item ids are im1 and so on, with as many digits as the largest number.

    Raises:
      UserError: a file is missing or is there twice, a line is no number of a picture, no picture is left, and what
        `feature_pairs.checked` refuses.
    """
    pictures, tag_files, annotations = _files(folder)
    concepts: dict[int, list[int]] = {}
    for column, concept in enumerate(CONCEPTS):
        for number in _numbers(annotations[concept], pictures):
            concepts.setdefault(number, []).append(column)
    tags: dict[int, list[str]] = {}
    for number in pictures:
        if number not in tag_files:
            raise UserError(f"There is no tags{number}.txt below {folder}: unpack the published tags there.")
        # A picture without a tag has an empty file.
        tags[number] = tag_files[number].read_text(encoding="utf-8").split()
    frequency = collections.Counter(tag for own in tags.values() for tag in set(own))
    column_of = {tag: place for place, tag in enumerate(sorted(t for t, n in frequency.items() if n >= least_pictures))}
    kept = [
        number for number in sorted(pictures) if number in concepts and any(tag in column_of for tag in tags[number])
    ]
    if not kept:
        raise UserError(
            f"No picture below {folder} has both a concept and a tag that {least_pictures} pictures have: unpack all "
            "published archives there."
        )
    digits = len(str(max(pictures)))
    item_ids = tuple(f"im{number:0{digits}d}" for number in kept)
    label = np.zeros((len(kept), len(CONCEPTS)), bool)
    presence = np.zeros((len(kept), len(column_of)), np.float32)
    for row, number in enumerate(kept):
        label[row, concepts[number]] = True
        presence[row, [column_of[tag] for tag in tags[number] if tag in column_of]] = 1
    split = np.empty(len(kept), dtype="<U5")
    for name, members in splits.split_by_item(item_ids, label.argmax(1).tolist(), FRACTIONS, seed).items():
        split[members] = name
    features = {"text": presence, "text_tfidf": tf_idf(presence, split == "train")}
    files = dict(zip(item_ids, (pictures[number] for number in kept), strict=True))
    features |= {kind: features_of(files) for kind, features_of in describe.items()}
    return feature_pairs.checked(PairTable("mirflickr", CONCEPTS, item_ids, features, label, split))


def build(data_dir: Path, folder: Path, describe: Mapping[str, PictureFeatures]) -> feature_pairs.FeaturePairs:
    """Describes the files and writes them as a tfds dataset; see `read` and `feature_pairs.build`."""
    return feature_pairs.build(data_dir, read(folder, describe))


def _files(folder: Path) -> tuple[dict[int, Path], dict[int, Path], dict[str, Path]]:
    """Pictures and tag files by number, and annotations by concept."""
    numbered: dict[str, dict[int, Path]] = {"im": {}, "tags": {}}
    named: dict[str, list[Path]] = collections.defaultdict(list)
    for path in sorted(folder.rglob("*")):
        found = _NUMBERED.fullmatch(path.name)
        # The tags as their owners typed them, and the camera's data, have files of the same form in other folders.
        if found and (found[1] == "im" or path.parent.name == "tags"):
            place = numbered[found[1]]
            number = int(found[2])
            if number in place:
                raise UserError(f"{path.name} lies in {place[number].parent} and in {path.parent}; keep one of them.")
            place[number] = path
        elif path.stem in CONCEPTS and path.suffix == ".txt":
            named[path.stem].append(path)
    if not numbered["im"]:
        raise UserError(f"There is no im1.jpg below {folder}: unpack the published {PUBLISHED} archives there.")
    for concept in CONCEPTS:
        if len(named[concept]) != 1:
            what = "is no" if not named[concept] else "is more than one"
            raise UserError(f"There {what} {concept}.txt below {folder}: unpack the published annotations there, once.")
    return numbered["im"], numbered["tags"], {concept: paths[0] for concept, paths in named.items()}


def _numbers(path: Path, pictures: Mapping[int, Path]) -> Sequence[int]:
    numbers = []
    for place, line in enumerate(lines_of(path, PUBLISHED), start=1):
        if not line.strip().isdecimal() or int(line) not in pictures:
            raise UserError(
                f"Line {place} of {path} is {line.strip()!r}, which is no number of a picture below that folder."
            )
        numbers.append(int(line))
    return numbers
