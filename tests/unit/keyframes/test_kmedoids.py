"""Linear-time k-medoids against the form with the full table of distances, round by round."""

import jax
import numpy as np
import pytest

from avx.keyframes import kmedoids, pam, partition
from avx.keyframes.distances import unit_vectors

ALL = np.ones(24, bool)
VALID = np.arange(8) < 4
START = np.array([3, 4, 6, 8, 0, 0, 0, 0], np.int32)
assign = jax.jit(kmedoids.assign)
update = jax.jit(kmedoids.update)
cluster = jax.jit(kmedoids.cluster)
refine = jax.jit(pam.refine, static_argnames="max_sweeps")
seed_medoids = jax.jit(kmedoids.seed_medoids)
fill_empty = jax.jit(kmedoids.fill_empty)


def rounds_by_definition(table, medoids, power=1):
    """(medoids, assignment, objective) of every round, until the medoids repeat."""
    history = []
    while True:
        assignment = table[:, medoids].argmin(1)
        history.append((medoids, assignment, table[np.arange(len(table)), medoids[assignment]].sum()))
        following = []
        for number in range(len(medoids)):
            members = np.flatnonzero(assignment == number)
            following.append(members[(table[np.ix_(members, members)] ** power).sum(0).argmin()])
        if (np.array(following) == medoids).all():
            return history
        medoids = np.array(following)


def test_every_round_equals_the_full_table_form(shots, distance_table):
    history = rounds_by_definition(distance_table(shots), START[:4])
    assert len(history) >= 3, "a start this poor needs several rounds"
    units = unit_vectors(shots, ALL)
    medoids = START
    for expected, assignment, objective in history:
        np.testing.assert_array_equal(medoids[:4], expected)
        split = assign(units, ALL, medoids, VALID)
        np.testing.assert_array_equal(split.assignment, assignment)
        np.testing.assert_allclose(kmedoids.distances_to_medoids(split).sum(), objective, rtol=1e-5)
        medoids = np.asarray(update(units, ALL, split, medoids, VALID))
    np.testing.assert_array_equal(medoids[:4], history[-1][0])


def test_the_whole_search_equals_the_full_table_form(shots, distance_table):
    table = distance_table(shots)
    medoids, assignment, objective = rounds_by_definition(table, START[:4])[-1]
    found = cluster(unit_vectors(shots, ALL), ALL, START, VALID)
    np.testing.assert_array_equal(found.medoids[:4], medoids)
    np.testing.assert_array_equal(found.assignment, assignment)
    np.testing.assert_allclose(found.objective, objective, rtol=1e-5)
    np.testing.assert_allclose(found.sse, np.square(table[np.arange(24), medoids[assignment]]).sum(), rtol=1e-5)


def test_minimising_squares_would_be_noticed():
    """One cluster on a circle: the frame with the least sum of distances is not the one with the least of squares."""
    angles = np.array([0.12, 0.42, 1.3, 1.37, 1.38])
    frames = np.stack([np.cos(angles), np.sin(angles)], 1)
    table = 1 - frames @ frames.T
    plain, squares = rounds_by_definition(table, np.array([0]))[-1], rounds_by_definition(table, np.array([0]), 2)[-1]
    assert plain[0] != squares[0]
    mask = np.ones(5, bool)
    found = cluster(unit_vectors(frames.astype(np.float32), mask), mask, np.zeros(1, np.int32), np.ones(1, bool))
    assert found.medoids[0] == plain[0][0]


def test_objective_never_rises(shots):
    units = unit_vectors(shots, ALL)
    objectives = [cluster(units, ALL, START, VALID, rounds).objective for rounds in range(7)]
    assert (np.diff(objectives[:6]) < 0).all(), "each of the first rounds gains"
    assert objectives[6] == objectives[5], "and then the medoids repeat"


def test_ties_go_to_the_lowest_index():
    """Four corners of a square: each pair of neighbours is equally good."""
    frames = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], np.float32)
    mask = np.ones(4, bool)
    units = unit_vectors(frames, mask)
    split = assign(units, mask, np.array([0, 2], np.int32), np.ones(2, bool))
    np.testing.assert_array_equal(split.assignment, [0, 0, 1, 0])
    one = assign(units, mask, np.array([3], np.int32), np.ones(1, bool))
    np.testing.assert_array_equal(update(units, mask, one, np.array([3], np.int32), np.ones(1, bool)), [0])


def test_seeds_are_the_frames_nearest_to_the_neurons(shots, distance_table):
    units = np.asarray(unit_vectors(shots, ALL))
    weights = np.zeros((8, 7), np.float32)
    weights[:4] = 2.5 * units[[3, 8, 11, 21]] + 0.1
    lengths = np.linalg.norm(weights[:4], axis=1)
    cosines = units @ weights[:4].T / lengths
    winners = cosines.argmax(1)
    expected = [np.flatnonzero(winners == j)[cosines[winners == j, j].argmax()] for j in range(4)]
    np.testing.assert_array_equal(seed_medoids(units, ALL, weights, VALID)[:4], expected)


def test_empty_clusters_take_the_farthest_free_frames_in_index_order(shots, distance_table):
    table = distance_table(shots)
    medoids = np.array([2, 99, 99, 21])
    expected = medoids.copy()
    nearest = table[:, [2, 21]].min(1)
    for slot in (1, 2):
        nearest[[index for index in expected if index < 99]] = -1
        expected[slot] = nearest.argmax()
        nearest = np.minimum(nearest, table[expected[slot]])
    padded = np.concatenate([medoids, np.zeros(4)]).astype(np.int32)
    filled = np.isin(np.arange(8), [0, 3])
    found = fill_empty(unit_vectors(shots, ALL), ALL, padded, VALID, filled)
    np.testing.assert_array_equal(found[:4], expected)


def test_equal_medoids_are_pulled_apart(shots):
    """Two medoids on equal frames leave one cluster empty; the update gives it a frame of its own."""
    frames = shots.copy()
    frames[4] = frames[3]
    start = np.array([3, 4, 12, 20, 0, 0, 0, 0], np.int32)
    found = cluster(unit_vectors(frames, ALL), ALL, start, VALID)
    assert len(set(np.asarray(found.medoids[:4]).tolist())) == 4
    assert set(np.asarray(found.assignment).tolist()) == {0, 1, 2, 3}


def test_swaps_reach_the_optimum_of_a_small_problem(shots, distance_table):
    table = distance_table(shots)
    best = min(
        table[:, [a, b, c, d]].min(1).sum() for a in range(24) for b in range(a) for c in range(b) for d in range(c)
    )
    poor = cluster(unit_vectors(shots, ALL), ALL, START, VALID)
    found = refine(unit_vectors(shots, ALL), ALL, poor, max_sweeps=10)
    assert poor.objective > 1.01 * best
    np.testing.assert_allclose(found.objective, best, rtol=1e-5)


def test_few_candidates_are_real_frames_at_equal_steps():
    mask = np.ones(24, bool)
    mask[[3, 4, 20]] = False
    frames, offered = pam.evenly_spaced(mask, 7)
    np.testing.assert_array_equal(frames, np.flatnonzero(mask)[::3])
    assert offered.all()
    frames, offered = pam.evenly_spaced(mask & (np.arange(24) < 6), 7)
    np.testing.assert_array_equal(np.asarray(frames)[np.asarray(offered)], [0, 1, 2, 5])


def test_a_swap_takes_none_but_a_candidate(shots):
    units = unit_vectors(shots, ALL)
    poor = cluster(units, ALL, START, VALID)
    found = pam.refine(units, ALL, poor, 10, max_candidates=8)
    assert found.objective < poor.objective
    assert set(np.asarray(found.medoids[:4]).tolist()) <= {*np.asarray(poor.medoids[:4]).tolist(), *range(0, 24, 3)}


def test_swap_changes_equal_recomputed_objectives(shots, distance_table):
    table = distance_table(shots)
    medoids = np.array([2, 7, 21, 0, 0, 0, 0, 0])
    valid = np.arange(8) < 3
    units = np.asarray(unit_vectors(shots, ALL))
    nearest = pam.nearest_two(units @ units[medoids].T, ALL, valid)
    changes = pam.swap_changes(nearest, table.astype(np.float32), 8)
    before = table[:, medoids[:3]].min(1).sum()
    for slot in range(3):
        for candidate in range(24):
            swapped = medoids[:3].copy()
            swapped[slot] = candidate
            after = table[:, swapped].min(1).sum()
            np.testing.assert_allclose(changes[slot, candidate], after - before, atol=1e-5)


@pytest.mark.parametrize("entries", [40, 7])
def test_blocks_give_the_same_result(shots, monkeypatch, entries):
    """A table of 5 or 1 rows of 8 entries: 24 frames leave an overlapping last block."""
    units = unit_vectors(shots, ALL)
    whole = cluster(units, ALL, START, VALID)
    swapped = refine(units, ALL, whole, max_sweeps=10)
    monkeypatch.setattr(partition, "MAX_TABLE_ENTRIES", entries)
    monkeypatch.setattr(pam, "MAX_TABLE_ENTRIES", entries * 5)
    monkeypatch.setattr(pam, "MIN_CANDIDATES", 1)
    blocked = kmedoids.cluster(units, ALL, START, VALID)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), blocked, whole)
    np.testing.assert_allclose(pam.refine(units, ALL, blocked, 10).objective, swapped.objective, rtol=1e-6)


def test_sums_by_one_hot_products_equal_scattered_ones(shots, monkeypatch):
    """The form for accelerators, which this machine would not take."""
    assignment = np.array([(7 * i) % 5 - 1 for i in range(24)], np.int32)
    expected = np.stack([shots[assignment == number].sum(0) for number in range(4)])
    np.testing.assert_allclose(partition.cluster_sums(shots, assignment, 4), expected, rtol=1e-5, atol=1e-5)
    monkeypatch.setattr(partition, "MAX_TABLE_ENTRIES", 20)
    monkeypatch.setattr(jax.lax, "platform_dependent", lambda *arguments, cpu, default: default(*arguments))
    np.testing.assert_allclose(partition.cluster_sums(shots, assignment, 4), expected, rtol=1e-5, atol=1e-5)


def to_tf32(values):
    """float32 with the 10 bits of mantissa that TF32 keeps, rounded to nearest."""
    bits = jax.lax.bitcast_convert_type(jax.numpy.asarray(values, jax.numpy.float32), jax.numpy.uint32)
    return jax.lax.bitcast_convert_type((bits + np.uint32(1 << 12)) & np.uint32(0xFFFFE000), jax.numpy.float32)


def nearly_still_video(frames=64, width=40):
    """Two looks with little noise: rounding of the products is a large share of the objective."""
    rng = np.random.default_rng(4)
    looks = np.abs(rng.normal(size=(2, width)))
    return (looks[np.arange(frames) * 2 // frames] + 0.01 * rng.normal(size=(frames, width))).astype(np.float32)


def test_swaps_end_on_products_whose_tables_are_rounded(monkeypatch):
    """The tables of TF32 hardware beside exact updates: swaps that pay by rounding alone could go on forever."""

    def rounded(left, right):
        return left @ right if right.ndim == 1 else to_tf32(left) @ to_tf32(right)

    mask, valid = np.ones(64, bool), np.ones(4, bool)
    units = unit_vectors(nearly_still_video(), mask)
    start = kmedoids.cluster(units, mask, np.array([0, 9, 40, 50], np.int32), valid)
    monkeypatch.setattr(pam, "product", rounded)
    found = pam.refine(units, mask, start, 3)
    assert found.objective <= start.objective
    assert len(set(np.asarray(found.medoids).tolist())) == 4


def test_swaps_are_bounded_where_each_seems_to_pay(shots, monkeypatch):
    units = unit_vectors(shots, ALL)
    start = cluster(units, ALL, START, VALID)
    monkeypatch.setattr(pam, "swap_changes", lambda nearest, distances, clusters: -np.ones((8, 24), np.float32))
    found = pam.refine(units, ALL, start, 2)
    assert found.objective <= start.objective


def test_a_medoid_is_no_candidate(shots, monkeypatch):
    """Where only the present medoids seem to pay, nothing is swapped."""
    units = unit_vectors(shots, ALL)
    start = cluster(units, ALL, START, VALID)
    tempting = np.zeros((8, 24), np.float32)
    tempting[:, np.asarray(start.medoids[:4])] = -1
    monkeypatch.setattr(pam, "swap_changes", lambda nearest, distances, clusters: tempting)
    # A swap would make two medoids equal and be thrown away with all that follows: look at the medoids before that.
    monkeypatch.setattr(
        pam, "assign", lambda units, mask, medoids, valid: seen.append(medoids) or assign(units, mask, medoids, valid)
    )
    seen = []
    pam.refine(units, ALL, start, 1)
    np.testing.assert_array_equal(seen[0][:4], start.medoids[:4])
