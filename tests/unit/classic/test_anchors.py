import numpy as np
import pytest
import scipy.spatial

from avx.classic.anchors import AnchorMap, fit_anchors, mean_squared_distance, squared_distances
from avx.core.errors import UserError


def test_distances_and_their_mean_equal_the_pairwise_loop():
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(5, 3)) + 100, rng.normal(size=(4, 3)) + 100
    expected = scipy.spatial.distance.cdist(left, right, "sqeuclidean")
    np.testing.assert_allclose(squared_distances(left, right), expected, atol=1e-9)
    different = scipy.spatial.distance.pdist(left, "sqeuclidean")
    np.testing.assert_allclose(mean_squared_distance(left), different.mean())
    assert abs(different.mean() - scipy.spatial.distance.cdist(left, left, "sqeuclidean").mean()) > 0.1


def test_features_by_hand():
    features = AnchorMap(np.array([[0.0, 0.0], [3.0, 4.0]]), 0.1)(np.array([[0.0, 0.0], [0.0, 2.0]]))
    np.testing.assert_allclose(features, np.exp([[0, -2.5], [-0.4, -1.3]]))


def test_anchors_are_the_means_of_clear_clusters():
    rng = np.random.default_rng(1)
    centres = np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 80.0]])
    values = np.concatenate([centre + rng.normal(size=(20 + 10 * i, 2)) for i, centre in enumerate(centres)])
    found = fit_anchors(values, count=3, seed=2).anchors
    means = np.array([values[:20].mean(0), values[20:50].mean(0), values[50:].mean(0)])
    np.testing.assert_allclose(found[np.argsort(found.sum(1))], means[np.argsort(means.sum(1))])


def test_gamma_is_the_inverse_mean_squared_distance():
    """Fails where gamma is doubled or halved: the pairs of 0, 1 and 5 lie 1, 25 and 16 apart."""
    np.testing.assert_allclose(fit_anchors(np.array([[0.0], [1.0], [5.0]]), count=2).gamma, 1 / 14)


def test_copies_of_rows_still_give_the_asked_number_of_anchors():
    values = np.repeat(np.array([[1.0], [5.0]]), 4, axis=0)
    assert sorted(set(fit_anchors(values, count=5).anchors[:, 0])) == [1, 5]
    with pytest.raises(UserError, match=r"anchors = 9 is outside 1\.\.8"):
        fit_anchors(values, count=9)
