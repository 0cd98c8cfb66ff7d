"""A first place is told from the luck of a seed and of the queries."""

import numpy as np

from avx.reports.tables import table_markdown
from avx.tables.hashing_leads import leads, leads_table

CELL = (32, "test", "image_to_text")


def cell(**rows):
    return {(name, *CELL): [np.asarray(values, np.float32) for values in seeds] for name, seeds in rows.items()}


def seeds_of(mean, spread=0.0, queries=40, noise=0.01, seed=0):
    rng = np.random.default_rng(seed)
    return [mean + shift + noise * rng.normal(size=queries) for shift in (-spread, 0.0, spread)]


def test_a_lead_beyond_seeds_and_queries_holds():
    (found,) = leads(cell(a=seeds_of(0.3, 0.001), b=seeds_of(0.5, 0.001, seed=1), c=seeds_of(0.4, 0.001, seed=2)))
    assert (found["first"], found["second"], found["holds"]) == ("b", "c", True)
    assert abs(found["lead"] - 0.1) < 0.01 and found["p"] < 0.001
    assert "32 bits" in table_markdown(leads_table([found])) and "| b | c |" in table_markdown(leads_table([found]))


def test_a_lead_within_a_deviation_does_not_hold():
    (found,) = leads(cell(a=seeds_of(0.5, 0.05), b=seeds_of(0.48, 0.001, seed=1)))
    assert found["first"] == "a" and found["p"] < 0.05 and found["deviation"] > found["lead"]
    assert not found["holds"]


def test_a_lead_by_a_few_queries_does_not_hold():
    base = np.full(40, 0.4)
    lucky = base.copy()
    lucky[0] += 0.5
    (found,) = leads(cell(a=[lucky, lucky], b=[base, base]))
    assert found["first"] == "a" and found["deviation"] == 0 and found["p"] > 0.5
    assert not found["holds"]


def test_one_seed_holds_nothing_and_queries_without_an_answer_are_left_out():
    first = np.array([0.9, np.nan, 0.8, 0.9, 0.9, 0.8, 0.9, 0.9])
    (found,) = leads(cell(a=[first], b=[first - 0.5]))
    assert found["deviation"] is None and found["p"] < 0.05 and not found["holds"]
    assert np.isclose(found["lead"], 0.5)
    assert leads(cell(a=[first])) == []
