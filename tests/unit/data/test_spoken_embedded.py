"""Spoken descriptions beside the sound track: same clips, a folder of their own, and a source that retrieves them."""

import csv
import re
import shutil

import pytest

from avx.core.errors import UserError
from avx.data import speech
from avx.data.folders import folder_clips
from avx.data.records import with_spoken_audio
from avx.data.sets import embedded
from avx.data.sets.tfds_io import tfds_clips
from avx.studio import render

CLIPS, SEED = 2, 5
needs_program = pytest.mark.skipif(
    shutil.which(speech.PROGRAM) is None, reason="espeak-ng is not installed: nothing can speak"
)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spoken")
    embedded.build(folder, clips=CLIPS, seed=SEED, workers=1, speech="spoken")
    return folder


@needs_program
def test_each_clip_carries_its_caption_as_speech(data_dir):
    examples = embedded.load(data_dir, clips=CLIPS, seed=SEED, speech="spoken")
    for number, one in enumerate(sorted(examples, key=lambda one: int(one["label"]))):
        rendered = render.example(number, SEED)
        assert one["media"] == rendered["media"], "pictures and sound track are those without speech"
        manner = speech.manner_of(rendered["clip_id"], SEED)
        assert one["speech"] == speech.speak(rendered["caption"], manner)


@needs_program
def test_the_source_gives_track_or_speech(data_dir):
    clips = tfds_clips(embedded.load(data_dir, clips=CLIPS, seed=SEED, speech="spoken"))
    spoken = with_spoken_audio(clips)
    assert (spoken.name, spoken.class_names, spoken.ids) == (clips.name, clips.class_names, clips.ids)
    for record, said in zip(clips.records(), spoken.records(), strict=True):
        assert record.audio is None and record.speech is not None
        assert said.audio == record.speech
        assert said.media == record.media


@needs_program
def test_export_adds_speech_files_that_a_manifest_names(data_dir, tmp_path):
    embedded.export(data_dir, tmp_path, clips=CLIPS, seed=SEED, speech="spoken")
    with (tmp_path / "clips.csv").open(encoding="utf-8", newline="") as lines:
        assert next(iter(csv.DictReader(lines))).keys() == {"clip_id", "file", "label", "caption", "speech"}
    exported = with_spoken_audio(folder_clips(tmp_path, "clips.csv"))
    built = tfds_clips(embedded.load(data_dir, clips=CLIPS, seed=SEED, speech="spoken"))
    for index in range(CLIPS):
        assert exported.record(index).audio.read_bytes() == built.record(index).speech
        assert exported.record(index).audio.suffix == ".wav"


@needs_program
def test_spoken_and_plain_datasets_have_folders_of_their_own(data_dir):
    (folder,) = [path.parent.name for path in data_dir.glob("embedded_clips/*/1.0.0")]
    plain = f"{CLIPS}_clips_seed_{SEED}_{embedded._digest(CLIPS, SEED)}"
    assert re.fullmatch(plain + "_spoken_[0-9a-f]{12}", folder)
    with pytest.raises(UserError, match="holds no embedded dataset"):
        embedded.load(data_dir, clips=CLIPS, seed=SEED)


def test_without_the_option_the_name_is_the_plain_one(tmp_path, monkeypatch):
    """The option is off by default, and then the program is not even looked for."""
    monkeypatch.setattr(speech, "version", lambda: pytest.fail("the program was asked for"))
    embedded.build(tmp_path, clips=1, seed=SEED, workers=1)
    (folder,) = [path.parent.name for path in tmp_path.glob("embedded_clips/*/1.0.0")]
    assert folder == f"1_clips_seed_{SEED}_{embedded._digest(1, SEED)}"
    clips = tfds_clips(embedded.load(tmp_path, clips=1, seed=SEED))
    assert clips.record(0).speech is None
    with pytest.raises(UserError, match="has no speech file"):
        with_spoken_audio(clips)


def test_no_program_and_no_such_option_are_one_sentence_each(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="choose track or spoken"):
        embedded.build(tmp_path, clips=1, seed=SEED, workers=1, speech="sung")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="espeak-ng, which is not installed"):
        embedded.build(tmp_path, clips=1, seed=SEED, workers=1, speech="spoken")
