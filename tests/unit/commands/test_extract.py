"""The report of an extraction: one quarantine file for each set of clips, and a word on every file that is no clip."""

import os
import wave
from pathlib import Path

import numpy as np
import pytest

from avx import registry
from avx.commands.extract import extract, quarantine_path, told
from avx.core.errors import UserError
from avx.media.quarantine import Quarantine, Reason
from avx.runs.studies import overridden
from configs import folder, semantic_hashing

pytestmark = pytest.mark.usefixtures("one_device")


def tone(path, seconds=0.5):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = (8000 * np.sin(np.arange(int(16000 * seconds)) * 0.2)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())


def config_of(root, cache, **fields):
    fields = {
        "data.root": str(root),
        "data.cache_dir": str(cache),
        "data.workers": 1,
        "keyframes.max_clusters": 2,
    } | fields
    return overridden(folder.get_config().lock(), fields)


def test_two_data_sets_in_one_cache_do_not_mix_their_lines(tmp_path, capsys):
    clips, others, cache = tmp_path / "a/clips", tmp_path / "b/clips", tmp_path / "cache"
    for root, label in ((clips, "rain"), (others, "bell")):
        tone(root / label / "fine.wav")
        tone(root / label / "short.wav", 0.0)
        (root / label / "broken.mp4").write_bytes(b"no media")
    (clips / "notes.xyz").write_bytes(b"")
    (clips / "rain" / os.fsdecode(b"caf\xe9.wav")).write_bytes((clips / "rain/fine.wav").read_bytes())
    for root in (clips, others):
        extract(config_of(root, cache))
    first, second = (Quarantine(quarantine_path(config_of(root, cache))) for root in (clips, others))
    assert first.path.parent == second.path.parent == cache / "quarantine" and first.path != second.path
    assert {(one.clip_id, one.reason) for one in first.entries()} == {
        ("*.xyz", Reason.UNKNOWN_FORMAT),
        ("rain/broken.mp4", Reason.UNREADABLE),
        ("rain/short.wav", Reason.TOO_SHORT),
    }
    assert {one.clip_id for one in second.entries()} == {"bell/broken.mp4", "bell/short.wav"}
    printed = capsys.readouterr().out
    assert "2 of 4 clips of clips are in" in printed and "1 of 3 clips of clips are in" in printed
    assert f"  unreadable: 1, see {first.path}\n" in printed
    assert "  *.xyz: 1 file of no known format skipped: notes.xyz\n" in printed
    printed.encode("utf-8")

    # What has been mended since is counted no more, whatever the file says of the past.
    tone(others / "bell/short.wav")
    extract(config_of(others, cache))
    assert "too_short" not in capsys.readouterr().out


def test_the_quarantine_file_follows_the_clips_and_nothing_else(tmp_path):
    (tmp_path / "clips").mkdir()
    config = config_of(tmp_path / "clips", tmp_path)
    same = {"data.workers": 7, "data.split_seed": 3, "data.root": str(tmp_path / "clips/../clips")}
    assert quarantine_path(overridden(config, same)) == quarantine_path(config)
    for field, value in (("data.csv", "x.csv"), ("data.kind", "grid"), ("data.root", str(tmp_path))):
        assert quarantine_path(overridden(config, {field: value})) != quarantine_path(config)
    long = Path("x" * 250)
    assert len(quarantine_path(config_of(long, tmp_path)).name) < 100


def test_notes_and_folders_are_told(tmp_path):
    quarantine = Quarantine(tmp_path / "q.jsonl")
    quarantine.add("a.mp4", "a.mp4", Reason.SILENT_AUDIO, "the sound track is silent; the clip is used")
    quarantine.add("rain/", "rain", Reason.UNREADABLE_FOLDER, "cannot be read: Permission denied")
    quarantine.add("", "list.csv", Reason.IGNORED_COLUMNS, "nothing reads the columns fps")
    assert told(quarantine, ["a.mp4"]) == [
        f"silent_audio: 1, see {quarantine.path}",
        "rain/: cannot be read: Permission denied",
        "list.csv: nothing reads the columns fps",
    ]


def test_nothing_to_extract_and_nowhere_to_look(tmp_path):
    with pytest.raises(UserError, match="holds features already"):
        extract(overridden(semantic_hashing.get_config().lock(), {"data.kind": "features"}))
    with pytest.raises(UserError, match="is not there"):
        extract(config_of(tmp_path / "typo", tmp_path / "cache"))
    assert not list(tmp_path.iterdir())


def test_copies_of_one_file_lie_on_one_side(tmp_path):
    for number in range(12):
        tone(tmp_path / f"clips/rain/{number:02d}.wav", 0.2 + 0.01 * number)
        copy = tmp_path / f"clips/rain/copy_{11 - number:02d}.wav"
        copy.write_bytes((tmp_path / f"clips/rain/{number:02d}.wav").read_bytes())
    config = config_of(tmp_path / "clips", tmp_path / "cache", **{"data.split_fractions": (0.5, 0.25, 0.25)})
    found = registry.dataset(config, Quarantine(tmp_path / "q.jsonl"), registry.front_end(config, {}))
    content = [(tmp_path / "clips" / one).read_bytes() for one in found.ids]
    sides = [{content[row] for row in found.split[name]} for name in ("train", "val", "test")]
    assert [len(found.split[name]) for name in ("train", "val", "test")] == [12, 6, 6]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 12
