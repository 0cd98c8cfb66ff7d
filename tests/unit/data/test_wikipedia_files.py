"""Features made from the pictures and articles of the Wikipedia archive."""

import numpy as np
import published_articles
import pytest
from PIL import Image

from avx.core.errors import UserError
from avx.data.sets import feature_pairs, wikipedia


@pytest.fixture
def folder(tmp_path):
    return published_articles.write(tmp_path / "published")


def mean_colours(files):
    return np.stack([np.asarray(Image.open(path), np.float32).mean((0, 1)) for path in files.values()])


def test_features_of_files_stay_with_their_items(folder, tmp_path):
    table = feature_pairs.load(wikipedia.build(tmp_path / "data", folder, {"image_mean": mean_colours}))
    assert {kind: values.shape for kind, values in table.features.items()} == {
        "text_words": (12, 1000),
        "image_mean": (12, 3),
    }
    assert table.item_ids == tuple(sorted(table.item_ids)) and len(table.rows("train")) == 9
    np.testing.assert_array_equal(table.features["image_mean"].argmax(1), table.label)
    # Each subject word is twice in 3 of the 9 training articles, which also hold "the" and "no" (in all, so dropped).
    weight = 2 * (1 + np.log(10 / 4))
    columns = ["brush", "cell", "chord", "leaf", "opera", "painting"]
    expected = np.zeros((12, 1000))
    for label, words in enumerate(published_articles.SUBJECTS):
        for word in words.split():
            expected[table.label == label, columns.index(word)] = weight
    np.testing.assert_allclose(table.features["text_words"], expected, rtol=1e-6)


def test_missing_files_name_their_item(folder):
    (folder / "images" / "biology" / "trainpicture4.jpg").unlink()
    with pytest.raises(UserError, match=r"Item train-5 has no picture .*trainpicture4\.jpg: unpack"):
        wikipedia.read(folder)
    (folder / "texts" / "train-8.xml").unlink()
    with pytest.raises(UserError, match=r"Item train-8 has no article .*train-8\.xml: unpack"):
        wikipedia.read(folder)


def test_names_stay_inside_the_archive(folder):
    (folder / "testset_txt_img_cat.list").write_text("../secret\tpicture\t1\n")
    with pytest.raises(UserError, match=r"Item \.\./secret with picture picture is no pair of file names"):
        wikipedia.read(folder)


def test_picture_features_need_pictures(folder):
    (folder / "texts").rename(folder / "elsewhere")
    with pytest.raises(UserError, match="holds no folders images and texts, which image_mean are made from"):
        wikipedia.read(folder, {"image_mean": mean_colours})
    with pytest.raises(UserError, match=r"There is no file .*raw_features"):
        wikipedia.read(folder)
