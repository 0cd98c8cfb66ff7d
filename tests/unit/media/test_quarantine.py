"""The quarantine file under several writers, torn lines and a full disk; problems and notes."""

import errno
import json
import os
import pickle
import subprocess
import sys

import pytest

from avx.core.errors import UserError
from avx.media.quarantine import MediaProblem, Quarantine, Reason

WRITER = """
import sys
from pathlib import Path
from avx.media.quarantine import Quarantine, Reason
quarantine = Quarantine(Path(sys.argv[1]))
for number in range(150):
    quarantine.add(f"{sys.argv[2]}-{number}", "x" * 3000, Reason.UNREADABLE, "é\\n")
"""


def test_entries_are_json_lines_that_read_back(tmp_path):
    quarantine = Quarantine(tmp_path / "deep" / "quarantine.jsonl")
    assert quarantine.entries() == [] and quarantine.counts() == {}
    quarantine.add("b", "b.mp4", Reason.SILENT_AUDIO)
    quarantine.add_problem("a", MediaProblem(Reason.TRUNCATED, "a.mp4", 'ends\nat "4 s"'))
    quarantine.add("b", "b.mp4", Reason.SILENT_AUDIO, "met again")
    quarantine.add("b", "b.mp4", Reason.NO_VIDEO, "")
    lines = [json.loads(line) for line in quarantine.path.read_text().splitlines()]
    assert len(lines) == 4
    assert lines[1] == {"clip_id": "a", "source": "a.mp4", "reason": "truncated", "detail": 'ends\nat "4 s"'}
    assert [(entry.clip_id, entry.reason) for entry in quarantine.entries()] == [
        ("b", Reason.SILENT_AUDIO),
        ("a", Reason.TRUNCATED),
        ("b", Reason.NO_VIDEO),
    ]
    assert quarantine.entries()[0].detail == "met again"
    assert quarantine.counts() == {Reason.TRUNCATED: 1, Reason.NO_VIDEO: 1, Reason.SILENT_AUDIO: 1}
    assert quarantine.excluded() == {"a", "b"}


def test_a_note_alone_does_not_exclude(tmp_path):
    quarantine = Quarantine(tmp_path / "quarantine.jsonl")
    quarantine.add("quiet", "q.mp4", Reason.SILENT_AUDIO)
    quarantine.add("odd", "o.mp4", Reason.VARIABLE_FRAME_RATE)
    assert quarantine.excluded() == set()


def test_several_processes_lose_and_mix_nothing(tmp_path):
    path = tmp_path / "quarantine.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    entries = Quarantine(path).entries()
    assert {entry.clip_id for entry in entries} == {f"{name}-{number}" for name in "abc" for number in range(150)}
    assert all(entry.source == "x" * 3000 and entry.detail == "é\n" for entry in entries)
    for name in "abc":
        own = [entry.clip_id for entry in entries if entry.clip_id.startswith(name)]
        assert own == [f"{name}-{number}" for number in range(150)]


@pytest.mark.parametrize("length", [10, 9000])
def test_a_torn_line_is_passed_over_and_cut_off_by_the_next_writer(tmp_path, length):
    quarantine = Quarantine(tmp_path / "quarantine.jsonl")
    quarantine.add("a", "a.mp4", Reason.NO_AUDIO)
    with quarantine.path.open("a") as file:
        file.write('{"clip_id": "' + "t" * length)
    assert [entry.clip_id for entry in quarantine.entries()] == ["a"]
    quarantine.add("b", "b.mp4", Reason.NO_AUDIO)
    assert [entry.clip_id for entry in quarantine.entries()] == ["a", "b"]
    assert len(quarantine.path.read_text().splitlines()) == 2


def test_a_full_disk_is_named_and_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    quarantine = Quarantine(tmp_path / "quarantine.jsonl")
    quarantine.add("a", "a.mp4", Reason.NO_AUDIO)
    before = quarantine.path.read_bytes()
    real_write = os.pwrite
    calls = []

    def half_then_full(descriptor, content, offset):
        calls.append(offset)
        if len(calls) == 1:
            return real_write(descriptor, content[:7], offset)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", half_then_full)
    with pytest.raises(UserError, match=f"{tmp_path}.*free some space"):
        quarantine.add("b", "b.mp4", Reason.NO_AUDIO)
    assert quarantine.path.read_bytes() == before


def test_a_problem_survives_the_way_out_of_a_worker():
    problem = MediaProblem(Reason.NO_VIDEO, "a.mp4", "no picture track")
    again = pickle.loads(pickle.dumps(problem))
    assert (again.reason, again.source, again.detail) == (Reason.NO_VIDEO, "a.mp4", "no picture track")
    assert str(again) == "a.mp4: no picture track (no_video)"
