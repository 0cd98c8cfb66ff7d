"""Memory writes against the sample-by-sample form, and six writes worked out by hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from avx.core.errors import UserError
from avx.memory import bank as bank_room
from avx.memory.bank import MemoryOptions, cosines, empty
from benchmarks.naive_memory import NaiveMemory

WIDTHS = {"video": 6, "audio": 4}
write = jax.jit(bank_room.write, static_argnames=("options", "train"))


def samples(count, seed=0, looks=5, noise=0.25):
    """Samples that resemble a few looks, so that some merge and others do not."""
    rng = np.random.default_rng(seed)
    look = rng.integers(0, looks, count)
    features = {
        name: (
            np.random.default_rng(9).normal(size=(looks, width))[look] + noise * rng.normal(size=(count, width))
        ).astype(np.float32)
        for name, width in WIDTHS.items()
    }
    return features, rng.uniform(0.4, 1, count).astype(np.float32), rng.random(count) < 0.7


def assert_equal(found, expected):
    np.testing.assert_array_equal(found.count, expected.count)
    np.testing.assert_array_equal(found.stamp, expected.stamp)
    assert (int(found.size), int(found.clock)) == (expected.size, expected.clock)
    for name, keys in expected.keys.items():
        np.testing.assert_allclose(found.keys[name], keys, atol=2e-6)


@pytest.mark.parametrize("eviction", ["lru", "lfu"])
@pytest.mark.parametrize("train", [True, False])
def test_three_batches_equal_the_sample_by_sample_form(eviction, train):
    options = MemoryOptions(4, match_threshold=0.55, merge_threshold=0.85, eviction=eviction)
    ours, naive = empty(4, WIDTHS), NaiveMemory(4, WIDTHS)
    for seed in range(3):
        features, match, label = samples(16, seed)
        ours = write(ours, features, match, label, np.ones(16, bool), options, train=train)
        for row in range(16):
            naive.update(
                {name: values[row] for name, values in features.items()}, match[row], label[row], options, train
            )
        assert_equal(ours, naive)
    assert max(naive.count) > 2, "some samples merged"
    assert naive.clock == 48


def test_merged_rows_stay_of_unit_length_and_forget_by_the_floor():
    options = MemoryOptions(3, match_threshold=0.0, merge_threshold=-2.0, smallest_weight=0.3)
    features, match, label = samples(40, looks=1)
    found = write(empty(3, WIDTHS), features, match, label, np.ones(40, bool), options, train=False)
    naive = NaiveMemory(3, WIDTHS)
    for row in range(40):
        naive.update({name: values[row] for name, values in features.items()}, match[row], label[row], options, False)
    assert_equal(found, naive)
    np.testing.assert_allclose(np.linalg.norm(found.keys["video"][0], axis=-1), 1, rtol=1e-6)
    assert found.size == 1 and found.count[0] == 40


def test_six_writes_by_hand():
    """Two modalities of two coordinates, two slots, T1 = .5, T2 = .9; east, north, west and a 3-4-5 direction."""
    east, north, west, between = (np.array(v, np.float32) for v in ([1, 0], [0, 2], [-3, 0], [4, 3]))
    video = np.stack([east, east, north, between, west, north])
    audio = np.stack([east, east, north, between, west, north])
    match = np.array([0.9, 0.5, 0.9, 0.9, 0.9, 0.8], np.float32)
    bank = empty(2, {"video": 2, "audio": 2})
    options = MemoryOptions(2, match_threshold=0.5, merge_threshold=0.79)
    after = []
    for row in range(6):
        one = {"video": video[row : row + 1], "audio": audio[row : row + 1]}
        bank = write(bank, one, match[row : row + 1], np.array([True]), np.array([True]), options, train=True)
        after.append(jax.device_get(bank))
    # 1: east enters slot 0. 2: .5 is not above T1, only the clock ticks. 3: north, cosine 0, enters slot 1.
    np.testing.assert_array_equal(after[1].keys["video"], [[1, 0], [0, 0]])
    assert (after[1].size, after[1].clock) == (1, 2)
    np.testing.assert_array_equal(after[2].keys["audio"], [[1, 0], [0, 1]])
    np.testing.assert_array_equal(after[2].stamp, [1, 3])
    # 4: (.8, .6) resembles east by .8 and north by .6: merged with slot 0 by 1/2, (.9, .3) scaled to unit length.
    np.testing.assert_allclose(after[3].keys["video"][0], np.array([0.9, 0.3]) / np.sqrt(0.9), rtol=1e-6)
    np.testing.assert_array_equal(after[3].count, [2, 1])
    np.testing.assert_array_equal(after[3].stamp, [4, 3])
    # 5: west resembles none; slot 1 was touched least recently and makes room.
    np.testing.assert_array_equal(after[4].keys["video"][1], [-1, 0])
    np.testing.assert_array_equal(after[4].count, [2, 1])
    # 6: north resembles slot 0 by .316 and west by 0; now slot 0 is the stalest.
    np.testing.assert_array_equal(after[5].keys["audio"], [[0, 1], [-1, 0]])
    np.testing.assert_array_equal(after[5].stamp, [6, 5])
    assert (after[5].size, after[5].clock) == (2, 6)
    together = write(
        empty(2, {"video": 2, "audio": 2}),
        {"video": video, "audio": audio},
        match,
        np.ones(6, bool),
        np.ones(6, bool),
        options,
        train=True,
    )
    jax.tree.map(functools.partial(np.testing.assert_allclose, atol=1e-6), together, after[5])


def test_one_more_novel_sample_than_slots_evicts_the_stalest():
    options = MemoryOptions(4, match_threshold=0.5)
    features = {name: np.eye(5, 6, dtype=np.float32) for name in ("video", "audio")}
    found = write(
        empty(4, {"video": 6, "audio": 6}),
        features,
        np.ones(5),
        np.ones(5, bool),
        np.ones(5, bool),
        options,
        train=True,
    )
    np.testing.assert_array_equal(np.argmax(found.keys["video"], 1), [4, 1, 2, 3])


def test_the_extreme_merge_thresholds():
    features, _, label = samples(8)
    everything = np.ones(8, bool)
    positive = {name: np.abs(values) for name, values in features.items()}
    one = write(empty(6, WIDTHS), positive, np.ones(8), label, everything, MemoryOptions(6, 0.5, 0.0), train=False)
    assert one.size == 1 and one.count[0] == 8
    always = write(empty(6, WIDTHS), features, np.ones(8), label, everything, MemoryOptions(6, 0.5, 1.1), train=False)
    assert always.size == 6
    np.testing.assert_array_equal(always.count, 1)


def test_a_resemblance_that_equals_the_merge_threshold_merges():
    """T2 is reached, not exceeded: a mean cosine of exactly 1/2 (1 and 0) merges at T2 = .5 and not above it."""
    video, audio = np.array([[1, 0], [1, 0]], np.float32), np.array([[1, 0], [0, 1]], np.float32)
    everything = np.ones(2, bool)
    sizes = []
    for threshold in (0.5, np.nextafter(np.float32(0.5), np.float32(1))):
        options = MemoryOptions(4, match_threshold=0.5, merge_threshold=float(threshold))
        bank = empty(4, {"video": 2, "audio": 2})
        features = {"video": video, "audio": audio}
        sizes.append(int(write(bank, features, np.ones(2), everything, everything, options, train=False).size))
    assert sizes == [1, 2]


def test_a_match_that_equals_the_match_threshold_does_not_enter():
    features = {"video": np.ones((2, 6), np.float32), "audio": np.ones((2, 4), np.float32)}
    match, everything = np.array([0.5, 0.5], np.float32), np.ones(2, bool)
    found = write(empty(4, WIDTHS), features, match, everything, everything, MemoryOptions(4, 0.5), train=False)
    assert int(found.size) == 0


def test_another_order_gives_another_bank():
    features, match, label = samples(16)
    options, back = MemoryOptions(4, 0.5, 0.85), np.arange(15, -1, -1)
    offered = np.ones(16, bool)
    there = write(empty(4, WIDTHS), features, match, label, offered, options, train=False)
    turned = {name: values[back] for name, values in features.items()}
    again = write(empty(4, WIDTHS), turned, match[back], label[back], offered, options, train=False)
    assert not np.allclose(there.keys["video"], again.keys["video"], atol=1e-3)


def test_padding_and_missing_modalities_change_nothing():
    features, match, label = samples(12)
    options, offered = MemoryOptions(4, 0.5, 0.85), np.arange(12) % 3 != 1
    kept = {name: values[offered] for name, values in features.items()}
    expected = write(empty(4, WIDTHS), kept, match[offered], label[offered], np.ones(8, bool), options, train=True)
    spoilt = {name: np.where(offered[:, None], values, np.nan) for name, values in features.items()}
    found = write(empty(4, WIDTHS), spoilt, match, label, offered, options, train=True)
    jax.tree.map(functools.partial(np.testing.assert_allclose, atol=1e-6), found, expected)
    silent = features | {"audio": np.zeros_like(features["audio"])}
    nothing = write(empty(4, WIDTHS), silent, match, label, offered, options, train=True)
    assert (int(nothing.size), int(nothing.clock)) == (0, 8)


def test_untouched_slots_keep_their_bits():
    features, _, label = samples(8)
    everything = np.ones(8, bool)
    full = write(empty(6, WIDTHS), features, np.ones(8), label, everything, MemoryOptions(6, 0.5, 1.1), train=False)
    refused = write(full, features, np.zeros(8), label, everything, MemoryOptions(6, 0.5, 1.1), train=False)
    jax.tree.map(np.testing.assert_array_equal, refused.keys, full.keys)
    assert refused.clock == full.clock + 8


def test_no_gradient_flows_through_a_write():
    features, match, label = samples(8)

    def total(features, match):
        found = bank_room.write(
            empty(4, WIDTHS), features, match, label, np.ones(8, bool), MemoryOptions(4, 0.5), train=True
        )
        return sum(keys.sum() for keys in found.keys.values())

    grads = jax.grad(total, argnums=(0, 1))(features, match)
    jax.tree.map(lambda grad: np.testing.assert_array_equal(grad, 0), grads)


def test_cosines_of_empty_slots_and_zero_features_are_zero():
    features, _, label = samples(3)
    bank = write(
        empty(5, WIDTHS), features, np.ones(3), label, np.ones(3, bool), MemoryOptions(5, 0.5, 1.1), train=False
    )
    found = cosines(bank, "audio", jnp.asarray(np.concatenate([7 * features["audio"], np.zeros((1, 4))])))
    rows = features["audio"] / np.linalg.norm(features["audio"], axis=1, keepdims=True)
    np.testing.assert_allclose(found[:3, :3], rows @ rows.T, atol=1e-6)
    np.testing.assert_array_equal(found[:, 3:], 0)
    np.testing.assert_array_equal(found[3], 0)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"capacity": 0}, "give at least 1"),
        ({"eviction": "random"}, "choose one of lru, lfu"),
        ({"smallest_weight": 1.5}, "choose a share from 0 to 1"),
    ],
)
def test_impossible_options_are_refused(field, message):
    with pytest.raises(UserError, match=message):
        MemoryOptions(**field)
