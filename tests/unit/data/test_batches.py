"""Order, sharding, padding and exact restart of the input pipeline."""

import jax
import numpy as np
import pytest
from toy_system import AUDIO_SIZE, STEPS, VIDEO_SIZE, toy_features

from avx.core.errors import UserError
from avx.data import batches
from avx.data.batches import ModalitySpec, Shard

SPECS = (ModalitySpec("video", STEPS, (VIDEO_SIZE,)), ModalitySpec("audio", STEPS, (AUDIO_SIZE,)))
CLIPS = toy_features(11)
for number, clip in enumerate(CLIPS):
    clip["label"] = np.int32(number)  # the label names the clip in these tests


def iterator(shard=Shard(), seed=0, batch_size=4, threads=2):
    return batches.train_iterator(
        CLIPS.__getitem__, np.arange(11), SPECS, batch_size=batch_size, seed=seed, shard=shard, num_threads=threads
    )


def take(source, count):
    return [next(source) for _ in range(count)]


def labels(batches):
    return [batch.label[batch.example_mask].tolist() for batch in batches]


def test_an_epoch_shows_every_clip_once_and_the_next_in_another_order():
    batches = labels(take(iterator(), 6))
    first, second = sum(batches[:3], []), sum(batches[3:], [])
    assert sorted(first) == sorted(second) == list(range(11))
    assert first != second
    assert labels(take(iterator(seed=1), 3)) != batches[:3]


def test_the_last_batch_is_filled_up_with_masked_rows():
    last = take(iterator(), 3)[2]
    assert last.example_mask.tolist() == [True, True, True, False]
    assert last.label[3] == -1
    assert not last.modalities["video"].mask[3].any()


def test_two_processes_see_the_rows_of_one():
    whole = take(iterator(), 4)
    parts = [take(iterator(Shard(index, 2)), 4) for index in range(2)]
    for one, first, second in zip(whole, *parts, strict=True):
        joined = jax.tree.map(lambda a, b: np.concatenate([a, b]), first, second)
        jax.tree.map(np.testing.assert_array_equal, one, joined)


def test_threads_do_not_change_the_batches():
    one, many = take(iterator(threads=1), 5), take(iterator(threads=8), 5)
    jax.tree.map(np.testing.assert_array_equal, one, many)


@pytest.mark.parametrize("position", range(7))
def test_a_restored_iterator_goes_on_exactly(position):
    source = iterator()
    take(source, position)
    saved = source.get_state()
    expected = labels(take(source, 4))
    fresh = iterator()
    fresh.set_state(saved)
    assert labels(take(fresh, 4)) == expected


def test_padding_keeps_values_order_and_mask():
    spec = ModalitySpec("video", 4, (2,))
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    padded, mask = batches.pad_sequence(values, spec)
    np.testing.assert_array_equal(padded, [[0, 1], [2, 3], [4, 5], [0, 0]])
    assert mask.tolist() == [True, True, True, False]
    thinned, mask = batches.pad_sequence(np.arange(18, dtype=np.float32).reshape(9, 2), spec)
    np.testing.assert_array_equal(thinned[:, 0], [0, 6, 10, 16])
    assert mask.all()


def test_a_missing_modality_is_masked():
    batch = batches.assemble([{"video": CLIPS[0]["video"], "label": np.int32(2)}], np.arange(1), SPECS)
    assert not batch.modalities["audio"].mask.any()
    assert batch.example_mask.all()


def test_evaluation_batches_keep_the_order_and_one_shape():
    batches = list(batches.evaluation_batches(CLIPS.__getitem__, np.arange(2, 11), SPECS, 4))
    assert [batch.label.shape for batch in batches] == [(4,)] * 3
    assert sum(labels(batches), []) == list(range(2, 11))


def test_bad_input_is_named():
    with pytest.raises(UserError, match="batch_size = 10 does not divide by 4 processes"):
        batches.local_rows(10, Shard(0, 4))
    with pytest.raises(UserError, match="training split is empty"):
        batches.train_iterator(CLIPS.__getitem__, np.arange(0), SPECS, batch_size=4, seed=0)
    with pytest.raises(UserError, match=r"video: cached steps have shape \(3,\)"):
        batches.pad_sequence(np.zeros((2, 3)), SPECS[0])
