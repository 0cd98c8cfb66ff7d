"""`avx export`: files that the other commands read, and one sentence for what cannot be."""

import csv
import os
import subprocess
import sys
from pathlib import Path

from avx.media.probe import probe

ROOT = Path(__file__).parents[3]


def export(folder, *arguments):
    line = [sys.executable, "-m", "tools.export", "--out=clips", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_files_are_clips_with_their_table(tmp_path):
    done = export(tmp_path, "--clips=2", "--cache_dir=cache")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2 clips and clips.csv are in clips\n"
    rows = list(csv.DictReader((tmp_path / "clips" / "clips.csv").open()))
    assert [row["label"] for row in rows] == ["bouncing_ball", "pendulum_clock"]
    for row in rows:
        found = probe(tmp_path / "clips" / row["file"])
        assert found.has_video and found.has_audio and 4 < found.duration < 7


def test_no_clips_is_refused(tmp_path):
    done = export(tmp_path, "--clips=0", "--cache_dir=cache")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and "at least 1 clip" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "clips").exists()
