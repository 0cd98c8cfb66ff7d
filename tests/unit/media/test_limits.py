"""Files that ask for more than is sane: refused by their header, or decoded where memory and time are limited."""

import os
import struct
import subprocess
import sys
import wave

import av
import numpy as np
import pytest
from PIL import Image

from avx.core.errors import UserError
from avx.media import shelter, sound
from avx.media.decode import read_clip, stream_frames
from avx.media.images import read_image
from avx.media.limits import Limits, is_suspicious
from avx.media.probe import probe
from avx.media.quarantine import MediaProblem, Reason
from avx.media.remarks import Remarks
from configs import skm_embedding


def read(source, **options):
    return read_clip(source, **({"clip_id": "c", "frame_rate": None, "size": None, "sample_rate": 16000} | options))


def reason_of(source, **options) -> Reason:
    with pytest.raises(MediaProblem) as problem:
        read(source, **options)
    return problem.value.reason


def gif(width: int, height: int, frames: int = 1) -> bytes:
    """A gif of a few bytes a frame, whatever its size."""
    head = b"GIF89a" + struct.pack("<HH", width, height) + b"\xf0\0\0" + b"\0\0\0\xff\xff\xff"
    frame = b"!\xf9\x04\0\x0a\0\0\0," + struct.pack("<HHHH", 0, 0, width, height) + b"\0\x02\x02\x4c\x01\0"
    return head + frames * frame + b";"


def wav(rate: int, channels: int = 1, samples: int = 400) -> bytes:
    data = bytes(2 * channels * samples)
    form = struct.pack("<HHIIHH", 1, channels, rate, (rate * channels * 2) % (1 << 32), channels * 2, 16)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + len(data))
        + b"WAVEfmt \x10\0\0\0"
        + form
        + b"data"
        + struct.pack("<I", len(data))
        + data
    )


PEAK_OF_CHILDREN = """
import pathlib, resource, sys
from avx.media.decode import read_clip
from avx.media.quarantine import MediaProblem
try:
    read_clip(pathlib.Path(sys.argv[1]), clip_id="x", frame_rate=None, size=None, sample_rate=16000)
except MediaProblem as problem:
    print(problem.reason.value, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""A program of its own: the peak of this process's children is that of the largest that any test has started."""


@pytest.mark.parametrize("rate", [1_000_000, 134_228_753, 2**31 - 1])
def test_sample_rates_beyond_sense(rate):
    assert reason_of(wav(rate)) is Reason.TOO_LARGE
    with pytest.raises(MediaProblem) as problem:
        probe(wav(rate))
    assert str(rate) in problem.value.detail and "768000" in problem.value.detail


def test_rates_and_channels_within_the_limits_are_read():
    assert len(read(wav(192_000, samples=1920)).waveform) == 160
    assert len(read(wav(100, samples=100)).waveform) == pytest.approx(16000, abs=200)
    assert len(read(wav(48000, channels=24, samples=480)).waveform) == pytest.approx(160, abs=2)
    assert reason_of(wav(48000, channels=24), limits=Limits(channels=20)) is Reason.TOO_LARGE
    assert reason_of(wav(48000, channels=3000)) in (Reason.TOO_LARGE, Reason.UNREADABLE)


@pytest.mark.parametrize(("width", "height"), [(16000, 16000), (65535, 3000), (65535, 65535)])
def test_pictures_beyond_sense(width, height):
    assert reason_of(gif(width, height)) is Reason.TOO_LARGE
    with pytest.raises(MediaProblem) as problem:
        probe(gif(width, height))
    assert f"{width} x {height}" in problem.value.detail


def test_large_pictures_of_few_bytes_are_decoded_apart(tmp_path):
    """8000 x 8000 is allowed, but its decoder wants more memory than a suspicious file gets."""
    path = tmp_path / "large.gif"
    path.write_bytes(gif(8000, 8000))
    command = [sys.executable, "-c", PEAK_OF_CHILDREN, path]
    reason, kilobytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert reason == Reason.TOO_LARGE.value
    assert int(kilobytes) < 1 << 20
    clip = read(gif(2000, 1500, 3))
    assert clip.frames.shape == (3, 1500, 2000, 3)
    np.testing.assert_allclose(clip.frame_times, [0, 0.1, 0.2])


def test_the_other_process_gives_what_this_one_does(tmp_path, encode, monkeypatch):
    """Pictures, times and remarks, of files and of bytes, and problems with their reasons."""
    path = encode(tmp_path / os.fsdecode(b"caf\xe9.avi"), "libx264", "mp2", frames=20, codec_options={"bf": "2"})
    plain = read(path, size=32)
    asked = []
    real = shelter.pictures
    monkeypatch.setattr(shelter, "pictures", lambda *given: asked.append(given) or real(*given))
    monkeypatch.setattr("avx.media.pictures.is_suspicious", lambda *given: True)
    for source in (path, path.read_bytes()):
        apart = read(source, size=32)
        np.testing.assert_array_equal(apart.frames, plain.frames)
        np.testing.assert_array_equal(apart.frame_times, plain.frame_times)
        assert apart.remarks == plain.remarks != ()
        assert len(list(stream_frames(source, 5.0, (8, 8)))) == 4
    assert len(asked) == 4
    with pytest.raises(MediaProblem) as problem:
        read(path.read_bytes()[: path.stat().st_size // 2])
    assert problem.value.reason is Reason.TRUNCATED


def test_processor_time_is_limited():
    many = gif(3000, 3000, 3000)
    with pytest.raises(MediaProblem) as problem:
        for _ in shelter.pictures(many, "x.gif", 0.001, 8, None, 0.0, Limits(processor_seconds=1), Remarks()):
            pass
    assert problem.value.reason is Reason.TOO_LARGE and "processor time" in problem.value.detail


def test_a_decoder_that_crashes_is_the_files_problem(tmp_path, encode, monkeypatch):
    path = encode(tmp_path / "x.mp4", "libx264", frames=5)
    monkeypatch.setattr("avx.media.pictures.is_suspicious", lambda *given: True)
    monkeypatch.setattr(shelter, "_COMMAND", ["/bin/sh", "-c", "kill -SEGV $$"])
    with pytest.raises(MediaProblem) as problem:
        read(path)
    assert problem.value.reason is Reason.UNREADABLE and "crashed" in problem.value.detail


def test_an_abandoned_stream_ends_the_other_process(tmp_path, encode, monkeypatch):
    path = encode(tmp_path / "x.mp4", "libx264", frames=60)
    monkeypatch.setattr("avx.media.pictures.is_suspicious", lambda *given: True)
    started = []
    real = shelter.subprocess.Popen
    monkeypatch.setattr(
        shelter.subprocess, "Popen", lambda *given, **named: started.append(real(*given, **named)) or started[-1]
    )
    stream = stream_frames(path)
    next(stream)
    assert started[0].poll() is None
    stream.close()
    assert started[0].poll() is not None


def test_seconds_and_bytes_of_a_clip(tmp_path, encode):
    path = encode(tmp_path / "x.mp4", "libx264", "aac")
    assert reason_of(path, limits=Limits(seconds=1)) is Reason.TOO_LARGE
    assert len(read(path, limits=Limits(seconds=1.5), max_seconds=0.8).frames) == 20
    assert reason_of(path, limits=Limits(clip_bytes=100_000)) is Reason.TOO_LARGE
    with wave.open(str(tmp_path / "x.wav"), "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(16000)
        file.writeframes(bytes(64000))
    assert reason_of(tmp_path / "x.wav", limits=Limits(clip_bytes=100_000)) is Reason.TOO_LARGE
    assert reason_of(tmp_path / "x.wav", limits=Limits(seconds=1.5)) is Reason.TOO_LARGE


def test_still_pictures_have_limits(tmp_path):
    Image.new("1", (12000, 9000)).save(tmp_path / "x.png")
    with pytest.raises(MediaProblem) as problem:
        read_image(tmp_path / "x.png")
    assert problem.value.reason is Reason.TOO_LARGE and "12000 x 9000" in problem.value.detail
    Image.new("RGBA", (40, 1000), (200, 100, 0, 128)).save(tmp_path / "y.png")
    assert (read_image(tmp_path / "y.png") == [100, 50, 0]).all()
    with pytest.raises(MediaProblem):
        read_image(tmp_path / "y.png", Limits(pixels=39_999))


def test_what_is_suspicious():
    assert not is_suspicious(1280, 720, 1000) and not is_suspicious(3840, 2160, 100_000)
    assert is_suspicious(3840, 2160, 1000) and is_suspicious(7680, 4320, 10_000_000)


def test_limits_are_fields_of_the_config():
    assert Limits(**skm_embedding.get_config().decode.limits) == Limits()
    with pytest.raises(UserError, match=r"decode\.limits\.channels = 0 must be greater"):
        Limits(channels=0)


def test_sound_out_of_all_proportion_to_its_file():
    """Found by a mutant: a rate of 2 Hz makes an hour of 16 kHz out of 17 kilobytes."""
    with pytest.raises(MediaProblem) as problem:
        read(wav(1, samples=5000))
    assert problem.value.reason is Reason.TOO_LARGE and "10044 bytes give" in problem.value.detail
    limits = Limits()
    limits.check_samples(256 << 20, 1, "x.wav")
    limits.check_samples(1 << 30, 1 << 18, "x.wav")
    for size, stored in (((256 << 20) + 1, 1), ((1 << 30) + 1, 1 << 18), ((4 << 30) + 1, 1 << 40)):
        with pytest.raises(MediaProblem):
            limits.check_samples(size, stored, "x.wav")


def test_few_samples_a_second_are_converted_in_pieces():
    """A hundred samples at 1 Hz are 1.6 million at 16 kHz, of which no frame holds more than about a million."""
    signal = np.sin(np.arange(100)).astype(np.float32)
    pieces = list(sound._convert(iter([signal]), 1, 16000))
    assert sum(map(len, pieces)) == pytest.approx(1_600_000, abs=2)
    assert max(map(len, pieces)) <= 1.1 * sound._CONVERTED_PIECE


@pytest.mark.parametrize(("rate", "wanted"), [(8000, 16000), (44100, 16000), (48000, 8000), (2, 1000)])
def test_converted_samples_do_not_depend_on_the_pieces(monkeypatch, rate, wanted):
    signal = np.random.default_rng(0).normal(size=3000).astype(np.float32)
    whole = np.concatenate(list(sound._convert(iter([signal]), rate, wanted)))
    monkeypatch.setattr(sound, "_CONVERTED_PIECE", 700)
    np.testing.assert_array_equal(np.concatenate(list(sound._convert(iter([signal]), rate, wanted))), whole)


def test_samples_that_the_resampler_loses_are_no_silence(monkeypatch):
    """Without memory libavfilter gives nothing and raises nothing; the clip would be called too short."""
    real = av.AudioResampler

    class Poor:
        def __init__(self, **options):
            self.resample = lambda frame: []

    monkeypatch.setattr(sound.av, "AudioResampler", Poor)
    assert reason_of(wav(8000)) is Reason.TOO_LARGE
    monkeypatch.setattr(sound.av, "AudioResampler", real)
    for samples in (1, 2, 10, 33, 100):
        list(sound.iterate_sound(wav(8000, samples=samples), 16000))
