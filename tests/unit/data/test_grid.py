"""GRID: sentences from file names against the transcripts that come with real clips, and names that are no codes."""

import csv

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.data.grid import WORDS, grid_clips, words_of
from avx.media.decode import read_clip
from avx.media.quarantine import Reason


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return root


def test_real_clips_say_what_their_transcripts_say(real_data):
    folder = real_data / "grid_av_speech"
    clips = grid_clips(folder)
    with (folder / "clips.csv").open(newline="", encoding="utf-8") as lines:
        transcripts = {row["file"]: row["transcript"] for row in csv.DictReader(lines)}
    assert dict(zip(clips.ids, clips.captions, strict=True)) == transcripts
    assert clips.class_names == ("bin", "lay", "place", "set")
    for one, label in zip(clips.ids, clips.labels, strict=True):
        assert clips.class_names[label] == transcripts[one].split()[0]


def test_a_real_clip_has_its_video_and_its_sound(real_data):
    record = grid_clips(real_data / "grid_av_speech").record(0)
    clip = read_clip(record.media, clip_id="x", frame_rate=None, size=(72, 90), sample_rate=16000)
    assert len(clip.frames) == 75
    assert 2.8 < len(clip.waveform) / 16000 < 3.2
    assert np.sqrt(np.mean(clip.waveform**2)) > 0.001


def test_every_word_of_the_grammar_and_a_sentence_by_hand():
    assert list(words_of("pgwzzp").values()) == ["place", "green", "with", "z", "zero", "please"]
    assert words_of("LWBS9A") == {
        "command": "lay",
        "colour": "white",
        "preposition": "by",
        "letter": "s",
        "digit": "nine",
        "adverb": "again",
    }
    assert [len(words) for words in WORDS.values()] == [4, 4, 4, 25, 10, 4]
    assert "w" not in WORDS["letter"]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("bbaf2", "needs 6 signs"),
        ("bbaf22n", "needs 6 signs"),
        ("cbaf2n", "'c' is no command"),
        ("bbaw2n", "'w' is no letter"),
        ("bbaf0n", "'0' is no digit"),
    ],
)
def test_names_that_are_no_codes_are_told_why(code, told):
    with pytest.raises(UserError, match=told):
        words_of(code)


def test_talkers_who_say_the_same_share_a_class_and_not_an_id(tmp_path):
    touch(tmp_path, "s2/bbaf2n.mpg", "s1/bbaf2n.mpg", "s1/lrwz1s.avi", "s1/align/bbaf2n.align", ".cache/swiz3n.mpg")
    by_sentence = grid_clips(tmp_path, "sentence")
    assert by_sentence.ids == by_sentence.files == ("s1/bbaf2n.mpg", "s1/lrwz1s.avi", "s2/bbaf2n.mpg")
    assert by_sentence.class_names == ("bin blue at f two now", "lay red with z one soon")
    assert by_sentence.labels.tolist() == [0, 1, 0]
    by_digit = grid_clips(tmp_path, "digit")
    assert [by_digit.class_names[label] for label in by_digit.labels] == ["two", "one", "two"]
    assert len(by_digit.class_names) == 10


def test_wrong_requests_are_one_sentence(tmp_path):
    with pytest.raises(UserError, match="classes 'talker' are unknown"):
        grid_clips(tmp_path, "talker")
    with pytest.raises(UserError, match="holds no video"):
        grid_clips(tmp_path)
    with pytest.raises(UserError, match="There is no folder"):
        grid_clips(tmp_path / "none")
    with pytest.raises(UserError, match="'holiday' is no GRID sentence code"):
        grid_clips(touch(tmp_path, "holiday.mpg"))


def test_what_is_passed_over_is_named(tmp_path, shut):
    touch(tmp_path, "s1/bbaf2n.mpg", "s2/bbaf2n.mpg", "s1/notes.txt")
    shut("s2")
    clips = grid_clips(tmp_path)
    assert clips.ids == ("s1/bbaf2n.mpg",)
    assert [(one.clip_id, one.reason) for one in clips.problems] == [
        ("s2/", Reason.UNREADABLE_FOLDER),
        ("*.txt", Reason.UNKNOWN_FORMAT),
    ]
    assert clips.passed_over == {"files_of_no_known_format": 1, "folders_passed_over": 1}
