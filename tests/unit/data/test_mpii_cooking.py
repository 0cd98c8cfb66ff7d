"""The cooking data set from files in the published layout: items, split without leaks, and what is recorded of it."""

import json

import numpy as np
import pytest
from cooking_files import numbers, write_film, write_mat

from avx.core.errors import UserError
from avx.data import splits
from avx.data.sets import mpii_cooking
from avx.media.quarantine import Reason

FILMS = ("s07-d72-cam-002", "s08-d02-cam-002")
SPANS = [(first, first + 2) for first in range(1, 31, 3)]
CLASSES = ("cut onion", "wash plate")


def write_folder(root, *, crossed):
    """Two films of ten segments and a class each; one speech file for each, named pair by pair or all with all."""
    (root / "videos").mkdir(parents=True)
    (root / "speech").mkdir()
    lines = ["video,speech,class"]
    entries = []
    for film, class_name in zip(FILMS, CLASSES, strict=True):
        write_film(root / "videos" / f"{film}.avi")
        entries += [(film, first, last, f"{class_name.split()[0]}V") for first, last in SPANS]
        for number, (first, last) in enumerate(SPANS):
            name = f"speech/{class_name.split()[0]}_{9 - number}.wav"
            (root / name).write_bytes(f"sound {name}".encode())
            lines.append(f"{film}_{first}_{last},{name},{class_name}")
    if crossed:
        rows = [line.split(",") for line in lines[1:]]
        lines = lines[:1] + [
            f"{video},{speech},{own}" for video, _, own in rows for _, speech, other in rows if own == other
        ]
    (root / "speech.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_mat(root / "attributesAnnotations_MPII-Cooking-2.mat", entries)
    return root


def read(folder, **options):
    """Each class has one film here, whose segments can only be split one by one."""
    return mpii_cooking.read(folder, unit="item", **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("cooking") / "given", crossed=False)


@pytest.fixture(scope="module")
def builder(folder, tmp_path_factory):
    return mpii_cooking.build(tmp_path_factory.mktemp("built"), read(folder), short_side=24)


def test_records_hold_the_cut_video_and_the_speech_that_is_retrieved(folder, builder):
    clips = mpii_cooking.clips_of(builder)
    assert clips.class_names == CLASSES
    assert len(clips) == 20
    assert list(clips.ids) == sorted(clips.ids)
    pairs = {pair.video: pair for pair in read(folder).pairs}
    for one, label, record in zip(clips.ids, clips.labels, clips.records(), strict=True):
        film, first, last = one.rsplit("_", 2)
        assert numbers(record.media) == (list(range(int(first), int(last) + 1)), (24, 48))
        assert label == FILMS.index(film)
        assert record.audio == record.speech == (folder / pairs[one].speech).read_bytes()


def test_splits_are_by_item_70_to_30_and_recorded(folder, builder):
    clips = mpii_cooking.clips_of(builder)
    for label in range(2):
        sides = [side for side, own in zip(clips.splits, clips.labels, strict=True) if own == label]
        assert {name: sides.count(name) for name in splits.SPLITS} == {"train": 6, "val": 1, "test": 3}
    corpus = read(folder)
    recorded = json.loads((builder.data_path / "metadata.json").read_text())
    assert recorded["counts"] == {"train": 12, "val": 2, "test": 6}
    assert recorded["split_seed"] == 0
    assert recorded["split_fractions"] == [0.6, 0.1, 0.3]
    assert recorded["left_out"] == []
    for kind in ("video", "speech"):
        files = [getattr(pair, kind) for pair in corpus.pairs]
        for name in splits.SPLITS:
            expected = splits.split_hash(files, np.flatnonzero(corpus.split == name))
            assert recorded["split_hashes"][kind][name] == expected
    assert recorded["split_hashes"]["video"] != recorded["split_hashes"]["speech"]


def test_crossed_rows_put_no_file_on_two_sides(tmp_path):
    """Ten videos with ten speech files in all combinations: splitting those hundred rows would leak every file."""
    corpus = read(write_folder(tmp_path, crossed=True), seed=4)
    assert len(corpus.pairs) == 20
    assert not corpus.left_out
    for kind in ("video", "speech"):
        sides = {}
        for pair, side in zip(corpus.pairs, corpus.split, strict=True):
            sides.setdefault(getattr(pair, kind), set()).add(side)
        assert len(sides) == 20
        assert all(len(side) == 1 for side in sides.values())
    assert (corpus.split == "test").sum() == 6


def test_no_film_is_on_two_sides(tmp_path):
    """Twenty films of five segments that overlap, with both classes in every film."""
    (tmp_path / "speech").mkdir()
    lines, entries = ["video,speech,class"], []
    for film in (f"s{number:02}-d01-cam-002" for number in range(20)):
        (tmp_path / f"{film}.avi").write_bytes(b"not opened")
        for place in range(5):
            first, class_name = 100 + 40 * place, CLASSES[place % 2]
            entries.append((film, first, first + 60, f"{class_name.split()[0]}V"))
            speech = f"speech/{film}_{place}.wav"
            (tmp_path / speech).write_bytes(b"sound")
            lines.append(f"{film}_{first}_{first + 60},{speech},{class_name}")
    (tmp_path / "speech.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_mat(tmp_path / "attributesAnnotations_MPII-Cooking-2.mat", entries)

    def sides(unit):
        corpus = mpii_cooking.read(tmp_path, unit=unit)
        assert corpus.record()["split_unit"] == unit
        assert {name: int((corpus.split == name).sum()) for name in splits.SPLITS} == {
            "train": 60,
            "val": 10,
            "test": 30,
        }
        pairs = list(zip(corpus.segments, corpus.split, strict=True))
        return {film: {side for segment, side in pairs if segment.file == film} for film in sorted(corpus.videos)}

    assert len(sides("film")) == 20
    assert all(len(found) == 1 for found in sides("film").values())
    assert any(len(found) == 3 for found in sides("item").values())
    with pytest.raises(UserError, match="unit of the split is 'frame'; choose one of film, item"):
        mpii_cooking.read(tmp_path, unit="frame")


def test_files_without_a_partner_are_counted(tmp_path):
    root = write_folder(tmp_path, crossed=False)
    table = root / "speech.csv"
    row = table.read_text().splitlines()[1]
    (root / "speech/more.wav").write_bytes(b"more")
    table.write_text(table.read_text() + f"{row.split(',')[0]},speech/more.wav,{row.split(',')[2]}\n")
    corpus = read(root)
    assert len(corpus.pairs) == 20
    (alone,) = corpus.left_out
    assert alone in ("speech/more.wav", row.split(",")[1])
    assert corpus.record()["left_out"] == [alone]
    clips = mpii_cooking.clips_of(mpii_cooking.build(tmp_path / "data", corpus, short_side=24))
    assert [(one.clip_id, one.reason) for one in clips.problems] == [(alone, Reason.NO_PARTNER)]
    assert clips.passed_over == {"files_passed_over": 1}


def test_a_built_dataset_is_not_cut_again(folder, builder, monkeypatch):
    monkeypatch.setattr(mpii_cooking.segments, "cut_segments", lambda *_: pytest.fail("cut again"))
    again = mpii_cooking.build(builder.data_path.parents[2], read(folder), short_side=24)
    assert again.data_path == builder.data_path


def test_another_request_is_another_dataset(folder, builder):
    corpus = read(folder)
    digests = {mpii_cooking._digest(corpus, 24, 20.0), mpii_cooking._digest(corpus, 32, 20.0)}
    digests |= {mpii_cooking._digest(read(folder, seed=1), 24, 20.0)}
    assert len(digests) == 3
    assert builder.builder_config.name == f"20_pairs_{mpii_cooking._digest(corpus, 24, 20.0)}"


def test_missing_and_double_files_are_one_sentence_each(tmp_path):
    root = write_folder(tmp_path / "one", crossed=False)
    (root / "videos" / f"{FILMS[0]}.mp4").write_bytes(b"a second form of the same film")
    with pytest.raises(UserError, match=f"holds several videos {FILMS[0]}"):
        read(root)
    for path in root.glob("videos/s07*"):
        path.unlink()
    with pytest.raises(UserError, match=f"holds no video {FILMS[0]}.avi or .mp4"):
        read(root)
    (root / "attributesAnnotations_MPII-Cooking-2.mat").unlink()
    with pytest.raises(UserError, match="holds no annotations"):
        read(root)
    with pytest.raises(UserError, match="short_side 25 must be even"):
        mpii_cooking.build(tmp_path / "built", read(write_folder(tmp_path / "two", crossed=False)), short_side=25)
