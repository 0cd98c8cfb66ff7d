"""The NUS-WIDE-10K reader on small files of the published layout: images, rows, split, and bad input."""

import hashlib

import numpy as np
import pytest
from published_nuswide import (
    COUNT,
    NO_CONCEPT,
    NO_TAG,
    PER_CONCEPT,
    TWO_CONCEPTS,
    descriptor,
    labels,
    names,
    tags,
    write,
)

from avx.core.errors import UserError
from avx.data.sets import feature_pairs, nuswide
from avx.data.sets.nuswide import CONCEPTS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("nuswide") / "published")


@pytest.fixture(scope="module")
def table(folder):
    return nuswide.read(folder, PER_CONCEPT)


def test_eligible_images_bear_one_concept_and_a_tag(table):
    """12 images a concept less the exceptions; the ten of the smallest hash stay, computed here a second time."""
    assert table.class_names == CONCEPTS
    assert np.bincount(table.label).tolist() == [PER_CONCEPT] * 10
    expected = set()
    for concept in range(10):
        eligible = [place for place in range(concept, COUNT, 10) if place not in (TWO_CONCEPTS, NO_CONCEPT, NO_TAG)]
        slashed = [names()[place].replace("\\", "/") for place in eligible]
        expected |= set(
            sorted(slashed, key=lambda name: hashlib.sha256(f"0 {name}".encode()).hexdigest())[:PER_CONCEPT]
        )
    assert set(table.item_ids) == expected


def test_rows_stay_with_their_images(table):
    place_of = {name.replace("\\", "/"): place for place, name in enumerate(names())}
    places = [place_of[name] for name in table.item_ids]
    np.testing.assert_array_equal(table.label, np.array(places) % 10)
    np.testing.assert_array_equal(table.features["text"], tags()[places])
    blocks = [descriptor(number)[places] for number in range(6)]
    expected = np.concatenate([block / np.linalg.norm(block, axis=1, keepdims=True) for block in blocks], axis=1)
    np.testing.assert_allclose(table.features["image"], expected, rtol=1e-5)
    assert table.features["image"].shape == (100, 1134)


def test_rare_tags_weigh_more_by_the_training_images_alone(table):
    text, weighted, training = table.features["text"], table.features["text_tfidf"], table.split == "train"
    weight = 1 + np.log(81 / (1 + text[training].sum(0)))
    np.testing.assert_allclose(weighted, text * weight, rtol=1e-5)
    assert not np.allclose(weighted, text * (1 + np.log(101 / (1 + text.sum(0)))))
    assert np.allclose(weighted[:, 3], 1), "a tag of all images keeps the weight 1"


def test_the_split_is_eight_to_one_to_one_in_each_concept(table):
    for concept in range(10):
        parts = table.split[table.label == concept].tolist()
        assert [parts.count(name) for name in feature_pairs.SPLITS] == [8, 1, 1]


def test_another_seed_selects_and_splits_otherwise(folder, table):
    other = nuswide.read(folder, PER_CONCEPT, seed=1)
    assert set(other.item_ids) != set(table.item_ids)
    common = [(a, b) for a in range(100) for b in range(100) if table.item_ids[a] == other.item_ids[b]]
    assert any(table.split[a] != other.split[b] for a, b in common)


def test_files_of_all_images_give_the_same_table(tmp_path, table):
    """They follow Imagelist.txt, another order; read in the order of the other lists every row would be wrong."""
    assert feature_pairs.digest(
        nuswide.read(write(tmp_path / "other", whole=True), PER_CONCEPT)
    ) == feature_pairs.digest(table)


def test_tfds_round_trip(folder, table, tmp_path):
    builder = nuswide.build(tmp_path / "data", folder, PER_CONCEPT)
    assert feature_pairs.digest(feature_pairs.load(builder)) == feature_pairs.digest(table)
    assert builder.builder_config.sizes == nuswide.SIZES


def edited(name, change):
    """Changes the one published file of that name, given its lines."""

    def change_folder(folder):
        (path,) = folder.rglob(name)
        path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")

    return change_folder


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: next(folder.rglob("Test_Tags1k.dat")).unlink(), "There is no Test_Tags1k.dat below"),
        (
            lambda folder: (folder / "BoW_Test_int.dat").write_text("0"),
            "BoW_Test_int.dat lies in .* and in .*; keep one",
        ),
        (edited("Train_Normalized_WT.dat", lambda lines: lines[1:]), "WT.dat has 69 lines for 70 listed images"),
        (
            edited("Train_Normalized_CH.dat", lambda lines: ["0.5"] * 70),
            r"Line \d+ of .*Train_Normalized_CH.dat holds 1 numbers instead of 64",
        ),
        (
            edited("Test_Normalized_EDH.dat", lambda lines: ["x" + line for line in lines]),
            "EDH.dat holds something else than numbers",
        ),
        (
            edited("Test_Normalized_EDH.dat", lambda lines: ["nan " + line.split(" ", 1)[1] for line in lines]),
            "image of item .* holds NaN or infinity",
        ),
        (
            edited("Labels_toy_Train.txt", lambda lines: ["3", *lines[1:]]),
            "The label of kind0/0000_0.jpg for toy is 3; labels must be 0 or 1",
        ),
        (
            edited("Labels_food_Train.txt", lambda lines: ["0"] * 70),
            "Only 5 tagged images bear food and no other .* 10 are needed",
        ),
        (
            edited("TestImagelist.txt", lambda lines: [lines[1], *lines[1:]]),
            r"name kind2/0071_67.jpg twice",
        ),
    ],
)
def test_bad_archives_are_named(tmp_path, damage, message):
    folder = write(tmp_path / "published")
    damage(folder)
    with pytest.raises(UserError, match=message):
        nuswide.read(folder, PER_CONCEPT)


def test_whole_files_need_the_list_that_orders_them(tmp_path):
    folder = write(tmp_path / "published", whole=True)
    (folder / "ImageList" / "Imagelist.txt").write_text("\n".join(names()[1:]))
    with pytest.raises(UserError, match=r"Imagelist\.txt names other images than"):
        nuswide.read(folder, PER_CONCEPT)


def test_images_of_several_concepts_keep_all_of_them_where_asked(folder):
    """The image of two concepts is eligible then, for the rarer one; single labels stay as they are without."""
    table = nuswide.read(folder, PER_CONCEPT, several=True)
    borne = labels()
    place_of = {name.replace("\\", "/"): place for place, name in enumerate(names())}
    places = [place_of[name] for name in table.item_ids]
    np.testing.assert_array_equal(table.label, borne[places].astype(bool))
    assert NO_CONCEPT not in places and NO_TAG not in places
    assert len(places) == 10 * PER_CONCEPT
    rarest = np.where(borne == 1, borne.sum(0), COUNT + 1).argmin(1)
    assert np.bincount(rarest[places]).tolist() == [PER_CONCEPT] * 10


def test_every_image_of_two_concepts_can_be_chosen(folder):
    eligible = nuswide._filed_under(labels() == 1, several=True)
    assert eligible[TWO_CONCEPTS] == 5 and eligible[NO_CONCEPT] == -1
    assert nuswide._filed_under(labels() == 1, several=False)[TWO_CONCEPTS] == -1
