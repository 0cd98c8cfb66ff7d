"""Training on paired features from published files to results, and bad input, run as the command runs it."""

import json
import runpy
import shutil
import subprocess
import sys

import numpy as np
import pytest
import scipy.io
from avx.reports.workdir import checked_result
from experiments.pairs import by_split
from published_wikipedia import write
from test_bad_input import assert_one_sentence
from tiny_job import ROOT, command, environment

from avx import registry, train_pairs
from avx.commands.check_config import shape_check
from avx.commands.search_codes import nearest
from avx.core.errors import UserError
from avx.core.types import HashCodes
from avx.hashing.codes_file import CodedItems, item_arrays, read_items
from avx.hashing.pack import pack
from avx.retrieval.hamming_map import hamming_map
from avx.runs.workdir import claim
from experiments.evaluate import evaluate
from experiments.sweep import sweep
from experiments.train import train

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
    written = json.loads((tmp_path / "run" / "results" / "test.json").read_text())
    assert written == json.loads(json.dumps(result))
    protocol, rows = result["protocol"], {row["name"]: row["directions"] for row in result["rows"]}
    assert protocol["dataset"] == "wikipedia" and protocol["features"] == {"image": "image", "text": text}
    assert (protocol["queries"], protocol["gallery"], protocol["classes"]) == (12, 36, 3)
    assert protocol["items"] == {"train": 36, "test": 12, "fitted": 29, "validation": 7}
    assert (
        len(set(protocol["split_hashes"].values())) == 4 and protocol["split_hash"] == protocol["split_hashes"]["test"]
    )
    assert protocol["tie_rule"] == "expected value under random order of equal scores"
    assert "columns standardised by the fitted items" in protocol["normalisation"]
    others = ", test items as database"
    assert list(rows) == ["System D", f"System D{others}", "chance", f"chance{others}"]
    for of in ("", others):
        found, chance = (rows[name + of]["text_to_image"]["class"]["map"] for name in ("System D", "chance"))
        assert found > 0.6 > 0.5 > chance
    assert result["training"]["best_step"] > 0
    assert checked_result(written), "the layout that reports read"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(config, workdir) of one finished run; not to be changed."""
    root = tmp_path_factory.mktemp("pairs")
    config = config_of(write(root / "published"), root)
    train_pairs.train(config, root / "run")
    return config, root / "run"


def test_a_run_leaves_the_codes_of_all_its_items(run):
    """In the files stand the codes that were scored: their MAP is the one of test.json."""
    config, workdir = run
    parts = by_split(registry.pairs(config), "image", "text")
    rows = json.loads((workdir / "results" / "test.json").read_text())["rows"]
    image, text = (read_items(workdir / "results" / f"{side}_codes.npz", 8) for side in ("image", "text"))
    assert image.item_ids == text.item_ids == parts["train"].item_ids + parts["test"].item_ids
    assert image.class_names == ("art", "biology", "music")
    np.testing.assert_array_equal(image.labels, np.concatenate([parts["train"].label, parts["test"].label]))
    np.testing.assert_array_equal(pack(image.vectors).words, image.codes.words)
    asked, held = HashCodes(image.codes.words[36:], 8), HashCodes(text.codes.words[:36], 8)
    relevance = parts["test"].label[:, None] == parts["train"].label
    found = hamming_map(asked, held, relevance.__getitem__)["map"]
    assert found == pytest.approx(rows[0]["directions"]["image_to_text"]["class"]["map"])
    assert found != pytest.approx(rows[0]["directions"]["text_to_image"]["class"]["map"])


def test_search_prints_what_brute_force_finds(run):
    _, workdir = run
    image, text = (read_items(workdir / "results" / f"{side}_codes.npz") for side in ("image", "text"))
    table = nearest(image, text, "test07", 9)
    row = image.item_ids.index("test07")
    distances = (np.signbit(text.vectors) != np.signbit(image.vectors[row])).sum(1)
    order = np.argsort(distances, kind="stable")[:9]
    expected = [(text.item_ids[at], str(distances[at]), text.class_names[text.labels[at]]) for at in order]
    assert list(table.rows) == expected and table.header == ("item", "distance", "class")
    assert table.title == "Nearest to test07 (biology) of 8-bit codes of 48 items"
    reranked = nearest(image, text, "test07", 9, shortlist=48)
    products = text.vectors @ image.vectors[row]
    best = np.argsort(-products, kind="stable")[:9]
    assert [line[0] for line in reranked.rows] == [text.item_ids[at] for at in best]
    assert [line[2] for line in reranked.rows] == [f"{products[at]:.4f}" for at in best]
    assert [line[:1] for line in reranked.rows] != [line[:1] for line in table.rows], "the order must differ here"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("test99", 3), "There is no item 'test99' among the 48 coded ones"),
        (("test01", 0), "k=0 is out of range: ask for 1 to 48"),
        (("test01", 49), "k=49 is out of range: ask for 1 to 48"),
        (("test01", 3, -1), "shortlist=-1 is out of range"),
    ],
)
def test_search_names_what_it_cannot_do(run, arguments, message):
    image, text = (read_items(run[1] / "results" / f"{side}_codes.npz") for side in ("image", "text"))
    with pytest.raises(UserError, match=message):
        nearest(image, text, *arguments)


def search_command(*arguments):
    line = [sys.executable, "-m", "tools.search_codes", *arguments]
    return subprocess.run(line, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_search_command_prints_items_and_names_codes_of_another_length(run, tmp_path):
    folder = run[1] / "results"
    queries = f"--queries={folder}/image_codes.npz"
    result = search_command(queries, f"--codes={folder}/text_codes.npz", "--query_id=test04", "--k=3")
    assert result.returncode == 0, result.stderr
    assert "Nearest to test04 (biology) of 8-bit codes of 48 items" in result.stdout and "biology" in result.stdout
    values = np.random.default_rng(0).normal(size=(2, 16)).astype(np.float32)
    other = CodedItems(pack(values), values, ("a", "b"), np.array([0, 1]), ("art", "music"))
    np.savez(tmp_path / "wide.npz", **item_arrays(other))
    result = search_command(queries, f"--codes={tmp_path}/wide.npz", "--query_id=test04")
    assert_one_sentence(result, "wide.npz holds codes of 16 bits, but 8 are asked for")


def test_a_fitted_system_refuses_other_features(folder, tmp_path):
    config = config_of(folder, tmp_path, **{"train.epochs": 1})
    parts = by_split(registry.pairs(config), "image", "text")
    fitted = train_pairs.fit(config, parts["train"], None, 3, tmp_path / "run")
    wide = by_split(registry.pairs(config), "image", "text_tfidf")["test"]
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
    """Before anything is written."""
    config, workdir = config_of(folder, tmp_path), tmp_path / "run"
    for start in (lambda: train(config, workdir), lambda: sweep(config, workdir, [0], "")):
        with pytest.raises(UserError, match=SENTENCE):
            start()
        assert not workdir.exists()
    with pytest.raises(UserError, match=r"data\.kind = 'flickr' is unknown; choose one of embedded, folder"):
        train(config_of(folder, tmp_path, **{"data.kind": "flickr"}), tmp_path / "other")


def test_a_run_is_evaluated_again_from_its_workdir(run, tmp_path, capsys):
    """The best checkpoint gives every number and code again; damaged files are written anew."""
    workdir = shutil.copytree(run[1], tmp_path / "run")
    results = workdir / "results"
    (results / "text_codes.npz").write_bytes(b"")
    evaluate(workdir)
    printed = capsys.readouterr().out
    assert "every number equals the one before" in printed and "MAP, chance, test items as database:" in printed
    for name in ("test.json", "image_codes.npz", "text_codes.npz"):
        assert (results / name).read_bytes() == (run[1] / "results" / name).read_bytes()
    changed = json.loads((results / "test.json").read_text())
    changed["rows"][0]["directions"]["image_to_text"]["class"]["map"] = 0.5
    (results / "test.json").write_text(json.dumps(changed))
    evaluate(workdir)
    assert "some numbers differ" in capsys.readouterr().out


def test_a_workdir_without_a_checkpoint_is_not_evaluated(folder, tmp_path):
    claim(tmp_path / "run", config_of(folder, tmp_path))
    with pytest.raises(UserError, match="checkpoint"):
        evaluate(tmp_path / "run")
    assert not (tmp_path / "run" / "results").exists()


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
