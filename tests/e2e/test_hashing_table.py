"""The hashing tables from files to figures on made-up sets: every row, both databases, classes that can be learnt."""

import functools
import json

import numpy as np
import published_articles
import published_nuswide
import pytest
from published_wikipedia import CLASSES, write
from toy_dataset import table, toy_dataset

from avx.commands.reproduce import reproduce as run
from avx.core.errors import UserError
from avx.data.sets import nuswide
from avx.reports.files import read_result
from avx.runs.fit import closed_form
from avx.runs.grids import WideningGrid
from avx.runs.studies import overridden, read_config
from avx.tables import TABLES, hashing_page, hashing_rows, hashing_table
from avx.tables.hashing_studies import TABLE1, TABLE2
from avx.tables.hashing_table import Settings, reproduce

pytestmark = pytest.mark.usefixtures("one_device")

ROWS = (*hashing_rows.HASHING, *hashing_rows.REAL)
PCA = "configs/comparators/pca.py"
AXES = ({"model.mode": "independent"}, {"model.mode": "joint"})
"""Separate axes agree between the sides by luck alone; joint ones by construction."""


@pytest.mark.slow
def test_every_row_is_measured_printed_and_drawn(tmp_path):
    out = tmp_path / "out"
    text = reproduce(TABLE1, write(tmp_path / "published"), out, Settings(bits="6", seeds=2, epochs=150))
    content = json.loads((out / "table.json").read_text())
    rows = {row["name"]: row for row in content["rows"]}
    assert list(rows) == [row.name for row in ROWS]
    assert (out / "table.md").read_text() == text
    for name, row in rows.items():
        assert f"| {name} |" in text
        assert len(row["runs"]) == (2 if row["hashed"] else 1)
    measured = rows[hashing_rows.OURS]["runs"][0]["metrics"]
    assert content["chance_map"]["train"] < 0.45
    for database in ("train", "test"):
        for direction in ("image_to_text", "text_to_image"):
            assert measured[database][direction]["map"] > 0.6
            for drawn in ("map", "pr", "radius"):
                assert (out / f"{drawn}_{direction}_{database}.png").read_bytes().startswith(b"\x89PNG")
    for name, row in rows.items():
        curves = row["runs"][0]["radius_curves"]
        assert set(curves) == set(hashing_page.DATABASES)
        curve = curves["train"]["text_to_image"]
        assert {len(line) for line in curve.values()} == ({7} if row["hashed"] else set()), "radius 0 to 6"
        if row["hashed"]:
            # Everything lies within the longest radius, where precision is the share of the query's class.
            assert (curve["recall"][-1], curve["answered"][-1]) == (1, 1), name
            assert curve["precision"][-1] == pytest.approx(1 / CLASSES)
    again = hashing_page.spread(rows["SM"], "test", "text_to_image", 6)
    assert again == (rows["SM"]["runs"][0]["metrics"]["test"]["text_to_image"]["map"], 0.0)


@pytest.mark.slow
def test_table2_chooses_on_the_validation_items_of_its_data(tmp_path, monkeypatch):
    """NUS-WIDE-10K from its files to the page; the choice is made by its validation items, once."""
    monkeypatch.setattr(hashing_rows, "HASHING", ())
    monkeypatch.setattr(hashing_rows, "REAL", (hashing_rows.Row("SMFH", PCA, candidates=AXES, hashed=False),))
    monkeypatch.setattr(nuswide, "build", functools.partial(nuswide.build, per_concept=published_nuswide.PER_CONCEPT))
    published = published_nuswide.write(tmp_path / "published")
    asked = TABLES[TABLE2.name].settings(bits="16", seeds=1)
    assert (asked.search, asked.cuts) == (True, 1)
    text = reproduce(TABLE2, published, tmp_path / "out", asked)
    content = json.loads((tmp_path / "out" / "table.json").read_text())
    (row,) = content["rows"]
    assert row["constants"] == {"model.mode": "joint"} and len(row["tried_on_validation"]) == 2
    assert row["printed_image_to_text"] == {"16": 0.432, "32": 0.445, "64": 0.447}
    assert text.startswith("# Cross-modal hashing on NUS-WIDE-10K")
    assert content["queries"] == 10 and set(content["digest"]) == {"ids", "labels", "classes", "split"}
    assert row["runs"][0]["metrics"]["train"]["text_to_image"]["map"] > 2 * content["chance_map"]["train"]


@pytest.mark.slow
def test_constants_are_chosen_on_three_cuts_of_the_training_items(tmp_path):
    row = hashing_rows.Row("PCA", PCA, candidates=AXES, hashed=False)
    asked, out = Settings(split_seed=4), tmp_path / "out"
    config = hashing_table.configured(row, TABLE1, write(tmp_path / "published"), out, asked)
    best, tried = hashing_table.choose(row, config, asked, out)
    assert best == {"model.mode": "joint"} and [one["constants"] for one in tried] == list(AXES)
    assert tried[1]["validation"] > 0.95 > 0.9 > tried[0]["validation"]
    protocols = [read_result(workdir).protocol for workdir in (out / "runs").iterdir()]
    assert len(protocols) == 6 and len({one["digest"]["split"] for one in protocols}) == 3, "three cuts, each for both"
    for one in protocols:
        assert one["items"]["train"] + one["items"]["val"] == 36 and one["items"]["val"] in (7, 8)


def test_every_row_is_chosen_by_fitted_and_by_unseen_items():
    """A function that knows its training items by heart does well against these alone."""
    for row in ROWS:
        evaluation = read_config(row.config).evaluation
        assert tuple(evaluation.validation_galleries) == ("train", "val"), row.name
        assert evaluation.score == "class/map"


def chosen_config(row):
    return overridden(hashing_table.without_grid(read_config(row.config)), row.chosen)


def test_the_page_says_which_rows_are_standardised():
    """Trained rows and the methods that do it by themselves always, the rest by the constant that was chosen."""
    seeing = {row.name for row in ROWS if chosen_config(row).features.standardise}
    assert seeing == {
        hashing_rows.OURS,
        hashing_rows.RECONSTRUCTED,
        "SSAH",
        "SSAH (anchored)",
        "CVH (anchors)",
        "PCA",
        "SM",
    }
    rows = [{"name": name, "standardised": name in seeing} for name in ("SSAH", "SMFH")]
    sentence = hashing_page._standardisation(rows)
    assert sentence == "Columns are then standardised by the fitted items for SSAH, and left as they are for SMFH."


def test_the_search_tries_the_sets_that_the_document_lists():
    """Six for system D, five for the other trained rows, a closed form's grid; each once, the choice among them."""
    counts = {}
    for row in ROWS:
        grid = WideningGrid(read_config(row.config).get("grid", {})).start()
        candidates = row.candidates or [hashing_rows.overrides_of(one) for one in grid]
        counts[row.name] = len(candidates)
        assert len({json.dumps(candidate, sort_keys=True) for candidate in candidates}) == len(candidates)
        if row.candidates:
            assert row.chosen in row.candidates
        else:
            config = read_config(row.config)
            flat = {
                f"{group}.{name}": value for group in ("model", "features") for name, value in config[group].items()
            }
            assert any(all(flat[name] == value for name, value in one.items()) for one in candidates), row.name
    assert counts == {
        hashing_rows.OURS: 6,
        hashing_rows.RECONSTRUCTED: 5,
        "SSAH": 5,
        "SSAH (anchored)": 5,
        "SMFH": 4,
        "CVH (anchors)": 12,
        "CVH (linear)": 3,
        "PCA": 4,
        "CM (CCA)": 20,
        "SM": 3,
        "SCM": 6,
    }


@pytest.mark.parametrize("name", ["PCA", "SM", "CM (CCA)"])
def test_rows_that_standardise_do_not_feel_scales(name):
    """The scores stay as they are where a column is in other units; those of CM do not."""
    (row,) = (row for row in hashing_rows.REAL if row.name == name)
    small = {"model.dimensions": 3} if "dimensions" in chosen_config(row).model else {}
    config = overridden(chosen_config(row), small | {"features.normalise": False})
    plain = toy_dataset()

    def scores(scale, offset):
        values = {
            side: np.concatenate([plain.load(number)[side] for number in range(len(plain))])
            for side in ("image", "text")
        }
        values["image"] = (values["image"] * scale + offset).astype(np.float32)
        dataset = table(values, plain.labels, plain.class_names)
        fitted = closed_form(config, dataset, {})
        embedded = fitted.embed_rows(dataset, dataset.rows("test"))
        return fitted.score(embedded["image"], embedded["text"])

    scale = np.where(np.arange(12) % 3 == 0, 40.0, np.where(np.arange(12) % 3 == 1, 0.1, 1.0))
    apart = np.abs(scores(scale, 3.0) - scores(1.0, 0.0)).max()
    assert apart > 0.05 if name == "CM (CCA)" else apart < 1e-3


def test_nothing_to_choose_by_is_named(tmp_path):
    asked = Settings(validation_share=0.0)
    config = hashing_table.configured(hashing_rows.REAL[0], TABLE1, tmp_path, tmp_path, asked)
    with pytest.raises(UserError, match="validation_share=0 leaves nothing"):
        hashing_table.choose(hashing_rows.REAL[0], config, asked, tmp_path)


@pytest.mark.parametrize("bits", ["", "16,,32", "0", "wide"])
def test_code_lengths_that_are_none_are_named(bits):
    with pytest.raises(UserError, match="must be code lengths"):
        Settings(bits=bits).lengths  # noqa: B018


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"text": "text_bert"}, "wikipedia has no features 'text_bert'; choose of image, text"),
        ({"text": "text_words"}, "wikipedia has no features 'text_words'; choose of image, text"),
        ({"image": "image_squeezenet"}, "--config.features.image_weights=FILE"),
    ],
)
def test_features_that_are_not_there_are_named(tmp_path, chosen, message):
    published = write(tmp_path / "published")
    with pytest.raises(UserError, match=message):
        reproduce(TABLE1, published, tmp_path / "out", Settings(**chosen))


def few_rows(monkeypatch):
    """System D and CM alone: a trained row and a closed form."""
    for name in ("HASHING", "REAL"):
        kept = tuple(row for row in getattr(hashing_rows, name) if row.name in (hashing_rows.OURS, "CM (CCA)"))
        monkeypatch.setattr(hashing_rows, name, kept)


@pytest.mark.slow
def test_the_table_describes_pictures_where_there_are_no_feature_files(tmp_path, monkeypatch):
    """Hand-crafted features: every row, the trained one too, reads vectors of their size; the second run reads them."""
    few_rows(monkeypatch)
    folder = published_articles.write(tmp_path / "published")
    asked = Settings(bits="6", seeds=1, epochs=16, image="image_handcrafted", text="text_words")
    text = reproduce(TABLE1, folder, tmp_path / "out", asked)
    content = json.loads((tmp_path / "out" / "table.json").read_text())
    assert content["features"]["kinds"] == ["image_handcrafted", "text_words"]
    assert "Features: image_handcrafted and text_words" in text
    for row in content["rows"]:
        assert row["runs"][0]["metrics"]["train"]["image_to_text"]["map"] > 0.6 > content["chance_map"]["train"]
    described = list((tmp_path / "out" / "data" / "features").rglob("*.npz"))
    assert len(described) == sum(published_articles.ITEMS.values())
    assert {np.load(path)["picture"].shape for path in described} == {(504,)}


@pytest.mark.slow
def test_settings_name_a_published_network(tmp_path, monkeypatch, real_data):
    few_rows(monkeypatch)
    folder = published_articles.write(tmp_path / "published")
    weights = real_data / "pretrained_small" / "squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5"
    chosen = {"image": "image_squeezenet", "text": "text_words", "bits": "6", "seeds": "1", "epochs": "16"}
    assignments = [f"{name}={value}" for name, value in chosen.items()]
    run(TABLE1.name, folder, tmp_path / "out", [*assignments, f"image_weights={weights}"])
    content = json.loads((tmp_path / "out" / "table.json").read_text())
    assert content["features"]["kinds"] == ["image_squeezenet", "text_words"]
    for row in content["rows"]:
        assert row["runs"][0]["metrics"]["train"]["image_to_text"]["map"] > 0.6 > content["chance_map"]["train"]
