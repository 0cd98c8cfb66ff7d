"""The map against a plain numpy form of equations 9 and 10, for both forms of the update."""

import functools

import jax
import numpy as np
import pytest

from avx.core.rng import per_example
from avx.keyframes import sofm
from avx.keyframes.distances import unit_vectors

ALL = np.ones(24, bool)
# A final radius that still couples neighbours, so that the width of the bell shows in the weights.
SCHEDULE = sofm.SOFMConfig(epochs=6, radius_end=0.8)
batch = jax.jit(functools.partial(sofm.fit_batch, max_clusters=8, config=SCHEDULE))
online = jax.jit(functools.partial(sofm.fit_online, max_clusters=8, config=SCHEDULE))


def cosines(weights, rows):
    lengths = np.linalg.norm(weights, axis=1)
    return (rows @ weights.T) / np.where(lengths > 0, lengths, 1)


def start_of(units, clusters):
    n = len(units)
    positions = [int(np.floor((j - 0.5) * n / clusters + 0.5)) - 1 for j in range(1, clusters + 1)]
    return units[positions].astype(np.float64)


def batch_by_definition(units, clusters, schedule, neighbor_factor=2.0):
    weights = start_of(units, clusters)
    place = np.arange(clusters)
    first = max(clusters / 2, 0.5)
    for epoch in range(schedule.epochs):
        radius = first * (schedule.radius_end / first) ** (epoch / (schedule.epochs - 1))
        winners = cosines(weights, units).argmax(1)
        numerator, denominator = np.zeros_like(weights), np.zeros(clusters)
        for row, winner in zip(units, winners, strict=True):
            reach = np.exp(-((place - winner) ** 2) / (neighbor_factor * radius**2))
            numerator += reach[:, None] * row
            denominator += reach
        weights = numerator / denominator[:, None]
    return weights


def online_by_definition(units, order, clusters, schedule):
    weights = start_of(units, clusters)
    place = np.arange(clusters)
    first = max(clusters / 2, 0.5)
    total = len(units) * schedule.epochs
    for step, frame in enumerate(order):
        row = units[frame]
        winner = cosines(weights, row[None])[0].argmax()
        rate = 0.5 * (0.01 / 0.5) ** (step / total)
        radius = first * (schedule.radius_end / first) ** (step / total)
        weights += rate * np.exp(-((place - winner) ** 2) / (2 * radius**2))[:, None] * (row - weights)
    return weights


def test_first_neurons_lie_in_the_middle_of_equal_stretches():
    positions = sofm.temporal_positions(np.ones(10, bool), 3, 3)
    np.testing.assert_array_equal(positions, [1, 4, 7])  # round(1.67), round(5), round(8.33), counted from 1
    np.testing.assert_array_equal(sofm.temporal_positions(ALL, 24, 24), np.arange(24))


def test_positions_count_real_frames_and_hold_for_long_videos():
    mask = np.ones(11, bool)
    mask[[0, 5]] = False
    real = np.flatnonzero(mask)
    np.testing.assert_array_equal(sofm.temporal_positions(mask, 3, 3), real[[1, 4, 7]])
    n, clusters = 1_000_003, 4096
    expected = [((2 * j - 1) * n + clusters) // (2 * clusters) - 1 for j in range(1, clusters + 1)]
    np.testing.assert_array_equal(sofm.temporal_positions(np.ones(n, bool), clusters, clusters), expected)


@pytest.mark.parametrize("clusters", [2, 5])
def test_batch_form_equals_its_definition(shots, clusters):
    units = np.asarray(unit_vectors(shots, ALL))
    weights = np.asarray(batch(units, ALL, clusters))
    np.testing.assert_allclose(weights[:clusters], batch_by_definition(units, clusters, SCHEDULE), atol=2e-5)
    np.testing.assert_array_equal(weights[clusters:], 0)
    wrong = batch_by_definition(units, clusters, SCHEDULE, neighbor_factor=1.0)
    assert np.abs(weights[:clusters] - wrong).max() > 1e-2


@pytest.mark.parametrize("clusters", [2, 5])
def test_online_form_equals_its_definition(shots, clusters):
    units = np.asarray(unit_vectors(shots, ALL))
    key = jax.random.key(7)
    order = []
    for epoch in range(SCHEDULE.epochs):
        keys = per_example(jax.random.fold_in(key, epoch), np.arange(24))
        order += np.argsort(np.asarray(jax.vmap(jax.random.uniform)(keys))).tolist()
    weights = np.asarray(online(units, ALL, clusters, key=key))
    np.testing.assert_allclose(weights[:clusters], online_by_definition(units, order, clusters, SCHEDULE), atol=2e-5)
    still = online_by_definition(units, np.tile(np.arange(24), 6), clusters, SCHEDULE)
    assert np.abs(weights[:clusters] - still).max() > 1e-3


@pytest.mark.parametrize("form", [batch, functools.partial(online, key=jax.random.key(1))])
def test_a_single_neuron_is_the_mean(shots, form):
    units = np.asarray(unit_vectors(shots, ALL))
    weights = np.asarray(form(units, ALL, 1))
    np.testing.assert_allclose(weights[0], units.mean(0), atol=1e-6)
    np.testing.assert_array_equal(weights[1:], 0)


@pytest.mark.parametrize("form", [batch, functools.partial(online, key=jax.random.key(1))])
def test_padding_changes_nothing(shots, form):
    padded = np.concatenate([shots, np.full((8, 6), np.nan, np.float32)])
    mask = np.arange(32) < 24
    alone = form(unit_vectors(shots, ALL), ALL, 4)
    np.testing.assert_allclose(form(unit_vectors(padded, mask), mask, 4), alone, atol=1e-6)


def test_a_settled_map_stops_early(shots):
    """With one neuron the second epoch moves nothing: more epochs give the bitwise same weights."""
    units = unit_vectors(shots, ALL)
    long = sofm.fit_batch(units, ALL, 1, 8, sofm.SOFMConfig(epochs=10**6, radius_end=0.8))
    np.testing.assert_array_equal(long, batch(units, ALL, 1))
