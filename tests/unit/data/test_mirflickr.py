"""The MIRFlickr-25K reader on small files of the published layout: which pictures stay, their labels, and bad input."""

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.data.sets import feature_pairs, mirflickr
from avx.data.sets.mirflickr import CONCEPTS

COUNT, LEAST = 60, 4
UNTAGGED, RARE_TAG, NO_CONCEPT = 7, 9, 11
"""Pictures that may not be chosen: without a tag, with a tag of few pictures alone, and without a concept."""


def concepts_of(number):
    """Picture i bears concept i mod 24; every third one bears another."""
    if number == NO_CONCEPT:
        return set()
    return {number % 24, *([(number + 5) % 24] if number % 3 == 0 else [])}


def tags_of(number):
    if number == UNTAGGED:
        return []
    return (
        [f"only{number}"]
        if number == RARE_TAG
        else [f"tag{number % 6}", f"only{number}", "grün" if number % 2 else "sea"]
    )


def write(folder):
    """Pictures beside meta/, with files of the same names in other folders, as the archives unpack."""
    pictures, tags, notes = folder / "mirflickr", folder / "mirflickr" / "meta" / "tags", folder / "annotations"
    for place in (tags, pictures / "meta" / "tags_raw", notes):
        place.mkdir(parents=True)
    for number in range(1, COUNT + 1):
        (pictures / f"im{number}.jpg").write_bytes(b"a picture")
        (tags / f"tags{number}.txt").write_text("".join(f"{tag}\n" for tag in tags_of(number)), encoding="utf-8")
        (pictures / "meta" / "tags_raw" / f"tags{number}.txt").write_text("Raw Tag\n")
    for column, concept in enumerate(CONCEPTS):
        borne = [number for number in range(1, COUNT + 1) if column in concepts_of(number)]
        (notes / f"{concept}.txt").write_text("".join(f"{number}\r\n" for number in borne))
        (notes / f"{concept}_r1.txt").write_text("1\n")
    return folder


def described(files):
    return np.array([[float(item_id[2:])] for item_id in files])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("mirflickr") / "published")


@pytest.fixture(scope="module")
def table(folder):
    return mirflickr.read(folder, {"image_number": described}, least_pictures=LEAST)


def test_pictures_with_a_concept_and_a_frequent_tag_stay_with_all_their_concepts(table):
    numbers = [int(item_id[2:]) for item_id in table.item_ids]
    assert numbers == [one for one in range(1, COUNT + 1) if one not in (UNTAGGED, RARE_TAG, NO_CONCEPT)]
    assert table.item_ids[0] == "im01"
    for row, number in enumerate(numbers):
        assert set(np.flatnonzero(table.label[row])) == concepts_of(number)
    np.testing.assert_array_equal(table.features["image_number"][:, 0], numbers)


def test_text_is_which_frequent_tags_a_picture_has(table):
    columns = sorted({"grün", "sea", *(f"tag{number}" for number in range(6))})
    assert table.features["text"].shape[1] == len(columns)
    for row, item_id in enumerate(table.item_ids):
        assert {columns[place] for place in np.flatnonzero(table.features["text"][row])} == set(
            tags_of(int(item_id[2:]))
        ) & set(columns)
    assert ((table.features["text_tfidf"] > 0) == (table.features["text"] > 0)).all()


def test_a_built_table_keeps_every_label(table, tmp_path):
    again = feature_pairs.load(feature_pairs.build(tmp_path, table))
    np.testing.assert_array_equal(again.label, table.label)
    assert again.label.dtype == bool and again.class_names == CONCEPTS
    dataset = feature_pairs.dataset(again, {"image": "image_number", "text": "text"}, 0.0, 0)
    assert dataset.labels.shape == (len(again.item_ids), 24)
    first = int(dataset.ids[0][2:])
    assert dataset.card(0).classes == tuple(CONCEPTS[place] for place in sorted(concepts_of(first)))
    relevant = dataset.relevance(np.arange(3), np.arange(len(dataset)))
    numbers = [int(one[2:]) for one in dataset.ids]
    for row in range(3):
        assert relevant[row].tolist() == [bool(concepts_of(numbers[row]) & concepts_of(one)) for one in numbers]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: (root / "annotations" / "sky.txt").unlink(), r"There is no sky\.txt below"),
        (lambda root: (root / "annotations" / "sky.txt").write_text("x\n"), r"Line 1 of .*sky\.txt is 'x'"),
        (lambda root: (root / "annotations" / "sky.txt").write_text("99\n"), r"'99', which is no number of a picture"),
        (lambda root: (root / "mirflickr/meta/tags/tags3.txt").unlink(), r"There is no tags3\.txt below"),
        (lambda root: (root / "im3.jpg").write_bytes(b"x"), r"im3\.jpg lies in .* keep one"),
        (lambda root: [path.unlink() for path in root.rglob("*.jpg")], r"There is no im1\.jpg below"),
    ],
)
def test_bad_input_is_named(tmp_path, change, message):
    root = write(tmp_path / "published")
    change(root)
    with pytest.raises(UserError, match=message):
        mirflickr.read(root, {}, least_pictures=LEAST)
