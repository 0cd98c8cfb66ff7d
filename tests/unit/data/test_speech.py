"""Spoken sentences: the same bytes each time, manners that a seed spreads, speed that is heard, and clear errors."""

import shutil

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.data import speech
from avx.data.speech import ACCENTS, TIMBRES, Manner, manner_of, speak, version
from avx.media.decode import read_clip

needs_program = pytest.mark.skipif(
    shutil.which(speech.PROGRAM) is None, reason="espeak-ng is not installed: nothing can speak"
)
SENTENCE = "a red ball bounces slowly in front of a striped wall"


def decoded(wav):
    return read_clip(wav, clip_id="speech", frame_rate=None, size=None, sample_rate=16000)


def test_manners_are_a_function_of_name_and_seed_and_cover_the_choices():
    assert manner_of("ball_0001", 3) == manner_of("ball_0001", 3)
    manners = [manner_of(f"clip_{number}", 3) for number in range(600)]
    voices = {manner.voice for manner in manners}
    assert {voice.split("+")[0] for voice in voices} == set(ACCENTS)
    assert {voice.split("+")[1] for voice in voices} == set(TIMBRES)
    speeds = [manner.words_per_minute for manner in manners]
    pitches = [manner.pitch for manner in manners]
    assert (min(speeds), max(speeds)) == (130, 190)
    assert (min(pitches), max(pitches)) == (25, 75)
    assert abs(np.corrcoef(speeds, pitches)[0, 1]) < 0.15, "the choices are independent"
    assert manners != [manner_of(f"clip_{number}", 4) for number in range(600)]


@needs_program
def test_the_same_request_gives_the_same_sound_and_another_manner_another():
    manner = Manner("en+f2", 160, 50)
    spoken = speak(SENTENCE, manner)
    assert spoken == speak(SENTENCE, manner)
    assert spoken != speak(SENTENCE, Manner("en+f2", 160, 60))
    clip = decoded(spoken)
    assert clip.has_audio and not clip.has_video
    assert 2 < len(clip.waveform) / clip.sample_rate < 6
    assert np.abs(clip.waveform).max() > 0.1


@needs_program
def test_no_two_voices_sound_the_same():
    spoken = {speak("good morning", Manner(f"{accent}+{timbre}", 160, 50)) for accent in ACCENTS for timbre in TIMBRES}
    assert len(spoken) == len(ACCENTS) * len(TIMBRES)


@needs_program
def test_speed_is_heard():
    slow, fast = (decoded(speak(SENTENCE, Manner("en-us+m1", speed, 50))) for speed in (130, 190))
    assert len(slow.waveform) > 1.2 * len(fast.waveform)


@needs_program
def test_a_sentence_is_never_an_option():
    """Read as an option, the sentence would name a voice that does not exist, or ask for the help text."""
    manner = Manner("en-us+m1", 160, 50)
    assert len(decoded(speak("--help", manner)).waveform) > 1000
    assert len(decoded(speak("-v nobody says this", manner)).waveform) > 8000


@needs_program
def test_the_version_names_no_folder():
    assert "eSpeak" in version()
    assert "/" not in version()


@needs_program
def test_an_unknown_voice_is_an_error():
    with pytest.raises(UserError, match="does not exist"):
        speak(SENTENCE, Manner("zz", 160, 50))


def test_nothing_to_say_is_an_error():
    with pytest.raises(UserError, match="nothing to say"):
        speak("  ", Manner("en-us+m1", 160, 50))


def test_a_missing_program_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="need the program espeak-ng, which is not installed: install it"):
        speak(SENTENCE, Manner("en-us+m1", 160, 50))
