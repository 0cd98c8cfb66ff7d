"""The number of clusters against its definition, with every edge case that the rule leaves open."""

import functools

import jax
import numpy as np
import pytest

from avx.keyframes import adaptive_k as adaptive
from avx.keyframes.adaptive_k import adaptive_k, content_changes, count_distinct, wanted_clusters
from avx.keyframes.distances import unit_vectors

ALL = np.ones(24, bool)
number = jax.jit(adaptive_k, static_argnames=("rule", "max_clusters"))


def changes_by_definition(table, delta):
    distances = np.diagonal(table, 1)
    return distances > distances.mean() + delta * distances.std()


@pytest.mark.parametrize("delta", [0.5, 1.0, 1.5])
def test_changes_follow_equation_8(shots, distance_table, delta):
    expected = changes_by_definition(distance_table(shots), delta)
    assert 0 < expected.sum() < 12
    np.testing.assert_array_equal(content_changes(unit_vectors(shots, ALL), ALL, delta), expected)
    assert number(shots, ALL, delta) == expected.sum()
    assert number(shots, ALL, delta, rule="changes+1") == expected.sum() + 1


def test_sample_deviation_would_be_noticed():
    """Steps 0, 0, a, b: the larger exceeds mu + 1.5 sigma with the population deviation alone."""
    angles = np.array([0, 0, 0, 0, 0.3])
    frames = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    steps = 1 - np.cos(np.diff(angles))
    assert steps[-1] > steps.mean() + 1.6 * steps.std() > 0
    assert steps[-1] < steps.mean() + 1.6 * steps.std(ddof=1)
    assert content_changes(unit_vectors(frames, np.ones(5, bool)), np.ones(5, bool), 1.6).sum() == 1


def test_equal_steps_are_no_changes():
    """A camera that turns at constant speed: all distances are equal up to rounding, none exceeds the mean."""
    angles = 0.05 * np.arange(24)
    frames = np.zeros((24, 6), np.float32)
    frames[:, 0], frames[:, 1] = np.cos(angles), np.sin(angles)
    assert number(frames, ALL, 0.5) == 1


def test_constant_video_has_one_cluster():
    frames = np.tile(np.linspace(0.1, 1, 6, dtype=np.float32), (24, 1))
    assert number(frames, ALL, 1.5) == 1
    assert number(frames, ALL, 1.5, rule="changes+1") == 1
    noisy = frames * (1 + 1e-7 * np.random.default_rng(0).normal(size=frames.shape))
    assert number(noisy.astype(np.float32), ALL, 1.5) == 1


def test_one_frame_has_one_cluster_and_none_has_none(shots):
    assert number(shots, np.arange(24) == 7, 1.5) == 1
    assert number(shots, np.zeros(24, bool), 1.5) == 0
    assert number(shots[:1], np.ones(1, bool), 1.5) == 1


def test_k_never_exceeds_the_distinct_frames():
    """Two pictures that alternate, then rest: many changes, two distinct frames."""
    pictures = np.random.default_rng(1).normal(size=(2, 6)).astype(np.float32)
    frames = pictures[np.array([0, 1] * 3 + [1] * 18)]
    assert content_changes(unit_vectors(frames, ALL), ALL, 1.5).sum() == 5
    assert number(frames, ALL, 1.5) == 2


def test_frames_that_follow_no_change_count_as_distinct_too():
    """Two pictures alternate, then one drifts: 7 changes lead to 2 pictures, the 16 slow steps to one more each."""
    angles = np.concatenate([np.array([0, 1] * 4), 1 + 0.02 * np.arange(1, 17)])
    frames = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    assert content_changes(unit_vectors(frames, ALL), ALL, 0.5).sum() == 7
    assert number(frames, ALL, 0.5) == 7
    frames[8:] = frames[7]
    assert number(frames, ALL, 0.5) == 2
    frames[12:] = frames[11] = np.array([-1, 0.3])
    assert number(frames, ALL, 0.5, rule="changes+1") == 3


def test_k_never_exceeds_its_bound(shots):
    assert number(shots, ALL, 0.5) > 2
    assert number(shots, ALL, 0.5, max_clusters=2) == 2


def test_padding_and_scale_do_not_matter(shots):
    padded = np.concatenate([shots, np.full((8, 6), np.nan, np.float32)])
    assert number(padded, np.arange(32) < 24, 1.0) == number(shots, ALL, 1.0)
    assert number(shots * 1e4, ALL, 1.0) == number(shots, ALL, 1.0)


def test_distinct_rows_are_counted_up_to_the_limit():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(7, 6)).astype(np.float32)
    frames = rows[rng.permutation(np.arange(24) % 7)]
    frames += 1e-7 * rng.normal(size=frames.shape).astype(np.float32)
    units = unit_vectors(frames, ALL)
    count = jax.jit(functools.partial(count_distinct))
    assert count(units, ALL, 24) == 7
    assert count(units, ALL, 5) == 5
    shifted = np.asarray(units).copy()
    shifted[3, 2] += 1e-5
    assert count(shifted, ALL, 24) == 8


def to_tf32(values):
    """float32 with the 10 bits of mantissa that TF32 keeps, rounded to nearest."""
    bits = jax.lax.bitcast_convert_type(jax.numpy.asarray(values, jax.numpy.float32), jax.numpy.uint32)
    return jax.lax.bitcast_convert_type((bits + np.uint32(1 << 12)) & np.uint32(0xFFFFE000), jax.numpy.float32)


def test_equal_frames_count_once_and_products_of_rounded_operands_would_tell_them_apart(monkeypatch):
    """Four equal pictures among others: full products give K = 2, those of TF32 hardware more."""
    pictures = np.random.default_rng(11).random((2, 6)).astype(np.float32)
    frames = pictures[np.array([0, 1, 0, 1, 0, 1] + [1] * 18)]
    assert number(frames, ALL, 1.0, rule="changes+1") == 2
    monkeypatch.setattr(adaptive, "product", lambda left, right: to_tf32(left) @ to_tf32(right))
    units = unit_vectors(frames, ALL)
    similar = to_tf32(units) @ to_tf32(units).T
    assert np.abs(np.diag(np.asarray(similar)) - 1).max() > adaptive.CERTAINLY_DISTINCT
    assert adaptive.clusters_from_units(units, ALL, 1.0, "changes+1", 24) > 2


def test_clusters_that_the_rule_wants_are_counted_before_the_bound(shots):
    wanted = int(wanted_clusters(shots, ALL, 0.5, "changes"))
    assert wanted > 2
    assert number(shots, ALL, 0.5, max_clusters=2) == 2
    assert int(wanted_clusters(shots, ALL, 0.5, "changes+1")) == wanted + 1
    padded = np.concatenate([shots, np.full((8, 6), np.nan, np.float32)])
    assert int(wanted_clusters(padded, np.arange(32) < 24, 0.5, "changes")) == wanted
    assert int(wanted_clusters(shots, np.zeros(24, bool), 0.5, "changes+1")) == 0


def test_unknown_rule_is_refused(shots):
    with pytest.raises(ValueError, match="segments"):
        adaptive_k(shots, ALL, 1.5, rule="segments")
