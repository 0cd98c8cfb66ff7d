import statistics

import numpy as np
import pytest

from avx.reports.tables import table_text
from avx.retrieval.significance import paired_permutation
from avx.tables import sweep_tables as sweep_module
from avx.tables.sweep_tables import SweepRun, sweep_tables

METRICS = ("v_to_a/class/map", "v_to_a/class/mdr")


def run(name, seed, value, role="system", gallery="test", validation=None, **per_query):
    flat = {"v_to_a/class/map": value, "v_to_a/class/mdr": 2.0 + seed}
    scores = {} if validation is None else {"v_to_a/class/map": validation}
    return SweepRun(
        name, role, gallery, seed, flat, scores, {key.replace("__", "/"): of for key, of in per_query.items()}
    )


def test_cells_are_means_with_the_sample_deviation():
    values = [0.70, 0.74, 0.75]
    (table,) = sweep_tables([run("ours", seed, value) for seed, value in enumerate(values)], METRICS)
    mean, deviation = 100 * statistics.fmean(values), 100 * statistics.stdev(values)
    assert f"{deviation:.1f}" != f"{100 * statistics.pstdev(values):.1f}", "the mutant must differ"
    assert table.header == ("", "v → a\nclass map", "v → a\nclass mdr")
    assert table.rows == (("ours", f"{mean:.1f} ± {deviation:.1f}", "3.0 ± 1.0"),)
    assert table.title == "Test, gallery: test: mean ± deviation over 3 seeds"


def test_rows_stand_by_role_and_the_mark_follows_validation_among_systems():
    runs = [
        run("chance", 0, 0.1, "chance"),
        run("CCA", 0, 0.9, "baseline", validation=0.9),
        run("wide", 0, 0.5, validation=0.3),
        run("narrow", 0, 0.4, validation=0.4),
        run("narrow, updated", 0, 0.45, "variant", validation=0.8),
    ]
    validation, test = sweep_tables(runs, METRICS)
    assert [row[0] for row in test.rows] == ["wide", "narrow  v", "narrow, updated", "CCA", "chance"]
    assert [row[0] for row in validation.rows] == ["wide", "narrow  v", "narrow, updated", "CCA"]
    assert test.note == "v: best v_to_a/class/map on validation."
    assert [row[3] for row in test.rows] == ["-", "-10.0", "-5.0", "+40.0", "-40.0"]


def test_a_baseline_that_every_variant_repeats_counts_once_and_a_different_one_is_another_row():
    runs = [run("CCA", 0, 0.3, "baseline"), run("CCA", 0, 0.3, "baseline"), run("CCA", 0, 0.2, "baseline")]
    runs += [run("CCA", 1, 0.3, "baseline")]
    (table,) = sweep_tables(runs, METRICS[:1])
    assert [(row[0], row[1]) for row in table.rows] == [("CCA", "30.0"), ("CCA (2)", "20.0")], "equal runs have no ±"


def test_a_metric_that_some_runs_lack_is_counted():
    runs = [SweepRun("a", "system", "test", seed, {"map": value}) for seed, value in enumerate((0.2, float("nan")))]
    (table,) = sweep_tables(runs, ["map", "other"])
    assert table.rows == (("a", "20.0 (n=1)", "-"),)


def test_differences_carry_the_p_value_of_the_queries_that_both_rows_have():
    rng = np.random.default_rng(0)
    first = [rng.uniform(size=40) for _ in range(2)]
    second = [values + rng.normal(0.05, 0.2, size=40) for values in first]
    second[0][3] = np.nan
    runs = [run("a", seed, 0.5, v_to_a__class__ap=values) for seed, values in enumerate(first)]
    runs += [run("b", seed, 0.55, v_to_a__class__ap=values) for seed, values in enumerate(second)]
    runs += [run("c", 0, 0.4, v_to_a__class__ap=first[0][:7]), run("d", 0, 0.4)]
    (table,) = sweep_tables(runs, METRICS)
    kept = np.arange(40) != 3
    p = paired_permutation(np.mean(first, 0)[kept], np.mean(second, 0)[kept])
    assert 0.001 < p < 0.1 and table.header[-1] == "v → a\nclass map\nto first row (p)"
    assert [row[-1] for row in table.rows] == ["-", f"+5.0 ({p:.3f})", "-10.0", "-10.0"]


def test_the_mean_of_directions_weighs_them_alike(monkeypatch):
    """Direction v_to_a has 3 queries and a_to_v one: the mean of means is tested, not that of the four queries."""
    seen = []
    monkeypatch.setattr(sweep_module, "paired_permutation", lambda *pair: seen.append(pair[:2]) or 1.0)
    ap = {"v_to_a/class/ap": np.array([0.1, 0.2, 0.6]), "a_to_v/class/ap": np.array([0.9])}
    other = {key: values / 2 for key, values in ap.items()}
    runs = [SweepRun(name, "system", "test", 0, {"class/map": 0.5}, {}, of) for name, of in (("a", ap), ("b", other))]
    sweep_tables(runs, ["class/map"])
    ((one, two),) = seen
    assert len(one) == 4 and one.mean() == pytest.approx((0.3 + 0.9) / 2) and two.mean() == pytest.approx(0.3)


def test_galleries_have_tables_of_their_own_that_fit_the_terminal():
    runs = [
        run(f"a method with a long name {n}", s, 0.1 * n, gallery=g) for n in range(3) for s in (0, 1) for g in "xy"
    ]
    tables = sweep_tables(runs, [*METRICS, "a_to_v/class/map", "a_to_v/instance/hit@10", "v_to_a/instance/hit@10"] * 2)
    assert [table.title.split(":")[1] for table in tables] == [" x", " y"]
    assert max(len(line) for table in tables for line in table_text(table).splitlines()) <= 120
