"""The drawn pictures: what they must contain, read back from their pixels."""

import io

import numpy as np
import pytest
from PIL import Image

from avx.reports import figures, sheets, training_curves
from avx.reports.array_files import Attention, Embedding
from avx.reports.sheets import TimeLine, clock, contact_sheet, pictured, sheet

COLOURS = ((200, 30, 30), (30, 180, 30), (30, 30, 220), (220, 200, 20), (20, 200, 210), (150, 20, 180))
BLUE, ORANGE = (0, 0x72, 0xB2), (0xD5, 0x5E, 0)


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def where(image, colour, tolerance=6):
    return (np.abs(image - colour) <= tolerance).all(-1)


def flat(colour, height=27, width=48):
    return np.full((height, width, 3), colour, np.uint8)


def test_key_frames_stand_in_order_of_time_and_marks_at_their_times():
    images = {number: flat(colour) for number, colour in enumerate(COLOURS)}
    times = np.array([0.0, 2.5, 5.0, 7.5, 9.0, 10.0])
    drawn = pixels(contact_sheet(images, times, 10.0, "a film", "six frames"))
    assert drawn.shape[1] == 1440
    rows, columns = np.array([np.argwhere(where(drawn, colour)).mean(0) for colour in COLOURS]).T
    assert np.ptp(rows[:5]) < 2 and rows[5] > rows[0] + 100  # five a row, the sixth below the first
    assert (np.diff(columns[:5]) > 200).all() and abs(columns[5] - columns[0]) < 2
    blue = where(drawn[:120], BLUE, 12).any(0)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], blue.astype(int), [0]])) == 1)
    assert len(edges) == 6
    np.testing.assert_allclose((edges - edges[0]) / (edges[-1] - edges[0]), times / 10, atol=0.005)


def test_pictures_of_a_sheet_keep_their_aspect():
    drawn = pixels(contact_sheet({0: flat(COLOURS[0]), 1: flat(COLOURS[1], 80, 20)}, np.arange(2.0), 2.0, "", ""))
    for colour, aspect in ((COLOURS[0], 48 / 27), (COLOURS[1], 20 / 80)):
        rows, columns = np.nonzero(where(drawn, colour))
        assert np.ptp(columns) / np.ptp(rows) == pytest.approx(aspect, rel=0.03)


def test_of_many_frames_sixty_are_pictured_and_equal_sheets_are_equal_bytes():
    assert pictured(60).tolist() == list(range(60))
    chosen = pictured(600)
    assert len(chosen) == 60 and chosen[0] == 0 and chosen[-1] == 599
    first, second = (contact_sheet({0: flat(90)}, np.zeros(1), 0.0, "still", "") for _ in range(2))
    assert first == second


def test_a_shot_without_a_key_frame_is_named_and_hatched():
    boundaries = np.array([2.0, 6.0, 6.0])
    line = TimeLine(np.array([1.0, 2.0, 8.0]), 8.0, boundaries)
    assert (line.missed(), line.coverage()) == ([], "all 3 shots have a key frame")  # 2.0 is the first of shot 2
    line = TimeLine(np.array([1.0, 7.0]), 8.0, boundaries)
    assert (line.missed(), line.coverage()) == ([1], "no key frame in shot 2 (2.0 to 6.0 s) of 3")
    assert TimeLine(np.zeros(0), 8.0, boundaries).missed() == [0, 1, 2]
    assert TimeLine(np.zeros(0), 8.0).coverage() == ""
    orange = where(pixels(sheet({}, line, "", "")), ORANGE, 40)
    columns = np.nonzero(orange)[1] / orange.shape[1] * 1000
    left, width = 66, 1000 - 24 - 78 - 66
    assert columns.min() == pytest.approx(left + 0.25 * width, abs=3)
    assert columns.max() == pytest.approx(left + 0.75 * width, abs=3)
    assert not where(pixels(sheet({}, TimeLine(line.times, 8.0), "", "")), ORANGE, 40).any()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.00 s"), (59.994, "59.99 s"), (59.996, "1:00.00"), (127.25, "2:07.25"), (3727.2, "1:02:07.20")],
)
def test_clock(seconds, text):
    assert clock(seconds) == text


def attention_of(weights, kept):
    weights = np.array(weights)
    start = np.broadcast_to(np.arange(weights.shape[1], dtype=float), weights.shape)
    return Attention(np.array(["a"]), weights, np.array(kept), start, start + 1)


def test_attention_marks_the_kept_blocks_and_them_alone():
    first = where(pixels(figures.attention_strips(attention_of([[0.6, 0.4]], [[True, False]]))), BLUE)
    second = where(pixels(figures.attention_strips(attention_of([[0.6, 0.4]], [[False, True]]))), BLUE)
    # The legend's blue is in both pictures, so compare what differs.
    assert np.nonzero(first & ~second)[1].mean() < np.nonzero(second & ~first)[1].mean()
    assert first.sum() > second.sum(), "the heavier block has the higher bar"
    assert figures.attention_strips(attention_of([[np.nan, np.nan]], [[False, False]]))


def test_confusion_is_normalised_by_row():
    balanced = figures.confusion(np.array([[1.0, 0.0], [0.0, 1.0]]), ["a", "b"], "video", "audio")
    many = figures.confusion(np.array([[900.0, 0.0], [0.0, 1.0]]), ["a", "b"], "video", "audio")
    wrong = figures.confusion(np.array([[0.0, 900.0], [0.0, 1.0]]), ["a", "b"], "video", "audio")
    assert balanced == many != wrong


@pytest.mark.parametrize("classes", [1, 25, 60])
def test_confusion_of_any_size_is_drawn(classes):
    names = [f"a rather long class name {number}" for number in range(classes)]
    assert figures.confusion(np.eye(classes), names, "video", "audio")


def embedding_of(labels, seed=0):
    sides = {name: np.random.default_rng(seed).normal(size=(len(labels), 4)) for name in ("video", "audio")}
    return Embedding(np.array([f"{n}" for n in range(len(labels))]), np.array(labels), sides)


def test_every_class_that_is_drawn_is_in_the_legend(monkeypatch):
    """All 24 of the 30 classes that are drawn, the unknown one among them; no point of another class."""
    figures_made = []
    monkeypatch.setattr(figures, "new_figure", lambda *size: figures_made.append(new_figure(*size)) or figures_made[0])
    labels = np.repeat(np.arange(-1, 29), [3] * 24 + [2] * 6)
    assert figures.drawn_classes(embedding_of(labels)) == list(range(-1, 23))
    names = {label: f"class {label}" for label in range(-1, 29)}
    assert figures.embedding_scatter(embedding_of(labels), names)
    axes = figures_made[0].axes[0]
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == [*(f"class {label}" for label in range(-1, 23)), "video of an item", "audio of an item"]
    assert sum(len(points.get_offsets()) for points in axes.collections) == 2 * 3 * 24
    handles = axes.get_legend().legend_handles[:24]
    looks = {(*map(tuple, handle.get_facecolor()), *map(tuple, handle.get_edgecolor())) for handle in handles}
    assert len(looks) == 24, "no two classes look alike"


new_figure = figures.new_figure


def test_an_item_without_one_side_is_drawn_by_the_other_and_nothing_is_no_picture():
    embedding = embedding_of([0, 0, 1])
    embedding.sides["audio"][0] = np.nan
    assert figures.embedding_scatter(embedding, {0: "a $ sign"})
    for side in embedding.sides.values():
        side[:] = np.nan
    assert figures.embedding_scatter(embedding, {}) is None


def test_principal_plane_keeps_the_distances_of_a_plane():
    rng = np.random.default_rng(3)
    flat = rng.normal(size=(9, 2)) * [3.0, 1.0]
    rotation, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    plane = figures.principal_plane(flat @ rotation[:2] + 7.0)

    def distances(x):
        return np.linalg.norm(x[:, None] - x[None], axis=-1)

    np.testing.assert_allclose(distances(plane), distances(flat), atol=1e-9)
    assert plane[:, 0].var() > plane[:, 1].var()
    np.testing.assert_allclose(figures.principal_plane(np.array([[1.0], [3.0]])), [[-1, 0], [1, 0]])


def test_chance_is_drawn_as_it_is_given_and_a_formula_in_a_name_is_text():
    curve = {"recall": [0.0, 1.0], "precision": [1.0, 0.5]}
    level = figures.precision_recall({"$\\frac{1$": curve, "chance": curve | {"precision": [0.2, 0.2]}}, "$x_{$")
    falling = figures.precision_recall({"$\\frac{1$": curve, "chance": curve | {"precision": [0.4, 0.2]}}, "$x_{$")
    grey = [where(pixels(png)[40:600, 130:], (0x8A, 0x8A, 0x8A), 10) for png in (level, falling)]
    heights = [np.ptp(np.nonzero(found)[0]) for found in grey]
    assert heights[0] < 10 < 60 < heights[1]


def series_of(**values):
    return {name.replace("__", "/"): (np.arange(1, len(of) + 1), np.array(of, float)) for name, of in values.items()}


def test_best_step_is_the_earliest_best_of_the_deciding_metric():
    assert training_curves.best_step(series_of(class__map=[0.2, 0.7, 0.7, np.nan])) == ("class/map", 2, 0.7)
    assert training_curves.best_step(series_of(loss=[0.2, 0.7])) == ("loss", 1, 0.2)
    series = series_of(loss=[0.5], a_to_b__class__map=[0.4], class__map=[0.3])
    assert training_curves.best_step(series)[0] == "class/map", "the mean of both directions decides"
    assert training_curves.best_step(series_of(loss=[0.5], a_to_b__class__map=[0.4]))[0] == "a_to_b/class/map"
    assert training_curves.best_step(series_of(class__map=[np.nan])) is None


def test_curves_of_strange_runs_are_drawn():
    draw = training_curves.training_curves
    assert draw(series_of(loss=[np.nan], loss_b=[np.nan]), {}, None)
    assert draw(series_of(loss=[100, 100], loss_b=[0.01, 0.01]), {}, 2)
    assert draw({}, series_of(class__map=[0.1]), 0)
    assert draw({}, {}, None) is None


def test_a_sheet_is_wide_enough_for_any_words():
    assert sheets.sheet({}, TimeLine(np.zeros(0), 5.0), "$_{ " * 100, "\udcff")
