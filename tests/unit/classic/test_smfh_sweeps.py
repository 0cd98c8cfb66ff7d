"""SMFH against its objective, minimised block by block with general solvers, and the weights it refuses."""

import numpy as np
import pytest
import scipy.spatial

from avx.classic import smfh, smfh_nonnegative
from avx.core.errors import UserError

BALANCE, PREDICTION, GRAPH, PENALTY, NEIGHBOURS = 0.3, 5.0, 0.4, 0.7, 2


def labelled_pairs(count=14, seed=3):
    rng = np.random.default_rng(seed)
    labels = np.eye(3)[rng.integers(0, 3, count)]
    labels[:2, 2] = 1
    x = labels @ rng.normal(size=(3, 5)) + 0.5 * rng.normal(size=(count, 5)) + 2
    y = labels @ rng.normal(size=(3, 4)) + 0.5 * rng.normal(size=(count, 4)) - 1
    return x, y, labels


def ridge(inputs, targets, strength):
    """argmin |inputs W - targets|^2 + strength |W|^2, as least squares with further rows."""
    size = inputs.shape[1]
    rows = np.vstack([inputs, np.sqrt(strength) * np.eye(size)])
    return np.linalg.lstsq(rows, np.vstack([targets, np.zeros((size, targets.shape[1]))]), rcond=None)[0]


def laplacian_of(x, y, labels):
    weights = labels @ labels.T
    for side in (x, y):
        distances = scipy.spatial.distance.cdist(side, side)
        np.fill_diagonal(distances, np.inf)
        near = np.zeros_like(distances)
        np.put_along_axis(near, np.argsort(distances, axis=1)[:, :NEIGHBOURS], 1, axis=1)
        weights = weights + np.maximum(near, near.T)
    return np.diag(weights.sum(1)) - weights


def alternated(x, y, labels, bits, sweeps, seed):
    """S, (P_1, P_2) and the values of the objective, every block by the normal equations of the printed objective."""
    x, y = x - x.mean(0), y - y.mean(0)
    sides, shares = (x, y), (BALANCE, 1 - BALANCE)
    count, laplacian = len(x), laplacian_of(x, y, labels)
    s = np.random.default_rng(seed).uniform(size=(count, bits))
    p, u, values = [], [], []
    for sweep in range(sweeps + 1):
        if sweep:
            right = sum(
                a * side @ u.T + PREDICTION * side @ w for a, side, u, w in zip(shares, sides, u, p, strict=True)
            )
            left = sum(a * one @ one.T for a, one in zip(shares, u, strict=True))
            left = left + (2 * PREDICTION + PENALTY) * np.eye(bits)
            whole = np.kron(np.eye(count), left.T) + np.kron(GRAPH * laplacian, np.eye(bits))
            s = np.linalg.solve(whole, right.ravel()).reshape(count, bits)
        p = [ridge(side, s, PENALTY / PREDICTION) for side in sides]
        u = [ridge(s, side, PENALTY / a) for side, a in zip(sides, shares, strict=True)]
        values.append(
            sum(a * np.square(side - s @ one).sum() for a, side, one in zip(shares, sides, u, strict=True))
            + PREDICTION * sum(np.square(s - side @ w).sum() for side, w in zip(sides, p, strict=True))
            + GRAPH * np.trace(s.T @ laplacian @ s)
            + PENALTY * sum(np.square(part).sum() for part in (*u, s, *p))
        )
    return s, p, values


def test_sweeps_equal_the_block_by_block_minimisation():
    x, y, labels = labelled_pairs()
    weights = {"balance": BALANCE, "prediction": PREDICTION, "graph": GRAPH, "penalty": PENALTY}
    options = {"neighbours": NEIGHBOURS, "tolerance": 0.0, "seed": 6}
    state = smfh.fit(x, y, labels, bits=3, max_sweeps=4, **weights, **options)
    latent, predictors, values = alternated(x, y, labels, 3, 4, 6)
    np.testing.assert_allclose(state.objective, values, rtol=1e-9)
    np.testing.assert_allclose(state.latent + state.threshold, latent, rtol=1e-7, atol=1e-10)
    for values_of, side, predictor in ((x, "x", predictors[0]), (y, "y", predictors[1])):
        expected = (values_of - values_of.mean(0)) @ predictor - latent.mean(0)
        np.testing.assert_allclose(smfh.transform(state, values_of, side), expected, rtol=1e-6, atol=1e-9)


def test_it_stops_at_the_first_sweep_that_gains_less_than_the_tolerance():
    x, y, labels = labelled_pairs()
    whole = smfh.fit(x, y, labels, bits=3, tolerance=0.0, max_sweeps=8, graph=0.3).objective
    gains = -np.diff(whole)
    assert gains[1] > gains[2] > 0
    stopped = smfh.fit(x, y, labels, bits=3, tolerance=(gains[1] + gains[2]) / 2, max_sweeps=8, graph=0.3)
    np.testing.assert_array_equal(stopped.objective, whole[:4])


@pytest.mark.parametrize(
    "weights", [{"balance": 0.0}, {"balance": 1.0}, {"penalty": 0.0}, {"prediction": 0.0}, {"graph": -1e-3}]
)
def test_each_weight_out_of_its_range_is_refused(weights):
    with pytest.raises(UserError, match="balance in"):
        smfh.fit(*labelled_pairs(), bits=3, **weights)


def test_no_graph_at_all_is_allowed():
    assert np.isfinite(smfh.fit(*labelled_pairs(), bits=3, graph=0.0, max_sweeps=2).objective).all()


@pytest.mark.parametrize("method", [smfh, smfh_nonnegative])
def test_codes_may_be_longer_than_a_word_and_have_at_most_65536_bits(method):
    x, y, labels = labelled_pairs()
    state = method.fit(np.abs(x), np.abs(y), labels, bits=70, max_sweeps=1)
    assert state.latent.shape == (14, 70)
    with pytest.raises(UserError, match=r"bits = 65537 is outside 1\.\.65536"):
        method.fit(np.abs(x), np.abs(y), labels, bits=2**16 + 1)


@pytest.mark.parametrize("side", [0, 1])
def test_one_negative_entry_of_either_side_is_refused_by_the_non_negative_form(side):
    x, y, labels = labelled_pairs()
    sides = [np.abs(x), np.abs(y)]
    sides[side][4, 2] = -1e-3
    with pytest.raises(UserError, match="features of at least 0"):
        smfh_nonnegative.fit(*sides, labels, bits=3)
