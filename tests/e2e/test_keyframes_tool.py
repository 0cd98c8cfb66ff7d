"""`python -m tools.keyframes` on rendered videos with known shots, a folder with a broken file, and nothing usable."""

import csv
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from avx.commands.keyframes import Settings, extract, find_videos
from avx.core.errors import UserError
from avx.extraction.frame_features import FrameDescriber
from avx.media.decode import stream_frames
from avx.media.encode import write_clip
from avx.media.images import read_image
from avx.registry import frame_methods

ROOT = Path(__file__).parents[2]
SHOTS = ((200, 40, 30), (30, 160, 60), (40, 60, 210))


def write_film(path, lengths=(8, 12, 10), rate=5):
    """Three plain shots with a bright bar that creeps, so that no two frames are alike."""
    shots = zip(lengths, SHOTS, strict=False)
    frames = np.concatenate([np.full((length, 48, 64, 3), colour, np.uint8) for length, colour in shots])
    for number, frame in enumerate(frames):
        frame[20:28, number : number + 16] = (250, 240, 120)
    write_clip(path, frames, rate, np.zeros(0, np.float32), 16000)


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "tools.keyframes", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """a.mp4 with three shots, b/a.mp4 with two, and a file that is no video."""
    root = tmp_path_factory.mktemp("videos")
    write_film(root / "a.mp4")
    write_film(root / "b" / "a.mp4", lengths=(9, 11))
    (root / "broken.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 8)
    return root


@pytest.fixture(scope="module")
def outcome(folder, tmp_path_factory):
    """One run of the command over the folder, on every frame."""
    out = tmp_path_factory.mktemp("out")
    return run(folder, f"--out={out}", "--method=shot_boundary", "--features=histogram", "--frame_rate=0"), out


def test_a_folder_with_a_broken_file(outcome):
    done, out = outcome
    assert done.returncode == 0, done.stderr
    assert "5 key frames of 2 of 3 videos" in done.stdout
    assert "left out:" in done.stdout and "broken.mp4" in done.stdout and "unreadable" in done.stdout
    assert "Traceback" not in done.stderr
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("keyframes.json")) == [
        "a/keyframes.json",
        "b/a/keyframes.json",
    ]
    assert not list(out.rglob("*.partial*"))


def test_the_manifest_tells_true_times_and_frames(folder, outcome):
    """Shots of 8, 12 and 10 frames at 5 a second: the middle frames are 3, 13 and 24."""
    _, out = outcome
    manifest = json.loads((out / "a" / "keyframes.json").read_text())
    keys = manifest["key_frames"]
    assert [key["frame"] for key in keys] == [3, 13, 24]
    assert [key["represents"] for key in keys] == [8, 12, 10]
    assert [key["file"] for key in keys] == ["key_01_0.60s.jpg", "key_02_2.60s.jpg", "key_03_4.80s.jpg"]
    decoded = dict(enumerate(stream_frames(folder / "a.mp4")))
    for key in keys:
        time, pixels = decoded[key["frame"]]
        assert key["time"] == pytest.approx(time, abs=1e-9)
        picture = read_image(out / "a" / key["file"])
        assert picture.shape == (48, 64, 3)
        assert np.abs(picture.astype(int) - pixels).mean() < 2
        others = [other for number, (_, other) in decoded.items() if abs(number - key["frame"]) > 15]
        assert all(np.abs(picture.astype(int) - other).mean() > 20 for other in others)
    assert manifest["K"] == 3
    assert manifest["compression_ratio"] == pytest.approx(0.9)
    assert 0.8 < manifest["fidelity"] <= manifest["mean_fidelity"] <= 1
    assert manifest["settings"]["method"] == "shot_boundary"
    assert read_image(out / "a" / "contact_sheet.png").shape[1] == 1440


def test_nothing_usable_ends_with_status_2(folder, tmp_path):
    done = run(folder / "broken.mp4", tmp_path / "none.mp4", f"--out={tmp_path / 'out'}", "--features=histogram")
    assert done.returncode == 2
    assert "missing_file" in done.stdout and "unreadable" in done.stdout
    assert "error: not one of the 2 videos could be read" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def describer():
    return FrameDescriber(frame_methods.encoder(frame_methods.HISTOGRAM))


def test_a_second_run_removes_what_it_replaces_and_nothing_else(folder, tmp_path, describer):
    path, settings = folder / "a.mp4", {"features": frame_methods.HISTOGRAM, "frame_rate": None}
    extract(path, tmp_path, "a", Settings(method="shot_boundary", **settings), describer)
    (tmp_path / "key_99_9.00s.jpg").write_bytes(b"somebody's own")
    manifest = extract(path, tmp_path, "a", Settings(method="uniform", **settings), describer)
    files = {key["file"] for key in manifest["key_frames"]}
    assert len(files) == 2  # 6.4 % of 30 frames
    pictures = {found.name for found in tmp_path.glob("*.jpg")}
    assert pictures == files | {"key_99_9.00s.jpg"}


def test_skm_finds_one_frame_of_every_shot(folder, tmp_path, describer):
    """By default as many key frames as shots; as printed, one for each of the two changes."""
    settings = Settings(features=frame_methods.HISTOGRAM, frame_rate=None, delta=1.5)
    for rule, count in (("changes+1", 3), ("changes", 2)):
        changed = settings if rule == "changes+1" else dataclasses.replace(settings, k_rule=rule)
        manifest = extract(folder / "a.mp4", tmp_path, "a", changed, describer)
        shots = np.searchsorted([8, 20], [key["frame"] for key in manifest["key_frames"]], side="right")
        assert manifest["K"] == len(set(shots.tolist())) == count
        assert manifest["settings"]["k_rule"] == rule


def test_scenes_and_an_exact_count(folder, tmp_path):
    """Three shots of 8, 12 and 10 frames at 5 a second, looked at twice a second; two key frames are asked for."""
    table = tmp_path / "scenes.csv"
    done = run(folder / "a.mp4", f"--out={tmp_path}", "--features=histogram", "--count=2", "--scenes", table)
    assert done.returncode == 0, done.stderr
    with table.open() as file:
        scenes = list(csv.DictReader(file))
    assert [(scene["start"], scene["end"], scene["transition"]) for scene in scenes] == [
        ("0.000", "1.600", "start"),
        ("1.600", "4.000", "cut"),
        ("4.000", "5.800", "cut"),
    ]
    assert [(scene["first_frame"], scene["last_frame"]) for scene in scenes] == [("0", "7"), ("8", "19"), ("20", "29")]
    assert {scene["video"] for scene in scenes} == {str(folder / "a.mp4")}
    manifest = json.loads((tmp_path / "a" / "keyframes.json").read_text())
    assert manifest["K"] == 2 == len(manifest["key_frames"])
    assert [scene["start"] for scene in manifest["scenes"]] == pytest.approx([0, 1.6, 4.0])
    assert [key["scene"] for key in manifest["key_frames"]] == [
        int(np.searchsorted([8, 20], key["frame"], side="right")) for key in manifest["key_frames"]
    ]


@pytest.mark.parametrize("count", [1, 5, 12])
def test_any_count_by_any_method(folder, tmp_path, describer, count):
    for method in ("skm", "uniform", "shot_boundary"):
        settings = Settings(method=method, features=frame_methods.HISTOGRAM, frame_rate=None, count=count)
        manifest = extract(folder / "a.mp4", tmp_path, "a", settings, describer)
        assert manifest["K"] == count == len({key["frame"] for key in manifest["key_frames"]})


def test_names_never_collide(folder, tmp_path):
    (tmp_path / "x").mkdir()
    for name in ("a.mp4", "x/a.mp4", "x/a.webm", "x/notes.txt"):
        (tmp_path / name).write_bytes(b"")
    names = [name for name, _ in find_videos([str(tmp_path), str(tmp_path / "a.mp4"), str(folder / "a.mp4")])[0]]
    assert names == ["a.mp4", "x/a.mp4", "x/a.webm", "a.mp4_2", "a.mp4_3"]
    videos, left_out = find_videos([str(folder)])
    assert [name for name, _ in videos] == ["a", "b/a", "broken"] and not left_out
    (tmp_path / "link").symlink_to(folder)
    assert find_videos([str(tmp_path)])[1] == [
        f"{tmp_path}/link/: is a link to a folder, which is not followed",
        f"{tmp_path}/*.txt: 1 file of no known format skipped: x/notes.txt",
    ]
    with pytest.raises(UserError, match="no video to look at"):
        find_videos([])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "magic"}, "choose one of skm"),
        ({"frame_rate": -1.0}, "frame_rate"),
        ({"frame_rate": float("inf")}, "frame_rate=inf cannot be"),
        ({"frame_rate": float("nan")}, "frame_rate=nan cannot be"),
        ({"delta": float("nan")}, "delta=nan cannot be"),
        ({"delta": -1.0}, "delta=-1 cannot be"),
        ({"max_key_frames": 2**70}, "cannot be"),
        ({"k_rule": "shots"}, "k_rule=shots is unknown"),
        ({"max_key_frames": 0}, "at least 1"),
        ({"count": -1}, "--count=-1"),
        ({"separation": -0.1}, "--separation=-0.1"),
        ({"between_scenes": -1.0}, "--between_scenes=-1"),
        ({"farthest": 0.0}, "--farthest=0"),
    ],
)
def test_impossible_settings(change, words):
    with pytest.raises(UserError, match=words):
        Settings(**change)


@pytest.mark.parametrize(("name", "weights"), [("resnet50", ""), ("handcrafted", "weights.h5"), ("sift", "")])
def test_impossible_features(name, weights):
    with pytest.raises(UserError, match=r"--set=weights|unknown"):
        frame_methods.encoder(name, weights, option="--set=weights")
