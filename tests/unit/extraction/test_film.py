"""One reading of a film: every frame for its transitions, some for its features, and all scenes described."""

import numpy as np
import pytest

from avx.extraction import film as film_module
from avx.extraction import key_frames
from avx.extraction.film import read_film
from avx.extraction.frame_features import FrameDescriber, colour_histogram
from avx.keyframes.coverage import CoverageConfig
from avx.media.decode import stream_frames
from avx.media.encode import write_clip
from avx.media.quarantine import MediaProblem
from avx.registry.frame_methods import METHODS

SILENCE = np.zeros(0, np.float32)
RATE = 20


def looks(number):
    """Smooth random pictures (48, 64, 3) that differ in colours and structure."""
    coarse = np.random.default_rng(number).integers(0, 256, (4, 5, 3)).astype(np.float32)
    return np.repeat(np.repeat(coarse, 12, 0), 13, 1)[:, :64]


def write_film(path, lengths, fade=0):
    """Shots with a bar that creeps; the last two are joined by a fade through black of twice `fade` frames."""
    shots = [np.repeat(looks(number)[None], length, 0) for number, length in enumerate(lengths)]
    if fade:
        down = np.linspace(1, 0, fade)[:, None, None, None]
        shots[-1] = np.concatenate([shots[-2][:1] * down, shots[-1][:1] * down[::-1], shots[-1]])
    frames = np.concatenate(shots)
    for number, frame in enumerate(frames):
        frame[20:24, number % 40 : number % 40 + 6] *= 0.8
    write_clip(path, frames.round().astype(np.uint8), RATE, SILENCE, 16000)
    return path


@pytest.fixture(scope="module")
def describer():
    return FrameDescriber(colour_histogram(), frames_at_once=8)


@pytest.fixture(scope="module")
def six_shots(tmp_path_factory):
    """Shots of 24, 7, 30, 6, 22 and 30 frames at 20 a second: two of them lie between pictures at 2 a second."""
    return write_film(tmp_path_factory.mktemp("films") / "six.mp4", (24, 6, 35, 5, 21, 29))


def test_cuts_are_found_to_the_frame_at_any_rate_and_every_scene_is_described(six_shots, describer):
    for rate in (None, 5.0, 2.0, 0.2):
        film = read_film(describer, six_shots, rate)
        assert [(found.kind, found.last) for found in film.transitions] == [
            ("cut", end) for end in np.cumsum((24, 6, 35, 5, 21)).tolist()
        ]
        assert set(film.scene_of.tolist()) == set(range(6))
        assert (np.diff(film.numbers) > 0).all()
        np.testing.assert_array_equal(film.frames.times, film.times[film.numbers])
        sampled = [time for time, _ in stream_frames(six_shots, rate, (224, 224))]
        assert film.frames.times[film.sampled].tolist() == sampled


def test_features_are_those_of_the_frames_that_their_numbers_say(six_shots, describer):
    film, every = read_film(describer, six_shots, 2.0), describer(six_shots, None)
    np.testing.assert_array_equal(film.times, every.times)
    assert len(film.numbers) > len(describer(six_shots, 2.0).times), "frames of the short scenes were added"
    for name in ("features", "handcrafted", "histograms", "grey"):
        np.testing.assert_allclose(getattr(film.frames, name), getattr(every, name)[film.numbers], atol=1e-6)


@pytest.mark.parametrize("rate", [None, 0.7, 2.0, 3.0, 19.0, 20.0, 50.0])
def test_sampled_pictures_are_those_of_the_stream_at_that_rate(six_shots, rate):
    expected = [time for time, _ in stream_frames(six_shots, rate, (224, 224))]
    everything = stream_frames(six_shots, None, (224, 224))
    got = list(film_module._sampled(everything, rate, film_module._tolerance(six_shots)))
    assert [time for _, time, _ in got] == expected
    times = [time for time, _ in stream_frames(six_shots)]
    assert [times[number] for number, _, _ in got] == expected


def test_one_decoding_serves_all_and_a_second_only_what_is_missing(six_shots, describer, monkeypatch):
    readings = []
    monkeypatch.setattr(
        film_module, "stream_frames", lambda *arguments: readings.append(arguments) or stream_frames(*arguments)
    )
    read_film(describer, six_shots, None)
    assert len(readings) == 1
    read_film(describer, six_shots, 2.0)
    assert len(readings) == 3


def test_a_fade_is_no_cut_and_its_frames_no_candidates(tmp_path, describer):
    film = read_film(describer, write_film(tmp_path / "fade.mp4", (40, 40), fade=12), None)
    assert [found.kind for found in film.transitions] in (["fade"], ["fade", "fade"])
    within = ~film.whole
    assert 8 <= within.sum() <= 26 and within[44:48].any() and not within[[5, 30, 70, 90]].any()
    chosen = key_frames.choose_from_film(film, METHODS["skm"].bounded(8), CoverageConfig())
    assert not within[chosen.indices].any()


def test_completed_key_frames_picture_every_shot(six_shots, describer):
    """At two pictures a second, whatever the method finds."""
    film = read_film(describer, six_shots, 2.0)
    for method in ("skm", "uniform"):
        chosen = key_frames.choose_from_film(film, METHODS[method].bounded(64), CoverageConfig())
        assert set(film.scene_of[chosen.indices].tolist()) == set(range(6))
        assert chosen.fidelity >= 0.65 - 1e-6
        assert chosen.represents.sum() == len(film.numbers)


def test_black_pictures_are_alike_whatever_their_noise_looks_like(tmp_path, describer):
    """Two black shots with faint marks at different places, around a picture: one black key frame, not two."""
    frames = np.concatenate([np.zeros((20, 48, 64, 3)), np.repeat(looks(0)[None], 20, 0), np.zeros((20, 48, 64, 3))])
    frames[:20, 4:6, 5:30] = 14
    frames[40:, 40:44, 40:60] = 14
    write_clip(tmp_path / "black.mp4", frames.astype(np.uint8), RATE, SILENCE, 16000)
    film = read_film(describer, tmp_path / "black.mp4", 4.0)
    assert len(film.scenes) == 3
    chosen = key_frames.choose_from_film(film, METHODS["skm"].bounded(64), CoverageConfig(farthest=0.9))
    assert film.scene_of[chosen.indices].tolist() == [0, 1]


def test_a_file_that_cannot_be_read(tmp_path, describer):
    (tmp_path / "none.mp4").write_bytes(b"nothing")
    with pytest.raises(MediaProblem):
        read_film(describer, tmp_path / "none.mp4", 2.0)
