import tracemalloc

import numpy as np
import pytest
import scipy.linalg
import scipy.spatial

from avx.classic import smfh
from avx.core.errors import UserError


def labelled_pairs(count=60, seed=0):
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 3, count)
    labels = np.eye(3)[classes]
    x = labels @ rng.normal(size=(3, 6)) + 0.4 * rng.normal(size=(count, 6)) + 2
    y = labels @ rng.normal(size=(3, 4)) + 0.4 * rng.normal(size=(count, 4))
    return x, y, labels


def test_neighbour_graph_by_hand():
    values = np.array([[0.0], [1.0], [3.0], [10.0]])
    expected = [[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]]
    np.testing.assert_array_equal(smfh.neighbour_graph(values, 1).toarray(), expected)


def test_neighbour_graph_equals_a_stable_sort_with_ties_and_over_blocks(monkeypatch):
    """Whole-number grid points have many equal distances; blocks of 7 rows must not show."""
    values = np.random.default_rng(4).integers(0, 4, (40, 2)).astype(float)
    distances = scipy.spatial.distance.cdist(values, values, "sqeuclidean")
    np.fill_diagonal(distances, np.inf)
    expected = np.zeros((40, 40))
    np.put_along_axis(expected, np.argsort(distances, axis=1, kind="stable")[:, :3], 1, axis=1)
    for block in (2**20, 7 * 40):
        monkeypatch.setattr(smfh, "BLOCK_DISTANCES", block)
        np.testing.assert_array_equal(smfh.neighbour_graph(values, 3).toarray(), np.maximum(expected, expected.T))


def test_laplacian_is_that_of_the_summed_graphs():
    values, _, labels = labelled_pairs(12)
    nearby = smfh.neighbour_graph(values, 2) + smfh.neighbour_graph(values[:, :2], 3)
    eigenvalues, vectors = smfh.decomposed_laplacian(nearby, labels, 0.3)
    weights = nearby.toarray() + labels @ labels.T
    expected = 0.3 * (np.diag(weights.sum(1)) - weights)
    np.testing.assert_allclose(vectors * eigenvalues @ vectors.T, expected, atol=1e-12)


def test_sylvester_solution_equals_scipy():
    rng = np.random.default_rng(1)
    half = rng.normal(size=(7, 7))
    graph, right = half @ half.T, rng.normal(size=(7, 3))
    left = np.diag([2.0, 3.0, 5.0]) + 0.5
    solution = smfh.solve_sylvester(np.linalg.eigh(graph), left, right)
    np.testing.assert_allclose(solution, scipy.linalg.solve_sylvester(graph, left, right), rtol=1e-8, atol=1e-10)
    assert not np.allclose(solution, scipy.linalg.solve_sylvester(2 * graph, left, right), rtol=1e-2)


def test_every_sweep_lowers_the_objective():
    x, y, labels = labelled_pairs()
    state = smfh.fit(x, y, labels, bits=5, tolerance=0, max_sweeps=12, graph=0.3)
    assert len(state.objective) == 13
    assert (np.diff(state.objective) <= 1e-9).all()
    assert state.objective[-1] < 0.5 * state.objective[0]
    stopped = smfh.fit(x, y, labels, bits=5, tolerance=1e3, graph=0.3)
    assert len(stopped.objective) < 13


def test_codes_of_a_class_resemble_each_other_across_modalities():
    x, y, labels = labelled_pairs()
    # A light graph term: with the default weights a set this small is pulled to one constant.
    state = smfh.fit(x, y, labels, bits=8, graph=0.1, prediction=1.0)
    codes = [np.where(smfh.transform(state, *side) >= 0, 1, -1) for side in ((x, "x"), (y, "y"))]
    same = labels @ labels.T > 0
    products = codes[0] @ codes[1].T
    assert products[same].mean() > products[~same].mean() + 2
    np.testing.assert_allclose(state.latent.mean(0), 0, atol=1e-9)


def test_memory_peaks_at_three_matrices_of_all_pairs(monkeypatch):
    """Graphs of neighbours are sparse, and the Laplacian becomes its eigenvectors in place: n^2 and 2 n^2 of LAPACK."""
    count = 700
    x, y, labels = labelled_pairs(count)
    monkeypatch.setattr(smfh, "BLOCK_DISTANCES", 2**14)  # Of so few items the usual block would be the largest array.
    tracemalloc.start()
    smfh.fit(x, y, labels, bits=4, max_sweeps=2, graph=0.1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3.5 * count**2 * 8


def test_threshold_is_the_mean_of_the_latent_codes():
    x, y, labels = labelled_pairs()
    state = smfh.fit(x, y, labels, bits=4, graph=0.1)
    mapped = (x - x.mean(0)) @ state.maps.x.weights
    np.testing.assert_allclose(smfh.transform(state, x, "x"), mapped - state.threshold)


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (np.zeros(60), {}, "indicators"),
        (np.zeros((59, 3)), {}, "indicators"),
        (np.full((60, 3), np.nan), {}, "labels hold NaN"),
        (np.ones((60, 3)), {"balance": 1.0}, "balance"),
        (np.ones((60, 3)), {"penalty": 0.0}, "penalty"),
        (np.ones((60, 3)), {"neighbours": 60}, "neighbours"),
        (np.ones((60, 3)), {"bits": 0}, "at least one bit"),
    ],
)
def test_bad_input_is_named(labels, options, message):
    x, y, _ = labelled_pairs()
    with pytest.raises(UserError, match=message):
        smfh.fit(x, y, labels, **{"bits": 4, **options})
