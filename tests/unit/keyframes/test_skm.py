"""The whole of SKM: properties that hold for any video, and the host's bucketing of a corpus."""

import dataclasses

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avx.core.errors import UserError
from avx.keyframes import skm

CONFIG = skm.SKMConfig(delta=1.0, max_clusters=8, schedule=skm.sofm.SOFMConfig(epochs=5))
LENGTH, WIDTH = 24, 6


def random_video(seed, frames, repeats):
    """A padded video (24, 6) with NaN padding, some equal frames and some zero ones."""
    rng = np.random.default_rng(seed)
    features = np.full((LENGTH, WIDTH), np.nan, np.float32)
    looks = rng.normal(size=(max(frames // repeats, 1), WIDTH))
    features[:frames] = looks[np.sort(rng.integers(0, len(looks), frames))]
    features[:frames] += rng.normal(size=(frames, WIDTH)) * rng.choice([0, 0.3], size=(frames, 1))
    features[:frames][rng.random(frames) < 0.1] = 0
    return features, np.arange(LENGTH) < frames


def reference_objective(table, indices):
    return table[:, indices].min(1).sum()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), frames=st.integers(1, LENGTH), repeats=st.integers(1, 6))
def test_properties_of_any_video(distance_table, seed, frames, repeats):
    features, mask = random_video(seed, frames, repeats)
    found = skm.select(features, mask, CONFIG)
    kept = np.asarray(found.indices)[np.asarray(found.mask)]
    assert 1 <= len(kept) <= min(8, frames)
    assert (np.diff(kept) > 0).all(), "sorted, without repetition"
    assert kept.max() < frames, "padding is never chosen"
    np.testing.assert_array_equal(np.asarray(found.mask), np.arange(8) < len(kept))
    np.testing.assert_array_equal(np.asarray(found.assignment)[frames:], -1)
    np.testing.assert_array_equal(np.asarray(found.assignment)[kept], np.arange(len(kept)))
    table = distance_table(features[:frames])
    distances = table[np.arange(frames), kept[np.asarray(found.assignment)[:frames]]]
    np.testing.assert_allclose(found.objective, reference_objective(table, kept), atol=2e-5)
    np.testing.assert_allclose(found.sse, np.square(distances).sum(), atol=2e-5)
    again = skm.select(features, mask, CONFIG)
    jax.tree.map(np.testing.assert_array_equal, again, found)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_batch_equals_its_videos_one_by_one(seed):
    videos = [random_video(seed + number, frames, 3) for number, frames in enumerate((24, 1, 0, 13))]
    together = skm.select_batch(np.stack([v[0] for v in videos]), np.stack([v[1] for v in videos]), CONFIG)
    for number, (features, mask) in enumerate(videos):
        alone = skm.select(features, mask, CONFIG)
        one = jax.tree.map(lambda leaf: leaf[number], together)
        np.testing.assert_array_equal(one.indices, alone.indices)
        np.testing.assert_array_equal(one.mask, alone.mask)
        np.testing.assert_array_equal(one.assignment, alone.assignment)
        np.testing.assert_allclose(one.objective, alone.objective, atol=1e-5)


def test_a_video_without_frames_has_no_key_frame():
    found = skm.select(np.full((LENGTH, WIDTH), np.nan, np.float32), np.zeros(LENGTH, bool), CONFIG)
    assert not found.mask.any()
    np.testing.assert_array_equal(found.assignment, -1)
    assert found.objective == 0 and found.sse == 0


@pytest.mark.parametrize("form", [skm.BATCH, skm.ONLINE])
def test_three_clear_shots_give_one_key_frame_each(form):
    rng = np.random.default_rng(0)
    looks = np.eye(3, WIDTH) * 4
    features = (looks[np.repeat([0, 1, 2], [9, 5, 10])] + 0.2 * rng.normal(size=(24, WIDTH))).astype(np.float32)
    config = dataclasses.replace(CONFIG, sofm_form=form, k_rule="changes+1")
    found = skm.select(features, np.ones(24, bool), config)
    kept = np.asarray(found.indices)[np.asarray(found.mask)]
    np.testing.assert_array_equal(np.digitize(kept, [9, 14]), [0, 1, 2])
    np.testing.assert_array_equal(found.assignment, np.repeat([0, 1, 2], [9, 5, 10]))


def test_swaps_never_worsen_the_objective():
    features = np.random.default_rng(11).normal(size=(LENGTH, WIDTH)).astype(np.float32)
    plain = skm.select(features, np.ones(24, bool), dataclasses.replace(CONFIG, swap_sweeps=0))
    swapped = skm.select(features, np.ones(24, bool), CONFIG)
    assert plain.mask.sum() == swapped.mask.sum() > 1
    assert swapped.objective < plain.objective


def test_swaps_end_where_frames_are_nearly_alike():
    """Three plain shots whose frames differ by a grey bar that creeps: an objective of a few roundings of float32."""
    histograms = np.zeros((30, 8), np.float32)
    histograms[np.arange(30), np.repeat([0, 1, 2], [8, 12, 10])] = 0.97
    histograms[:, 4:] = 0.03 * np.random.default_rng(0).dirichlet(np.full(4, 300), 30)
    config = dataclasses.replace(CONFIG, k_rule="changes+1", swap_sweeps=10)
    for scale in np.linspace(0.9, 1.1, 5, dtype=np.float32):
        found = skm.select(scale * histograms, np.ones(30, bool), config)
        assert found.mask.sum() == 3 and 0 <= found.objective < 1e-3


def test_a_ragged_corpus_equals_its_videos_and_compiles_once_for_each_length():
    rng = np.random.default_rng(1)
    videos = [rng.normal(size=(length, WIDTH)).astype(np.float32) for length in (9, 33, 30, 12, 40, 2)]
    before = skm.select_batch._cache_size()
    found = skm.select_ragged(videos, CONFIG, batch_size=2)
    assert skm.select_batch._cache_size() - before == 2, "lengths 32 and 64, in batches of two"
    for video, chosen in zip(videos, found, strict=True):
        padded = np.concatenate([video, np.full((64 - len(video), WIDTH), np.nan, np.float32)])
        alone = skm.select(padded, np.arange(64) < len(video), CONFIG)
        np.testing.assert_array_equal(chosen.indices, np.asarray(alone.indices)[np.asarray(alone.mask)])
        np.testing.assert_array_equal(chosen.assignment, np.asarray(alone.assignment)[: len(video)])
        assert chosen.mask.all() and len(chosen.assignment) == len(video)


@pytest.mark.parametrize(
    ("video", "words"),
    [
        (np.zeros((0, WIDTH), np.float32), "video 1 has no frames"),
        (np.zeros((3, 5), np.float32), "video 1 has features of shape"),
        (np.full((3, WIDTH), np.nan, np.float32), "video 1 has features that are not finite"),
    ],
)
def test_bad_videos_are_refused_by_number(video, words):
    with pytest.raises(UserError, match=words):
        skm.select_ragged([np.ones((3, WIDTH), np.float32), video], CONFIG)


@pytest.mark.parametrize("field", [{"k_rule": "segments"}, {"sofm_form": "grid"}, {"max_clusters": 0}])
def test_impossible_constants_are_refused(field):
    with pytest.raises(UserError, match=next(iter(field))):
        skm.SKMConfig(**field)
