"""Sets of clips: columns without media, examples of tfds in order of their ids, and speech in place of sound."""

import json

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.data.records import Clips, Record, with_spoken_audio
from avx.data.sets.tfds_io import tfds_clips


class Examples:
    """Stands in for a tfds data source: random access to dicts, with what its builder knows of the labels."""

    class dataset_info:
        name = "drawn"
        features = {"label": type("ClassLabel", (), {"names": ["bell", "rain"]})}  # noqa: RUF012

    def __init__(self, clip_ids, data_dir=None, **more):
        self.clip_ids, self.more, self.reads = clip_ids, more, 0
        if data_dir is not None:
            self.dataset_info = type("Info", (Examples.dataset_info,), {"data_dir": str(data_dir)})

    def __len__(self):
        return len(self.clip_ids)

    def __getitem__(self, place):
        self.reads += 1
        clip_id = self.clip_ids[place].encode()
        return {"clip_id": clip_id, "media": b"m" + clip_id, "label": place, "caption": "ü".encode(), **self.more}


def test_tfds_clips_come_in_order_of_their_ids():
    clips = tfds_clips(Examples(["c", "a", "b"]))
    assert clips.ids == ("a", "b", "c")
    assert [record.media for record in clips.records()] == [b"ma", b"mb", b"mc"]
    assert clips.labels.tolist() == [1, 2, 0]
    assert clips.captions[0] == "ü" and clips.record(0).audio is None
    assert clips.splits == clips.groups == clips.files == ("", "", "")
    assert clips.class_names == ("bell", "rain") and clips.name == "drawn"
    assert tfds_clips(Examples(["x"]), class_names=("one",), name="mine").class_names == ("one",)


def test_tfds_examples_are_read_once_and_their_columns_kept_beside_them(tmp_path):
    more = {"split": b"val", "group": "film", "shot_boundaries": np.array([1.5, 2.0], np.float32), "speech": b"s"}
    first = Examples(["b", "a"], tmp_path, **more)
    clips = tfds_clips(first)
    assert first.reads == 2
    again = Examples(["b", "a"], tmp_path, **more)
    kept = tfds_clips(again)
    assert again.reads == 0
    for one in (clips, kept):
        assert one.ids == ("a", "b") and one.labels.tolist() == [1, 0] and one.captions == ("ü", "ü")
        assert one.splits == ("val", "val") and one.groups == ("film", "film")
        assert one.shot_boundaries == ((1.5, 2.0), (1.5, 2.0)) and one.spoken.all()
        assert one.record(0) == Record(b"ma", None, b"s")
    assert again.reads == 1
    (path,) = tmp_path.iterdir()
    path.write_text(json.dumps(json.loads(path.read_text())[:1]))  # Of another number of examples.
    assert tfds_clips(Examples(["b", "a"], tmp_path)).ids == ("a", "b")
    path.write_text("torn")
    assert tfds_clips(Examples(["b", "a"], tmp_path)).ids == ("a", "b")


def test_tfds_ids_must_be_unique():
    with pytest.raises(UserError, match="twice"):
        tfds_clips(Examples(["a", "a"]))


def clips_with(speech: list) -> Clips:
    blank = ("",) * len(speech)
    return Clips(
        name="toy",
        class_names=("a",),
        ids=tuple(map(str, range(len(speech)))),
        labels=np.zeros(len(speech), np.int64),
        captions=blank,
        splits=blank,
        groups=blank,
        shot_boundaries=((),) * len(speech),
        files=blank,
        spoken=np.array([one is not None for one in speech]),
        record=lambda row: Record(b"media", b"sound", speech[row]),
    )


def test_speech_takes_the_place_of_sound_and_a_clip_without_is_named_at_once():
    spoken = with_spoken_audio(clips_with([b"one", b"two"]))
    assert [record.audio for record in spoken.records()] == [b"one", b"two"]
    assert {record.media for record in spoken.records()} == {b"media"}
    with pytest.raises(UserError, match=r"Clip 1 of toy has no speech file \(2 such clips"):
        with_spoken_audio(clips_with([b"one", None, None]))
