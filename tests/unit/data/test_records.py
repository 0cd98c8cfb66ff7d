"""Sources: manifests and bare folders of any layout, and nothing from outside the folder."""

from pathlib import Path

import pytest

from avx.core.errors import UserError
from avx.data.records import folder_source, tfds_source


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def test_manifest_with_canonical_columns(tmp_path):
    touch(tmp_path, "v/one.mp4", "v/two.mkv", "s/two.wav")
    (tmp_path / "list.csv").write_text(
        "clip_id,file,label,caption,audio\n"
        'b,v/two.mkv,rain,"drops, on a roof",s/two.wav\n'
        "a,v/one.mp4,bell,,\n"
        "c,v/one.mp4,,no class,\n"
    )
    source = folder_source(tmp_path, "list.csv")
    assert source.class_names == ("bell", "rain")
    assert [record.clip_id for record in source] == ["b", "a", "c"]
    assert [record.label for record in source] == [1, 0, -1]
    assert source[0].caption == "drops, on a roof" and source[1].caption == ""
    assert source[0].audio == tmp_path / "s/two.wav" and source[1].audio is None
    assert source[0].media == tmp_path / "v/two.mkv"
    assert source.name == tmp_path.name


def test_manifest_with_other_names_for_its_columns(tmp_path):
    touch(tmp_path, "x.mp4", "x.wav")
    (tmp_path / "list.csv").write_bytes("\ufeffid,instrument,video,audio,sentence\n7,flöte,x.mp4,x.wav,la\n".encode())
    record = folder_source(tmp_path, tmp_path / "list.csv")[0]
    assert (record.clip_id, record.label, record.caption) == ("7", 0, "la")
    assert (record.media, record.audio) == (tmp_path / "x.mp4", tmp_path / "x.wav")


def test_classes_that_are_numbers_are_sorted_by_value(tmp_path):
    touch(tmp_path, "x.mp4")
    (tmp_path / "list.csv").write_text("id,file,label\na,x.mp4,10\nb,x.mp4,9\n")
    source = folder_source(tmp_path, "list.csv")
    assert source.class_names == ("9", "10")
    assert [record.label for record in source] == [1, 0]


def test_bare_folder(tmp_path):
    touch(tmp_path, "rain/b.mp4", "rain/b.wav", "bell/deep/a.WEBM", "bell/only.flac", "loose.mp4")
    touch(tmp_path, "rain/notes.txt", ".hidden/c.mp4", "rain/.b.partial.mp4", "list.csv")
    source = folder_source(tmp_path)
    assert [record.clip_id for record in source] == ["bell/deep/a.WEBM", "bell/only.flac", "loose.mp4", "rain/b.mp4"]
    assert source.class_names == ("bell", "deep", "rain")
    assert [record.label for record in source] == [1, 0, -1, 2]
    assert [record.audio for record in source] == [None, None, None, tmp_path / "rain/b.wav"]


@pytest.mark.parametrize("name", ["../out.mp4", "sub/../../out.mp4", "link.mp4", "folder_link/out.mp4", "ABSOLUTE"])
@pytest.mark.parametrize("column", ["file", "audio"])
def test_paths_that_lead_out_are_refused(tmp_path, name, column):
    root = tmp_path / "root"
    touch(root, "in.mp4", "sub/x.mp4")
    touch(tmp_path, "out.mp4", "elsewhere/out.mp4")
    (root / "link.mp4").symlink_to(tmp_path / "out.mp4")
    (root / "folder_link").symlink_to(tmp_path / "elsewhere")
    name = str(tmp_path / "out.mp4") if name == "ABSOLUTE" else name
    files = (name, "") if column == "file" else ("in.mp4", name)
    (root / "list.csv").write_text("file,audio\n" + ",".join(files) + "\n")
    with pytest.raises(UserError, match="leads out of"):
        folder_source(root, "list.csv")


def test_links_that_stay_inside_are_fine_and_those_that_escape_a_bare_folder_are_not(tmp_path):
    root = tmp_path / "root"
    touch(root, "a.mp4")
    (root / "b.mp4").symlink_to(root / "a.mp4")
    assert len(folder_source(root)) == 2
    touch(tmp_path, "out.mp4")
    (root / "c.mp4").symlink_to(tmp_path / "out.mp4")
    with pytest.raises(UserError, match=r"c\.mp4 leads out"):
        folder_source(root)


def test_missing_files_are_named_and_counted(tmp_path):
    touch(tmp_path, "there.mp4")
    rows = [f"gone{number}.mp4" for number in range(7)]
    (tmp_path / "list.csv").write_text("\n".join(["file", "there.mp4", *rows]))
    with pytest.raises(UserError, match=r"gone0\.mp4.*gone4\.mp4 and 2 more"):
        folder_source(tmp_path, "list.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"id,label\na,b\n", "needs one named file or video or path"),
        (b"", "needs one named"),
        (b"file\n", "names no media file"),
        (b"id,file\nx,a.mp4\nx,a.mp4\n", "x occurs twice"),
        (b"id,file\nx,\n", "Row 2"),
        (b"id,file\n\xff\xfe,a.mp4\n", "UTF-8"),
        (b"id,file\nx,a\x00.mp4\n", "resolved|UTF-8"),
    ],
)
def test_bad_manifests_are_refused(tmp_path, content, message):
    touch(tmp_path, "a.mp4")
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(UserError, match=message):
        folder_source(tmp_path, "list.csv")


def test_missing_places_are_refused(tmp_path):
    with pytest.raises(UserError, match="no folder"):
        folder_source(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no manifest"):
        folder_source(tmp_path, "nowhere.csv")
    with pytest.raises(UserError, match="names no media"):
        folder_source(tmp_path)


class Examples:
    """Stands in for a tfds data source: random access to dicts, with what its builder knows of the labels."""

    class dataset_info:
        name = "drawn"
        features = {"label": type("ClassLabel", (), {"names": ["bell", "rain"]})}  # noqa: RUF012

    def __init__(self, clip_ids):
        self.clip_ids = clip_ids

    def __len__(self):
        return len(self.clip_ids)

    def __getitem__(self, place):
        clip_id = self.clip_ids[place]
        return {"clip_id": clip_id.encode(), "media": b"m" + clip_id.encode(), "label": place, "caption": "ü".encode()}


def test_tfds_records_come_in_order_of_their_ids():
    source = tfds_source(Examples(["c", "a", "b"]))
    assert [record.clip_id for record in source] == ["a", "b", "c"]
    assert [record.media for record in source] == [b"ma", b"mb", b"mc"]
    assert [record.label for record in source] == [1, 2, 0]
    assert source[0].caption == "ü" and source[0].audio is None
    assert source.class_names == ("bell", "rain") and source.name == "drawn"
    assert tfds_source(Examples(["x"]), class_names=("one",), name="mine").class_names == ("one",)


def test_tfds_ids_must_be_unique():
    with pytest.raises(UserError, match="twice"):
        tfds_source(Examples(["a", "a"]))


def test_real_folders(real_data):
    music = folder_source(real_data / "music_av", "clips.csv")
    assert len(music) == 42 and len(music.class_names) == 11
    assert all(record.audio is not None and record.audio.suffix == ".wav" for record in music)
    assert all(record.clip_id.startswith(music.class_names[record.label]) for record in music)
    bare = folder_source(real_data / "music_av")
    assert [(record.media, record.audio) for record in bare] == sorted((record.media, record.audio) for record in music)

    clips = folder_source(real_data / "av_clips", "clips.csv")
    assert len(clips) == 42
    barking = next(record for record in clips if record.clip_id == "dog_bark_1")
    assert clips.class_names[barking.label] == "dog barking"
    assert barking.caption == "a beagle stands on a rug and barks"
    assert barking.media == real_data / "av_clips/with_audio/dog_bark_1.mp4"

    speech = folder_source(real_data / "grid_av_speech", "clips.csv")
    assert speech[0].caption == "bin blue at f two now" and speech.class_names == ()
