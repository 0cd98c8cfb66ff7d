"""Streaming frame features: equal to describing every frame alone, in memory that does not grow with the pictures."""

import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from avx.core.errors import UserError
from avx.extraction import frame_features
from avx.extraction.frame_features import FrameDescriber
from avx.extraction.frozen import FrozenEncoder
from avx.media.decode import stream_frames
from avx.media.encode import write_clip
from avx.media.quarantine import MediaProblem, Reason
from avx.signal import saliency_maps
from avx.signal.colour import hsv_histogram, hue_histogram
from avx.signal.hog import handcrafted_features
from avx.signal.saliency import spectral_residual

SILENCE = np.zeros(0, np.float32)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Seven frames of 48 x 64 at 5 a second: a bright square wanders over a ramp."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    ramp = np.broadcast_to(np.linspace(0, 160, 64), (48, 64))
    frames = np.stack([np.stack([ramp, 0.5 * ramp, 120 - 0.7 * ramp], -1)] * 7).astype(np.uint8)
    for number in range(7):
        frames[number, 8 : 20 + number, 6 * number : 6 * number + 14] = (250, 220, 30 * number)
    write_clip(path, frames, 5, SILENCE, 16000)
    return path


@pytest.fixture(scope="module")
def describer():
    return FrameDescriber(frame_features.handcrafted(), frames_at_once=3)


def test_a_stream_in_batches_is_every_frame_alone(film, describer):
    video = describer(film, None)
    frames, times = [], []
    for time, pixels in stream_frames(film, None, (224, 224)):
        times.append(time)
        frames.append(pixels)
    frames = np.stack(frames)
    assert len(frames) == 7  # two whole batches of three and one that is filled up
    np.testing.assert_array_equal(video.times, times)
    np.testing.assert_allclose(video.times, np.arange(7) / 5, atol=1e-3)

    @jax.jit
    def alone(frame):
        features = handcrafted_features(frame, spectral_residual(frame))
        return features, hsv_histogram(frame, (16, 4, 4)), hue_histogram(frame, 16)

    for number, frame in enumerate(frames):
        for rows, expected in zip((video.features, video.histograms, video.hues), alone(frame), strict=True):
            np.testing.assert_allclose(rows[number], expected, atol=1e-5)
    grey = (frames.astype(np.float64) @ [0.299, 0.587, 0.114] / 255).reshape(7, 32, 7, 32, 7).mean((2, 4))
    np.testing.assert_allclose(video.grey, grey.reshape(7, 1024), atol=1e-5)
    assert all(rows.dtype == np.float32 for rows in (video.features, video.histograms, video.grey))


def test_the_features_of_the_judge_come_with_any_encoder(film, describer):
    """Red alone as the encoder: the hand-crafted features stand beside it, from the same pass."""
    red = FrozenEncoder("red", lambda frames: frames[..., 0].mean((1, 2))[:, None], 1)
    video, usual = FrameDescriber(red, frames_at_once=4)(film, None), describer(film, None)
    assert video.features.shape == (7, 1) and usual.features is usual.handcrafted
    np.testing.assert_allclose(video.handcrafted, usual.handcrafted, atol=1e-5)
    means = [pixels[..., 0].mean() for _, pixels in stream_frames(film, None, (224, 224))]
    np.testing.assert_allclose(video.features[:, 0], means, rtol=1e-4)


def test_a_lower_rate_takes_some_of_the_frames(film, describer):
    every, some = describer(film, None), describer(film, 2.0)
    taken = np.searchsorted(every.times, some.times)
    np.testing.assert_array_equal(every.times[taken], some.times)
    assert taken.tolist() == [0, 2, 5]  # on screen at 0, 0.5 and 1 s
    np.testing.assert_array_equal(every.features[taken], some.features)


def test_progress_is_the_time_read(film, describer):
    told = []
    describer(film, None, told.append)
    np.testing.assert_allclose(told, [0.4, 1.0, 1.2], atol=1e-3)


def test_memory_holds_features_but_no_pictures(monkeypatch):
    """192 more pictures of 147 kB would add 28 MB; their features and copies of them take 4 MB."""

    def endless(count):
        def frames(source, frame_rate, size):
            for number in range(count):
                yield number / 25, np.full((*size, 3), number % 251, np.uint8)

        return frames

    describer = FrameDescriber(frame_features.colour_histogram())

    def peak(count):
        monkeypatch.setattr(frame_features, "stream_frames", endless(count))
        tracemalloc.start()
        describer(b"", None)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(32)
    assert peak(288) - peak(96) < 8e6


def test_deep_features_weigh_a_map_by_saliency(monkeypatch):
    """A backbone whose map is the picture itself; saliency that is 1 in a corner and 0 (so 0.05) elsewhere."""

    def one_corner(frames):
        return jnp.zeros(frames.shape[:3]).at[:, :4, :4].set(1)

    monkeypatch.setitem(saliency_maps.SALIENCY, "corner", one_corner)

    def itself(images):
        return images

    picture = np.zeros((1, 8, 8, 3), np.uint8)
    picture[0, :4, :4], picture[0, 4:, 4:] = (255, 0, 51), (0, 102, 0)
    pooled = frame_features.salient_deep("toy", itself, 3, "corner", "pool").apply(picture)
    # 16 pixels count 1, and 48 count 0.05, of which 16 are green.
    np.testing.assert_allclose(pooled, np.array([[16, 0.05 * 16 * 0.4, 16 * 0.2]]) / 18.4, atol=1e-6)
    cropped = frame_features.salient_deep("toy", itself, 3, "corner", "crop").apply(picture)
    np.testing.assert_allclose(cropped, [[1, 0, 0.2]], atol=1e-6)  # the red corner alone
    cut = frame_features.handcrafted("corner", "crop").apply(picture)
    corner = np.broadcast_to(picture[:, :1, :1], picture.shape)
    np.testing.assert_allclose(cut, handcrafted_features(corner), atol=1e-5)
    assert np.abs(cut - frame_features.handcrafted("corner", "pool").apply(picture)).max() > 0.1


@pytest.mark.parametrize("saliency", sorted(saliency_maps.SALIENCY))
def test_every_saliency_gives_unit_features(saliency):
    pictures = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    features = jax.jit(frame_features.handcrafted(saliency).apply)(pictures)
    assert features.shape == (2, 504)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    assert np.min(features) >= 0


def test_bad_input(film, tmp_path):
    for build in (
        lambda: frame_features.handcrafted("glance"),
        lambda: frame_features.handcrafted(region="hole"),
        lambda: frame_features.salient_deep("toy", lambda images: images, 3, "glance"),
    ):
        with pytest.raises(UserError, match="choose one of"):
            build()
    broken = FrozenEncoder("broken:1a2b", lambda frames: jnp.full((len(frames), 2), jnp.nan), 2)
    with pytest.raises(UserError, match="broken:1a2b are not finite"):
        FrameDescriber(broken)(film, None)
    with pytest.raises(MediaProblem) as caught:
        FrameDescriber(broken)(tmp_path / "none.mp4", None)
    assert caught.value.reason == Reason.MISSING_FILE
