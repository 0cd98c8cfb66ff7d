"""A fixed part of the campaign on media files; `make fuzz` runs the whole of it."""

import contextlib
from pathlib import Path

import av
import numpy as np
import pytest
from fuzz import harness, media

from avx.core.dataset import Clip
from avx.media.boundary import boundary

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
        found = [
            {path.relative_to(made.parent): path.read_bytes() for path in made.parent.rglob("*") if path.is_file()}
            for made in (one, other)
        ]
        assert found[0] == found[1] and len(found[0]) >= 2


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
        ({"frame_times": np.array([0.0, 0.1])}, "a time is missing"),
        ({"waveform": np.array([0, 1.001], np.float32)}, "sound is beyond"),
        ({"waveform": np.array([0, np.nan], np.float32)}, "sound is beyond"),
        ({"has_audio": False}, "has_audio"),
    ],
)
def test_a_broken_promise_is_noticed(changed, words):
    media._check_clip(clip())
    with pytest.raises(AssertionError, match=words):
        media._check_clip(clip(**changed))


@pytest.mark.parametrize(
    ("raised", "place", "finding"),
    [
        ("IndexError('a slip')", media.PACKAGE / "media" / "sound.py", "a reader fails: IndexError: a slip"),
        ("IndexError('a slip')", "site-packages/PIL/Image.py", None),
        ("OSError(5, 'a disk')", media.PACKAGE / "media" / "sound.py", None),
    ],
)
def test_a_slip_that_the_boundary_hides_is_noticed(tmp_path, monkeypatch, raised, place, finding):
    """What a reader of avx raises becomes the file's problem, too; here it is a finding."""

    def read_clip(*arguments, **options):
        with boundary("x"):
            exec(compile(f"raise {raised}", str(place), "exec"))

    monkeypatch.setattr(media, "read_clip", read_clip)
    (tmp_path / "way").write_text("whole")
    if finding is None:
        assert media.check(tmp_path / "x.mp4") == "unreadable"
    else:
        with pytest.raises(AssertionError, match=finding):
            media.check(tmp_path / "x.mp4")


def test_memory_that_libav_says_it_lacks_is_looked_at_again(tmp_path, monkeypatch):
    """It says so of false sizes as well. Memory that ran out within avx or numpy is a finding at once."""
    raised: list[Exception] = [av.error.MemoryError(12, "Cannot allocate memory")] * 4

    def read_clip(*arguments, **options):
        with boundary("x"):
            raise raised.pop()

    monkeypatch.setattr(media, "read_clip", read_clip)
    monkeypatch.setattr(media, "room_to_spare", contextlib.nullcontext)
    (tmp_path / "way").write_text("whole")
    assert media.check(tmp_path / "x.mp4") == "too_large" and not raised
    raised.append(MemoryError())
    with pytest.raises(MemoryError):
        media.check(tmp_path / "x.mp4")


def test_checksums_are_mended(tmp_path):
    """The mended corpus is the corpus: what is computed is what the writers compute."""
    media.prepare(tmp_path)
    for name, mend in (("sound.ogg", media.ogg_mended), ("film.apng", media.png_mended)):
        whole = (tmp_path / name).read_bytes()
        assert mend(whole) == whole
        changed = bytearray(whole)
        changed[-6] ^= 1
        assert mend(bytes(changed)) != bytes(changed)
