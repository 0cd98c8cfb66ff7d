"""Order, sharding, padding and exact restart of the input pipeline."""

import jax
import numpy as np
import pytest

from avx.core.dataset import Card, Dataset
from avx.core.errors import UserError
from avx.data import batches
from avx.data.batches import ModalitySpec, Shard

STEPS, VIDEO_SIZE, AUDIO_SIZE = 3, 6, 5
SPECS = (ModalitySpec("video", STEPS, (VIDEO_SIZE,)), ModalitySpec("audio", STEPS, (AUDIO_SIZE,)))


def clip_of(number: int) -> dict:
    """Sequences of 1 to STEPS steps; the label names the clip in these tests."""
    generator = np.random.default_rng(number)
    video, audio = (
        generator.normal(size=(1 + (number + shift) % STEPS, size)).astype(np.float32)
        for shift, size in ((0, VIDEO_SIZE), (1, AUDIO_SIZE))
    )
    return {"video": video, "audio": audio, "label": np.int32(number)}


CLIPS = [clip_of(number) for number in range(11)]


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


def test_the_steps_that_stay_are_known_so_that_their_times_can_be_thinned_alike():
    assert batches.kept_steps(9, 4).tolist() == [0, 3, 5, 8]
    assert batches.kept_steps(3, 4).tolist() == [0, 1, 2]
    times = np.arange(9) * 0.96
    np.testing.assert_array_equal(batches.thinned(times, 4), times[[0, 3, 5, 8]])
    assert batches.thinned(times, 9) is times


def test_a_modality_may_be_read_from_a_feature_of_another_name():
    spec = ModalitySpec("video", 2, (3,), key="video_summary")
    features = {"video": np.zeros((2, 3)), "video_summary": np.ones((1, 3)), "label": np.int32(0)}
    batch = batches.assemble([features], np.arange(1), [spec])
    np.testing.assert_array_equal(batch.modalities["video"].values, [[[1, 1, 1], [0, 0, 0]]])
    with pytest.raises(UserError, match="video_summary: cached steps"):
        batches.pad_sequence(np.zeros((2, 4)), spec)


def test_a_dataset_gives_its_labels_to_batches():
    labels = np.array([[False, True, True], [False, False, False]])
    dataset = Dataset(
        name="toy",
        class_names=("a", "b", "c"),
        ids=("x", "y"),
        labels=labels,
        split={},
        load=lambda row: {"video": np.full((1, VIDEO_SIZE), row, np.float32)},
        shapes=lambda row: {"video": (1, VIDEO_SIZE)},
        card=lambda row: Card(),
    )
    batch = next(batches.evaluation_batches(batches.labelled(dataset), np.arange(2), SPECS, 2))
    assert batch.label.tolist() == [1, -1]
    assert batch.modalities["video"].values[:, 0, 0].tolist() == [0, 1]


def test_a_missing_modality_is_masked():
    batch = batches.assemble([{"video": CLIPS[0]["video"], "label": np.int32(2)}], np.arange(1), SPECS)
    assert not batch.modalities["audio"].mask.any()
    assert batch.example_mask.all()


def test_evaluation_batches_keep_the_order_and_one_shape():
    found = list(batches.evaluation_batches(CLIPS.__getitem__, np.arange(2, 11), SPECS, 4))
    assert [batch.label.shape for batch in found] == [(4,)] * 3
    assert sum(labels(found), []) == list(range(2, 11))


def test_bad_input_is_named():
    with pytest.raises(UserError, match="batch_size = 10 does not divide by 4 processes"):
        batches.local_rows(10, Shard(0, 4))
    with pytest.raises(UserError, match="training split is empty"):
        batches.train_iterator(CLIPS.__getitem__, np.arange(0), SPECS, batch_size=4, seed=0)
    with pytest.raises(UserError, match=r"video: cached steps have shape \(3,\)"):
        batches.pad_sequence(np.zeros((2, 3)), SPECS[0])
