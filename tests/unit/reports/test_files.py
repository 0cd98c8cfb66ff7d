import dataclasses
import json
import math

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.core.result import Direction, Result, ResultRow
from avx.reports.array_files import Attention, Embedding, Items, KeyFrames, letterboxed
from avx.reports.files import Config, MetricLog, QuarantineLog, read_result, write_result, write_whole

KINDS = {"items": Items, "keyframes": KeyFrames, "attention": Attention, "embedding": Embedding}


def same(first, second):
    """Equal in values, types and order, arrays included."""
    if isinstance(first, np.ndarray):
        return first.dtype == second.dtype and np.array_equal(first, second, equal_nan=first.dtype.kind == "f")
    if dataclasses.is_dataclass(first):
        return type(first) is type(second) and same(vars(first), vars(second))
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return type(first) is type(second) and len(first) == len(second) and all(map(same, first, second))
    return type(first) is type(second) and (first == second or (first != first and second != second))


def edit(workdir, **changes):
    """Rewrites an array file with some arrays changed, or left out where None."""
    name, changes = changes.popitem()
    path = workdir / "results" / f"{name}.npz"
    with np.load(path) as archive:
        arrays = dict(archive) | changes
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})


def test_a_result_comes_back_as_it_was(tmp_path):
    direction = Direction(
        levels={"class": {"map": 0.1 + 0.2, "mdr": math.nan}, "instance": {"hit@1": 1e-17}},
        intervals={"class": {"map": (0.1, 1 / 3)}},
        queries=np.array([7, 3]),
        per_query={"class/ap": np.array([0.25, np.nan], np.float32), "class/rank": np.array([1, 2.5], np.float32)},
        top=np.array([[3, 7], [9, 3]]),
        top_scores=np.array([[0.5, 0.25], [1.0, -np.inf]], np.float32),
        confusion=np.array([[0.5, 0.5], [0.0, 1.0]]),
        curve={"recall": np.linspace(0, 1, 11), "precision": np.ones(11)},
    )
    rows = (
        ResultRow("System A", "system", "train", "", {"video_to_audio": direction}),
        ResultRow(
            "System A", "system", "test", "asked twice", {"video_to_audio": direction, "audio_to_video": direction}
        ),
        ResultRow("chance", "chance", "test", "", {"audio_to_video": Direction({"class": {"map": 0.5}})}),
    )
    protocol = {"class_names": ["a", "b"], "splits": {"test": "9f2c"}, "queries": 2, "exact": True, "none": None}
    result = Result(protocol, rows, {"class/map": 0.3}, {"chosen": {"ridge": [0.1, 1.0]}, "train_seconds": 1.5})
    write_result(result, tmp_path)
    assert same(read_result(tmp_path), result)
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["ranks.npz", "result.json"]
    json.loads((tmp_path / "results" / "result.json").read_text(), parse_constant=lambda word: pytest.fail(word))


def test_equal_results_are_equal_bytes_and_numpy_numbers_are_plain(tmp_path):
    result = Result({"queries": np.int64(3), "sizes": np.arange(2)}, ())
    for name in "ab":
        write_result(result, tmp_path / name)
    for file in ("result.json", "ranks.npz"):
        assert (tmp_path / "a/results" / file).read_bytes() == (tmp_path / "b/results" / file).read_bytes()
    assert read_result(tmp_path / "a").protocol == {"queries": 3, "sizes": [0, 1]}


def test_files_of_two_evaluations_do_not_mix(workdir):
    path = workdir / "results" / "ranks.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"ranks\.npz is damaged or does not belong to results/result\.json"):
        read_result(workdir)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("rows"),
        lambda content: content.update(protocol=3),
        lambda content: content["rows"][0].pop("role"),
        lambda content: content["rows"][0].update(directions=[1]),
        lambda content: content["rows"][0]["directions"].update(sideways={"levels": {}, "intervals": {}}),
        lambda content: content["rows"][0]["directions"]["video_to_audio"]["levels"]["class"].update(map="high"),
        lambda content: content["rows"][0]["directions"]["video_to_audio"]["intervals"]["class"].update(map=[0.1]),
    ],
)
def test_a_broken_result_is_one_sentence(workdir, change):
    path = workdir / "results" / "result.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(UserError) as caught:
        read_result(workdir)
    message = str(caught.value)
    assert "results/result.json" in message and "again" in message and "\n" not in message


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_no_json_object_is_one_sentence(workdir, content):
    for name, read in (("results/result.json", read_result), ("config.json", Config.read)):
        (workdir / name).write_bytes(content)
        with pytest.raises(UserError, match=rf"^{name} (is no readable JSON|holds a list)"):
            read(workdir)


@pytest.mark.parametrize("kind", KINDS.values())
def test_array_files_come_back_as_they_were(workdir, tmp_path, kind):
    first = kind.read(workdir)
    first.write(tmp_path / "copy")
    assert same(kind.read(tmp_path / "copy"), first)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("items", {"ids": None}, "the array 'ids' is absent"),
        ("items", {"labels": np.zeros(1, int)}, "'labels' has 1 entries"),
        ("items", {"thumbnails": np.zeros((1, 4, 4, 3), np.float32)}, "'thumbnails' is float32"),
        ("items", {"thumbnails": np.zeros((1, 4, 4), np.uint8)}, "of shape (1, 4, 4), not (N h w 3)"),
        ("keyframes", {"durations": np.zeros(4)}, "has no duration"),
        ("keyframes", {"times": np.full(11, np.nan)}, "NaN or infinite"),
        ("keyframes", {"boundaries": np.ones(1), "boundary_clip": np.array([9])}, "outside the 4 clips"),
        ("keyframes", {"sizes": np.full((11, 2), 200)}, "outside a picture"),
        ("attention", {"end": np.zeros((4, 8))}, "does not end after it starts"),
        ("attention", {"weights": np.full((4, 8), -1.0, np.float32)}, "negative"),
        ("embedding", {"sides/video": np.zeros((18, 3), np.float32)}, "has 12 entries where others have 3"),
    ],
)
def test_broken_arrays_are_one_sentence(workdir, name, changes, words):
    edit(workdir, **{name: changes})
    with pytest.raises(UserError) as caught:
        KINDS[name].read(workdir)
    assert words in str(caught.value) and str(caught.value).startswith(f"results/{name}.npz")


@pytest.mark.parametrize("file", ["/etc/passwd", "../other/secret.wav", "media/../../x.wav"])
def test_media_lie_inside_the_workdir(workdir, file):
    count = len(Items.read(workdir).ids)
    edit(workdir, items={"media": np.array([file] + [""] * (count - 1))})
    with pytest.raises(UserError, match="lies outside the workdir"):
        Items.read(workdir)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"\x93NUMPY", None])
def test_torn_archives_and_pickles_are_one_sentence(workdir, content):
    path = workdir / "results" / "items.npz"
    if content is None:
        np.savez(path, ids=np.array([{"a": 1}], object))
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"^results/items\.npz is no readable"):
        Items.read(workdir)


def test_every_flipped_byte_of_an_archive_is_read_or_one_sentence(workdir):
    path = workdir / "results" / "attention.npz"
    whole = path.read_bytes()
    for place in np.linspace(0, len(whole) - 1, 150).astype(int):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            Attention.read(workdir)
        except UserError as error:
            assert "results/attention.npz" in str(error)


def test_an_absent_or_unwritable_file_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match=r"config\.json cannot be read"):
        Config.read(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_whole(tmp_path / "file" / "below.png", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_pictures_keep_their_aspect():
    wide, tall = np.full((20, 80, 3), 200, np.uint8), np.full((80, 20, 3), 100, np.uint8)
    boxes, sizes = letterboxed([wide, tall, np.zeros((0, 0, 3), np.uint8)], 40, 60)
    assert boxes.shape == (3, 40, 60, 3) and sizes.tolist() == [[15, 60], [40, 10], [0, 0]]
    assert (boxes[0, :15] == 200).all() and (boxes[0, 15:] == 0).all() and (boxes[1, :, :10] == 100).all()


def test_metrics_of_a_resumed_run_count_once_and_a_torn_line_is_passed_over(tmp_path):
    lines = [
        {"step": 2, "epoch": 1, "split": "validation", "metrics": {"map": 0.2}},
        {"step": 1, "epoch": 0.5, "split": "train", "metrics": {"loss": 5.0}},
        {"step": 2, "epoch": 1, "split": "train", "metrics": {"loss": 4.0}},
        {"step": 2, "epoch": 1, "split": "train", "metrics": {"loss": None, "other": 1}},
    ]
    content = "".join(json.dumps(line) + "\n" for line in lines) + '{"step": 3, "spl'
    (tmp_path / "metrics.jsonl").write_bytes(content.encode() + b"\xc3")
    series = MetricLog.read(tmp_path).series
    steps, losses = series["train"]["loss"]
    assert steps.tolist() == [1, 2] and losses[0] == 5.0 and np.isnan(losses[1])
    assert series["train"]["other"][0].tolist() == [2] and series["validation"]["map"][1].tolist() == [0.2]


@pytest.mark.parametrize(
    "line", ["{nonsense", "[1]", '{"step": 1}', '{"step": 1, "split": "t", "metrics": {"a": "b"}}']
)
def test_a_broken_metric_line_is_named(tmp_path, line):
    (tmp_path / "metrics.jsonl").write_text(f'{{"step": 0, "split": "train", "metrics": {{}}}}\n{line}\n\n')
    with pytest.raises(UserError, match=r"metrics\.jsonl line 2 .*: delete that line"):
        MetricLog.read(tmp_path)


def test_a_clip_is_put_aside_once_for_each_reason(tmp_path):
    records = [{"clip_id": "a", "reason": "x"}, {"clip_id": "a", "reason": "y"}, {"clip_id": "a", "reason": "x"}]
    (tmp_path / "quarantine.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records) + '{"cl')
    assert [record["reason"] for record in QuarantineLog.read(tmp_path).records] == ["x", "y"]
