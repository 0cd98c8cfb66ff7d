"""A small film in every kind of file that the readers know, the same bytes each time."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.codec.context import Flags

from avx.media.images import write_image

FRAMES, RATE, HEIGHT, WIDTH = 10, 25, 32, 48
SAMPLE_RATE = 22050


class Made(NamedTuple):
    """How a file is written.

    Attributes:
      pictures, sound: names of the encoders, "" for none.
      pixels: format of the pictures.
      options: of the muxer.
      pictures_options: of the picture encoder.
      interlaced: the pictures are flagged so.
    """

    pictures: str = ""
    sound: str = ""
    pixels: str = "yuv420p"
    options: dict[str, str] = {}  # noqa: RUF012 - a NamedTuple's defaults are no class attributes.
    pictures_options: dict[str, str] = {}  # noqa: RUF012
    interlaced: bool = False


X264 = {"preset": "veryfast", "x264-params": "mbtree=0:bframes=2"}
"""Without mbtree, which makes the bytes depend on where in memory the pictures lie."""
FILES = {
    "plain.mp4": Made("libx264", "aac", options={"movflags": "+faststart"}, pictures_options=X264),
    "fragments.mp4": Made("mpeg4", "aac", options={"movflags": "+frag_keyframe+empty_moov"}),
    "raw.mov": Made("mjpeg", "pcm_s16le", "yuvj420p"),
    "film.mkv": Made("libx264", "flac", pictures_options=X264),
    "pcm.mkv": Made("ffv1", "pcm_f32le", "bgr0"),
    "alpha.webm": Made("libvpx-vp9", "libopus", "yuva420p", pictures_options={"cpu-used": "8", "deadline": "realtime"}),
    "film.avi": Made("mpeg4", "mp2", pictures_options={"bf": "2"}),
    "plain.avi": Made("mjpeg", "pcm_s16le", "yuvj420p"),
    "fields.mpg": Made("mpeg2video", "mp2", interlaced=True),
    "film.ts": Made("mpeg2video", "ac3"),
    "film.flv": Made("flv", "libmp3lame"),
    "film.wmv": Made("wmv2", "wmav2"),
    "film.gif": Made("gif", pixels="rgb8"),
    "film.apng": Made("apng", pixels="rgba"),
    "film.nut": Made("mpeg4", "ac3"),
    "film.264": Made("libx264", pictures_options=X264),
    "sound.wav": Made(sound="pcm_s16le"),
    "floats.wav": Made(sound="pcm_f32le"),
    "sound.flac": Made(sound="flac"),
    "sound.mp3": Made(sound="libmp3lame"),
    "sound.aac": Made(sound="aac"),
    "sound.m4a": Made(sound="alac"),
    "sound.ogg": Made(sound="vorbis"),
    "sound.opus": Made(sound="libopus"),
    "sound.aiff": Made(sound="pcm_s16be"),
    "sound.caf": Made(sound="pcm_s16be"),
    "sound.w64": Made(sound="pcm_s16le"),
    "sound.wv": Made(sound="wavpack"),
}
FOLDERS = ("jpg", "png")
"""Folders of pictures with a sound file, by the suffix of the pictures."""


def write(folder: Path) -> None:
    """Writes the files and folders of the corpus."""
    for name, made in FILES.items():
        _write(folder / name, made)
    for suffix in FOLDERS:
        (folder / suffix).mkdir()
        for number, pixels in enumerate(_pictures(3)):
            write_image(folder / suffix / f"{number}.{suffix}", pixels)
        with wave.open(str(folder / suffix / "sound.wav"), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes((_tone()[: len(_tone()) // 2] * 32767).astype("<i2").tobytes())


def _pictures(count: int) -> list[np.ndarray]:
    """A bar that moves over a ramp."""
    ramp = np.linspace(20, 120, WIDTH * HEIGHT * 3).reshape(HEIGHT, WIDTH, 3).astype(np.uint8)
    pictures = [ramp.copy() for _ in range(count)]
    for number, pixels in enumerate(pictures):
        pixels[:, 4 * number : 4 * number + 6] = 220
    return pictures


def _tone() -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * 440 * np.arange(FRAMES * SAMPLE_RATE // RATE) / SAMPLE_RATE)).astype(np.float32)


def _write(path: Path, made: Made) -> None:
    with av.open(str(path), "w", options={"fflags": "+bitexact", **made.options}) as container:
        film = tone = None
        if made.pictures:
            film = container.add_stream(made.pictures, rate=RATE, options=made.pictures_options)
            film.height, film.width, film.pix_fmt = HEIGHT, WIDTH, made.pixels
            film.codec_context.thread_count = 1
            film.codec_context.flags |= Flags.bitexact
            if made.interlaced:
                film.codec_context.flags |= Flags.interlaced_dct | Flags.interlaced_me
            if "a" in made.pixels and path.suffix == ".webm":
                film.metadata["alpha_mode"] = "1"
        if made.sound:
            rate = 48000 if made.sound in ("libopus", "ac3") else SAMPLE_RATE
            layout = "stereo" if made.sound == "vorbis" else "mono"
            tone = container.add_stream(made.sound, rate=rate, layout=layout, options={"strict": "-2"})
            tone.codec_context.flags |= Flags.bitexact
            tone.codec_context.bit_rate = 32000
        if film is not None:
            for number, pixels in enumerate(_pictures(FRAMES)):
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=made.pixels)
                frame.pts, frame.time_base = number, Fraction(1, RATE)
                container.mux(film.encode(frame))
            container.mux(film.encode(None))
        if tone is not None:
            wanted = tone.codec_context
            resampler = av.AudioResampler(wanted.format.name, layout, wanted.sample_rate, wanted.frame_size or 1024)
            frame = av.AudioFrame.from_ndarray(_tone()[np.newaxis], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
            for converted in (*resampler.resample(frame), *resampler.resample(None)):
                container.mux(tone.encode(converted))
            container.mux(tone.encode(None))
