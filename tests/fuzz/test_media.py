"""A fixed part of the campaign on media files; `make fuzz` runs the whole of it."""

from pathlib import Path

import numpy as np
import pytest
from fuzz import harness, media

from avx.core.dataset import Clip

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the harness measures by Linux's /proc")
SEED, CASES = 2026, 200


def test_mutants_of_media_are_read_or_put_aside():
    report = harness.run("fuzz.media", range(CASES), SEED, workers=2)
    assert not report.findings, report.text()
    assert report.counts.total() == CASES and report.counts["read"] > CASES / 4 < report.counts["unreadable"] * 2


def test_a_number_names_one_mutant(tmp_path):
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        media.prepare(tmp_path / folder)
    for number in range(100):
        one, other = (media.make(tmp_path / folder, SEED, number) for folder in ("one", "other"))
        pairs = [(path, other / path.relative_to(one)) for path in (one, *one.rglob("*"), one.parent / "way")]
        assert all(same.read_bytes() == path.read_bytes() for path, same in pairs if path.is_file())


def clip(**changed):
    whole = {
        "clip_id": "c",
        "frames": np.zeros((3, 2, 2, 3), np.uint8),
        "frame_times": np.array([0.0, 0.1, 0.2]),
        "waveform": np.zeros(4, np.float32),
        "sample_rate": 4,
        "has_video": True,
        "has_audio": True,
    }
    return Clip(**(whole | changed))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"frame_times": np.array([0.0, 0.1, 0.1])}, "times do not increase"),
        ({"frame_times": np.array([0.0, np.nan, 0.2])}, "not finite"),
        ({"frame_times": np.array([-0.1, 0.0, 0.2])}, "the first time is -0.1"),
        ({"frame_times": np.array([0.0, 0.1])}, ""),
        ({"waveform": np.array([0, 1.001], np.float32)}, "sound is beyond"),
        ({"waveform": np.array([0, np.nan], np.float32)}, "sound is beyond"),
        ({"has_audio": False}, ""),
    ],
)
def test_a_broken_promise_is_noticed(changed, words):
    media._check_clip(clip())
    with pytest.raises(AssertionError, match=words):
        media._check_clip(clip(**changed))


@pytest.mark.parametrize(
    ("raised", "finding"),
    [(IndexError("of a slip"), "a reader fails: IndexError"), (MemoryError(), "")],
)
def test_what_the_boundary_hides_is_noticed(tmp_path, monkeypatch, raised, finding):
    """A slip of a reader, and memory that ran out, become the file's problem; here they are findings."""
    media.prepare(tmp_path)
    path = media.make(tmp_path, SEED, 0)

    def fail(*arguments):
        raise raised

    monkeypatch.setattr("avx.media.container.video_stream", fail)
    monkeypatch.setattr("avx.media.decode.video_stream", fail)
    monkeypatch.setattr("avx.media.images.exif", fail, raising=False)
    (tmp_path / "mutant" / "way").write_text("whole")
    with pytest.raises(MemoryError if isinstance(raised, MemoryError) else AssertionError, match=finding):
        media.check(tmp_path / "mutant" / "x.mp4" if path.is_dir() else path)


def test_checksums_are_mended(tmp_path):
    """The mended corpus is the corpus: what is computed is what the writers compute."""
    media.prepare(tmp_path)
    for name, mend in (("sound.ogg", media.ogg_mended), ("film.apng", media.png_mended)):
        whole = (tmp_path / name).read_bytes()
        assert mend(whole) == whole
        changed = bytearray(whole)
        changed[-6] ^= 1
        assert mend(bytes(changed)) != bytes(changed)
