"""The page of Li 2022, Table 2, from hand-made results, and what its settings change."""

import dataclasses
from pathlib import Path

import pytest

from avx.core.errors import UserError
from avx.tables import li_table2
from avx.tables.li_table2 import DIRECTIONS, KS, READINGS, Settings, configured


def run_of(value):
    return {
        f"{direction}/{metric}@{k}": value + k / 1000
        for direction in DIRECTIONS
        for metric in READINGS.values()
        for k in KS
    }


def result_of(rows):
    protocol = {
        "dataset": "made up",
        "items": {"train": 7, "val": 2, "test": 5},
        "gallery": 5,
        "classes": 2,
        "split_hash": "abc",
        "tie_rule": "ties in expectation",
        "missing_modality": "none missing",
    }
    return {"protocol": protocol, "settings": {"seeds": 2}, "rows": rows, "printed": li_table2.PRINTED}


def test_every_reading_stands_beside_the_printed_figures():
    text = li_table2.page(result_of({"System C": [run_of(0.25), run_of(0.35)], "chance": [run_of(0.1)]}))
    assert "made up, 7 clips to train, 5 to search" in text
    for title in READINGS:
        assert f"R@k as {title}" in text
    # .25 and .35, each with k / 1000 more: mean .301 at k = 1, sample deviation .0707.
    assert text.count("30.1 ± 7.1") == len(READINGS) * len(DIRECTIONS)
    assert text.count("10.1 |") + text.count("10.1|") >= len(READINGS) * len(DIRECTIONS)
    assert "3.37" in text and "24.37" in text and "VM-Net" in text


def test_the_gains_that_the_paper_claims_follow_from_its_figures():
    """Guards the figures against misprints of ours: 40.42, 29.15, 19.93 % and 40.16, 30.66, 14.15 % over VM-Net."""
    gains = [
        100 * (own / best - 1) for own, best in zip(li_table2.PRINTED["Ours"], li_table2.PRINTED["VM-Net"], strict=True)
    ]
    assert gains == pytest.approx([40.42, 29.15, 19.93, 40.16, 30.66, 14.15], abs=0.01)


def test_settings_change_the_study_and_keep_its_other_values():
    config = configured(Path("somewhere"), Settings(speech="spoken", clips=40, epochs=2))
    assert (config.data.root, config.data.speech, config.data.clips, config.train.epochs) == (
        "somewhere",
        "spoken",
        40,
        2,
    )
    assert tuple(config.evaluation.ks) == KS
    assert configured(Path("x"), Settings()).data.clips == 800


def test_what_cannot_be_is_refused():
    with pytest.raises(UserError, match="seeds=0"):
        Settings(seeds=0)
    with pytest.raises(UserError, match=r"nowhere\.py does not exist"):
        configured(Path("x"), Settings(config="nowhere.py"))


def test_a_study_that_reads_i3d_asks_for_its_weights_by_the_settings_of_the_table():
    settings = Settings(config="configs/feature_memory.py", video_weights="rgb.pt")
    with pytest.raises(UserError, match="give both streams as --set=video_weights=FILE --set=flow_weights=FILE"):
        configured(Path("films"), settings)
    given = configured(Path("films"), dataclasses.replace(settings, flow_weights="flow.pt"))
    assert (given.features.video_weights, given.features.flow_weights) == ("rgb.pt", "flow.pt")
