import jax
import numpy as np
import pytest

from avx.core.errors import UserError
from avx.signal.yamnet_input import count_yamnet_patches, yamnet_patches

patches_of = jax.jit(yamnet_patches, static_argnames="hop_seconds")


def by_hand(signal, hop_frames=48):
    """The release's patches in plain numpy: silence up to a whole last patch, 25 ms frames, mel triangles, log."""
    hop = hop_frames * 160
    count = 1 + max(0, -(-(len(signal) - 15600) // hop))
    padded = np.zeros(15600 + (count - 1) * hop)
    padded[: len(signal)] = signal
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = np.stack([padded[first : first + 400] * hann for first in range(0, len(padded) - 399, 160)])
    magnitudes = np.abs(np.fft.rfft(frames, 512))
    mel = 1127 * np.log1p(np.arange(257) * 16000 / 512 / 700)
    edges = np.linspace(1127 * np.log1p(125 / 700), 1127 * np.log1p(7500 / 700), 66)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (mel[:, None] - lower) / (centre - lower), (upper - mel[:, None]) / (upper - centre)
    bands = np.maximum(0, np.minimum(rising, falling))
    bands[0] = 0  # the constant part of a frame counts nowhere
    logarithm = np.log(magnitudes @ bands + 0.001)
    return np.stack([logarithm[patch * hop_frames : patch * hop_frames + 96] for patch in range(count)])


@pytest.mark.parametrize("samples", [15_600, 15_601, 23_280, 23_281, 40_000])
def test_patches_are_those_of_the_release(samples):
    signal = np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32)
    patches, mask = patches_of(signal)
    expected = by_hand(signal.astype(np.float64))
    assert patches.shape == expected.shape and mask.all()
    np.testing.assert_allclose(patches, expected, atol=2e-4)


def test_hop_is_48_frames_unless_another_is_asked_for():
    signal = np.random.default_rng(1).normal(0, 0.1, 40_000).astype(np.float32)
    patches, _ = patches_of(signal)
    np.testing.assert_allclose(patches[0, 48:], patches[1, :48], atol=1e-5)
    wider, mask = patches_of(signal, hop_seconds=0.96)
    np.testing.assert_allclose(wider, by_hand(signal.astype(np.float64), 96), atol=2e-4)
    assert len(mask) == 3


def test_every_sample_counts_and_silence_fills_the_last_patch():
    assert [count_yamnet_patches(n) for n in (0, 1, 15_600, 15_601, 23_280, 23_281)] == [0, 1, 1, 2, 2, 3]
    np.testing.assert_array_equal(count_yamnet_patches(np.array([0, 15_600, 30_000])), [0, 1, 3])
    patches, mask = patches_of(np.full(200, 0.5, np.float32))
    assert mask.tolist() == [True]
    np.testing.assert_allclose(patches[0, 2:], np.log(0.001), rtol=1e-6)
    assert patches[0, 0].max() > 0


def test_padding_of_a_batch_does_not_matter():
    signal = np.random.default_rng(2).normal(0, 0.1, 20_000).astype(np.float32)
    alone, _ = patches_of(signal)
    padded = np.full((2, 48_000), 0.9, np.float32)
    padded[0, :20_000] = signal
    batch, mask = patches_of(padded, np.array([20_000, 0]))
    assert mask.sum(1).tolist() == [2, 0]
    np.testing.assert_allclose(batch[0, :2], alone, atol=1e-5)
    assert (np.asarray(batch)[~mask] == 0).all()


def test_no_samples_give_no_patches_and_odd_hops_are_refused():
    patches, mask = yamnet_patches(np.zeros(0, np.float32))
    assert patches.shape == (0, 96, 64) and mask.shape == (0,)
    with pytest.raises(UserError, match=r"0\.005 must be a positive multiple of 0.01"):
        count_yamnet_patches(1, 0.005)
