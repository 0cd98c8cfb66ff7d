"""Training on the pictures and articles themselves, as the command runs it."""

import jax
import numpy as np
import published_articles
import pytest
from test_bad_input import assert_one_sentence
from tiny_job import command

from avx.core.errors import UserError
from avx.data.cache import FeatureCache
from avx.extraction.frame_features import handcrafted
from avx.extraction.frozen import FrozenEncoder
from avx.extraction.picture_files import picture_features
from avx.registry.picture_features import remembered
from avx.reports.files import read_result

SQUEEZENET = "pretrained_small/squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5"


def trained(folder, tmp_path, image="image_handcrafted", **features):
    chosen = {"kinds": f"('{image}', 'text_words')"} | features
    return command(
        "train",
        "--config=configs/semantic_hashing.py",
        f"--config.data.root={folder}",
        f"--config.data.cache_dir={tmp_path}/data",
        "--config.data.validation_share=0.0",
        *(f"--config.features.{name}={value}" for name, value in chosen.items()),
        "--config.train.epochs=6",
        "--config.train.batch_size=3",
        "--config.model.hidden_sizes=(16,)",
        "--config.model.dropout=0.0",
        "--config.optimizer.learning_rate=0.01",
        f"--workdir={tmp_path}/run",
    )


@pytest.mark.slow
def test_the_command_learns_from_files_and_names_a_broken_one(tmp_path):
    folder = published_articles.write(tmp_path / "published")
    result = trained(folder, tmp_path)
    assert result.returncode == 0, result.stderr
    found = read_result(tmp_path / "run")
    assert found.protocol["features"] == {"image": "image_handcrafted", "text": "text_words"}
    assert found.rows[0].directions["image_to_text"].levels["class"]["map"] > 0.7, "chance is about 0.4"
    (folder / "images" / "art" / "trainpicture3.jpg").write_bytes(b"no picture")
    assert_one_sentence(trained(folder, tmp_path), "The picture of item train-6 cannot be read")


@pytest.mark.slow
def test_the_command_learns_from_pictures_seen_by_a_published_network(tmp_path, real_data):
    folder = published_articles.write(tmp_path / "published")
    assert_one_sentence(
        trained(folder, tmp_path, image="image_squeezenet"), "give the file as --config.features.image_weights=FILE"
    )
    result = trained(folder, tmp_path, image="image_squeezenet", image_weights=real_data / SQUEEZENET)
    assert result.returncode == 0, result.stderr
    found = read_result(tmp_path / "run")
    assert found.protocol["features"]["image"] == "image_squeezenet"
    assert found.rows[0].directions["image_to_text"].levels["class"]["map"] > 0.7, "chance is about 0.4"


def test_rows_follow_the_files_over_batches(tmp_path):
    folder = published_articles.write(tmp_path / "published")
    files = {path.stem: path for path in sorted(folder.glob("images/*/*.jpg"))}
    features_of = picture_features(handcrafted())
    rows = features_of(files | {f"again{place}": path for place, path in enumerate(list(files.values()) * 2)})
    assert rows.shape == (36, 504) and rows.dtype == np.float32
    np.testing.assert_array_equal(rows[:12], rows[24:])
    assert np.abs(rows[0] - rows[5]).max() > 0.05
    with pytest.raises(UserError, match="picture of item lost cannot be read"):
        features_of({"lost": tmp_path / "lost.jpg"})


def test_a_picture_is_described_once(tmp_path):
    folder = published_articles.write(tmp_path / "published")
    files = {path.stem: path for path in sorted(folder.glob("images/*/*.jpg"))}
    seen = []

    def counted(frames):
        jax.debug.callback(lambda batch: seen.append(int((batch.reshape(len(batch), -1).max(1) > 0).sum())), frames)
        return frames.reshape(len(frames), -1)[:, :5].astype(np.float32)

    def features_of(name):
        return remembered(FrozenEncoder(name, counted, 5), FeatureCache(tmp_path / "cache"))(files)

    first = features_of("corner")
    np.testing.assert_array_equal(features_of("corner"), first)
    assert seen == [12], "the second time the cache has all pictures"
    changed = list(files)[4]
    files[changed].write_bytes(files[list(files)[-1]].read_bytes())
    rows = features_of("corner")
    assert seen == [12], "known content under another name"
    np.testing.assert_array_equal(rows[4], first[-1])
    np.testing.assert_array_equal(np.delete(rows, 4, 0), np.delete(first, 4, 0))
    features_of("another")
    # Two files are one picture now, and both are asked for before either is there.
    assert seen == [12, 12]
