"""Diagonal sweeps against the pixel-by-pixel scan, the exact distance as a lower bound, and a small map by hand."""

import heapq

import jax
import numpy as np
import pytest

from avx.core.errors import UserError
from avx.signal.minimum_barrier import barrier_distance, minimum_barrier

RNG = np.random.default_rng(0)
DISTANCE = jax.jit(barrier_distance, static_argnames="scans")


def scans_pixel_by_pixel(values, scans, neighbours="both"):
    """Algorithm 1 as printed: alternate raster and inverse raster scans over the interior."""
    height, width = values.shape
    distance = np.full(values.shape, np.inf)
    distance[[0, -1]] = 0
    distance[:, [0, -1]] = 0
    high, low = values.copy(), values.copy()
    for scan in range(scans):
        step = 1 if scan % 2 == 0 else -1
        for row in range(1, height - 1)[::step]:
            for column in range(1, width - 1)[::step]:
                behind = [(row - step, column), (row, column - step)]
                for place in behind[: 1 if neighbours == "above" else 2]:
                    top = max(high[place], values[row, column])
                    bottom = min(low[place], values[row, column])
                    if np.isfinite(distance[place]) and top - bottom < distance[row, column]:
                        distance[row, column], high[row, column], low[row, column] = top - bottom, top, bottom
    return distance


def exact_distance(values):
    """For every floor, the least ceiling by which each place is reached without going under the floor (Dijkstra)."""
    height, width = values.shape
    best = np.full(values.shape, np.inf)
    for floor in np.unique(values):
        ceiling = np.full(values.shape, np.inf)
        queue = []
        for row, column in np.ndindex(values.shape):
            on_border = row in (0, height - 1) or column in (0, width - 1)
            if on_border and values[row, column] >= floor:
                ceiling[row, column] = values[row, column]
                heapq.heappush(queue, (values[row, column], row, column))
        while queue:
            level, row, column = heapq.heappop(queue)
            for near in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
                if 0 <= near[0] < height and 0 <= near[1] < width and values[near] >= floor:
                    reach = max(level, values[near])
                    if reach < ceiling[near]:
                        ceiling[near] = reach
                        heapq.heappush(queue, (reach, *near))
        best = np.minimum(best, ceiling - floor)
    return np.where(np.isfinite(best), best, 0)


@pytest.mark.parametrize("scans", [1, 2, 3])
def test_diagonal_sweeps_have_the_values_of_the_sequential_scan(scans):
    maps = RNG.integers(0, 9, (2, 7, 11)).astype(np.float32)
    got = np.asarray(DISTANCE(maps, scans))
    for values, distance in zip(maps, got, strict=True):
        assert np.array_equal(distance, scans_pixel_by_pixel(values, scans))
    assert any(
        not np.array_equal(distance, scans_pixel_by_pixel(values, scans, neighbours="above"))
        for values, distance in zip(maps, got, strict=True)
    )


def test_scans_bound_the_exact_distance_from_above_and_come_close():
    maps = RNG.integers(0, 9, (2, 7, 11)).astype(np.float32)
    got = np.asarray(DISTANCE(maps, 3))
    exact = np.stack([exact_distance(values) for values in maps])
    assert np.all(got >= exact)
    assert np.mean(got == exact) > 0.75


def test_a_valley_behind_a_ridge_by_hand():
    """The middle (1) lies behind a ring of 5 with a gap of 3 on the right: every path spans 1 to 3 at the least."""
    values = np.array(
        [
            [1, 1, 1, 1, 1],
            [1, 5, 5, 5, 1],
            [1, 5, 1, 3, 1],
            [1, 5, 5, 5, 1],
            [1, 1, 1, 1, 1],
        ],
        np.float32,
    )
    expected = np.zeros((5, 5))
    expected[1:4, 1:4] = [[4, 4, 4], [4, 2, 2], [4, 4, 4]]
    assert np.array_equal(DISTANCE(values, 3), expected)


def test_an_object_inside_is_salient_and_one_at_the_border_is_not():
    picture = np.full((1, 20, 26, 3), 90, np.uint8)
    picture[0, 6:12, 9:16] = [230, 40, 40]
    picture[0, 14:, :5] = [40, 40, 230]
    got = np.array(jax.jit(minimum_barrier)(picture))[0]
    assert np.all(got[6:12, 9:16] == 1)
    got[6:12, 9:16] = 0
    np.testing.assert_allclose(got, 0, atol=1e-6)
    assert np.all(minimum_barrier(np.full((6, 6, 3), 90, np.uint8)) == 1)


def test_no_scan_is_refused():
    with pytest.raises(UserError, match="at least 1 scan, got 0"):
        barrier_distance(np.zeros((4, 4), np.float32), 0)
