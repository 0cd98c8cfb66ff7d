"""The table of agreement with people: official figures through the command, every layout, and honest gaps."""

import json
import shutil

import h5py
import numpy as np
import pytest
import scipy.io
from PIL import Image

from avx.commands.reproduce import reproduce
from avx.core.errors import UserError
from avx.tables import agreement_layouts
from avx.tables.sun_agreement import equal_stretches, knapsack, summary_of


def measured(data, out, *assignments):
    page = reproduce("sun/agreement", data, out, assignments)
    assert (out / "table.md").read_text() == page
    return page, json.loads((out / "table.json").read_text())


def test_the_official_figures_come_out_of_the_command(real_data, tmp_path):
    page, content = measured(real_data / "vsumm_cus", tmp_path)
    assert "Equal to the official program's figures: 10 of 10." in page
    assert len(content["pictures"]) == 10 and all(row["equal"] for row in content["pictures"])
    means = [(row["summary"], round(row["accuracy"], 2), round(row["error"], 2)) for row in content["picture_means"]]
    assert means == [("VSUMM1", 0.95, 0.38), ("VSUMM2", 0.83, 0.17)]
    assert "CUS of our methods: the material holds the chosen pictures" in page
    _, strict = measured(real_data / "vsumm_cus", tmp_path / "strict", "threshold=0.05")
    assert not all(row["equal"] for row in strict["pictures"]), "another threshold gives other figures"


def test_people_among_themselves_on_summe(real_data, tmp_path):
    """The mean of the pairwise F-scores is .311, as published with the data set (Gygli et al. 2014: .311)."""
    page, content = measured(real_data / "summe_gt", tmp_path)
    people = {row["summary"]: row for row in content["frame_means"]}["people among themselves"]
    assert people["count"] == 25 and people["mean"] == pytest.approx(0.311, abs=5e-4)
    assert "25 of 25 videos: their files hold summaries alone" in page


def test_reference_key_frames_alone_are_said_to_be_so(real_data, tmp_path):
    page, content = measured(real_data / "tvsum_keyframes", tmp_path)
    assert sum(row["key_frames"] for row in content["references"].values()) == 153
    assert "neither users nor the videos are there" in page and not content["pictures"] and not content["frames"]


def tvsum_file(path):
    """Two videos of 200 frames in 10 segments, every tenth frame described; both users want segments 2 and 7."""
    rng = np.random.default_rng(0)
    segments = np.stack([np.arange(0, 200, 20), np.arange(19, 200, 20)], 1)
    looks = np.abs(rng.normal(size=(3, 16)))
    features = looks[[0] * 4 + [1] * 2 + [0] * 8 + [2] * 2 + [0] * 4] + 0.01 * rng.random((20, 16))
    wanted = np.zeros((2, 200))
    wanted[:, 40:60] = wanted[0, 140:160] = 1
    wanted[1, 150:170] = 1
    with h5py.File(path, "w") as file:
        for name in ("video_1", "video_2"):
            group = file.create_group(name)
            group["features"], group["picks"] = features, np.arange(0, 200, 10)
            group["change_points"], group["user_summary"] = segments, wanted
    return path


def test_our_methods_run_where_there_are_features(tmp_path):
    tvsum_file(tmp_path / "tvsum.h5")
    page, content = measured(tmp_path, tmp_path / "out", "share=0.2")
    assert content["without_features"] == 0 and "Not measured" not in page
    names = [row["summary"] for row in content["frames"] if row["video"] == "tvsum video_1"]
    assert names == ["SKM", "clustering", "equal distances", "equal stretches", "people among themselves"]
    people = content["frame_means"][-1]
    assert people["mean"] == people["best"] == pytest.approx(2 * 30 / 80)
    assert all(0 <= row["mean"] <= row["best"] <= 1 for row in content["frames"])


def test_summaries_hold_the_segments_whose_key_frames_stand_for_most():
    segments = np.array([[0, 19], [20, 59], [60, 79], [80, 99]])
    video = agreement_layouts.FrameSummaries("v", np.zeros((100, 1), bool), None, np.arange(0, 100, 5), segments)
    selected = summary_of(np.array([1, 6, 13, 17]), np.array([4, 9, 2, 5]), video, 0.41)
    assert np.flatnonzero(selected).tolist() == [*range(20), *range(80, 100)] or selected[20:60].all()
    assert selected.sum() <= 41


def test_knapsack_is_the_best_of_all_subsets():
    rng = np.random.default_rng(3)
    for _ in range(20):
        values, lengths = rng.random(7), rng.integers(1, 12, 7)
        chosen = knapsack(values, lengths, 20)
        subsets = ((np.arange(128)[:, None] >> np.arange(7)) & 1).astype(bool)
        fits = subsets[(subsets * lengths).sum(1) <= 20]
        assert (chosen * lengths).sum() <= 20
        assert (chosen * values).sum() == pytest.approx((fits * values).sum(1).max())


def test_equal_stretches_hold_their_share():
    assert equal_stretches(1000, 0.15, 10).mean() == pytest.approx(0.15, abs=0.01)
    assert np.flatnonzero(np.diff(equal_stretches(1000, 0.15, 10).astype(int)) == 1).size == 10


def test_what_is_no_layout_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no summaries"):
        measured(tmp_path, tmp_path / "out")
    (tmp_path / "v" / "user1").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "v" / "user1" / "frame.png")
    with pytest.raises(UserError, match="does not end with a frame number"):
        measured(tmp_path, tmp_path / "out")
    shutil.rmtree(tmp_path / "v")
    (tmp_path / "broken.h5").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"broken\.h5"):
        measured(tmp_path, tmp_path / "out")
    (tmp_path / "broken.h5").unlink()
    scipy.io.savemat(tmp_path / "other.mat", {"x": 1})
    with pytest.raises(UserError, match="holds no summaries"):
        measured(tmp_path, tmp_path / "out")
