"""Files that break off, in every container that states a length; and lengths that are guesses."""

import shutil

import av
import numpy as np
import pytest

from avx.media.decode import read_clip
from avx.media.lengths import breaks_off, missing_bytes
from avx.media.quarantine import MediaProblem, Reason

RATE = 16000
STATING = {
    "x.wav": (None, "pcm_s16le", {}),
    "rf64.wav": (None, "pcm_s16le", {"rf64": "always"}),
    "x.w64": (None, "pcm_s16le", {}),
    "x.aiff": (None, "pcm_s16be", {}),
    "x.au": (None, "pcm_s16be", {}),
    "x.caf": (None, "pcm_s16be", {}),
    "x.flac": (None, "flac", {}),
    "x.mp3": (None, "libmp3lame", {}),
    "x.mka": (None, "flac", {}),
    "x.avi": ("libx264", "mp2", {}),
    "plain.avi": ("mjpeg", None, {}),
    "x.mkv": ("libx264", "aac", {}),
    "x.webm": ("libvpx", None, {}),
    "x.flv": ("libx264", "aac", {}),
    "fast.mp4": ("libx264", "aac", {"movflags": "+faststart"}),
    "fragments.mp4": ("libx264", "aac", {"movflags": "frag_keyframe+empty_moov"}),
    "x.wmv": ("wmv2", None, {}),
    "x.rm": ("rv10", None, {}),
    "x.ivf": ("libvpx", None, {}),
    "x.gif": ("gif", None, {}),
    "x.mxf": ("mpeg2video", None, {}),
}
SILENT_ABOUT_IT = {"x.ts": ("libx264", "aac"), "x.mpg": ("mpeg2video", "mp2"), "x.opus": (None, "libopus")}


def read(source, **options):
    return read_clip(source, **({"clip_id": "c", "frame_rate": None, "size": None, "sample_rate": RATE} | options))


def made(encode, folder, name, pictures, sound, options) -> bytes:
    rate = 48000 if sound == "libopus" else 44100
    if pictures == "mjpeg":
        return encode(folder / name, pictures, sound, options, pix_fmt="yuvj420p").read_bytes()
    return encode(folder / name, pictures, sound, options, rate=rate).read_bytes()


@pytest.mark.parametrize("name", STATING)
def test_a_file_that_breaks_off_is_noticed(tmp_path, encode, name):
    whole = made(encode, tmp_path, name, *STATING[name])
    clip = read(whole)
    assert clip.remarks == () or [reason for reason, _ in clip.remarks] == [Reason.REPAIRED_TIMES]
    assert len(clip.frames) == (60 if STATING[name][0] else 0)
    assert missing_bytes(whole) == 0
    for share in (0.35, 0.5, 0.61, 0.8, 0.9):
        with pytest.raises(MediaProblem) as problem:
            read(whole[: int(share * len(whole))])
        assert problem.value.reason in (Reason.TRUNCATED, Reason.UNREADABLE), share
        if share > 0.5:
            assert problem.value.reason is Reason.TRUNCATED, share
    if name != "fragments.mp4":  # It holds all pictures, then all sound.
        early = read(whole[: int(0.8 * len(whole))], max_seconds=0.4)
        # The index of an mxf is at its end; without it the first picture is lost.
        wanted = (9, 10) if name == "x.mxf" else (10,) if STATING[name][0] else (0,)
        assert len(early.frames) in wanted, "what is asked for is whole"


@pytest.mark.parametrize("name", SILENT_ABOUT_IT)
def test_a_stream_without_a_length_that_ends_within_a_packet_is_used(tmp_path, encode, name):
    whole = made(encode, tmp_path, name, *SILENT_ABOUT_IT[name], {})
    assert read(whole).remarks == () and not breaks_off(whole)
    clip = read(whole[: int(0.6 * len(whole)) // 188 * 188 + 100])
    assert Reason.BREAKS_OFF in [reason for reason, _ in clip.remarks]
    assert 0.4 < len(clip.waveform) / RATE < 2.2


@pytest.mark.parametrize("sizes", [b"\0\0\0\0", b"\xff\xff\xff\xff"])
def test_a_piped_wav_states_no_length(tmp_path, encode, sizes):
    content = bytearray(encode(tmp_path / "x.wav", None, "pcm_s16le").read_bytes())
    place = content.index(b"data") + 4
    content[4:8] = content[place : place + 4] = sizes
    clip = read(bytes(content[: len(content) // 2]))
    assert clip.remarks == () and len(clip.waveform) / RATE == pytest.approx(1.2, abs=0.01)


def test_a_live_recording_states_no_length(tmp_path, encode):
    whole = encode(tmp_path / "x.mkv", "libx264", "aac", {"live": "1"}).read_bytes()
    assert missing_bytes(whole) == 0 == missing_bytes(whole[: len(whole) // 2])
    assert len(read(whole[: len(whole) // 2]).frames) > 10


@pytest.mark.parametrize(
    ("name", "codec", "options"), [("x.mp3", "libmp3lame", {"write_xing": "0"}), ("x.aac", "aac", {})]
)
def test_a_length_guessed_from_a_bit_rate_is_not_believed(tmp_path, name, codec, options):
    """Silence first: the bit rate at the start is a fraction of the later one, and the guess many times the length."""
    with av.open(str(tmp_path / name), "w", options=options) as container:
        variable = {"flags": "+qscale", "global_quality": "236"} if codec == "libmp3lame" else {}
        stream = container.add_stream(codec, rate=44100, layout="mono", options=variable)
        sound = np.random.default_rng(0).normal(0, 0.2, 8 * 44100).astype(np.float32).clip(-1, 1)
        sound[: 2 * 44100] = 0
        step = 1152
        for start in range(0, len(sound), step):
            frame = av.AudioFrame.from_ndarray(sound[np.newaxis, start : start + step], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44100, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.audio[0]
        assert float(stream.duration * stream.time_base) > 12  # The guess.
    clip = read(tmp_path / name)
    assert clip.remarks == () and len(clip.waveform) / RATE == pytest.approx(8, abs=0.1)


@pytest.mark.parametrize("name", ["x.mp4", "x.ts", "x.mkv", "x.flv"])
def test_each_track_has_its_own_start(tmp_path, write_media, name):
    """Three seconds of sound before the pictures are cut off; they do not make the sound too short."""
    frames = [(3000 + 40 * step, np.full((32, 32, 3), 90, np.uint8)) for step in range(75)]
    sound = (np.random.default_rng(0).normal(0, 3000, (1, 6 * 44100))).astype(np.int16)
    path = write_media(tmp_path / name, pictures=frames, codec="libx264", sound=sound, rate=44100, sound_codec="aac")
    clip = read(path)
    assert len(clip.frames) == 75 and len(clip.waveform) / RATE == pytest.approx(3, abs=0.1)
    assert clip.remarks == ()


def test_lengths_are_read_of_files_too(tmp_path, encode):
    path = encode(tmp_path / "x.wav", None, "pcm_s16le")
    cut = shutil.copy(path, tmp_path / "cut.wav")
    with open(cut, "r+b") as file:
        file.truncate(path.stat().st_size - 1000)
    assert (missing_bytes(path), missing_bytes(tmp_path / "cut.wav")) == (0, 1000)
