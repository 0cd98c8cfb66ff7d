"""When the map stops: where no neuron moved farther than the tolerance, as a vector, during an epoch."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from avx.keyframes import sofm
from avx.keyframes.distances import unit_vectors

ALL = np.ones(24, bool)
CLUSTERS, EPOCHS = 5, 10


@pytest.fixture(scope="module")
def units():
    return np.asarray(unit_vectors(np.random.default_rng(11).normal(size=(24, 6)).astype(np.float32), ALL))


def maps_by_epoch(units):
    """The weights after 0, 1, ... epochs by Sun 2024, eq. 9, with the stated schedule and no tolerance."""
    positions = [int(np.floor((j - 0.5) * 24 / CLUSTERS + 0.5)) - 1 for j in range(1, CLUSTERS + 1)]
    history, place = [units[positions].astype(np.float64)], np.arange(CLUSTERS)
    for epoch in range(EPOCHS):
        radius = 2.5 * (0.3 / 2.5) ** (epoch / (EPOCHS - 1))
        weights = history[-1]
        winners = (units @ (weights.T / np.linalg.norm(weights, axis=1))).argmax(1)
        reach = np.exp(-((place[:, None] - winners) ** 2) / (2 * radius**2))
        history.append(reach @ units / reach.sum(1, keepdims=True))
    return history


@pytest.mark.parametrize(("tolerance", "stop"), [(0.2, 2), (0.11, 3)])
def test_a_map_stops_after_the_first_epoch_in_which_no_neuron_moved_far(units, tolerance, stop):
    history = maps_by_epoch(units)
    steps = [new - old for old, new in itertools.pairwise(history)]
    moves = [np.linalg.norm(step, axis=1).max() for step in steps]
    assert moves[stop - 1] < tolerance < min(moves[: stop - 1]), "the case must be clear"
    assert np.linalg.norm(steps[stop - 1], axis=0).max() > tolerance, "a norm over the neurons would go on"
    config = sofm.SOFMConfig(epochs=EPOCHS, tolerance=tolerance)
    found = sofm.fit_batch(jnp.asarray(units), jnp.asarray(ALL), jnp.asarray(CLUSTERS), CLUSTERS, config)
    np.testing.assert_allclose(found, history[stop], atol=2e-5)
    assert np.abs(steps[stop]).max() > 0.05
