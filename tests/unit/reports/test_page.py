import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from fake_workdir import make_result, write_items
from PIL import Image

from avx.core.errors import UserError
from avx.core.result import Result, ResultRow
from avx.reports.array_files import Items
from avx.reports.files import Config, Environment, read_result, write_result
from avx.reports.report import write_report
from avx.reports.sections import rank_words

MAIN = {"map", "mdr", "mnr", *(f"{name}@{k}" for name in ("hit", "tp_recall") for k in (1, 5, 10))}
VOID = {"meta", "img", "br"}


class Reader(HTMLParser):
    """The elements, links and text of a page; complains about tags that do not pair up."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.attributes, self.words = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        self.words.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def page(reported):
    return (reported / "report.html").read_text(encoding="utf-8")


def without(workdir, *names):
    """Leaves out files whose pictures take time to draw and no part in a test."""
    for name in names or ("keyframes.npz", "attention.npz", "embedding.npz"):
        (workdir / "results" / name).unlink(missing_ok=True)
    (workdir / "metrics.jsonl").unlink(missing_ok=True)
    return workdir


def test_the_page_is_whole_and_loads_nothing(page):
    reader = read(page)
    assert not {"script", "link", "iframe", "object", "form"} & set(reader.tags)
    for name, value in reader.attributes:
        assert not name.startswith("on")
        if name == "src":
            assert value.startswith(("data:image/png;base64,", "data:image/jpeg;base64,", "data:audio/x-wav;base64,"))
        if name == "href":
            assert value.startswith("#") and f'id="{value[1:]}"' in page
    assert "url(" not in page and "@import" not in page
    assert "default-src 'none'" in page


def test_pictures_and_tables_can_be_read_without_eyes_and_reached_without_a_mouse(page):
    images = re.findall(r"<img[^>]*>", page)
    assert images and all(re.search(r'alt="[^"]+"', image) for image in images)
    assert all("aria-label=" in player for player in re.findall(r"<(?:audio|video)[^>]*>", page))
    assert page.count('scope="row"') > 20 and page.count('scope="col"') > 20
    scrolling = re.findall(r'<div class="wide"[^>]*>|<figure[^>]*>', page)
    assert scrolling and all('tabindex="0"' in element for element in scrolling)


def test_hostile_text_is_text(page):
    assert "<script" not in page.lower()
    assert "&lt;script&gt;alert(&#34;" in page
    assert "\x1b" not in page
    assert any('alert("' in words for words in read(page).words)


def test_hostile_names_everywhere_are_text(workdir):
    attack = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>\udcff"
    result = read_result(workdir)
    rows = tuple(
        ResultRow(attack, row.role, attack, attack, {f"{attack[:-1]}_to_audio": d})
        for row in result.rows
        for d in row.directions.values()
    )
    protocol = {"dataset": attack, attack: attack, "class_names": [attack] * 6, "coverage": {attack: attack}}
    write_result(Result(protocol, rows, {attack: 0.5}, {attack: [attack]}), workdir)
    Config({"name": attack, attack: {attack: [attack]}}).write(workdir)
    Environment({attack: attack}).write(workdir)
    (workdir / "quarantine.jsonl").write_text(json.dumps({attack: attack, "reason": attack}) + "\n")
    reader = read(write_report(without(workdir)).read_text(encoding="utf-8"))
    assert "script" not in reader.tags
    assert not any(name.startswith("on") for name, _ in reader.attributes)
    assert all(value.startswith("data:") for name, value in reader.attributes if name == "src")
    assert sum(attack[:-1] in words for words in reader.words) > 10
    assert all(re.fullmatch(r"[a-z_0-9]+\.png", path.name) for path in (workdir / "pictures").iterdir())


def test_the_numbers_on_the_page_are_those_of_the_result(page, reported):
    body = page[page.index('id="results"') : page.index("All metrics")]
    shown = [float(cell) for cell in re.findall(r"<td>(?:<strong>)?([\d.]+)", body)]
    written, ranges = [], []
    for direction in ("video_to_audio", "audio_to_video"):
        for level in ("class", "instance"):
            for row in read_result(reported).rows:
                found = row.directions[direction]
                main = {name: value for name, value in found.levels[level].items() if name in MAIN}
                written += [value * (1 if name in ("mdr", "mnr") else 100) for name, value in main.items()]
                ends = [found.intervals.get(level, {}).get(name) for name in main]
                ranges += [f"{100 * of[0]:.1f}\N{EN DASH}{100 * of[1]:.1f}" for of in ends if of]
    assert len(shown) == len(written) == 108
    np.testing.assert_allclose(shown, written, atol=0.0501)
    assert re.findall(r"<small>([^<]+)</small>", body) == ranges and len(ranges) == 2 * 2 * 2 * 4


def test_the_class_table_agrees_with_the_result(page, reported):
    """Weighted by its queries, the classes' share right at rank 1 is the table's class-level hit@1."""
    result = read_result(reported)
    body = page[page.index('id="confusion-and-classes"') : page.index('id="embedding"')]
    for table, direction in zip(body.split("<table>")[1:], ("video_to_audio", "audio_to_video"), strict=True):
        queries, shares = np.array(re.findall(r"<td>(\d+)</td>\s*<td>([\d.]+)</td>", table), float).T
        expected = result.rows[0].directions[direction].levels["class"]["hit@1"]
        assert (queries * shares).sum() / queries.sum() == pytest.approx(100 * expected, abs=0.06)


def test_what_the_run_says_of_itself_is_shown(page, reported):
    share = read_result(reported).rows[0].directions["audio_to_video"].levels["class"]["hit@1"]
    assert f"A sound finds a video of its class first in {100 * share:.1f}\N{NO-BREAK SPACE}% (" in page
    assert "CCA: 8 dimensions, ridge 0.01." in page
    assert "Dashed: step 220, whose weights were tested." in page
    assert re.search(r'<th scope="row">parameters</th>\s*<td>123456</td>', page)
    assert re.search(r'<th scope="row">train seconds</th>\s*<td>62 s</td>', page), "seconds are rounded"
    assert "no key frame in shot 2 (" in page and "all 5 shots have a key frame" in page


def test_a_baseline_that_wins_is_said_above_all(tmp_path):
    result, _ = make_result(np.random.default_rng(1), 18, noise=9.0)
    write_result(result, tmp_path)
    lead = write_report(tmp_path).read_text(encoding="utf-8").split("<nav")[0]
    assert "CCA is ahead of System A in MAP: " in lead


def test_pictures_are_files_too(reported):
    names = {path.stem for path in (reported / "pictures").iterdir()}
    numbered = {f"{name}_{number}" for name in ("precision_recall", "confusion") for number in (1, 2)}
    assert names == {"training", "attention", "embedding"} | numbered | {f"keyframes_{n:02d}" for n in range(1, 5)}
    for path in (reported / "pictures").iterdir():
        with Image.open(path) as image:
            assert image.format == "PNG" and min(image.size) > 200
            assert "Software" not in image.info


def test_equal_inputs_give_equal_bytes(workdir, reported):
    write_report(workdir)
    assert (workdir / "report.html").read_bytes() == (reported / "report.html").read_bytes()
    for path in (reported / "pictures").iterdir():
        assert (workdir / "pictures" / path.name).read_bytes() == path.read_bytes(), path.name


def cells_of(page, direction):
    """(what the frame says, has the own-item mark, text) of each item of a direction's examples."""
    body = page[page.index('id="retrieved-examples"') :]
    body = body[body.index(f"<h3>{direction}</h3>") :].split("</div>\n{% endfor %}")[0].split("<h3>")[1]
    return re.findall(r'<li class="item (\w+)">(.*?)</li>', body, re.S)


def test_examples_show_right_and_wrong_items_and_play_what_is_heard(page, reported):
    result = read_result(reported)
    items = Items.read(reported)
    cells = cells_of(page, "video → audio")
    assert len(cells) == 6 * 6 and [look for look, _ in cells[::6]] == ["query"] * 6
    assert [look for look, _ in cells[1::6]] == ["right"] * 3 + ["wrong"] * 3
    assert all(("<audio" in text) == (look != "query") for look, text in cells), "sounds are what is found here"
    assert any("own item" in text for look, text in cells if look == "right")
    assert not any("own item<" in text for look, text in cells if look == "wrong")
    heard = cells_of(page, "audio → video")
    assert all(("<audio" in text) == (look == "query") for look, text in heard)
    first = result.rows[0].directions["video_to_audio"]
    place = int(np.flatnonzero(first.per_query["class/rank"] == 1)[0])
    query, classes = int(first.queries[place]), [items.classes(row) for row in first.top[place, :5].tolist()]
    assert [look for look, _ in cells[1:6]] == ["right" if of == items.classes(query) else "wrong" for of in classes]


def test_upright_pictures_stay_upright(page):
    import base64
    import io

    body = page[page.index('id="retrieved-examples"') : page.index('id="key-frames"')]
    encoded = re.findall(r"data:image/jpeg;base64,([^\"]+)", body)
    shapes = {Image.open(io.BytesIO(base64.b64decode(text))).size for text in encoded}
    assert shapes == {(96, 72), (40, 72)}


@pytest.mark.parametrize(("size", "inlined"), [(255_999, True), (256_000, False)])
def test_long_media_are_linked_and_lost_ones_are_nothing(workdir, size, inlined):
    items = Items.read(workdir)
    name = "media/100 % & #.webm"
    (workdir / name).write_bytes(b"\0" * size)
    media = np.array([name, "media/lost.mp4"] + [""] * (len(items.ids) - 2))
    Items(**(vars(items) | {"media": media, "sound": np.full(len(items.ids), "")})).write(workdir)
    page = write_report(without(workdir)).read_text(encoding="utf-8")
    assert ('<video controls preload="none"' in page) == inlined
    assert ('href="media/100%20%25%20%26%20%23.webm"' in page) == (not inlined)
    assert "lost.mp4" not in page


def test_a_link_out_of_the_workdir_is_not_followed(workdir, tmp_path):
    items = Items.read(workdir)
    (tmp_path / "secret.wav").write_bytes(b"secret")
    (workdir / "media" / "link.wav").symlink_to(tmp_path / "secret.wav")
    sound = np.full(len(items.ids), "media/link.wav")
    Items(**(vars(items) | {"sound": sound})).write(workdir)
    assert "<audio" not in write_report(without(workdir)).read_text(encoding="utf-8")


def test_items_that_were_not_saved_and_unknown_classes_are_shown_as_such(workdir):
    items = Items.read(workdir)
    keep = np.arange(len(items.ids)) % 2 == 0
    rows = {name: value[keep] for name, value in vars(items).items()}
    Items(**(rows | {"labels": np.full(keep.sum(), -1)})).write(workdir)
    page = write_report(without(workdir)).read_text(encoding="utf-8")
    assert '<div class="blank">' in page and "unknown class" in page
    assert {text.count("own item") for look, text in cells_of(page, "video → audio") if look == "right"} == {1}


def test_items_of_several_classes_are_right_where_they_share_one(workdir):
    items = Items.read(workdir)
    several = np.eye(6, dtype=bool)[items.labels]
    several[:, 0] = True
    Items(**(vars(items) | {"labels": several})).write(workdir)
    cells = cells_of(write_report(without(workdir)).read_text(encoding="utf-8"), "video → audio")
    assert {look for look, _ in cells} == {"query", "right"}
    assert any("bell, violin" in text for _, text in cells)


def test_the_bare_result_makes_a_report_that_names_what_is_left_out(tmp_path, reported):
    result = read_result(reported)
    plain = tuple(
        ResultRow(
            row.name,
            row.role,
            row.gallery,
            row.note,
            {way: type(found)(found.levels) for way, found in row.directions.items()},
        )
        for row in result.rows
    )
    write_result(Result(result.protocol, plain), tmp_path)
    page = write_report(tmp_path).read_text(encoding="utf-8")
    left_out = page[page.index('id="left-out"') :]
    for line in (
        "Training: metrics.jsonl is absent.",
        "Training record: results/result.json holds none.",
        "Precision and recall: results/result.json holds none.",
        "Retrieved examples: results/items.npz is absent.",
        "Key frames: results/keyframes.npz is absent.",
        "Confusion and classes: results/result.json holds none.",
        "Configuration: config.json is absent.",
    ):
        assert left_out.count(line) == 1
    assert 'id="training"' not in page and 'id="results"' in page
    assert not (tmp_path / "pictures").exists()


def test_a_run_without_a_result_shows_its_training(tmp_path, reported):
    shutil.copy(reported / "metrics.jsonl", tmp_path)
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "Not tested yet" in page and 'id="training"' in page and 'id="results"' not in page
    assert "Dashed: step 260, the best by video_to_audio/class/map with" in page


def test_nothing_to_report_and_broken_files_are_one_sentence_and_write_nothing(tmp_path, workdir):
    with pytest.raises(UserError, match="holds neither"):
        write_report(tmp_path / "run" / "media")
    with pytest.raises(UserError, match="is no folder"):
        write_report(tmp_path / "nowhere")
    (workdir / "results" / "items.npz").write_bytes(b"torn")
    with pytest.raises(UserError, match=r"items\.npz"):
        write_report(workdir)
    assert not (workdir / "report.html").exists() and not (workdir / "pictures").exists()


def test_two_galleries_are_drawn_apart(tmp_path):
    result, _ = make_result(np.random.default_rng(0), 18)
    train = tuple(ResultRow(row.name, row.role, "train", row.note, row.directions) for row in result.rows)
    write_result(Result(result.protocol, result.rows + train), tmp_path)
    write_items(tmp_path, result, ["a {}"])
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert page.count("Precision against recall, ") == 4 and "video → audio, class level, gallery: train" in page


def test_rank_words():
    assert [rank_words(rank) for rank in (3.0, 3.5, np.nan)] == ["rank 3", "rank 3.5 (tied)", "not in the gallery"]
