"""Folders: manifests and bare folders of any layout, one side of a split for a file, and nothing from outside."""

import os
from pathlib import Path

import pytest

from avx.core.errors import UserError
from avx.data.folders import folder_clips
from avx.data.splits import split_rows
from avx.media.decode import read_clip, stream_frames
from avx.media.quarantine import Reason


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
    clips = folder_clips(tmp_path, "list.csv")
    assert clips.class_names == ("bell", "rain")
    assert clips.ids == ("b", "a", "c")
    assert clips.labels.tolist() == [1, 0, -1]
    assert clips.captions == ("drops, on a roof", "", "no class")
    assert clips.files == ("v/two.mkv", "v/one.mp4", "v/one.mp4")
    assert clips.record(0).audio == tmp_path / "s/two.wav" and clips.record(1).audio is None
    assert clips.record(0).media == tmp_path / "v/two.mkv"
    assert clips.name == tmp_path.name and clips.problems == ()


def test_manifest_with_other_names_for_its_columns(tmp_path):
    touch(tmp_path, "x.mp4", "x.wav")
    (tmp_path / "list.csv").write_bytes("\ufeffid,instrument,video,audio,sentence\n7,flöte,x.mp4,x.wav,la\n".encode())
    clips = folder_clips(tmp_path, tmp_path / "list.csv")
    assert (clips.ids, clips.labels.tolist(), clips.captions) == (("7",), [0], ("la",))
    record = clips.record(0)
    assert (record.media, record.audio) == (tmp_path / "x.mp4", tmp_path / "x.wav")


def test_columns_that_nothing_reads_are_remarked_on(tmp_path):
    touch(tmp_path, "x.mp4")
    (tmp_path / "list.csv").write_text("file,speaker,_note,fps\nx.mp4,A,mine,25\n")
    (remark,) = folder_clips(tmp_path, "list.csv").problems
    assert remark.reason is Reason.IGNORED_COLUMNS and remark.detail == "nothing reads the columns speaker, fps"


def test_classes_that_are_numbers_are_sorted_by_value(tmp_path):
    touch(tmp_path, "x.mp4")
    (tmp_path / "list.csv").write_text("id,file,label\na,x.mp4,10\nb,x.mp4,9\n")
    clips = folder_clips(tmp_path, "list.csv")
    assert clips.class_names == ("9", "10")
    assert clips.labels.tolist() == [1, 0]


def test_rows_that_share_a_file_or_a_group_are_one_group_and_a_stated_name_comes_first(tmp_path):
    touch(tmp_path, *(f"{name}.mp4" for name in "abcdef"), "hum.wav")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "a.mp4")
    (tmp_path / "list.csv").write_text(
        "id,file,audio,group\n"
        "1,a.mp4,,\n2,link.mp4,,\n3,./a.mp4,,\n"
        "4,b.mp4,,ann\n5,c.mp4,,ann\n6,c.mp4,,\n"
        "7,d.mp4,hum.wav,\n8,e.mp4,hum.wav,\n9,f.mp4,,\n"
    )
    groups = folder_clips(tmp_path, "list.csv").groups
    assert groups == ("a.mp4",) * 3 + ("ann",) * 3 + ("d.mp4",) * 2 + ("f.mp4",)


def test_two_names_of_one_file_are_one_group(tmp_path):
    touch(tmp_path, "a/x.mp4", "a/y.mp4")
    os.link(tmp_path / "a/x.mp4", tmp_path / "a/z.mp4")
    assert folder_clips(tmp_path).groups == ("a/x.mp4", "a/y.mp4", "a/x.mp4")


def test_a_split_that_cannot_be_is_refused_while_the_list_is_read(tmp_path):
    touch(tmp_path, "a.mp4", "b.mp4")
    (tmp_path / "list.csv").write_text("id,file,split\n1,a.mp4,train\n2,b.mp4,\n")
    with pytest.raises(UserError, match="Item 2 states no split while others do"):
        folder_clips(tmp_path, "list.csv")
    (tmp_path / "list.csv").write_text("id,file,split\n1,a.mp4,train\n2,a.mp4,test\n")
    with pytest.raises(UserError, match="Items 1 and 2 belong together"):
        folder_clips(tmp_path, "list.csv")


def test_long_rows_of_digits_are_names(tmp_path):
    touch(tmp_path, "x.mp4")
    (tmp_path / "list.csv").write_text(f"id,file,label\na,x.mp4,10\nb,x.mp4,9\nc,x.mp4,{'9' * 5000}\n")
    assert folder_clips(tmp_path, "list.csv").class_names == ("10", "9", "9" * 5000)


def test_captions_of_one_video_lie_on_one_side(tmp_path):
    """Forty videos of two classes with five captions each: no test video may train."""
    touch(tmp_path, *(f"{number}.mp4" for number in range(40)))
    rows = [
        f"{number}_{caption},{number}.mp4,{'ab'[number % 2]},caption {caption}"
        for number in range(40)
        for caption in range(5)
    ]
    (tmp_path / "clips.csv").write_text("\n".join(["clip_id,file,label,caption", *rows]))
    clips = folder_clips(tmp_path, "clips.csv")
    parts = split_rows(clips.ids, clips.labels, clips.groups, clips.splits, (0.6, 0.2, 0.2), 0)
    sides = {name: {clips.files[row] for row in rows} for name, rows in parts.items()}
    assert [len(sides[name]) for name in ("train", "val", "test")] == [24, 8, 8]
    assert not sides["train"] & sides["test"] and not sides["train"] & sides["val"]


def test_a_stated_split_is_read_as_people_write_it(tmp_path):
    touch(tmp_path, "a.mp4", "b.mp4", "c.mp4")
    (tmp_path / "list.csv").write_text("file,Split\na.mp4,Train\nb.mp4,validation\nc.mp4, test\n")
    assert folder_clips(tmp_path, "list.csv").splits == ("train", "val", "test")


def test_bare_folder(tmp_path):
    touch(tmp_path, "rain/b.mp4", "rain/b.wav", "bell/deep/a.WEBM", "bell/only.flac", "loose.mp4", "old/camcorder.MTS")
    touch(tmp_path, "rain/notes.txt", ".hidden/c.mp4", "rain/.b.partial.mp4", "list.csv", "old/w.wma", "old/x.aif")
    clips = folder_clips(tmp_path)
    assert clips.ids == (
        *("bell/deep/a.WEBM", "bell/only.flac", "loose.mp4", "old/camcorder.MTS", "old/w.wma", "old/x.aif"),
        "rain/b.mp4",
    )
    assert clips.class_names == ("bell", "deep", "old", "rain")
    assert clips.labels.tolist() == [1, 0, -1, 2, 2, 2, 3]
    assert [record.audio for record in clips.records()] == [None] * 6 + [tmp_path / "rain/b.wav"]


def test_folders_that_are_not_entered_are_named(tmp_path):
    root = tmp_path / "root"
    touch(root, "bell/a.mp4")
    touch(tmp_path, "elsewhere/b.mp4")
    (root / "rain").symlink_to(tmp_path / "elsewhere")
    (root / "again").symlink_to(root / "bell")
    clips = folder_clips(root)
    assert clips.ids == ("bell/a.mp4",)
    assert [(one.clip_id, one.reason) for one in clips.problems] == [
        ("again/", Reason.LINKED_FOLDER),
        ("rain/", Reason.LINKED_FOLDER),
    ]


def test_folders_that_may_not_be_read_are_named(tmp_path, shut):
    touch(tmp_path, "bell/a.mp4", "rain/b.mp4")
    shut("rain")
    clips = folder_clips(tmp_path)
    assert clips.passed_over == {"folders_passed_over": 1}
    (problem,) = clips.problems
    assert (problem.clip_id, problem.reason) == ("rain/", Reason.UNREADABLE_FOLDER)
    assert "Permission denied" in problem.detail
    with pytest.raises(UserError, match="rain cannot be read: Permission denied"):
        folder_clips(tmp_path / "rain")


def test_folders_that_may_be_listed_and_not_searched_are_no_end(tmp_path, monkeypatch):
    """Mode 444: names are known, and looking at any of them is refused."""
    touch(tmp_path, "bell/a.mp4", "rain/b.mp4", "rain/deep/c.mp4", "rain/frames/1.jpg", "rain/frames/2.jpg")
    look, enter = os.lstat, os.scandir

    def refuse(call):
        def refused(path, *more, **named):
            if "rain" in Path(os.fsdecode(path)).parent.parts:
                raise PermissionError(13, "Permission denied", os.fsdecode(path))
            return call(path, *more, **named)

        return refused

    for name, call in (("lstat", look), ("stat", os.stat), ("scandir", enter)):
        monkeypatch.setattr(os, name, refuse(call))
    clips = folder_clips(tmp_path)
    assert clips.ids == ("bell/a.mp4", "rain/b.mp4"), "what cannot be read of a clip is a matter of that clip"
    assert [(one.clip_id, one.reason) for one in clips.problems] == [
        ("rain/deep/", Reason.UNREADABLE_FOLDER),
        ("rain/frames/", Reason.UNREADABLE_FOLDER),
    ]


def test_a_folder_of_pictures_is_a_clip_where_their_rate_is_stated(tmp_path):
    touch(tmp_path, "rain/v1.5/f1.jpg", "rain/v1.5/f2.jpg", "rain/v1.5.wav", "rain/two/f1.png", "rain/two/f2.PNG")
    touch(tmp_path, "rain/b.mp4", "bell/one/f1.jpg", "mixed/m/f1.jpg", "mixed/m/f2.jpg", "mixed/m/notes.txt")
    clips = folder_clips(tmp_path, frames_per_second=25)
    assert clips.ids == ("rain/b.mp4", "rain/two", "rain/v1.5")
    assert clips.class_names == ("rain",) and clips.labels.tolist() == [0, 0, 0]
    assert [record.audio for record in clips.records()] == [None, None, tmp_path / "rain/v1.5.wav"]
    without = folder_clips(tmp_path)
    assert without.ids == ("rain/b.mp4", "rain/v1.5.wav")
    assert [(one.clip_id, one.reason) for one in without.problems] == [
        ("rain/two/", Reason.NO_FRAME_RATE),
        ("rain/v1.5/", Reason.NO_FRAME_RATE),
        ("*.jpg", Reason.UNKNOWN_FORMAT),
        ("*.txt", Reason.UNKNOWN_FORMAT),
    ]
    assert without.passed_over == {"files_of_no_known_format": 4, "folders_passed_over": 2}
    (tmp_path / "list.csv").write_text("file\nrain/two\n")
    with pytest.raises(UserError, match=r"rain/two under .* is a folder of pictures: state data\.frames_per_second"):
        folder_clips(tmp_path, "list.csv")
    assert folder_clips(tmp_path, "list.csv", frames_per_second=5).ids == ("rain/two",)


def test_a_folder_of_nothing_but_pictures_says_what_is_missing(tmp_path):
    touch(tmp_path, "rain/two/f1.png", "rain/two/f2.png")
    with pytest.raises(UserError, match=r"rain/two is a folder of pictures: state data\.frames_per_second"):
        folder_clips(tmp_path)


def test_a_name_that_is_not_utf8_is_listed_and_split(tmp_path):
    name = os.fsdecode(b"caf\xe9.mp4")
    touch(tmp_path, "a.mp4", "b.mp4")
    (tmp_path / name).write_bytes(b"")
    clips = folder_clips(tmp_path)
    assert name in clips.ids
    parts = split_rows(clips.ids, clips.labels, clips.groups, clips.splits, (0.4, 0.3, 0.3), 0)
    assert sum(map(len, parts.values())) == 3


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
        folder_clips(root, "list.csv")


def test_links_to_files_are_followed_inside_a_bare_folder_and_named_where_they_leave_it(tmp_path):
    root = tmp_path / "root"
    touch(root, "a.mp4", "frames/1.jpg")
    touch(tmp_path, "out.mp4", "out.jpg")
    (root / "b.mp4").symlink_to(root / "a.mp4")
    (root / "c.mp4").symlink_to(tmp_path / "out.mp4")
    (root / "d.mp4").symlink_to(root / "d.mp4")
    (root / "e.mp4").symlink_to(root / "gone.mp4")
    (root / "frames/2.jpg").symlink_to(tmp_path / "out.jpg")
    clips = folder_clips(root, frames_per_second=5)
    assert clips.ids == ("a.mp4", "b.mp4", "e.mp4"), "what a broken link lacks is a matter of its own clip"
    assert clips.groups[:2] == ("a.mp4", "a.mp4")
    assert [(one.clip_id, one.reason) for one in clips.problems] == [
        ("c.mp4", Reason.OUTSIDE_ROOT),
        ("d.mp4", Reason.UNREADABLE),
        ("frames/", Reason.OUTSIDE_ROOT),
    ]
    assert "leads back to itself" in clips.problems[1].detail and str(tmp_path / "out.mp4") in clips.problems[0].detail
    assert clips.passed_over == {"files_passed_over": 3}


def test_what_is_no_ordinary_file_is_named_and_never_opened(tmp_path):
    touch(tmp_path, "a.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    clips = folder_clips(tmp_path)
    assert clips.ids == ("a.mp4",)
    assert [(one.clip_id, one.detail) for one in clips.problems] == [("pipe.mp4", "is no ordinary file")]


def test_files_of_other_formats_are_counted_by_suffix_with_examples(tmp_path):
    touch(tmp_path, "a.mp4", "b.WEBP", *(f"deep/{number}.webp" for number in range(6)), "README", "deep/.hidden.webp")
    clips = folder_clips(tmp_path)
    assert [(one.clip_id, one.reason, one.detail) for one in clips.problems] == [
        (
            "*.webp",
            Reason.UNKNOWN_FORMAT,
            "7 files of no known format skipped: b.WEBP, deep/0.webp, deep/1.webp, deep/2.webp, deep/3.webp and 2 more",
        ),
        ("*", Reason.UNKNOWN_FORMAT, "1 file of no known format skipped: README"),
    ]
    assert clips.passed_over == {"files_of_no_known_format": 8}
    (tmp_path / "a.mp4").unlink()
    with pytest.raises(UserError, match=r"names no media file: .* 7 files of no known format skipped: b\.WEBP"):
        folder_clips(tmp_path)


def test_a_second_sound_beside_a_video_is_named(tmp_path):
    touch(tmp_path, "a.mp4", "a.mp3", "a.wav", "b.flac", "b.wav")
    clips = folder_clips(tmp_path)
    assert clips.ids == ("a.mp4", "b.flac", "b.wav") and clips.record(0).audio == tmp_path / "a.mp3"
    (one,) = clips.problems
    assert (one.clip_id, one.reason, one.source) == ("a.wav", Reason.SPARE_SOUND, str(tmp_path / "a.wav"))
    assert clips.passed_over == {"files_passed_over": 1}


def test_missing_files_are_named_and_counted(tmp_path):
    touch(tmp_path, "there.mp4")
    rows = [f"gone{number}.mp4" for number in range(7)]
    (tmp_path / "list.csv").write_text("\n".join(["file", "there.mp4", *rows]))
    with pytest.raises(UserError, match=r"gone0\.mp4.*gone4\.mp4 and 2 more"):
        folder_clips(tmp_path, "list.csv", missing="refuse")
    clips = folder_clips(tmp_path, "list.csv")
    assert len(clips) == 8, "a missing file is a matter of its own row"
    (tmp_path / "there.mp4").unlink()
    with pytest.raises(UserError, match="Files are missing"):
        folder_clips(tmp_path, "list.csv")
    with pytest.raises(UserError, match=r"data\.missing = 'skip' is unknown"):
        folder_clips(tmp_path, "list.csv", missing="skip")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"id,label\na,b\n", "needs one named file or video or path"),
        (b"", "has no header"),
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
        folder_clips(tmp_path, "list.csv")


def test_missing_places_are_refused(tmp_path):
    with pytest.raises(UserError, match="no folder"):
        folder_clips(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no csv file"):
        folder_clips(tmp_path, "nowhere.csv")
    with pytest.raises(UserError, match="names no media"):
        folder_clips(tmp_path)


def test_real_folders(real_data):
    music = folder_clips(real_data / "music_av", "clips.csv")
    assert len(music) == 42 and len(music.class_names) == 11
    assert all(Path(str(record.audio)).suffix == ".wav" for record in music.records())
    assert all(one.startswith(music.class_names[label]) for one, label in zip(music.ids, music.labels, strict=True))
    bare = folder_clips(real_data / "music_av")
    assert sorted((str(one.media), str(one.audio)) for one in bare.records()) == sorted(
        (str(one.media), str(one.audio)) for one in music.records()
    )

    clips = folder_clips(real_data / "av_clips", "clips.csv")
    assert len(clips) == 42
    barking = clips.ids.index("dog_bark_1")
    assert clips.class_names[clips.labels[barking]] == "dog barking"
    assert clips.captions[barking] == "a beagle stands on a rug and barks"
    assert clips.record(barking).media == real_data / "av_clips/with_audio/dog_bark_1.mp4"

    speech = folder_clips(real_data / "grid_av_speech", "clips.csv")
    assert speech.captions[0] == "bin blue at f two now" and speech.class_names == ()


def test_real_files_of_uncommon_suffixes_are_clips_that_decode(real_data):
    clips = folder_clips(real_data / "field_cases/suffixes_skipped")
    assert clips.files == ("camcorder.MTS", "w.wma", "x.aif")
    assert [one.detail for one in clips.problems] == ["1 file of no known format skipped: README"]
    film, *sounds = clips.records()
    assert next(stream_frames(film.media, size=(48, 64)))[1].shape == (48, 64, 3)
    for record in sounds:
        clip = read_clip(record.media, clip_id="x", frame_rate=5, size=(48, 64), sample_rate=16000)
        assert len(clip.waveform) > 8000 and not clip.has_video


def test_manifests_as_people_write_them(tmp_path, real_data):
    cases = real_data / "field_cases/manifest_headers"
    touch(tmp_path, "a.mp4", "b.mp4", "c.mp4")

    def read(name):
        clips = folder_clips(tmp_path, cases / name)
        return [clips.class_names[label] for label in clips.labels], clips.captions, clips.splits

    assert read("space_after_comma.csv") == (["x", "y"], ("hello", "world"), ("", ""))
    assert read("capital_label.csv")[0] == ["x", "y"]
    assert read("space_before_quote.csv")[0] == ["Speech, child", "y"]
    assert read("split_column.csv")[2] == ("train", "test")
    with pytest.raises(UserError, match=r"Row 2 of .*unquoted_comma\.csv has 5 cells for 4 columns"):
        read("unquoted_comma.csv")
    with pytest.raises(UserError, match=r"Row 2 of .*unclosed_quote\.csv is not valid csv"):
        read("unclosed_quote.csv")


def test_real_captions_that_share_a_video(real_data):
    clips = folder_clips(real_data / "field_cases/captions_share_a_video", "clips.csv")
    assert clips.groups == ("0.mp4",) * 5 + ("1.mp4",) * 5 + ("2.mp4",) * 5
    parts = split_rows(clips.ids, clips.labels, clips.groups, clips.splits, (0.6, 0.15, 0.25), 0)
    for name, rows in parts.items():
        for other, others in parts.items():
            assert name == other or not {clips.files[row] for row in rows} & {clips.files[row] for row in others}
