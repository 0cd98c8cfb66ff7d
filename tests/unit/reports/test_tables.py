import dataclasses

import numpy as np
import pytest
from fake_workdir import make_result

from avx.core.result import Direction, Result, ResultRow
from avx.reports.tables import Table, best_cells, render_text, result_tables, table_markdown, table_text


def row(name, role="system", gallery="test", note="", way="audio_to_video", intervals=None, **metrics):
    metrics = {key.replace("_at_", "@"): value for key, value in metrics.items()}
    return ResultRow(name, role, gallery, note, {way: Direction({"class": metrics}, {"class": intervals or {}})})


def small_result():
    return Result(
        {},
        (
            row("ours", hit_at_1=0.714, map=0.5, mdr=2.0, intervals={"hit@1": (0.62, 0.791), "mdr": (1.0, 3.0)}),
            row("chance", "chance", hit_at_1=0.05, map=float("nan")),
            row("CCA", "baseline", note="8 dimensions", hit_at_1=0.3, map=0.501, mdr=2.0),
        ),
    )


def test_text_of_a_small_result_is_exactly_this():
    assert render_text(small_result()) == (
        "audio → video, class level\n"
        "             hit@1     map   mdr\n"
        "──────────────────────────────────\n"
        "ours         *71.4    50.0   2.0\n"
        "         62.0\N{EN DASH}79.1\n"
        "CCA           30.0   *50.1   2.0\n"
        "chance         5.0       -     -\n\n"
        "Shares in percent, larger is better; mdr and mnr are ranks, smaller is better.\n"
        "Ranges are 95 % confidence intervals over queries.\n"
        "CCA: 8 dimensions.\n"
        "* best of its column.\n"
    ).replace("─" * 34, "─" * 32)


def test_markdown_of_a_small_result():
    lines = table_markdown(result_tables(small_result())[0]).splitlines()
    assert lines == [
        "### audio → video, class level",
        "",
        "|  | hit@1 | map | mdr |",
        "| --- | ---: | ---: | ---: |",
        "| ours | **71.4** (62.0\N{EN DASH}79.1) | 50.0 | 2.0 |",
        "| CCA | 30.0 | **50.1** | 2.0 |",
        "| chance | 5.0 | - | - |",
    ]


def test_every_number_of_the_result_is_in_the_tables():
    result, _ = make_result(np.random.default_rng(0), 18)
    tables = {table.title: table for table in result_tables(result, wanted=lambda name: True)}
    cells = 0
    for place, row in enumerate(result.rows):
        for direction, found in row.directions.items():
            for level, metrics in found.levels.items():
                table = tables[f"{direction.replace('_to_', ' → ')}, {level} level"]
                assert table.rows[place][0] == row.name
                for name, value in metrics.items():
                    column = table.header.index(name)
                    scale = 1 if name in ("mdr", "mnr", "rank_rmse", "queries", "excluded") else 100
                    assert float(table.rows[place][column]) == pytest.approx(scale * value, abs=0.0501)
                    ends = found.intervals.get(level, {}).get(name)
                    assert ((place, column) in table.under) == (ends is not None)
                    cells += 1
    assert cells == 3 * 2 * 2 * 13


def test_rows_of_two_galleries_may_share_a_name_and_stand_apart():
    rows = (row("A", gallery="train", map=0.9), row("A", gallery="test", map=0.2), row("chance", "chance", map=0.1))
    tables = result_tables(Result({}, rows))
    assert [(table.title.split(", ")[-1], table.rows) for table in tables] == [
        ("gallery: train", (("A", "90.0"),)),
        ("gallery: test", (("A", "20.0"), ("chance", "10.0"))),
    ]


def test_short_tables_leave_out_the_lesser_metrics_but_are_never_empty():
    result, _ = make_result(np.random.default_rng(0), 18)
    short = {name for table in result_tables(result) for name in table.header}
    assert short == {"", "map", "mdr", "mnr"} | {f"{name}@{k}" for name in ("hit", "tp_recall") for k in (1, 5, 10)}
    assert result_tables(Result({}, (row("a", ndcg_at_5=0.5),)))[0].header == ("", "ndcg@5")


@pytest.mark.parametrize(
    ("name", "values", "rows"),
    [
        ("hit@1", [0.714, 0.3, None], {0}),
        ("mnr", [4.0, 3.0, 9.0], {1}),
        ("hit@1", [0.50001, 0.5, 0.2], {0, 1}),  # equal digits
        ("hit@1", [0.71451, 0.71449, 0.2], {0, 1}),  # 71.5 and 71.4, yet less than half of the last digit apart
        ("hit@1", [0.7146, 0.7139, 0.2], {0}),
        ("mdr", [2.0, 2.04, 2.0], set()),  # all alike
        ("map", [None, 0.2, float("nan")], set()),  # alone
        ("queries", [7, 9], set()),
    ],
)
def test_best_is_what_the_shown_digits_can_tell(name, values, rows):
    assert best_cells([(name, values)]) == {(place, 1) for place in rows}


def wide_table(columns):
    header = ("", *(f"video_to_audio {number}\nclass tp_recall@{number}" for number in range(columns)))
    cells = tuple(f"{number}.5 ± 0.1" for number in range(columns))
    return Table("wide", header, (("a method", *cells), ("another", *cells)), frozenset({(1, 3)}), note="the end")


@pytest.mark.parametrize("columns", [1, 5, 30])
def test_text_fits_its_width_and_loses_no_cell(columns):
    table = dataclasses.replace(wide_table(columns), title="t" * 200 if columns == 1 else "wide")
    text = table_text(table)
    assert max(map(len, text.splitlines())) <= 120
    for number in range(columns):
        assert text.count(f" {number}.5 ± 0.1") + text.count(f"*{number}.5 ± 0.1") == 2
    assert text.count("a method") == text.count("another") and text.endswith("the end\n")
    assert ("continued" in text) == (columns == 30)
    assert columns == 1 or ("tp_rec@0" in text and "*2.5 ± 0.1" in text)


def test_markdown_and_text_defuse_names():
    table = Table("t", ("", "hit@1"), (("a|b <i> *c* [bold]x[/]\x1b[2J", "1.0"),))
    assert "a\\|b &lt;i&gt; \\*c\\*" in table_markdown(table)
    assert "[bold]x[/]" in table_text(table)
    assert "\x1b" not in table_text(table) and "\x1b" not in table_markdown(table)
