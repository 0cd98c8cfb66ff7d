import numpy as np
import pytest
import scipy.linalg

from avx.classic import cca, kcca
from avx.core.errors import UserError


def curved_pairs(count=50, seed=0):
    """Two views whose relation no straight direction shows: x lies on a ring by the angle that y holds the half of."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(-np.pi, np.pi, count)
    x = np.stack([np.cos(angle), np.sin(angle)], 1) + 0.05 * rng.normal(size=(count, 2))
    y = np.stack([np.cos(2 * angle), np.sin(2 * angle)], 1) + 0.05 * rng.normal(size=(count, 2))
    return x, y


def centred_rbf(values):
    squared = scipy.spatial.distance.cdist(values, values, "sqeuclidean")
    kernel = np.exp(-squared / squared[np.triu_indices(len(values), 1)].mean())
    centre = np.eye(len(values)) - 1 / len(values)
    return centre @ kernel @ centre


def test_equals_the_dual_problem():
    x, y = curved_pairs()
    state = kcca.fit(x, y, dimensions=3, ridge=0.02, max_rank=50, tolerance=0)
    kernels = centred_rbf(x), centred_rbf(y)
    ridged = [kernel + 0.02 * np.trace(kernel) * np.eye(50) for kernel in kernels]  # kappa = n c, c = 0.02 trace / n
    squared, dual = np.linalg.eig(np.linalg.solve(ridged[0], kernels[1]) @ np.linalg.solve(ridged[1], kernels[0]))
    order = np.argsort(-squared.real)[:3]
    np.testing.assert_allclose(state.correlation.correlations**2, squared.real[order], rtol=1e-5)
    variates = kernels[0] @ dual.real[:, order]
    ours = kcca.transform(state, x, "x")
    agreement = [abs(np.corrcoef(ours[:, j], variates[:, j])[0, 1]) for j in range(3)]
    np.testing.assert_allclose(agreement, 1, atol=1e-4)


def test_sides_of_different_rank_each_take_the_ridge_of_their_own_kernel():
    """Fails where the ridge of y follows the rank of x: a linear kernel of 2 features beside an rbf one of rank 50."""
    x, y = curved_pairs()
    x = x + 0.3 * y
    state = kcca.fit(x, y, dimensions=2, kernel=("linear", "rbf"), ridge=0.02, max_rank=50, tolerance=0)
    assert len(state.x.pivots) == 2 and len(state.y.pivots) > 40
    centred = x - x.mean(0)
    kernels = centred @ centred.T, centred_rbf(y)
    ridged = [kernel + 0.02 * np.trace(kernel) * np.eye(50) for kernel in kernels]
    squared = np.linalg.eigvals(np.linalg.solve(ridged[0], kernels[1]) @ np.linalg.solve(ridged[1], kernels[0]))
    np.testing.assert_allclose(state.correlation.correlations**2, np.sort(squared.real)[::-1][:2], rtol=1e-5)


def test_finds_what_linear_cca_cannot():
    x, y = curved_pairs(200)
    fresh_x, fresh_y = curved_pairs(200, seed=1)
    state, linear = kcca.fit(x, y, dimensions=2), cca.fit(x, y, dimensions=2)
    sides = kcca.transform(state, fresh_x, "x")[:, 0], kcca.transform(state, fresh_y, "y")[:, 0]
    assert np.corrcoef(*sides)[0, 1] > 0.9
    assert linear.correlations[0] < 0.3


def test_linear_kernels_give_linear_cca():
    x, y = curved_pairs()
    x = np.hstack([x, y + 1])
    state = kcca.fit(x, y, dimensions=2, kernel="linear", tolerance=0, ridge=1e-9)
    np.testing.assert_allclose(
        state.correlation.correlations, cca.fit(x, y, dimensions=2, ridge=0).correlations, rtol=1e-6
    )


def test_each_side_may_have_its_own_kernel():
    x, y = curved_pairs()
    state = kcca.fit(np.abs(x), y, dimensions=1, kernel=("chi2", "rbf"))
    assert (state.x.kernel, state.y.kernel) == ("chi2", "rbf")


def test_bad_input_is_named():
    x, y = curved_pairs()
    with pytest.raises(UserError, match="degenerate"):
        kcca.fit(x, y, dimensions=1, ridge=0.0)
    with pytest.raises(UserError, match="outside"):
        kcca.fit(x, y, dimensions=4, max_rank=3)
    with pytest.raises(UserError, match="side"):
        kcca.transform(kcca.fit(x, y, dimensions=1), x, "z")
