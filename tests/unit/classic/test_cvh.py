import numpy as np
import pytest

from avx.classic import cca, cvh
from avx.classic.anchors import fit_anchors
from avx.core.errors import UserError


def paired(count=300, seed=0):
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(count, 3))
    x = factors @ rng.normal(size=(3, 8)) + 0.3 * rng.normal(size=(count, 8)) + 5
    y = np.tanh(factors @ rng.normal(size=(3, 4))) + 0.1 * rng.normal(size=(count, 4))
    return x, y


def agreement(state, x, y):
    """Share of equal bits of the pairs, per bit."""
    return ((cvh.transform(state, x, "x") >= 0) == (cvh.transform(state, y, "y") >= 0)).mean(0)


def test_leading_bits_are_canonical_variates():
    x, y = paired()
    state = cvh.fit_linear(x, y, bits=3)
    reference = cca.fit(x, y, dimensions=3)
    np.testing.assert_allclose(cvh.transform(state, x, "x"), cca.transform(reference, x, "x"))
    assert state.meaningful_bits == 3
    assert agreement(state, x, y)[0] > 0.85


def test_bits_beyond_the_rank_are_reproducible_noise():
    x, y = paired()
    state, again, other = (cvh.fit_linear(x, y, bits=64, seed=seed) for seed in (0, 0, 1))
    assert state.meaningful_bits == 4
    shares = agreement(state, x, y)
    assert shares.shape == (64,)
    assert shares[:2].min() > 0.7 and abs(shares[4:].mean() - 0.5) < 0.1
    np.testing.assert_array_equal(state.maps.x.weights, again.maps.x.weights)
    assert not np.allclose(state.maps.x.weights[:, 4:], other.maps.x.weights[:, 4:])


def test_noise_directions_are_whitened():
    """Without a ridge each further direction has unit variance; fails where the random directions are left as drawn."""
    x, y = paired()
    state = cvh.fit_linear(x, y, bits=64, ridge=0.0)
    for values, side in ((x, "x"), (y, "y")):
        variances = cvh.transform(state, values, side).var(0, ddof=1)
        np.testing.assert_allclose(variances, 1, rtol=1e-9)
    unwhitened = np.random.default_rng(0).normal(size=(8, 60))
    unwhitened /= np.linalg.norm(unwhitened, axis=0)
    assert (x @ unwhitened).var(0, ddof=1).max() > 2, "the fixture's features are not white by themselves"


def test_both_anchor_sets_follow_the_seed():
    x, y = paired(60)
    state = cvh.fit_anchor(x, y, bits=4, anchors=10, seed=3)
    for found, values in zip(state.anchors, (x, y), strict=True):
        np.testing.assert_array_equal(found.anchors, fit_anchors(values, count=10, seed=3).anchors)
        assert not np.allclose(found.anchors, fit_anchors(values, count=10, seed=0).anchors), "a fixed seed is seen"


def test_anchors_lift_the_rank_wall():
    x, y = paired()
    state = cvh.fit_anchor(x, y, bits=16, anchors=40)
    assert state.meaningful_bits == 16
    assert agreement(state, x, y)[4:].mean() > 0.6, "bits beyond min(p, q) carry something"
    unpaired = cvh.fit_anchor(x, y[::-1], bits=16, anchors=40)
    assert agreement(unpaired, x[:150], y[:150]).mean() < 0.56, "and they come from the pairing"


def test_bad_input_is_named():
    x, y = paired(20)
    with pytest.raises(UserError, match=r"outside 1\.\.10"):
        cvh.fit_anchor(x, y, bits=11, anchors=10)
    with pytest.raises(UserError, match="anchors"):
        cvh.fit_anchor(x, y, bits=4, anchors=21)
    with pytest.raises(UserError, match="at least one bit"):
        cvh.fit_linear(x, y, bits=0)
    state = cvh.fit_anchor(x, y, bits=4, anchors=10)
    with pytest.raises(UserError, match="side"):
        cvh.transform(state, x, "z")
    with pytest.raises(UserError, match="8 features but was given 4"):
        cvh.transform(state, y, "x")
