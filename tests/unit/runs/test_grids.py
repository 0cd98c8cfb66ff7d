"""Grids widen while the choice is on an edge, and no further than limits and data allow."""

import math

import pytest

from avx.runs.grids import SCALES, WideningGrid


def searched(fields, score, allowed=lambda constants: True):
    """(best constants, every combination tried) of the search that `closed_form` makes."""
    grid, tried, best = WideningGrid(fields), [], None
    asked = grid.start()
    while asked:
        unfit = [one for one in asked if not allowed(one)]
        fitted = [one for one in asked if allowed(one)]
        tried += fitted
        best = max([*([best] if best else []), *fitted], key=score)
        grid.refuse(asked, unfit)
        asked = grid.beyond(best)
    return best, tried


@pytest.mark.parametrize(("place", "found"), [(1, 10.0), (-4, 1e-4), (-2, 1e-2), (5, 1e3), (-9, 1e-6)])
def test_a_ridge_is_found_beyond_either_edge_up_to_a_limit(place, found):
    best, tried = searched({"ridge": (1e-3, 1e-2, 1e-1)}, lambda one: -abs(math.log10(one["ridge"]) - place))
    assert best["ridge"] == pytest.approx(found)
    values = sorted(one["ridge"] for one in tried)
    assert len(set(values)) == len(values)
    assert SCALES["ridge"].smallest <= values[0] and values[-1] <= SCALES["ridge"].largest


def test_a_choice_inside_adds_nothing():
    _, tried = searched({"ridge": (1e-3, 1e-2, 1e-1)}, lambda one: -abs(one["ridge"] - 1e-2))
    assert len(tried) == 3


def test_every_combination_of_the_other_fields_is_tried_beyond_an_edge():
    best, tried = searched(
        {"ridge": (0.01, 0.1), "dimensions": (2, 3, 4)}, lambda one: min(one["ridge"], 1) - abs(one["dimensions"] - 3)
    )
    assert best == {"ridge": 1.0, "dimensions": 3}
    assert {one["dimensions"] for one in tried if one["ridge"] == 1.0} == {2, 3, 4}


@pytest.mark.parametrize("rank", [5, 9, 10, 11, 47, 300])
def test_dimensions_reach_the_rank_of_the_data(rank):
    best, tried = searched(
        {"dimensions": (3, 5, 7, 9)}, lambda one: one["dimensions"], lambda one: one["dimensions"] <= rank
    )
    assert best["dimensions"] == rank
    assert len(tried) < 20


def test_one_candidate_and_fields_without_a_scale_stand_as_given():
    _, tried = searched(
        {"ridge": (0.1,), "anchors": (200, 500), "standardise": (False, True)}, lambda one: one["anchors"]
    )
    assert len(tried) == 4
