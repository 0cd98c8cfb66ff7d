"""The table of formats: a file of every suffix that a folder is searched for can be read, and names no other file."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from avx.data.folders import folder_clips
from avx.media import formats
from avx.media.container import open_media, video_stream
from avx.media.decode import read_clip

RATE = 48000
# Demuxer -> a muxer, a codec of pictures and one of sound that make a file of it.
WRITERS = {
    "mov": ("mp4", "mpeg4", "aac"),
    "matroska": ("matroska", "mpeg4", "flac"),
    "avi": ("avi", "mpeg4", "mp2"),
    "mpeg": ("vob", "mpeg2video", "mp2"),
    "mpegts": ("mpegts", "mpeg2video", "mp2"),
    "mpegvideo": ("mpeg2video", "mpeg2video", ""),
    "flv": ("flv", "flv", "libmp3lame"),
    "asf": ("asf", "wmv2", "wmav2"),
    "ogg": ("ogg", "libvpx", "flac"),
    "gif": ("gif", "gif", ""),
    "apng": ("apng", "apng", ""),
    "mxf": ("mxf", "mpeg2video", "pcm_s16le"),
    "nut": ("nut", "mpeg4", "mp2"),
    "ivf": ("ivf", "libvpx", ""),
    "rm": ("rm", "rv10", "ac3"),
    "wtv": ("wtv", "mpeg2video", "mp2"),
    "dv": ("dv", "dvvideo", ""),
    "yuv4mpegpipe": ("yuv4mpegpipe", "wrapped_avframe", ""),
    "h264": ("h264", "libx264", ""),
    "hevc": ("hevc", "libx265", ""),
    "obu": ("obu", "libsvtav1", ""),
    "wav": ("wav", "", "pcm_s16le"),
    "w64": ("w64", "", "pcm_s16le"),
    "flac": ("flac", "", "flac"),
    "mp3": ("mp3", "", "libmp3lame"),
    "aac": ("adts", "", "aac"),
    "ac3": ("ac3", "", "ac3"),
    "eac3": ("eac3", "", "eac3"),
    "aiff": ("aiff", "", "pcm_s16be"),
    "au": ("au", "", "pcm_s16be"),
    "caf": ("caf", "", "pcm_s16be"),
    "amr": ("amr", "", "libopencore_amrnb"),
    "wv": ("wv", "", "wavpack"),
    "tta": ("tta", "", "tta"),
    "voc": ("voc", "", "pcm_s16le"),
}
PIXELS = {"gif": "rgb8", "apng": "rgb24"}
NO_WRITER = {"dts", "ape", "tak", "mpc"}
"""Formats that libav reads and does not write."""
NO_CLOCK = {"h264", "hevc"}
"""Raw pictures without times: whether they can be placed is a matter of the clock, not of the format."""
CASES = [
    (row.name, column, suffix)
    for row in formats.TABLE
    if row.name not in NO_WRITER
    for column in ("video", "audio")
    for suffix in getattr(row, column).split()
]


def tone_of(rate):
    return (8000 * np.sin(np.arange(rate) * 2 * np.pi * 440 / rate)).astype(np.int16)


def write_by_hand(path, demuxer):
    """A second of a tone in one of the formats that libav only reads, and whose files are simple."""
    if demuxer == "nistsphere":
        fields = (
            "channel_count -i 1",
            "sample_rate -i 8000",
            "sample_n_bytes -i 2",
            "sample_byte_format -s2 01",
            "sample_count -i 8000",
            "sample_coding -s3 pcm",
        )
        header = "\n".join(("NIST_1A", "   1024", *fields, "end_head\n"))
        path.write_bytes(header.encode().ljust(1024) + tone_of(8000).astype("<i2").tobytes())
        return
    rate = 2822400  # DSD: one bit a sample, the share of ones says how high the wave stands.
    wave = 0.5 * np.sin(np.arange(rate) * 2 * np.pi * 440 / rate)
    ones = np.diff(np.floor(np.cumsum((wave + 1) / 2)), prepend=0) > 0
    content = np.packbits(ones, bitorder="little").tobytes()
    content += bytes(-len(content) % 4096)
    path.write_bytes(
        struct.pack("<4sQQQ", b"DSD ", 28, 92 + len(content), 0)
        + struct.pack("<4sQIIIIIIQII", b"fmt ", 52, 1, 0, 1, 1, rate, 1, rate, 4096, 0)
        + struct.pack("<4sQ", b"data", 12 + len(content))
        + content
    )


def write(path, muxer, pictures, sound):
    """A second of a grey picture that grows lighter, or of a tone."""
    with av.open(str(path), "w", format=muxer) as container:
        video = audio = None
        if pictures:
            video = container.add_stream(pictures, rate=25)
            video.width, video.height = (720, 576) if pictures == "dvvideo" else (176, 144)
            video.pix_fmt = PIXELS.get(pictures, "yuv420p")
        if sound:
            rate = 8000 if "amr" in sound else RATE
            audio = container.add_stream(sound, rate=rate, layout="mono")
            audio.bit_rate = 12200 if "amr" in sound else 64000
        for number in range(25 if video else 0):
            grey = np.full((video.height, video.width, 3), 20 + 8 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(video.encode(frame.reformat(format=video.pix_fmt)))
        if audio:
            tone = tone_of(rate)
            size = audio.codec_context.frame_size or 1024
            resampler = av.AudioResampler(format=audio.codec_context.format, layout="mono", rate=rate)
            for start in range(0, rate - size, size):
                frame = av.AudioFrame.from_ndarray(tone[None, start : start + size], format="s16", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
                for converted in resampler.resample(frame):
                    container.mux(audio.encode(converted))
        for stream in (video, audio):
            if stream:
                container.mux(stream.encode(None))


def test_libav_knows_every_demuxer_and_no_suffix_is_claimed_twice():
    for name in formats.FORMATS:
        av.format.ContainerFormat(name, "r")
    suffixes = [suffix for row in formats.TABLE for suffix in (row.video + " " + row.audio).split()]
    assert len(set(suffixes)) == len(suffixes) and all(suffix == suffix.lower() for suffix in suffixes)
    assert not {"m3u8", "mpd", "txt", "concat", "ffconcat", "sdp"} & set(suffixes)


@pytest.mark.parametrize(("demuxer", "column", "suffix"), CASES)
def test_a_file_of_every_suffix_is_found_and_read(tmp_path, demuxer, column, suffix):
    file = tmp_path / f"x.{suffix.upper()}"
    if demuxer in WRITERS:
        muxer, pictures, sound = WRITERS[demuxer]
        write(file, muxer, pictures if column == "video" else "", sound)
    else:
        sound = "by hand"
        write_by_hand(file, demuxer)
    clips = folder_clips(tmp_path)
    assert clips.files == (f"x.{suffix.upper()}",)
    if demuxer in NO_CLOCK:
        with open_media(file) as container:
            assert video_stream(container) is not None
        return
    clip = read_clip(clips.record(0).media, clip_id="x", frame_rate=None, size=(16, 16), sample_rate=8000)
    assert clip.has_video == (column == "video") and clip.has_audio == bool(sound)
    if clip.has_video:
        assert len(clip.frames) >= 24 and clip.frames[-1].mean() > clip.frames[0].mean() + 100
    if clip.has_audio:
        assert 0.7 < len(clip.waveform) / 8000 < 1.3 and np.abs(clip.waveform).max() > 0.1
