"""Training on paired features from published files to results, and bad input, run as the command runs it."""

import json
import runpy

import numpy as np
import pytest
import scipy.io
from published_wikipedia import write
from test_bad_input import assert_one_sentence
from tiny_job import ROOT, command

from avx.core.errors import UserError
from experiments import builders, train_pairs
from experiments.evaluate import evaluate
from experiments.pairs import by_split
from experiments.sweep import sweep
from experiments.train import train
from experiments.workdir import claim
from tools.check_config import shape_check

SMALL = {
    "model.bits": 8,
    "model.hidden_sizes": (16,),
    "model.dropout": 0.0,
    "train.batch_size": 16,
    "train.epochs": 6,
    "train.patience": 0,
    "optimizer.learning_rate": 1e-2,
    "evaluation.batch_size": 16,
}


def config_of(folder, tmp_path, **changes):
    config = runpy.run_path(str(ROOT / "configs" / "semantic_hashing.py"))["get_config"]().lock()
    places = {"data.root": str(folder), "data.cache_dir": str(tmp_path / "data")}
    config.update_from_flattened_dict(SMALL | places | changes)
    return config


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "published")


@pytest.mark.parametrize("text", ["text", "text_tfidf"])
def test_the_run_learns_and_writes_both_databases(folder, tmp_path, text):
    config = config_of(folder, tmp_path, **{"features.text": text})
    result = train_pairs.train(config, tmp_path / "run")
    assert json.loads((tmp_path / "run" / "results" / "test.json").read_text()) == json.loads(json.dumps(result))
    assert set(result["database"]) == {"train", "test"} and result["features"]["text"] == text
    for found in result["database"].values():
        assert found["text_to_image"]["map"] > 0.6, "chance is about 0.4"
    assert result["best_step"] > 0 and set(result["split_hash"]) == {"fitted", "test"}


def test_a_fitted_system_refuses_other_features(folder, tmp_path):
    config = config_of(folder, tmp_path, **{"train.epochs": 1})
    parts = by_split(builders.pairs(config), "image", "text")
    fitted = train_pairs.fit(config, parts["train"], None, 3, tmp_path / "run")
    wide = by_split(builders.pairs(config), "image", "text_tfidf")["test"]
    with pytest.raises(UserError, match=r"text features have shape \(12, 1000\), but the model takes \(12, 10\)"):
        fitted.embed(wide)
    with pytest.raises(UserError, match="has label 2, but labels run from 0 to 1"):
        train_pairs.fit(config, parts["train"], None, 2, tmp_path / "other")


def test_the_model_takes_its_widths_from_the_data(tmp_path):
    """System D on NUS-WIDE-10K: its first layers read 1134 descriptors and 1000 tags."""
    config = config_of(tmp_path, tmp_path, **{"data.kind": "nuswide", "model.hidden_sizes": (3,), "model.bits": 8})
    wide, narrow = (shape_check(one)["parameters"] for one in (config, config_of(tmp_path, tmp_path)))
    assert narrow == (128 + 1 + 8) * 16 + 8 + (10 + 1 + 8) * 16 + 8 + 8 * 20 + 20
    assert wide == (1134 + 1 + 8) * 3 + 8 + (1000 + 1 + 8) * 3 + 8 + 8 * 20 + 20


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.kind": "flickr"}, "data.kind = 'flickr' is no set of feature pairs; choose one of nuswide, pascal_sen"),
        ({"data.kind": "embedded"}, "data.kind = 'embedded' is no set of feature pairs; choose one of nuswide"),
        ({"data.root": ""}, "data.root is empty"),
        ({"features.text": "words"}, "features.text = 'words' is unknown; choose one of text, text_tfidf, text_words"),
        ({"model.head": "own"}, "model.head = 'own' is unknown"),
        ({"train.epochs": 0}, "train.epochs = 0 must be greater than 0"),
    ],
)
def test_bad_values_name_their_field(folder, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        train_pairs.train(config_of(folder, tmp_path, **changes), tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()


SENTENCE = r"'wikipedia' is a set of feature pairs, not of clips: use `python -m experiments\.train_pairs`"


def test_commands_for_clips_name_the_one_for_pairs(folder, tmp_path):
    """Before anything is written; a workdir that is there already stays as it is."""
    config, workdir = config_of(folder, tmp_path), tmp_path / "run"
    for start in (lambda: train(config, workdir), lambda: sweep(config, workdir, [0], "")):
        with pytest.raises(UserError, match=SENTENCE):
            start()
        assert not workdir.exists()
    claim(workdir, config)
    with pytest.raises(UserError, match=SENTENCE):
        evaluate(workdir)
    assert [path.name for path in workdir.rglob("*")] == ["config.json"]
    with pytest.raises(UserError, match=r"data\.kind = 'flickr' is unknown; choose one of embedded, folder"):
        train(config_of(folder, tmp_path, **{"data.kind": "flickr"}), tmp_path / "other")


@pytest.mark.slow
def test_nan_in_the_files_ends_the_command_in_one_sentence(folder, tmp_path):
    arrays = scipy.io.loadmat(folder / "raw_features.mat")
    arrays["I_te"][4, 7] = np.nan
    scipy.io.savemat(folder / "raw_features.mat", {key: arrays[key] for key in ("I_tr", "I_te", "T_tr", "T_te")})
    result = command(
        "train_pairs",
        "--config=configs/semantic_hashing.py",
        f"--config.data.root={folder}",
        f"--config.data.cache_dir={tmp_path}/data",
        f"--workdir={tmp_path}/run",
    )
    assert_one_sentence(result, "image of item test04 holds NaN or infinity (1 such items)")
