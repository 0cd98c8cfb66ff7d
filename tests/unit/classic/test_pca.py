import numpy as np
import pytest

from avx.classic import pca
from avx.core.errors import UserError


def paired(seed=0):
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(150, 2))
    x = factor @ rng.normal(size=(2, 5)) * 50 + 5 * rng.normal(size=(150, 5)) + 7
    y = factor @ rng.normal(size=(2, 3)) * 0.1 + 0.01 * rng.normal(size=(150, 3))
    return x, y


def test_joint_axes_are_those_of_the_stacked_standardised_matrix():
    x, y = paired()
    state = pca.fit(x, y, dimensions=3)
    standard = [(part - part.mean(0)) / part.std(0) for part in (x, y)]
    stacked = np.hstack([part / np.sqrt((part**2).sum(1).mean()) for part in standard])
    _, singular, right = np.linalg.svd(stacked, full_matrices=False)
    np.testing.assert_allclose(state.variances, singular[:3] ** 2 / 150, rtol=1e-9)
    summed = pca.transform(state, x, "x") + pca.transform(state, y, "y")
    expected = stacked @ right[:3].T
    np.testing.assert_allclose(np.abs(summed), np.abs(expected), atol=1e-9)


def test_joint_halves_agree_on_pairs_and_independent_ones_need_not():
    """The stacked axes align the halves; separate axes have arbitrary order and sign (docs/methods.md 2.1)."""
    x, y = paired()
    for sign in (1, -1):
        joint = pca.fit(x, sign * y, dimensions=1)
        sides = pca.transform(joint, x, "x")[:, 0], pca.transform(joint, sign * y, "y")[:, 0]
        assert np.corrcoef(*sides)[0, 1] > 0.7
    alone, alone_flipped = (pca.fit(x, sign * y, dimensions=2, mode="independent") for sign in (1, -1))
    np.testing.assert_allclose(alone.maps.x.weights, alone_flipped.maps.x.weights)
    np.testing.assert_allclose(np.abs(alone.maps.y.weights), np.abs(alone_flipped.maps.y.weights), atol=1e-9)


def test_the_largest_entry_of_an_axis_is_positive():
    """A solver's signs differ with its threads, and separate axes are compared sign by sign."""
    x, y = paired()
    for seed in range(4):
        flips = np.random.default_rng(seed).choice([-1, 1], 5)
        weights = pca.fit(x * flips, y, dimensions=3, mode="independent").maps.x.weights
        axes = weights * x.std(0)[:, None]
        assert (axes[np.abs(axes).argmax(0), np.arange(3)] > 0).all()


def test_modalities_contribute_equal_variance_whatever_their_scale():
    x, y = paired()
    plain, scaled = pca.fit(x, y, dimensions=4), pca.fit(1e4 * x - 3, y, dimensions=4)
    np.testing.assert_allclose(plain.variances, scaled.variances, rtol=1e-9)
    np.testing.assert_allclose(pca.fit(x, y, dimensions=8).variances.sum(), 2, rtol=1e-9)


def test_a_constant_column_is_ignored():
    x, y = paired()
    with_constant = np.hstack([x, np.full((150, 1), 0.1)])
    state = pca.fit(with_constant, y, dimensions=2)
    np.testing.assert_array_equal(state.maps.x.weights[-1], 0)
    np.testing.assert_allclose(state.variances, pca.fit(x, y, dimensions=2).variances, rtol=1e-9)


def test_bad_input_is_named():
    x, y = paired()
    with pytest.raises(UserError, match="mode"):
        pca.fit(x, y, dimensions=2, mode="separate")
    with pytest.raises(UserError, match=r"outside 1\.\.3"):
        pca.fit(x, y, dimensions=4, mode="independent")
    with pytest.raises(UserError, match=r"outside 1\.\.8"):
        pca.fit(x, y, dimensions=9)
    with pytest.raises(UserError, match="constant"):
        pca.fit(np.ones_like(x), y, dimensions=1)
