"""System D on paired features, from published files to results, codes and bad input."""

import runpy
import shutil
import subprocess
import sys

import numpy as np
import pytest
import scipy.io
from published_wikipedia import write
from test_bad_input import assert_one_sentence
from tiny_job import ROOT, command, environment, levels

from avx.commands.check_config import shape_check
from avx.commands.evaluate import evaluate
from avx.commands.search_codes import nearest
from avx.core.errors import UserError
from avx.core.types import HashCodes
from avx.hashing.codes_file import CodedItems, item_arrays, read_items
from avx.hashing.pack import pack
from avx.reports.files import read_result
from avx.retrieval.hamming_map import hamming_map
from avx.runs import job
from avx.runs.studies import overridden
from avx.runs.workdir import claim

pytestmark = pytest.mark.usefixtures("one_device")

SMALL = {
    "model.bits": 8,
    "model.hidden_sizes": (16,),
    "model.dropout": 0.0,
    "train.batch_size": 16,
    "train.epochs": 6,
    "train.patience": 0,
    "optimizer.learning_rate": 1e-2,
    "evaluation.batch_size": 16,
    "baselines.cca.dimensions": (2,),
    "baselines.cca.ridge": (0.1,),
}


def config_of(folder, tmp_path, **changes):
    config = runpy.run_path(str(ROOT / "configs" / "semantic_hashing.py"))["get_config"]().lock()
    places = {"data.root": str(folder), "data.cache_dir": str(tmp_path / "data")}
    return overridden(config, SMALL | places | changes)


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "published")


@pytest.fixture(scope="module")
def run(tmp_path_factory, one_device):
    """(config, workdir) of one finished run; not to be changed."""
    root = tmp_path_factory.mktemp("pairs")
    config = config_of(write(root / "published"), root)
    job.run(config, root / "run")
    return config, root / "run"


def assert_learnt(result, text):
    protocol = result.protocol
    assert protocol["dataset"] == "wikipedia" and protocol["features"] == {"image": "image", "text": text}
    assert (protocol["queries"], protocol["classes"], protocol["bits"]) == (12, 3, 8)
    assert protocol["items"] == {"train": 29, "val": 7, "test": 12}
    assert protocol["galleries"] == {"train+val": 36, "test": 12}
    assert protocol["tie_rule"] == "expected value under random order of equal scores"
    assert protocol["scaling"] == "rows L2-normalised, then columns standardised by the training items"
    found = {(row.name, row.gallery): row.directions for row in result.rows}
    assert list(found) == [
        (name, gallery) for name in ("System D", "CCA", "chance") for gallery in protocol["galleries"]
    ]
    for gallery in protocol["galleries"]:
        ours, chance = (found[name, gallery]["text_to_image"].levels["class"]["map"] for name in ("System D", "chance"))
        assert ours > 0.6 > 0.5 > chance
    assert result.training["best_step"] > 0 and result.validation["class/map"] > 0.6


def test_the_run_learns_and_searches_both_galleries(run):
    result = read_result(run[1])
    assert_learnt(result, "text")
    radius = result.rows[0].directions["image_to_text"].radius
    assert (len(radius["recall"]), radius["recall"][-1], radius["answered"][-1]) == (9, 1, 1)
    assert (run[1] / "report.html").stat().st_size > 1000


def test_another_kind_of_features_is_one_field(folder, tmp_path):
    result = job.run(config_of(folder, tmp_path, **{"features.kinds": ("image", "text_tfidf")}), tmp_path / "run")
    assert_learnt(result, "text_tfidf")


def test_a_run_leaves_the_codes_of_all_its_items(run):
    """In the files stand the codes that were scored: their MAP is the one of the result."""
    config, workdir = run
    dataset = job.prepare(config, workdir).dataset
    image, text = (read_items(workdir / "results" / f"{side}_codes.npz", 8) for side in ("image", "text"))
    assert image.item_ids == text.item_ids == dataset.ids and len(dataset.ids) == 48
    assert image.class_names == ("art", "biology", "music")
    np.testing.assert_array_equal(image.labels, dataset.labels)
    np.testing.assert_array_equal(pack(image.vectors).words, image.codes.words)
    queries, gallery = dataset.rows("test"), dataset.rows("train+val")
    asked, offered = HashCodes(image.codes.words[queries], 8), HashCodes(text.codes.words[gallery], 8)
    found = hamming_map(asked, offered, dataset.relevance(queries, gallery).__getitem__)["map"]
    directions = read_result(workdir).rows[0].directions
    assert found == pytest.approx(directions["image_to_text"].levels["class"]["map"])
    assert found != pytest.approx(directions["text_to_image"].levels["class"]["map"])


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


def test_a_fitted_system_refuses_other_features(run, tmp_path):
    config, workdir = run
    with pytest.raises(UserError, match="1000 numbers, but the scaling was fitted on 10"):
        evaluate(
            workdir, overridden(config, {"features.kinds": ("image", "text_tfidf")}), "test", str(tmp_path / "out")
        )


def test_the_model_takes_its_widths_from_the_data(run, tmp_path):
    """System D reads 128 visual words and 10 topics, and with other features 1000 words."""
    config, workdir = run
    narrow = (128 + 1 + 8) * 16 + 8 + (10 + 1 + 8) * 16 + 8 + 8 * 3 + 3
    assert read_result(workdir).training["parameters"] == narrow
    assert shape_check(config)["parameters"] == 2 * ((64 + 1 + 8) * 16 + 8) + 8 * 20 + 20, "of an imagined data set"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.kind": "flickr"}, "data.kind = 'flickr' is unknown; choose one of embedded, features, folder"),
        ({"data.kind": "embedded"}, "'embedded' is a set of clips, and config semantic_hashing has no group 'decode'"),
        ({"data.root": ""}, "data.root is empty"),
        (
            {"features.kinds": ("image", "words")},
            "wikipedia has no features 'words'; choose of image, text",
        ),
        ({"features.kinds": ("image",)}, "must name two sides"),
        ({"features.kinds": ("image_squeezenet", "text")}, "give the file as --config.features.image_weights=FILE"),
        ({"model.head": "own"}, "model.head = 'own' is unknown"),
        ({"train.epochs": 0}, "train.epochs = 0 must be a whole number"),
    ],
)
def test_bad_values_name_their_field(folder, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        job.run(config_of(folder, tmp_path, **changes), tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists() and not (tmp_path / "run" / "model").exists()


@pytest.mark.parametrize("root", ["", "typo"])
def test_data_that_are_not_there_make_no_folder(folder, tmp_path, root):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=r"data\.root .*give the folder of the published files as --config\.data\.root"):
        job.run(config_of(folder, tmp_path, **{"data.root": root and str(tmp_path / root)}), tmp_path / "run")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_is_evaluated_again_from_its_workdir(run, tmp_path, capsys):
    """The model gives every number and code again; damaged files are written anew."""
    workdir = shutil.copytree(run[1], tmp_path / "run")
    results = workdir / "results"
    (results / "text_codes.npz").write_bytes(b"")
    evaluate(workdir, run[0], "test")
    printed = capsys.readouterr().out
    assert "every number equals the one before" in printed and "System D" in printed
    assert levels(workdir) == levels(run[1])
    for name in ("image_codes.npz", "text_codes.npz", "ranks.npz"):
        assert (results / name).read_bytes() == (run[1] / "results" / name).read_bytes()
    changed = (results / "result.json").read_text()
    value = read_result(workdir).rows[0].directions["image_to_text"].levels["class"]["map"]
    assert str(value) in changed
    (results / "result.json").write_text(changed.replace(str(value), "0.5"))
    evaluate(workdir, run[0], "test")
    assert "some numbers differ" in capsys.readouterr().out


def test_a_workdir_without_a_model_is_not_evaluated(folder, tmp_path):
    config = config_of(folder, tmp_path)
    claim(tmp_path / "run", config)
    with pytest.raises(UserError, match=r"holds no fitted model; run experiments\.train"):
        evaluate(tmp_path / "run", config, "test")
    assert not (tmp_path / "run" / "results").exists()


@pytest.mark.slow
def test_nan_in_the_files_ends_the_command_in_one_sentence(folder, tmp_path):
    arrays = scipy.io.loadmat(folder / "raw_features.mat")
    arrays["I_te"][4, 7] = np.nan
    scipy.io.savemat(folder / "raw_features.mat", {key: arrays[key] for key in ("I_tr", "I_te", "T_tr", "T_te")})
    result = command(
        "train",
        "--config=configs/semantic_hashing.py",
        f"--config.data.root={folder}",
        f"--config.data.cache_dir={tmp_path}/data",
        f"--workdir={tmp_path}/run",
    )
    assert_one_sentence(result, "image of item test04 holds NaN or infinity (1 such items)")
