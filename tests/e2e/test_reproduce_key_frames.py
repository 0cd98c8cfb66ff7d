"""`experiments.reproduce` on three tiny videos: the key-frame table, its files, and what it says of the paper."""

import dataclasses
import json

import numpy as np
import pytest

from avx.commands.reproduce import reproduce
from avx.core.errors import UserError
from avx.extraction import key_frames
from avx.extraction.frame_features import FrameFeatures
from avx.media.encode import write_clip
from avx.registry import frame_methods
from avx.tables import sun_table4, sun_table4_page
from avx.tables.table import parse_settings

COLOURS = ((200, 40, 30), (30, 160, 60), (40, 60, 210), (230, 210, 60))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Films of 4, 3 and 2 plain shots, 10 frames each at 5 a second, with a creeping bar; and a broken file."""
    root = tmp_path_factory.mktemp("videos")
    for shots, name in ((2, "short.mp4"), (4, "long.mp4"), (3, "middle.mp4")):
        frames = np.concatenate([np.full((10, 48, 64, 3), colour, np.uint8) for colour in COLOURS[:shots]])
        for number, frame in enumerate(frames):
            frame[20:28, number % 40 : number % 40 + 12] = (250, 240, 250)
        write_clip(root / name, frames, 5, np.zeros(0, np.float32), 16000)
    (root / "broken.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 8)
    return root


@pytest.fixture(scope="module")
def written(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    settings = ("features=histogram", "frame_rate=0", "k_rule=changes+1", "swap_sweeps=0")
    page = reproduce("sun/table4", folder, out, settings)
    return page, json.loads((out / "table.json").read_text()), out


def test_longest_first_and_the_broken_file_is_named(written):
    _, content, _ = written
    assert [row["video"] for row in content["rows"]] == ["long.mp4", "middle.mp4", "short.mp4"]
    assert [row["frames"] for row in content["rows"]] == [40, 30, 20]
    assert len(content["left_out"]) == 1 and "broken.mp4" in content["left_out"][0]


def test_plain_shots_give_known_figures(written):
    """Shot boundaries and SKM with segments take one frame a shot, clustering round(0.07 n) = 3, 2 and 1."""
    _, content, _ = written
    for row, shots, clusters in zip(content["rows"], (4, 3, 2), (3, 2, 1), strict=True):
        figures, frames = row["methods"], row["frames"]
        for name in (sun_table4.SHOTS, sun_table4.SKM):
            assert figures[name]["K"] == shots
            assert figures[name]["compression_ratio"] == pytest.approx(1 - shots / frames, abs=1e-6)
            assert figures[name]["fidelity"] > 0.8  # The bar moves on, and the eye with it.
        assert figures[sun_table4.CLUSTERING]["K"] == clusters
        # A shot without a key frame of its own is represented by another colour.
        assert figures[sun_table4.CLUSTERING]["fidelity"] < 0.6
        assert figures[sun_table4.SAME_K]["K"] == shots
        assert sun_table4.SWAPS not in figures
    mean = np.mean([row["methods"][sun_table4.SKM]["fidelity"] for row in content["rows"]])
    assert content["averages"][sun_table4.SKM]["fidelity"] == pytest.approx(mean)


def test_the_printed_averages_stand_beside(written):
    """The last row of the published table, as printed, from its rows."""
    page, content, out = written
    printed = [round(value, 3) for figures in content["printed_averages"].values() for value in figures.values()]
    assert printed == [0.530, 0.966, 0.709, 0.874, 0.645, 0.931, 0.693, 0.936]
    assert "| average as printed |  | 0.530 | 0.966 | 0.709 | 0.874 | 0.645 | 0.931 | 0.693 | 0.936 |" in page
    assert (out / "table.md").read_text() == page
    assert "histogram" in page and "CMU-MOSEI" in page and "broken.mp4" in page
    assert {path.name for path in out.iterdir()} == {
        "table.json",
        "table.md",
        "fidelity.png",
        "compression_ratio.png",
    }


def described(pattern):
    """A video of plain colours, one for each entry of `pattern`, with features that say nothing."""
    colours = np.eye(256, dtype=np.float32)[np.array(pattern)]
    empty = np.zeros((len(pattern), 1024), np.float32)
    return FrameFeatures(empty[:, :3], colours[:, :5], colours, empty, np.arange(len(pattern)) / 5)


def test_the_judge_does_not_look_at_the_features_of_the_choice():
    """Two key frames of three colours: a quarter of the frames is represented by another colour, at distance 1."""
    video = described([0, 0, 1, 1, 1, 2, 2, 1])
    found = key_frames.judge(video, np.array([0, 3]))
    assert found["fidelity"] == pytest.approx(0, abs=1e-6)
    assert found["mean_fidelity"] == pytest.approx(1 - 2 / 8)
    assert key_frames.judge(dataclasses.replace(video, features=video.histograms), np.array([0, 3])) == found
    for half in ({"histograms": video.histograms * 0 + 1}, {"handcrafted": video.handcrafted * 0 + 1}):
        other = key_frames.judge(dataclasses.replace(video, **half), np.array([0, 3]))
        assert other["fidelity"] == pytest.approx(0.5), "each half counts one half"


def test_vsumm_leaves_out_near_uniform_frames_and_key_frames_that_are_alike():
    """Three large steps of hue make four clusters; two are of one colour, and the frames of the last are uniform."""
    video = described([0, 0, 80, 80, 80, 0, 0, 160])
    grey = np.tile(np.linspace(0, 1, 1024, dtype=np.float32), (8, 1))
    grey[7] = 0.5
    found = key_frames.choose(dataclasses.replace(video, grey=grey), frame_methods.METHODS["vsumm"])
    assert found.indices.tolist() == [0, 2]
    assert found.represents.tolist() == [4, 3], "the frame that is left out stands for nothing and is stood for by none"
    uniform = key_frames.choose(dataclasses.replace(video, grey=0 * grey), frame_methods.METHODS["vsumm"])
    assert uniform.indices.tolist() == [0, 2, 7], "where all are uniform, all are looked at"


def test_every_setting_reaches_its_method():
    changed = {"cuts": "contrast", "gradual": True, "sofm": "online", "fraction": 0.2, "factor": 2.0}
    found = sun_table4.methods(sun_table4.Settings(**changed))
    cuts = found[sun_table4.SHOTS].config
    assert (cuts.rule, cuts.gradual) == ("contrast", True)
    assert found[sun_table4.SKM].config.sofm_form == found[sun_table4.SWAPS].config.sofm_form == "online"
    assert found[sun_table4.CLUSTERING].config.fraction == found[sun_table4.SAME_FEATURES].config.fraction == 0.2
    assert found[sun_table4.DIFFERENCE].config.factor == 2.0
    usual = sun_table4.methods(sun_table4.Settings())[sun_table4.SHOTS].config
    assert (usual.rule, usual.gradual) == ("spread", False)


@pytest.mark.parametrize(
    ("features", "encoder", "words"),
    [
        ("histogram", "histogram", "SKM's features look at the first half"),
        ("handcrafted", "handcrafted:spectral_residual:pool", "SKM's features look at the second half"),
        ("handcrafted", "handcrafted:minimum_barrier:crop", "SKM's features look at a relative of its second half"),
        ("squeezenet", "squeezenet:1a2b:spectral_residual:pool", "SKM's features look at neither half"),
    ],
)
def test_the_page_says_what_of_the_judgement_each_method_sees(written, features, encoder, words):
    _, content, _ = written
    settings = content["settings"] | {"features": features}
    page = sun_table4_page.markdown(content | {"settings": settings, "encoder": encoder})
    assert words.replace("SKM's features", "SKM and the clustering of its features") in page
    assert "hand-crafted features of the salient region; D_max" in page


def test_the_published_statements_are_judged_by_the_figures():
    def row(*values):
        names = sun_table4.PUBLISHED
        pairs = zip(values[::2], values[1::2], strict=True)
        return {
            "methods": {
                name: {"fidelity": fidelity, "compression_ratio": ratio}
                for name, (fidelity, ratio) in zip(names, pairs, strict=True)
            }
        }

    as_printed = sun_table4.findings([row(*values) for values in sun_table4.PRINTED])
    assert sum("does not hold" in line for line in as_printed) == 0
    assert "in 20 of 20 videos" in as_printed[-1]
    other = sun_table4.findings([row(0.5, 0.9, 0.6, 0.8, 0.7, 0.95, 0.65, 0.93)])
    assert "clustering: does not hold (-0.050)" in other[0]
    assert "clustering: does not hold (-0.020)" in other[1]
    assert "in 0 of 1 videos" in other[-1]


def test_bad_input(folder, tmp_path):
    with pytest.raises(UserError, match="sun/table99"):
        reproduce("sun/table99", folder, tmp_path, ())
    with pytest.raises(UserError, match="videos=0 cannot be"):
        reproduce("sun/table4", folder, tmp_path, ("videos=0",))
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "x.mp4").write_bytes(b"nothing")
    with pytest.raises(UserError, match="no video that can be read"):
        reproduce("sun/table4", tmp_path / "empty", tmp_path / "out", ("features=histogram",))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "assignment",
    [
        *("delta=much", "gamma=2", "delta", "frame_rate=-1", "high=inf", "delta=nan", "videos=-1"),
        *("k_rule=guess", "cuts=guess", "sofm=grid"),
    ],
)
def test_bad_settings(folder, tmp_path, assignment):
    with pytest.raises(UserError, match=assignment.split("=")[0]):
        reproduce("sun/table4", folder, tmp_path, (assignment,))


def test_settings_take_the_type_of_their_field():
    settings = parse_settings(sun_table4.Settings, ("delta=2", "features=histogram", "swap_sweeps=3"))
    assert (settings.delta, settings.features, settings.swap_sweeps) == (2.0, "histogram", 3)
    assert settings.fraction == 0.07
