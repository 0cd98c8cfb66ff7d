"""Front ends beside librosa, with its defaults, on real sound."""

import functools

import jax
import numpy as np
import pytest
import scipy.io.wavfile

from avx.signal import mel, mfcc
from avx.signal.stft import istft, stft
from avx.signal.windows import window

librosa = pytest.importorskip("librosa")
pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def clip(real_data):
    """One second of speech and music at 22,050 Hz, mono, float32."""
    rate, samples = scipy.io.wavfile.read(real_data / "frontend_refs/librosa/test1_22050.wav")
    assert rate == 22050
    return (samples.reshape(len(samples), -1).mean(1) / 32768)[3000:25050].astype(np.float32)


@pytest.mark.parametrize("border", ["constant", "reflect"])
@pytest.mark.parametrize(("fft_length", "window_length", "hop"), [(512, 512, 128), (512, 400, 160)])
def test_stft_and_its_inverse(clip, fft_length, window_length, hop, border):
    shape = librosa.util.pad_center(window("hann", window_length), size=fft_length)
    expected = librosa.stft(clip, n_fft=fft_length, win_length=window_length, hop_length=hop, pad_mode=border)
    got = np.asarray(jax.jit(lambda x: stft(x, shape, hop, border=border))(clip))
    np.testing.assert_allclose(got.T, expected, atol=1e-4)
    back = jax.jit(lambda x: istft(x, shape, hop, len(clip)))(got)
    expected = librosa.istft(expected, win_length=window_length, hop_length=hop, length=len(clip))
    np.testing.assert_allclose(back, expected, atol=1e-5)


@pytest.mark.parametrize("scale", ["slaney", "htk"])
@pytest.mark.parametrize("unit_area", [True, False])
def test_filter_bank(scale, unit_area):
    expected = librosa.filters.mel(
        sr=16000, n_fft=1024, n_mels=96, fmin=40, fmax=7000, htk=scale == "htk", norm="slaney" if unit_area else None
    )
    got = mel.mel_filter_bank(16000, 1024, 96, 40, 7000, scale, unit_area=unit_area)
    np.testing.assert_allclose(got.T, expected, rtol=1e-5, atol=1e-8)


def test_log_mel_in_decibels(clip):
    expected = librosa.power_to_db(librosa.feature.melspectrogram(y=clip, sr=22050))
    got = np.asarray(jax.jit(lambda x: mel.log_mel_spectrogram(x, 22050))(clip)).T
    np.testing.assert_allclose(got, expected, atol=2e-3)


def test_musicnn_log_mel(clip):
    power = librosa.feature.melspectrogram(y=clip, sr=16000, hop_length=256, n_fft=512, n_mels=96)
    compressed = jax.jit(
        lambda x: mel.log_compress(mel.mel_spectrogram(x, 16000, fft_length=512, hop_length=256, num_mels=96))
    )
    np.testing.assert_allclose(np.asarray(compressed(clip)).T, np.log10(10000 * power + 1), atol=1e-4)


@pytest.mark.parametrize(("num_coefficients", "lifter"), [(13, 0), (40, 0), (40, 22)])
def test_mfcc_with_slopes(clip, num_coefficients, lifter):
    expected = librosa.feature.mfcc(y=clip, sr=22050, n_mfcc=num_coefficients, lifter=lifter)
    got = np.asarray(jax.jit(functools.partial(cepstra, num_coefficients=num_coefficients, lifter=lifter))(clip)).T
    expected = np.concatenate([expected, *(librosa.feature.delta(expected, order=order) for order in (1, 2))])
    np.testing.assert_allclose(got, expected, atol=2e-3)


def cepstra(clip, num_coefficients, lifter):
    return mfcc.with_deltas(mfcc.mfcc(clip, 22050, num_coefficients, lifter=lifter))


def test_a_batch_has_librosas_values_clip_by_clip(clip):
    """librosa cuts a batch 80 dB below its loudest clip; here each clip keeps the values that it has alone."""
    batch = np.stack([clip, 1e-3 * clip])
    got = np.asarray(jax.jit(lambda x: mel.log_mel_spectrogram(x, 22050))(batch))
    for example, values in zip(batch, got, strict=True):
        alone = librosa.power_to_db(librosa.feature.melspectrogram(y=example, sr=22050))
        np.testing.assert_allclose(values.T, alone, atol=2e-3)
    together = librosa.power_to_db(librosa.feature.melspectrogram(y=batch, sr=22050))
    assert np.abs(together[1] - got[1].T).max() > 10
