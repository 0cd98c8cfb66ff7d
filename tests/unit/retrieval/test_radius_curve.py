"""Precision and recall by Hamming radius: by hand, and against bit strings compared one by one."""

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.hashing.pack import pack
from avx.retrieval.curves import radius_curve
from avx.retrieval.hamming_map import DistanceCounts, distance_counts


def test_by_hand():
    """The first query finds 1 of 2 at radius 0 and its other relevant item at 2, the second finds nothing up to 1.

    The third has no relevant item and is left out.
    """
    counts = DistanceCounts(
        items=np.array([[2, 1, 1, 1], [0, 0, 4, 1], [5, 0, 0, 0]]),
        relevant=np.array([[1, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]),
    )
    curve = radius_curve(counts)
    np.testing.assert_allclose(curve.precision, [(1 / 2 + 0) / 2, (1 / 3 + 0) / 2, (2 / 4 + 1 / 4) / 2, 3 / 5 / 2])
    np.testing.assert_allclose(curve.recall, [(1 / 2 + 0) / 2, (1 / 2 + 0) / 2, 1, 1])
    np.testing.assert_allclose(curve.answered, [1 / 2, 1 / 2, 1, 1])
    pooled = np.cumsum(counts.relevant[:2].sum(0)) / np.cumsum(counts.items[:2].sum(0))
    assert not np.allclose(curve.precision, pooled), "the average is over queries, not over returned items"


@pytest.mark.parametrize("bits", [3, 33, 70])
def test_equals_bit_strings_compared_one_by_one(bits):
    """Lengths that leave bits of the last word unused; some queries have no relevant item, some radii nothing."""
    rng = np.random.default_rng(bits)
    queries, gallery = rng.random((9, bits)) < 0.5, rng.random((25, bits)) < 0.5
    relevance = rng.integers(0, 6, 9)[:, None] == rng.integers(0, 4, 25)
    relevance[0] = False
    relevance[1, 3] = True
    curve = radius_curve(distance_counts(pack(queries), pack(gallery), relevance.__getitem__))
    kept = [row for row in range(9) if relevance[row].any()]
    assert 1 < len(kept) < 9
    for radius in range(bits + 1):
        precisions, recalls, answers = [], [], []
        for row in kept:
            near = np.array([sum(queries[row] != code) <= radius for code in gallery])
            found = (near & relevance[row]).sum()
            precisions.append(found / near.sum() if near.any() else 0.0)
            recalls.append(found / relevance[row].sum())
            answers.append(near.any())
        np.testing.assert_allclose(curve.precision[radius], np.mean(precisions))
        np.testing.assert_allclose(curve.recall[radius], np.mean(recalls))
        np.testing.assert_allclose(curve.answered[radius], np.mean(answers))
    assert curve.recall[-1] == 1 and (bits == 3 or curve.answered[0] == 0)


def test_nothing_to_find_is_named():
    with pytest.raises(UserError, match="no query has a relevant item"):
        radius_curve(DistanceCounts(np.ones((2, 4), int), np.zeros((2, 4), int)))
