"""What an evaluation writes: the card beside the numbers, what the page shows, several classes, missing sides."""

import dataclasses
import wave

import numpy as np
import pytest
from toy_dataset import table, toy_dataset, without

from avx.core.dataset import Card
from avx.core.errors import UserError
from avx.hashing.codes_file import read_items
from avx.reports.array_files import Embedding, Items, KeyFrames
from avx.reports.files import read_result
from avx.runs import job, results
from avx.runs.baselines import fit_baselines
from avx.runs.fit import closed_form
from avx.runs.studies import overridden
from configs import semantic_hashing
from configs.comparators import cca, cvh_linear


def config_of(module, **fields):
    known = {"data.kind": "features", "data.root": ".", "evaluation.batch_size": 16}
    return overridden(module.get_config().lock(), known | fields)


def several_classes():
    """Items of one or two of four classes, whose features are sums over their classes; the last has none."""
    generator = np.random.default_rng(0)
    labels = generator.random((96, 4)) < 0.35
    labels[np.arange(95), np.arange(95) % 4] = True
    labels[95] = False
    values = {
        side: (labels @ generator.normal(size=(4, width)) + 0.1 * generator.normal(size=(96, width))).astype(np.float32)
        for side, width in (("image", 12), ("text", 9))
    }
    return table(values, labels, ("a", "b", "c", "d"))


def test_the_card_says_what_was_measured_and_how():
    dataset = without(toy_dataset(), "text", np.array([75, 80]))
    fitted = closed_form(config_of(cca, **{"model.dimensions": 3}), dataset, {})
    result, _ = results.evaluate(fitted, dataset)
    card = result.protocol
    assert (card["dataset"], card["split"], card["sides"]) == ("toy", "test", ["image", "text"])
    assert (card["queries"], card["gallery"], card["classes"]) == (24, 22, 4)
    assert card["items"] == {"train": 48, "val": 24, "test": 24} and card["galleries"] == {"train+val": 72, "test": 24}
    assert card["coverage"] == {"items": 96, "evaluated": 24} and card["digest"] == dataset.digest()
    assert card["features"] == {"image": "image", "text": "text"} and card["scaling"] == "rows L2-normalised"
    assert card["score"] == "inner product of unit vectors" and "bits" not in card
    assert [(row.role, row.gallery) for row in result.rows] == [
        ("system", "train+val"),
        ("system", "test"),
        ("chance", "train+val"),
        ("chance", "test"),
    ]
    assert result.rows[0].directions["text_to_image"].queries.size == 22


def test_baselines_and_chance_stand_behind_the_system(tmp_path):
    dataset = toy_dataset()
    config = config_of(semantic_hashing, **{"baselines.cca.dimensions": (2,), "baselines.cca.ridge": (0.1,)})
    fitted = closed_form(config_of(cca, **{"model.dimensions": 3}), dataset, {})
    result, _ = results.evaluate(fitted, dataset, baselines=fit_baselines(config, dataset, tmp_path))
    assert [row.role for row in result.rows] == ["system"] * 2 + ["baseline"] * 2 + ["chance"] * 2
    assert "dimensions 2" in result.rows[2].note and "ridge 0.1" in result.rows[2].note
    alone = closed_form(config_of(cca, **{"model.dimensions": 2, "model.ridge": 0.1}), dataset, {})
    expected, _ = results.evaluate(alone, dataset)
    assert result.rows[2].directions["image_to_text"].levels == expected.rows[0].directions["image_to_text"].levels


def test_another_split_asks_itself_where_the_test_items_would():
    fitted = closed_form(config_of(cca, **{"model.dimensions": 3}), toy_dataset(), {})
    result, _ = results.evaluate(fitted, toy_dataset(), "val", validate=False)
    assert [row.gallery for row in result.rows if row.role == "system"] == ["train+val", "val"]
    assert result.validation == {} and result.protocol["queries"] == 24
    np.testing.assert_array_equal(result.rows[1].directions["image_to_text"].queries, np.arange(48, 72))
    with pytest.raises(UserError, match="the split 'tset' is unknown"):
        results.evaluate(fitted, toy_dataset(), "tset")


def test_items_of_several_classes_go_from_the_file_to_the_page(tmp_path, monkeypatch):
    dataset = several_classes()
    monkeypatch.setattr(job, "prepare", lambda *given: job.Prepared(dataset, None, {}))
    config = config_of(cvh_linear, **{"model.bits": 4, "grid.ridge": (1e-3,)})
    result = job.run(config, tmp_path / "run")
    direction = read_result(tmp_path / "run").rows[1].directions["image_to_text"]
    assert direction.levels["class"] == result.rows[1].directions["image_to_text"].levels["class"]
    assert (direction.levels["class"]["queries"], direction.levels["class"]["excluded"]) == (23, 1)
    chance = next(row for row in result.rows if row.role == "chance" and row.gallery == "test")
    assert direction.levels["class"]["map"] > chance.directions["image_to_text"].levels["class"]["map"] + 0.05
    shown = Items.read(tmp_path / "run")
    np.testing.assert_array_equal(shown.labels, dataset.labels[shown.rows])
    codes = read_items(tmp_path / "run" / "results" / "text_codes.npz", 4)
    assert codes.item_ids == dataset.ids and codes.labels[95] == -1
    assert (tmp_path / "run" / "report.html").stat().st_size > 1000


def test_items_that_lack_a_side_have_no_embedding_of_it(tmp_path):
    dataset = without(toy_dataset(), "text", np.array([75, 80]))
    fitted = closed_form(config_of(cca, **{"model.dimensions": 3}), dataset, {})
    result, evaluator = results.evaluate(fitted, dataset)
    results.write(result, evaluator, tmp_path)
    stored = Embedding.read(tmp_path)
    assert stored.ids.tolist() == [dataset.ids[row] for row in range(72, 96)]
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(stored.sides["text"]).all(1)), [3, 8])
    assert np.isfinite(stored.sides["image"]).all()


def with_media(folder, large=()):
    """Items with films and sounds of their own, key frames and captions."""
    dataset = toy_dataset()
    for row in range(72, 96):
        (folder / f"{row}.MP4").write_bytes(bytes(results.LARGEST_MEDIA + 1 if row in large else 300))
        with wave.open(str(folder / f"{row}.wav"), "wb") as sound:
            sound.setparams((1, 2, 8000, 0, "NONE", ""))
            sound.writeframes(bytes(200))
    pictures = np.random.default_rng(0).integers(0, 256, (96, 3, 40, 60, 3), np.uint8)

    def load(row):
        times = np.array([0.5, 1.5, 2.5])
        shown = {"keyframe_images": pictures[row], "keyframe_times": times, "duration": np.float64(4)}
        return {**dataset.load(row), **shown}

    shapes = {"keyframe_images": (3, 40, 60, 3), "image": (1, 12), "text": (1, 9)}
    return dataclasses.replace(
        dataset,
        load=load,
        shapes=lambda row: shapes,
        card=lambda row: Card(f"caption {row}", ("class",), f"{row}.MP4", (1.0,)),
        media=lambda row: (folder / f"{row}.MP4", folder / f"{row}.wav"),
    )


def test_what_the_page_shows_is_kept_beside_it(tmp_path):
    (tmp_path / "films").mkdir()
    dataset = with_media(tmp_path / "films", large=(72, 73, 74))
    config = config_of(cca, **{"model.dimensions": 3, "evaluation.report_items": 5})
    result, evaluator = results.evaluate(closed_form(config, dataset, {}), dataset)
    results.write(result, evaluator, tmp_path / "run")
    shown = Items.read(tmp_path / "run")
    assert set(shown.rows.tolist()) <= set(range(96)) and shown.captions[0] == f"caption {shown.rows[0]}"
    for row, media, sound in zip(shown.rows.tolist(), shown.media.tolist(), shown.sound.tolist(), strict=True):
        if row in (72, 73, 74) or row < 72:
            assert media == "", "too large to keep, or gone"
        else:
            assert media == f"results/media/{row}_media.mp4" and (tmp_path / "run" / media).stat().st_size == 300
            assert (tmp_path / "run" / sound).read_bytes()[:4] == b"RIFF"
    sheets = KeyFrames.read(tmp_path / "run")
    assert len(sheets.ids) == 5 and sheets.times.tolist() == [0.5, 1.5, 2.5] * 5
    assert set(sheets.ids.tolist()) <= {dataset.ids[row] for row in range(72, 96)}
    assert sheets.boundaries.tolist() == [1.0] * 5


def test_constants_in_words():
    assert (
        results.in_words({"dimensions": 10, "ridge": 1e-3, "kernels": "rbf"})
        == "dimensions 10, ridge 0.001, kernels rbf"
    )
    assert results.in_words({}) == ""
