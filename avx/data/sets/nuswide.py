"""NUS-WIDE-10K (Feng, Wang & Li, ACM MM 2014) from the published NUS-WIDE files: 10 concepts of 1,000 images each.

The folder holds the published archives unpacked, at any depth; files are found by name. They are text: one line for
each image, numbers by blanks or tabs. TrainImagelist.txt and TestImagelist.txt name the images of the lines of
Train_* and Test_* files. Descriptors and labels may instead come as one file of all images, in the order of
Imagelist.txt, as some archives have them.

The published selection and split of the 10,000 are not part of the archives. Here an image is eligible if it bears
exactly one of the ten concepts and at least one of the 1,000 tags; of each concept those 1,000 are taken whose hash of
(seed, name) is smallest, and the same seed splits them 8 : 1 : 1 (docs/methods.md 5.1). Where several labels are asked
for, images of several of the ten concepts are eligible too and keep all of them; an image counts towards the 1,000 of
that of its concepts which the fewest images bear.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import heapq
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from avx.core.errors import UserError
from avx.core.host_arrays import unit_rows
from avx.data import splits
from avx.data.scan import files_below
from avx.data.sets import feature_pairs
from avx.data.sets.feature_pairs import PairTable
from avx.data.text import lines_of, tf_idf

CONCEPTS = ("animal", "clouds", "flowers", "food", "grass", "person", "sky", "toy", "water", "window")
PER_CONCEPT = 1000
FRACTIONS = (0.8, 0.1, 0.1)
TAGS = 1000
PARTS = ("Train", "Test")


@dataclasses.dataclass(frozen=True)
class Published:
    """A published matrix of one line for each image.

    Attributes:
      by_part: name of its two files, with {part} for "Train" or "Test".
      whole: name of the file of all images, "" where none is published.
      width: numbers in a line.
    """

    by_part: str
    whole: str
    width: int


DESCRIPTORS = (
    Published("{part}_Normalized_CH.dat", "Normalized_CH.dat", 64),
    Published("{part}_Normalized_CORR.dat", "Normalized_CORR.dat", 144),
    Published("{part}_Normalized_EDH.dat", "Normalized_EDH.dat", 73),
    Published("{part}_Normalized_WT.dat", "Normalized_WT.dat", 128),
    Published("{part}_Normalized_CM55.dat", "Normalized_CM55.dat", 225),
    Published("BoW_{part}_int.dat", "BoW_int.dat", 500),
)
TAG_MATRIX = Published("{part}_Tags1k.dat", "", TAGS)
SIZES = {"image": sum(one.width for one in DESCRIPTORS), "text": TAGS, "text_tfidf": TAGS}


def read(folder: Path, per_concept: int = PER_CONCEPT, seed: int = 0, *, several: bool = False) -> PairTable:
    """The selection as one checked table.

    Args:
      folder: the unpacked archives (Low_Level_Features, NUS_WID_Tags, Groundtruth, ImageList).
      per_concept: images of each concept.
      seed: of the selection and of the split.
      several: take images of several of the ten concepts too; labels are then (n, 10) bool.

    Returns:
      A table of the features "image" (1134-d, the six descriptors side by side, each scaled to unit norm, since the
      counts of visual words would outweigh the rest), "text" (1000-d, 1 where the image has the tag) and "text_tfidf"
      (the same, weighted by the training images). Item ids are the names in the image lists, with slashes.

    Raises:
      UserError: a file is missing, is there twice, is malformed or of another length than the image list; too few
        eligible images; and what `feature_pairs.checked` refuses.
    """
    archive = _opened(folder)
    borne = _concepts_borne(archive)
    label = _filed_under(borne, several)
    places = np.flatnonzero(label >= 0)
    tags = archive.matrix(TAG_MATRIX, places)
    tagged = tags.any(1)
    places, tags = places[tagged], tags[tagged]
    rows = _chosen([archive.names[place] for place in places], label[places], per_concept, seed, several)
    chosen, tags = places[rows], tags[rows]
    item_ids = tuple(archive.names[place] for place in chosen)
    parts = splits.split_by_item(item_ids, label[chosen].tolist(), FRACTIONS, seed)
    split = np.empty(len(chosen), dtype="<U5")
    for name, members in parts.items():
        split[members] = name
    features = {
        "image": np.concatenate([unit_rows(archive.matrix(one, chosen)) for one in DESCRIPTORS], axis=1),
        "text": tags,
        "text_tfidf": tf_idf(tags, split == "train"),
    }
    labels = borne[chosen] if several else label[chosen]
    return feature_pairs.checked(PairTable("nuswide", CONCEPTS, item_ids, features, labels, split))


def build(
    data_dir: Path, folder: Path, per_concept: int = PER_CONCEPT, *, several: bool = False
) -> feature_pairs.FeaturePairs:
    """Reads the published files and writes the selection as a tfds dataset; see `read` and `feature_pairs.build`."""
    return feature_pairs.build(data_dir, read(folder, per_concept, several=several))


@dataclasses.dataclass(frozen=True)
class _Archive:
    """The unpacked files by name, and the images of both lists: training images first, then test images."""

    folder: Path
    paths: Mapping[str, Sequence[Path]]
    names: tuple[str, ...]
    training: int

    def path(self, name: str) -> Path:
        return _only(self.folder, self.paths, name)

    def matrix(self, published: Published, wanted: np.ndarray) -> np.ndarray:
        """Rows (len(wanted), width) float32 of the images at the places `wanted` in `names`."""
        row_of = {place: row for row, place in enumerate(wanted.tolist())}
        found = np.empty((len(wanted), published.width), np.float32)
        for path, places in self._files(published):
            count = 0
            with path.open(encoding="utf-8") as lines:
                for count, line in enumerate(lines, start=1):
                    if count <= len(places) and (row := row_of.get(places[count - 1])) is not None:
                        found[row] = _numbers(line, f"Line {count} of {path}", published.width)
            if count != len(places):
                raise UserError(f"{path} has {count} lines for {len(places)} listed images; fetch it again.")
        return found

    def _files(self, published: Published) -> list[tuple[Path, Sequence[int]]]:
        """(path, place in `names` of each line) of the files that hold a matrix."""
        in_parts = published.by_part.format(part=PARTS[0])
        if published.whole not in self.paths or in_parts in self.paths:
            places = (range(self.training), range(self.training, len(self.names)))
            return [
                (self.path(published.by_part.format(part=part)), of) for part, of in zip(PARTS, places, strict=True)
            ]
        place_of = {name: place for place, name in enumerate(self.names)}
        ordered = _image_names(self.path("Imagelist.txt"))
        if sorted(ordered) != sorted(self.names):
            raise UserError(
                f"Imagelist.txt names other images than TrainImagelist.txt and TestImagelist.txt, so the lines of "
                f"{published.whole} cannot be told; take all lists from one archive."
            )
        return [(self.path(published.whole), [place_of[name] for name in ordered])]


def _opened(folder: Path) -> _Archive:
    paths: dict[str, list[Path]] = {}
    for path in files_below(folder):
        if path.suffix in (".dat", ".txt"):
            paths.setdefault(path.name, []).append(path)
    training, test = (_image_names(_only(folder, paths, f"{part}Imagelist.txt")) for part in PARTS)
    names = (*training, *test)
    twice = [name for name, count in collections.Counter(names).items() if count > 1]
    if twice:
        raise UserError(f"The image lists in {folder} name {twice[0]} twice; fetch them again.")
    return _Archive(folder, paths, names, len(training))


def _only(folder: Path, paths: Mapping[str, Sequence[Path]], name: str) -> Path:
    found = paths.get(name, ())
    if not found:
        raise UserError(f"There is no {name} below {folder}: unpack the published NUS-WIDE archives there.")
    if len(found) > 1:
        raise UserError(f"{name} lies in {found[0].parent} and in {found[1].parent}; keep one of them.")
    return found[0]


def _image_names(path: Path) -> list[str]:
    return [line.strip().replace("\\", "/") for line in lines_of(path, "NUS-WIDE files")]


def _numbers(line: str, where: str, width: int) -> np.ndarray:
    cells = line.split()
    try:
        values = np.array(cells, np.float32)
    except ValueError:
        raise UserError(f"{where} holds something else than numbers; fetch the file again.") from None
    if len(cells) != width:
        raise UserError(f"{where} holds {len(cells)} numbers instead of {width}; fetch the file again.")
    return values


def _concepts_borne(archive: _Archive) -> np.ndarray:
    """(images, 10) bool."""
    everything = np.arange(len(archive.names))
    borne = np.empty((len(everything), len(CONCEPTS)), bool)
    for column, concept in enumerate(CONCEPTS):
        published = Published(f"Labels_{concept}_{{part}}.txt", f"Labels_{concept}.txt", 1)
        values = archive.matrix(published, everything)[:, 0]
        bad = np.flatnonzero((values != 0) & (values != 1))
        if bad.size:
            raise UserError(
                f"The label of {archive.names[bad[0]]} for {concept} is {values[bad[0]]:g}; labels must be 0 or 1."
            )
        borne[:, column] = values == 1
    return borne


def _filed_under(borne: np.ndarray, several: bool) -> np.ndarray:
    """(images,) concept that an image is chosen for, -1 where it is not eligible: its only one, or its rarest."""
    if not several:
        return np.where(borne.sum(1) == 1, borne.argmax(1), -1)
    rarest = np.where(borne, borne.sum(0), len(borne) + 1).argmin(1)
    return np.where(borne.any(1), rarest, -1)


def _chosen(names: Sequence[str], label: np.ndarray, per_concept: int, seed: int, several: bool) -> np.ndarray:
    """Ascending rows of `per_concept` items of each concept, those of the smallest hashes of (seed, name)."""
    rows: list[int] = []
    others = "concept that is rarer" if several else "of the ten concepts"
    for index, concept in enumerate(CONCEPTS):
        eligible = np.flatnonzero(label == index).tolist()
        if len(eligible) < per_concept:
            raise UserError(
                f"Only {len(eligible)} tagged images bear {concept} and no other {others}, but "
                f"{per_concept} are needed; give the whole archives or ask for fewer."
            )
        rows += heapq.nsmallest(
            per_concept, eligible, key=lambda row: hashlib.sha256(f"{seed} {names[row]}".encode()).digest()
        )
    return np.array(sorted(rows), np.int64)
