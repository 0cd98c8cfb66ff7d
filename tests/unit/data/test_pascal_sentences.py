"""Pictures with sentences, in folders of classes."""

import numpy as np
import pytest
from PIL import Image

from avx.core.errors import UserError
from avx.data.sets import feature_pairs, pascal_sentences

SUBJECTS = {"cat": "A cat sleeps", "boat": "Two boats sail", "train": "The engine pulls"}


@pytest.fixture
def folder(tmp_path):
    for colour, (name, sentence) in enumerate(SUBJECTS.items()):
        for place in range(10):
            # The published pictures have equal names in several classes.
            picture = tmp_path / "dataset" / name / f"2008_{place:06d}.jpg"
            text = tmp_path / "sentence" / name / f"2008_{place:06d}.txt"
            for path in (picture, text):
                path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.zeros((24, 32, 3), np.uint8)
            pixels[..., colour] = 100 + place
            Image.fromarray(pixels).save(picture)
            text.write_text(f"{sentence}.\n{sentence} by the river, n.{place}.\n")
    return tmp_path


def mean_colours(files):
    return np.stack([np.asarray(Image.open(path), np.float32).mean((0, 1)) for path in files.values()])


def test_pictures_and_sentences_stay_together(folder, tmp_path):
    built = pascal_sentences.build(tmp_path / "data", folder, {"image_mean": mean_colours})
    table = feature_pairs.load(built)
    assert table.class_names == ("boat", "cat", "train")
    assert [len(table.rows(split)) for split in ("train", "val", "test")] == [24, 3, 3]
    assert all(len(set(table.label[table.rows(split)])) == 3 for split in ("train", "val", "test"))
    cats = table.label == 1
    assert table.item_ids[int(np.flatnonzero(cats)[0])] == "cat/2008_000000"
    np.testing.assert_array_equal(table.features["image_mean"].argmax(1) == 0, cats)
    # Words that over half of the texts hold ("by", "river", "the" with the capital of the engine) are no columns;
    # of the eight left each is twice in the 8 training texts of its class.
    weight = 2 * (1 + np.log(25 / 9))
    columns = ["boats", "cat", "engine", "pulls", "sail", "sleeps", "two"]
    expected = np.zeros((30, 1000))
    for column, word in enumerate(columns):
        owner = next(place for place, name in enumerate(("boat", "cat", "train")) if word in SUBJECTS[name].lower())
        expected[table.label == owner, column] = weight
    np.testing.assert_allclose(table.features["text_words"], expected, rtol=1e-6)


def test_what_is_missing_is_named(folder, tmp_path):
    (folder / "sentence" / "boat" / "2008_000003.txt").unlink()
    with pytest.raises(UserError, match=r"Item boat/2008_000003 has no sentences .*: fetch them again"):
        pascal_sentences.read(folder, {})
    with pytest.raises(UserError, match=r"has no dataset/CLASS/PICTURE\.jpg"):
        pascal_sentences.read(tmp_path / "elsewhere", {})


def test_a_class_that_may_not_be_read_is_named(folder, shut):
    shut("cat")
    with pytest.raises(UserError, match=r"dataset/cat cannot be read \(Permission denied\): mend its rights"):
        pascal_sentences.read(folder, {})
