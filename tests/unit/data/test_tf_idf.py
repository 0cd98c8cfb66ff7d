import numpy as np
import pytest

from avx.core.errors import UserError
from avx.data.sets.tf_idf import tf_idf

COUNTS = np.array([[2, 0, 1, 0], [1, 0, 3, 0], [0, 4, 1, 0], [5, 5, 5, 5]])
FITTED = np.array([True, True, True, False])


def test_weights_by_hand():
    """Three fitted items; the terms are held by 2, 1, 3 and 0 of them."""
    weight = 1 + np.log(4 / np.array([3, 2, 4, 1]))
    np.testing.assert_allclose(tf_idf(COUNTS, FITTED), COUNTS * weight, rtol=1e-6)


def test_an_item_that_is_not_fitted_changes_no_weight():
    other = COUNTS.copy()
    other[3] = [1, 0, 0, 0]
    np.testing.assert_array_equal(tf_idf(other, FITTED)[:3], tf_idf(COUNTS, FITTED)[:3])
    assert not np.allclose(tf_idf(COUNTS, np.ones(4, bool))[:3], tf_idf(COUNTS, FITTED)[:3])


@pytest.mark.peers
def test_equals_sklearn():
    text = pytest.importorskip("sklearn.feature_extraction.text")
    peer = text.TfidfTransformer(norm=None).fit(COUNTS[FITTED])
    np.testing.assert_allclose(tf_idf(COUNTS, FITTED), peer.transform(COUNTS).toarray(), rtol=1e-6)


def test_negative_counts_are_refused():
    with pytest.raises(UserError, match="must be at least 0"):
        tf_idf(-COUNTS, FITTED)
