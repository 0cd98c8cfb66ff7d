"""A muxer for files with every clock, track layout and orientation that the tests ask for."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest


def _write_media(
    path,
    *,
    pictures=(),
    codec="ffv1",
    codec_options=None,
    frame_rate=25,
    matrix=None,
    sound=None,
    layout="mono",
    rate=8000,
    sound_codec="pcm_s16le",
    sound_format="s16",
    jumps=None,
    options=None,
):
    """Writes pictures [(ms, (H, W, 3) uint8)] and sound (C, N) of `sound_format` as packed samples.

    `jumps` maps a sample number, a multiple of 80, to the ms at which the sound's clock stands there.
    """
    with av.open(str(path), "w", options=options or {}) as container:
        video = audio = None
        if pictures:
            video = container.add_stream(codec, rate=frame_rate, options=codec_options or {})
            video.height, video.width = pictures[0][1].shape[:2]
            video.pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
            video.codec_context.time_base = video.time_base = Fraction(1, 1000)
            if matrix is not None:
                video.set_display_matrix(matrix)
        if sound is not None:
            audio = container.add_stream(sound_codec, rate=rate, layout=layout)
        for milliseconds, pixels in pictures:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = milliseconds, Fraction(1, 1000)
            container.mux(video.encode(frame))
        if video is not None:
            container.mux(video.encode(None))
        if audio is not None:
            offset = 0
            for start in range(0, sound.shape[1], 80):
                if start in (jumps or {}):
                    offset = jumps[start] * rate // 1000 - start
                packed = np.ascontiguousarray(sound[:, start : start + 80].T.reshape(1, -1))
                frame = av.AudioFrame.from_ndarray(packed, format=sound_format, layout=layout)
                frame.sample_rate, frame.pts, frame.time_base = rate, start + offset, Fraction(1, rate)
                container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return path


def _encode(path, pictures=None, sound=None, options=None, frames=60, rate=44100, layout="mono", **video):
    """Writes a film of a moving bar at 25 frames a second and a tone of as many seconds by encoders of these names.

    `video` holds attributes of the picture encoder, such as its sample aspect ratio; its "options" go to the encoder.
    """
    encoder_options = video.pop("codec_options", {})
    size = video.pop("size", (64, 96))
    with av.open(str(path), "w", options=options or {}) as container:
        film = tone = None
        if pictures:
            film = container.add_stream(pictures, rate=25, options=encoder_options)
            film.height, film.width = size
            film.pix_fmt = video.pop("pix_fmt", "rgb8" if pictures == "gif" else "yuv420p")
            for name, value in video.items():
                setattr(film.codec_context, name, value)
        if sound:
            tone = container.add_stream(sound, rate=rate, layout=layout)
        if film is not None:
            for number, pixels in enumerate(moving_bar(frames, *size)):
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(film.encode(frame))
            container.mux(film.encode(None))
        if tone is not None:
            count = frames * rate // 25
            step = tone.codec_context.frame_size or 1024
            wanted = tone.codec_context.format.name
            noise = np.random.default_rng(0).normal(0, 0.02, count)
            samples = (0.3 * np.sin(2 * np.pi * 440 * np.arange(count) / rate) + noise).astype(np.float32)
            for start in range(0, count, step):
                part = np.tile(samples[np.newaxis, start : start + step], (2 if layout == "stereo" else 1, 1))
                frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
                frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
                for converted in av.AudioResampler(format=wanted, layout=layout, rate=rate).resample(frame):
                    converted.pts = start
                    container.mux(tone.encode(converted))
            container.mux(tone.encode(None))
    return path


def moving_bar(frames, height=64, width=96):
    """Pictures of a bright bar, two pixels further right in each, over noise that no encoder can leave out."""
    noise = np.random.default_rng(0)
    for number in range(frames):
        pixels = noise.integers(20, 60, (height, width, 3), dtype=np.uint8)
        place = 2 * number % (width - 8)
        pixels[:, place : place + 8] = 220
        yield pixels


def bar_place(pixels):
    """Where the bar begins, in pixels of a picture 96 wide."""
    return round(float(np.argmax(pixels.mean((0, 2)) > 120)) * 96 / pixels.shape[1])


@pytest.fixture
def write_media():
    return _write_media


@pytest.fixture
def encode():
    return _encode


@pytest.fixture
def place_of_bar():
    return bar_place
