"""The hashing tables from files to figures on made-up sets: every row, both databases, classes that can be learnt."""

import dataclasses
import json

import numpy as np
import published_articles
import published_nuswide
import pytest
from experiments.pairs import DIRECTIONS, Pairs, validation_levels
from published_wikipedia import CLASSES, write

from avx.core.errors import UserError
from avx.data.sets import nuswide
from avx.tables import hashing_page, hashing_rows, semantic_hashing
from avx.tables.hashing_table import TABLE1, Settings, reproduce
from experiments.reproduce import reproduce as run


@pytest.mark.slow
def test_every_row_is_measured_printed_and_drawn(tmp_path):
    out = tmp_path / "out"
    text = reproduce(TABLE1, write(tmp_path / "published"), out, Settings(bits="6", seeds=2, epochs=150))
    content = json.loads((out / "table.json").read_text())
    rows = {row["name"]: row for row in content["rows"]}
    assert list(rows) == [row.name for row in (*hashing_rows.HASHING, *hashing_rows.REAL)]
    assert (out / "table.md").read_text() == text
    for name, row in rows.items():
        assert f"| {name} |" in text
        assert len(row["runs"]) == (2 if row["hashed"] else 1)
    measured = rows[hashing_rows.OURS]["runs"][0]["metrics"]
    assert content["chance_map"]["train"] < 0.45
    for database in ("train", "test"):
        for direction in ("image_to_text", "text_to_image"):
            assert measured[database][direction]["map"] > 0.6
            assert (out / f"map_{direction}_{database}.png").read_bytes().startswith(b"\x89PNG")
            assert (out / f"pr_{direction}_{database}.png").exists()
            assert (out / f"radius_{direction}_{database}.png").exists()
    for name, row in rows.items():
        assert set(row["runs"][0]["radius_curves"]) == (set(hashing_page.DATABASES) if row["hashed"] else set())
        if row["hashed"]:
            curve = row["runs"][0]["radius_curves"]["train"]["text_to_image"]
            assert {len(line) for line in curve.values()} == {7}, "radius 0 to 6"
            # Everything lies within the longest radius, where precision is the share of the query's class.
            assert (curve["recall"][-1], curve["answered"][-1]) == (1, 1), name
            assert curve["precision"][-1] == pytest.approx(1 / CLASSES)
    again = hashing_page.spread(rows["SM"], "test", "text_to_image", 6)
    assert again == (rows["SM"]["runs"][0]["metrics"]["test"]["text_to_image"]["map"], 0.0)


def test_scores_of_hashed_rows_give_their_distances_back():
    rng = np.random.default_rng(0)
    queries, database = rng.normal(size=(4, 48)), rng.normal(size=(9, 48))
    distances = ((queries >= 0)[:, None] != (database >= 0)).sum(2)
    scores = hashing_rows.hamming_scores(queries, database)
    np.testing.assert_allclose(scores, 1 - 2 * distances / 48, atol=1e-6)
    np.testing.assert_array_equal(hashing_rows.hamming_distances(scores, 48), distances)


def nearest_class(training, validation, classes, bits, seed, constants):
    """A row's fit: items match where their nearest class means are those of one class; "sign" may turn that round."""

    def classes_of(items, side):
        means = np.stack([getattr(training, side)[training.label == one].mean(0) for one in range(classes)])
        return np.argmax(getattr(items, side) @ means.T, 1)

    def scorer(queries, database):
        return {
            (one, other): constants["sign"] * (classes_of(queries, one)[:, None] == classes_of(database, other))
            for one, other in DIRECTIONS
        }

    return scorer, {}


def test_table2_chooses_on_the_validation_items_of_its_data(tmp_path, monkeypatch):
    """NUS-WIDE-10K from its files to the page; the choice is made by its validation items."""
    signs = ({"sign": -1.0}, {"sign": 1.0})
    monkeypatch.setattr(hashing_rows, "HASHING", (hashing_rows.Row("SMFH", nearest_class, signs, {"sign": -1.0}),))
    monkeypatch.setattr(hashing_rows, "REAL", ())

    def build(data_dir, folder, describe):
        assert describe == {}
        return nuswide.build(data_dir, folder, published_nuswide.PER_CONCEPT)

    study = dataclasses.replace(semantic_hashing.TABLE2, build=build)
    published = published_nuswide.write(tmp_path / "published")
    settings = semantic_hashing.TABLES[study.name].settings(bits="16", seeds=1)
    text = reproduce(study, published, tmp_path / "out", settings)
    content = json.loads((tmp_path / "out" / "table.json").read_text())
    (row,) = content["rows"]
    assert row["constants"] == {"sign": 1.0} and len(row["tried_on_validation"]) == 2
    assert row["printed_image_to_text"] == {"16": 0.432, "32": 0.445, "64": 0.447}
    assert text.startswith("# Cross-modal hashing on NUS-WIDE-10K") and "| 0.432 |" in text
    assert content["queries"] == 10 and set(content["split_hash"]) == {"train", "val", "test"}
    assert row["runs"][0]["metrics"]["train"]["text_to_image"]["map"] > 0.6 > content["chance_map"]["train"]


def toy_parts(validation):
    """30 items of 3 classes in "train", and 6 more in "val" if asked for."""
    rng = np.random.default_rng(1)
    label = np.arange(36) % CLASSES
    sides = [np.eye(CLASSES)[label] + 0.1 * rng.normal(size=(36, CLASSES)) for _ in range(2)]
    whole = Pairs(*sides, label, tuple(f"item{row:02}" for row in range(36)))
    parts = {"train": whole.take(np.arange(30)), "test": whole.take(np.arange(3))}
    return parts | ({"val": whole.take(np.arange(30, 36))} if validation else {})


@pytest.mark.parametrize("validation", [False, True])
def test_constants_are_chosen_by_validation_items_alone(validation):
    """The candidate that is best on them wins; test items are never handed over."""
    parts, seen = toy_parts(validation), []

    def fit(fitting, validation, classes, bits, seed, constants):
        seen.append((set(fitting.item_ids), set(validation.item_ids), bits))

        def scorer(queries, database):
            right = (queries.label[:, None] == database.label).astype(float)
            return {direction: constants["sign"] * right for direction in DIRECTIONS}

        # Cut after cut finds 7, 9, 8, of which 8 is the middle.
        return scorer, {"found": 7 if "val" in parts else (7, 9, 8)[(len(seen) - 1) % 3]}

    row = hashing_rows.Row("toy", fit, ({"sign": -1.0}, {"sign": 1.0}, {"sign": 0.0}), {"sign": 0.0})
    best, tried = semantic_hashing.choose(row, parts, CLASSES, Settings())
    assert best == {"sign": 1.0, "found": 8 if not validation else 7}
    assert tried[1]["validation_map"] == 1.0 and len(tried) == 3
    assert len(seen) == (3 if validation else 9), "three cuts of the training items; the data's own items are one part"
    for fitted, held, bits in seen:
        assert not fitted & held and len(held) == 6 and bits == 32
        assert held == set(parts["val"].item_ids) if validation else fitted | held == set(parts["train"].item_ids)
    if not validation:
        assert len({frozenset(held) for _, held, _ in seen}) == 3


def test_a_row_that_only_knows_its_training_items_loses():
    """Right about the fitted items but at chance among unseen ones, against right about both: both databases count."""
    parts = toy_parts(True)
    fitting, held = parts["train"], parts["val"]

    def scorer(knows_all):
        def scores(queries, database):
            known = knows_all or database is fitting
            right = (queries.label[:, None] == database.label).astype(float)
            return {direction: right if known else np.zeros_like(right) for direction in DIRECTIONS}

        return scores

    both, by_heart = (validation_levels(scorer(knows), fitting, held) for knows in (True, False))
    assert both["map"] == 1.0 and by_heart["fitted/image_to_text/map"] == 1.0
    assert by_heart["map"] < 0.8 and by_heart["held/text_to_image/map"] < 0.6


def test_the_page_says_which_rows_are_standardised():
    """Trained rows and the methods that do it by themselves always, the rest by the constant that was chosen."""
    rows = (*hashing_rows.HASHING, *hashing_rows.REAL)
    chosen = {row.name: hashing_rows.sees_standardised(row, row.chosen) for row in rows}
    seeing = {name for name, answer in chosen.items() if answer}
    trained = {hashing_rows.OURS, hashing_rows.RECONSTRUCTED, "SSAH"}
    assert seeing == trained | {"CVH (anchors)", "PCA", "SM"}
    smfh = next(row for row in rows if row.name == "SMFH")
    assert hashing_rows.sees_standardised(smfh, {"standardise": True})
    sentence = hashing_page._standardisation(
        [{"name": name, "standardised": chosen[name]} for name in ("SSAH", "SMFH")]
    )
    assert sentence == "Columns are then standardised by the fitted items for SSAH, and left as they are for SMFH."


def test_the_search_tries_the_sets_that_the_document_lists():
    """Six for system D, five for the other trained rows, each once, the recorded choice among them."""
    for row in hashing_rows.HASHING[:3]:
        assert len(row.candidates) == (6 if row.name == hashing_rows.OURS else 5)
        assert row.chosen in row.candidates
        assert len({json.dumps(candidate, sort_keys=True) for candidate in row.candidates}) == len(row.candidates)


@pytest.mark.parametrize("row", [row for row in hashing_rows.REAL if row.standardises], ids=lambda row: row.name)
def test_rows_that_standardise_by_themselves_do_not_feel_scales(row):
    """The scores stay as they are where a column is in other units; those of CM do not."""
    parts = toy_parts(False)
    constants = {name: min(value, 2) if name == "dimensions" else value for name, value in row.chosen.items()}

    def scores(fit, given, scale):
        scaled = [dataclasses.replace(part, image=part.image * scale + 3) for part in (parts["train"], parts["test"])]
        return fit(scaled[0], None, CLASSES, 0, 0, given)[0](scaled[1], scaled[0])["image", "text"]

    scale = np.array([1.0, 50.0, 0.2])
    np.testing.assert_allclose(scores(row.fit, constants, scale), scores(row.fit, constants, 1.0), atol=1e-4)
    (cm,) = (row for row in hashing_rows.REAL if row.name == "CM (CCA)")
    given = {"dimensions": 2, "ridge": 0.1}
    assert np.abs(scores(cm.fit, given, scale) - scores(cm.fit, given, 1.0)).max() > 0.05


def test_nothing_to_choose_by_is_named():
    with pytest.raises(UserError, match="validation_share=0 leaves nothing"):
        semantic_hashing.choose(hashing_rows.REAL[0], toy_parts(False), CLASSES, Settings(validation_share=0.0))


@pytest.mark.parametrize("bits", ["", "16,,32", "0", "wide"])
def test_code_lengths_that_are_none_are_named(bits):
    with pytest.raises(UserError, match="must be code lengths"):
        Settings(bits=bits).lengths  # noqa: B018


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"text": "text_bert"}, "text = 'text_bert' is unknown; choose one of text, text_tfidf, text_words"),
        (
            {"image": "text"},
            "image = 'text' is unknown; choose one of image, image_handcrafted, image_resnet50, image_s",
        ),
        ({"text": "text_words"}, "has no features 'text_words'; choose of image, text, text_tfidf"),
        ({"image": "image_squeezenet"}, "--set=image_weights=FILE"),
    ],
)
def test_features_that_are_not_there_are_named(tmp_path, chosen, message):
    published = write(tmp_path / "published")
    with pytest.raises(UserError, match=message):
        reproduce(TABLE1, published, tmp_path / "out", Settings(**chosen))


def few_rows(monkeypatch):
    """System D and CM alone: a trained row and a closed form."""
    for table in ("HASHING", "REAL"):
        kept = tuple(row for row in getattr(hashing_rows, table) if row.name in (hashing_rows.OURS, "CM (CCA)"))
        monkeypatch.setattr(hashing_rows, table, kept)


@pytest.mark.slow
def test_the_table_describes_pictures_where_there_are_no_feature_files(tmp_path, monkeypatch):
    """Hand-crafted features: every row, the trained one too, reads vectors of their size; the second run reads them."""
    few_rows(monkeypatch)
    folder = published_articles.write(tmp_path / "published")
    settings = Settings(bits="6", seeds=1, epochs=16, image="image_handcrafted", text="text_words")
    text = reproduce(TABLE1, folder, tmp_path / "out", settings)
    content = json.loads((tmp_path / "out" / "table.json").read_text())
    assert content["features"]["sizes"] == {"image_handcrafted": 504, "text_words": 1000}
    assert "Features: 504-d image_handcrafted and 1000-d text_words" in text
    ours, other = content["rows"]
    assert (ours["constants"]["features.image"], ours["name"]) == ("image_handcrafted", hashing_rows.OURS)
    assert "features.image" not in other["constants"]
    for row in content["rows"]:
        assert row["runs"][0]["metrics"]["train"]["image_to_text"]["map"] > 0.6 > content["chance_map"]["train"]
    assert len(list((tmp_path / "out" / "data" / "features").rglob("*.npz"))) == sum(published_articles.ITEMS.values())


@pytest.mark.slow
def test_settings_name_a_published_network(tmp_path, monkeypatch, real_data):
    few_rows(monkeypatch)
    folder = published_articles.write(tmp_path / "published")
    weights = real_data / "pretrained_small" / "squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5"
    chosen = {"image": "image_squeezenet", "text": "text_words", "bits": "6", "seeds": "1", "epochs": "16"}
    assignments = [f"{name}={value}" for name, value in chosen.items()]
    with pytest.raises(UserError, match="give the file as --set=image_weights=FILE"):
        run(TABLE1.name, folder, tmp_path / "out", assignments)
    run(TABLE1.name, folder, tmp_path / "out", [*assignments, f"image_weights={weights}"])
    content = json.loads((tmp_path / "out" / "table.json").read_text())
    assert content["features"]["sizes"] == {"image_squeezenet": 512, "text_words": 1000}
    for row in content["rows"]:
        assert row["runs"][0]["metrics"]["train"]["image_to_text"]["map"] > 0.6 > content["chance_map"]["train"]
