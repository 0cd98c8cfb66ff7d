"""Frames of a signal: counts, ends, masks, and the way back."""

import jax.numpy as jnp
import numpy as np
import pytest

from avx.core.errors import UserError
from avx.signal import framing


def frames_by_hand(signal, length, hop, count):
    """Frame t starts at t * hop; samples beyond the end are zero."""
    padded = np.concatenate([signal, np.zeros(length + hop * count)])
    return np.stack([padded[t * hop : t * hop + length] for t in range(count)])


@pytest.mark.parametrize(
    ("samples", "padding", "expected"),
    [
        (0, "valid", 0),
        (0, "end", 0),
        (0, "centre", 0),
        (4, "valid", 0),
        (5, "valid", 1),
        (7, "valid", 1),
        (8, "valid", 2),
        (1, "end", 1),
        (5, "end", 1),
        (6, "end", 2),
        (8, "end", 2),
        (9, "end", 3),
    ],
)
def test_counts_for_frames_of_five_every_three(samples, padding, expected):
    assert framing.count_frames(samples, 5, 3, padding) == expected
    assert int(framing.count_frames(jnp.asarray([samples]), 5, 3, padding)[0]) == expected


def test_centred_count_is_one_for_each_hop_begun():
    assert [framing.count_frames(n, 4, 3, "centre") for n in range(1, 8)] == [1, 1, 2, 2, 2, 3, 3]


@pytest.mark.parametrize("samples", [1, 5, 11, 12, 13])
def test_end_padding_adds_the_complement_so_that_no_sample_is_lost(samples):
    signal = np.arange(1.0, samples + 1, dtype=np.float32)
    got = np.asarray(framing.frame(signal, 5, 3, "end"))
    assert np.array_equal(got, frames_by_hand(signal, 5, 3, got.shape[0]))
    assert signal[-1] in got[-1]


def test_padding_by_the_remainder_would_lose_the_last_sample():
    """(9 - 5) mod 3 = 1 extra sample makes two frames, which end at sample 8; the complement makes three."""
    frames_by_the_remainder = framing.count_frames(9 + (9 - 5) % 3, 5, 3, "valid")
    assert (frames_by_the_remainder - 1) * 3 + 5 < 9 <= (framing.count_frames(9, 5, 3, "end") - 1) * 3 + 5


def test_valid_frames_drop_the_tail_and_short_signals():
    signal = np.arange(10.0, dtype=np.float32)
    assert np.array_equal(framing.frame(signal, 4, 3), [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]])
    assert framing.frame(signal[:3], 4, 3).shape == (0, 4)


@pytest.mark.parametrize("border", ["constant", "reflect", "symmetric"])
@pytest.mark.parametrize("width", [2, 7])
def test_extension_equals_numpys_at_each_examples_own_end(border, width):
    rng = np.random.default_rng(1)
    lengths = [3, 6]
    bare = [rng.standard_normal(n).astype(np.float32) for n in lengths]
    batch = np.full((2, 8), np.nan, np.float32)
    for row, clip in enumerate(bare):
        batch[row, : len(clip)] = clip
    got = np.asarray(framing.extend(batch, width, width, border, jnp.asarray(lengths)))
    for row, clip in enumerate(bare):
        expected = np.pad(clip, width, border)
        assert np.array_equal(got[row, : len(expected)], expected)
        assert np.all(got[row, len(expected) :] == 0)
    assert np.array_equal(framing.extend(bare[1], width, width, border), np.pad(bare[1], width, border))


def test_padded_batch_has_the_frames_of_the_bare_clips():
    clip = np.random.default_rng(2).standard_normal(11).astype(np.float32)
    padded = np.full((1, 17), np.nan, np.float32)
    padded[0, :11] = clip
    for padding, border in [("valid", "constant"), ("end", "constant"), ("centre", "reflect")]:
        bare = np.asarray(framing.frame(clip, 4, 3, padding, border))
        got = np.asarray(framing.frame(padded, 4, 3, padding, border, jnp.asarray([11])))[0]
        mask = np.asarray(framing.frame_mask(jnp.asarray([11]), got.shape[0], 4, 3, padding))[0]
        assert mask.sum() == bare.shape[0] < got.shape[0]
        assert np.array_equal(got[mask], bare)


@pytest.mark.parametrize(("length", "hop"), [(5, 3), (4, 4), (2, 5), (6, 1)])
def test_overlap_add_sums_shifted_frames(length, hop):
    frames = np.random.default_rng(3).standard_normal((2, 4, length)).astype(np.float32)
    expected = np.zeros((2, 3 * hop + length))
    for t in range(4):
        expected[:, t * hop : t * hop + length] += frames[:, t]
    np.testing.assert_allclose(framing.overlap_add(frames, hop), expected, atol=1e-6)
    assert framing.overlap_add(frames[:, :0], hop).shape == (2, 0)


def test_impossible_settings_are_refused_by_name():
    with pytest.raises(UserError, match="hop_length 0"):
        framing.frame(np.zeros(4), 2, 0)
    with pytest.raises(UserError, match="padding 'same'"):
        framing.count_frames(4, 2, 1, "same")
    with pytest.raises(UserError, match="border 'wrap'"):
        framing.extend(np.zeros(4), 1, 1, "wrap")


def test_looped_frames_take_whole_frames_and_repeat_short_signals():
    places, mask = framing.looped_frames(np.array([7, 2, 0]), 9, 4, 2)
    assert places.shape == (3, 3, 4) and places.dtype == np.int32
    np.testing.assert_array_equal(mask, [[True, True, False], [True, False, False], [False] * 3])
    np.testing.assert_array_equal(places[0, :2], [[0, 1, 2, 3], [2, 3, 4, 5]])
    np.testing.assert_array_equal(places[1, 0], [0, 1, 0, 1])
    assert (np.asarray(places).max((1, 2)) < [7, 2, 1]).all()


def test_looped_frames_without_loops_are_the_valid_ones():
    places, mask = framing.looped_frames(np.array(9), 9, 4, 2)
    assert mask.all()
    np.testing.assert_array_equal(np.arange(9.0)[places], framing.frame(np.arange(9.0), 4, 2))
