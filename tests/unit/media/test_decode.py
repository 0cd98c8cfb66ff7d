"""Clips from real and awkward files, and streams of any length in constant memory."""

import csv
import gc
import os
import tracemalloc
import wave

import av
import numpy as np
import pytest

from avx.media.decode import read_clip, stream_audio, stream_frames
from avx.media.encode import write_clip
from avx.media.probe import probe
from avx.media.quarantine import MediaProblem, Reason

RATE = 16000


def read(source, **options):
    options = {"clip_id": "c", "frame_rate": None, "size": None, "sample_rate": RATE} | options
    return read_clip(source, **options)


def reason_of(source, **options) -> Reason:
    with pytest.raises(MediaProblem) as problem:
        read(source, **options)
    return problem.value.reason


def check_invariants(clip):
    assert clip.frames.dtype == np.uint8 and clip.frames.shape == (len(clip.frame_times), *clip.frames.shape[1:3], 3)
    assert clip.frame_times.dtype == np.float64 and (np.diff(clip.frame_times) > 0).all()
    assert not len(clip.frame_times) or clip.frame_times[0] >= 0
    assert clip.waveform.dtype == np.float32 and clip.waveform.ndim == 1
    assert np.isfinite(clip.waveform).all() and np.abs(clip.waveform).max(initial=0) <= 1
    assert clip.has_video == (len(clip.frames) > 0) and clip.has_audio == (len(clip.waveform) > 0)


# File, upright (height, width), frames, start of the last frame, seconds of sound (None without a track), notes.
EDGE_CASES = [
    ("audio_only.mp4", None, 0, None, 15.836, ()),
    ("av1.mkv", (360, 640), 125, 4.96, None, ()),
    ("h265_10bit.mp4", (200, 200), 30, 29 / 30, None, ()),
    ("no_duration.webm", (720, 1280), 74, 4.872, 4.875, (Reason.SILENT_AUDIO,)),
    ("rms_zero.mp4", (240, 320), 209, 208 * 1001 / 30000, 7.0357, (Reason.SILENT_AUDIO,)),
    ("rotated_270.mov", (568, 320), 3, 2 / 30, None, ()),
    ("rotated_90.mov", (568, 320), 3, 2 / 30, None, ()),
    ("silent_track.mp4", (720, 1280), 280, 13.95, 13.899, (Reason.SILENT_AUDIO,)),
    ("very_short.mp4", (240, 320), 36, 1.16589, 1.1733, ()),
    ("vfr_short.mp4", (720, 1280), 25, 2.27984, 2.4165, ()),
    ("vp9_alpha.webm", (200, 200), 150, 4.967, 4.943, (Reason.SILENT_AUDIO,)),
]


@pytest.mark.parametrize(("name", "size", "count", "last", "sound", "notes"), EDGE_CASES)
def test_awkward_files_decode(real_data, name, size, count, last, sound, notes):
    path = real_data / "av_edge_cases" / name
    small = None if size is None else (size[0] // 8, size[1] // 8)
    clip = read(path, size=small)
    check_invariants(clip)
    assert len(clip.frames) == count
    if size is None:
        assert not clip.has_video
    else:
        assert clip.frames.shape[1:3] == small
        assert next(stream_frames(path))[1].shape == (*size, 3)
        assert clip.frame_times[-1] == pytest.approx(last, abs=1e-4)
    assert clip.has_audio == (sound is not None)
    assert len(clip.waveform) / RATE == pytest.approx(sound or 0, abs=1e-3)
    silent = clip.has_audio and bool(np.abs(clip.waveform).max() < 1e-4)
    assert silent == (notes == (Reason.SILENT_AUDIO,))


def test_damaged_files_are_refused_with_their_reason(real_data, tmp_path):
    cases = real_data / "av_edge_cases"
    assert reason_of(cases / "SOURCE.txt") is Reason.UNREADABLE
    assert reason_of(cases / "none.mp4") is Reason.MISSING_FILE
    assert reason_of(cases) is Reason.ZERO_FRAMES, "a folder counts as its pictures"
    assert reason_of(b"") is Reason.UNREADABLE
    assert reason_of(b"plain words " * 400) is Reason.UNREADABLE
    whole = (cases / "very_short.mp4").read_bytes()
    assert reason_of(whole[: len(whole) // 2]) in (Reason.UNREADABLE, Reason.TRUNCATED)
    assert reason_of(cases / "av1.mkv", audio_source=cases / "none.wav") is Reason.MISSING_FILE
    assert reason_of(cases / "very_short.mp4", size=(24, 32), audio_source=cases / "av1.mkv") is Reason.NO_AUDIO


def test_one_damaged_packet_of_fifty_is_skipped(real_data):
    path = real_data / "av_edge_cases/corrupted.mp4"
    for source in (path, path.read_bytes()):
        clip = read(source, size=36)
        check_invariants(clip)
        assert (len(clip.frames), clip.damaged_packets) == (49, 1)
        assert clip.remarks == ((Reason.DAMAGED_PACKETS, "1 damaged packet was skipped"),)


def test_lists_of_other_files_are_not_followed(tmp_path):
    clip = tmp_path / "clip.mp4"
    write_clip(clip, (np.zeros((16, 16, 3), np.uint8) for _ in range(5)), 5.0, np.zeros(0, np.float32), RATE)
    (tmp_path / "list.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9.0,\n{clip.as_uri()}\n#EXT-X-ENDLIST\n"
    )
    (tmp_path / "list.ffconcat").write_text("ffconcat version 1.0\nfile clip.mp4\n")
    assert reason_of(tmp_path / "list.m3u8") is Reason.UNREADABLE
    assert reason_of(tmp_path / "list.ffconcat") is Reason.UNREADABLE


def test_odd_file_names(tmp_path):
    for name in ("a:b.mp4", "concat:x.mp4", "100%d.mp4", "ü ?#.mp4"):
        write_clip(tmp_path / name, (np.zeros((16, 16, 3), np.uint8) for _ in range(5)), 5.0, np.zeros(0), RATE)
        assert len(read(tmp_path / name).frames) == 5


def test_the_dog_stands_upright_and_the_keyboard_reads(real_data):
    """Against the stored picture turned by hand, as the display matrices (seen on screen) ask."""
    for name, turns in (("rotated_90.mov", -1), ("rotated_270.mov", 1), ("vfr_short.mp4", 2)):
        path = real_data / "av_edge_cases" / name
        with av.open(str(path)) as container:
            stored = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
        ours = next(stream_frames(path))[1].astype(int)
        assert np.abs(ours - np.rot90(stored, turns)).mean() < 3
        assert np.abs(ours - np.rot90(stored, turns + 2)).mean() > 15


def test_a_pause_in_real_sound_is_kept(real_data):
    """This file's second packet of sound comes at 0.176 s; its samples alone are 0.155 s shorter than its clock."""
    clip = read(real_data / "av_edge_cases/vfr_short.mp4", size=(9, 16))
    pause = clip.waveform[round(0.03 * RATE) : round(0.17 * RATE)]
    assert np.abs(pause).max() == 0
    assert len(clip.waveform) / RATE == pytest.approx(108544 / 48000 + 0.155, abs=2e-3)


def test_probe_of_real_files(real_data):
    cases = real_data / "av_edge_cases"
    rotated = probe(cases / "rotated_90.mov")
    assert (rotated.rotation, rotated.height, rotated.width, rotated.video_codec) == (90, 568, 320, "h264")
    assert rotated.duration == pytest.approx(0.1) and rotated.frame_rate == 30 and not rotated.has_audio
    assert probe(cases / "rotated_270.mov").rotation == 270
    assert probe(cases / "vfr_short.mp4").rotation == 180
    unmeasured = probe(cases / "no_duration.webm")
    assert unmeasured.duration is None and unmeasured.audio_codec == "opus" and unmeasured.channels == 2
    sound = probe(cases / "audio_only.mp4")
    assert (sound.has_video, sound.has_audio, sound.sample_rate, sound.frame_rate) == (False, True, 44100, None)
    for path, reason in ((cases / "none.mp4", Reason.MISSING_FILE), (cases / "SOURCE.txt", Reason.UNREADABLE)):
        with pytest.raises(MediaProblem) as problem:
            probe(path)
        assert problem.value.reason is reason


def test_talking_faces(real_data):
    for path in sorted((real_data / "grid_av_speech").glob("*.mpg")):
        clip = read(path, size=(36, 45))
        check_invariants(clip)
        np.testing.assert_allclose(clip.frame_times, np.arange(75) / 25, atol=1e-4)
        assert len(clip.waveform) / RATE == pytest.approx(2.978, abs=1e-3)
        sampled = read(path, size=(36, 45), frame_rate=10.0, max_seconds=1.0)
        places = [0, 2, 5, 7, 10, 12, 15, 17, 20, 22]
        # Frames lie at multiples of 40 ms; on screen at 0, 100, 200 ... ms are those of 0, 80, 200 ... ms.
        np.testing.assert_allclose(sampled.frame_times, np.array(places) / 25, atol=1e-4)
        np.testing.assert_array_equal(sampled.frames, clip.frames[places])
        assert len(sampled.waveform) == RATE
        np.testing.assert_array_equal(sampled.waveform, clip.waveform[:RATE])


def test_sound_from_a_file_of_its_own(real_data):
    folder = real_data / "music_av"
    with (folder / "clips.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    for row in rows[::8]:
        clip = read(folder / row["video"], audio_source=folder / row["audio"])
        check_invariants(clip)
        assert len(clip.frames) == 3 and clip.has_audio
        np.testing.assert_allclose(clip.frame_times, np.arange(3) / 0.333, atol=1e-3)
        with wave.open(str(folder / row["audio"])) as file:
            seconds = file.getnframes() / file.getframerate()
        assert len(clip.waveform) / RATE == pytest.approx(seconds, abs=1e-3)
        assert np.sqrt(np.mean(clip.waveform**2)) == pytest.approx(float(row["audio_rms"]), rel=0.25)
        assert not read(folder / row["video"]).has_audio


SQUARED = {"with_audio/browser_ad.mp4": 228, "no_audio/arm_wrestling.mp4": 427}
"""Widths of clips whose stored pixels are not square; their table names the stored ones."""


@pytest.mark.slow
def test_all_real_clips_hold_what_their_table_says(real_data):
    folder = real_data / "av_clips"
    with (folder / "clips.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 42
    for row in rows:
        info = probe(folder / row["file"])
        assert (info.height, info.width) == (int(row["height"]), SQUARED.get(row["file"], int(row["width"])))
        clip = read(folder / row["file"], size=(56, 80))
        check_invariants(clip)
        assert abs(len(clip.frames) - int(row["frames"])) <= 1, row["id"]
        assert clip.frame_times[-1] == pytest.approx(float(row["video_s"]), abs=0.15), row["id"]
        assert clip.has_audio == (row["has_audio"] == "1")
        if clip.has_audio:
            assert len(clip.waveform) / RATE == pytest.approx(float(row["audio_s"]), abs=0.1), row["id"]
            level = np.sqrt(np.mean(clip.waveform**2))
            assert level == pytest.approx(float(row["audio_rms"]), rel=0.5, abs=0.01), row["id"]


def test_a_clip_without_what_it_needs_is_empty_there(tmp_path):
    content = write_clip(None, (np.zeros((16, 16, 3), np.uint8) for _ in range(5)), 5.0, np.zeros(0), RATE)
    clip = read(content, size=(8, 10))
    assert clip.frames.shape == (5, 8, 10, 3) and clip.waveform.shape == (0,) and not clip.has_audio
    with wave.open(str(tmp_path / "x.wav"), "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(RATE)
        file.writeframes(b"\1\2" * RATE)
    clip = read(tmp_path / "x.wav", size=(8, 10), max_seconds=0.25)
    assert clip.frames.shape == (0, 8, 10, 3) and clip.frame_times.shape == (0,) and len(clip.waveform) == RATE // 4
    assert not clip.has_video and clip.has_audio


def film(tmp_path, seconds: int):
    """A film whose every second has its own shade, and whose sound has its own level."""
    frames = (np.full((16, 16, 3), 40 + second % 160, np.uint8) for second in range(seconds) for _ in range(4))
    levels = np.repeat((np.arange(seconds) % 5 + 1) * 0.1, 8000)
    waveform = (levels * np.sin(np.arange(seconds * 8000) * 2 * np.pi * 500 / 8000)).astype(np.float32)
    path = tmp_path / f"{seconds}.mp4"
    write_clip(path, frames, 4.0, waveform, 8000)
    return path


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("samples", [1, 4])
def test_a_moment_of_sound_counts_as_none(tmp_path, write_media, rate, samples):
    moment = np.full((1, samples), 1000, np.int16)
    alone = write_media(tmp_path / "alone.wav", sound=moment, rate=rate)
    with pytest.raises(MediaProblem, match=r"no pictures, and less than 0\.001 s of sound") as problem:
        read(alone)
    assert problem.value.reason is Reason.TOO_SHORT
    pictures = [(40 * number, np.full((16, 16, 3), 50, np.uint8)) for number in range(3)]
    film = write_media(tmp_path / "film.mkv", pictures=pictures, sound=moment, rate=rate)
    clip = read(film)
    assert (len(clip.frames), clip.has_audio, len(clip.waveform)) == (3, False, 0)
    clip = read(write_media(tmp_path / "silent.mkv", pictures=pictures), audio_source=alone)
    assert (clip.has_video, clip.has_audio) == (True, False)


def test_a_header_without_sound_counts_as_none(tmp_path):
    with wave.open(str(tmp_path / "empty.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
    assert reason_of(tmp_path / "empty.wav") is Reason.TOO_SHORT


def test_ten_milliseconds_are_sound(tmp_path, write_media):
    clip = read(write_media(tmp_path / "short.wav", sound=np.full((1, 160), 1000, np.int16), rate=RATE))
    assert clip.has_audio and len(clip.waveform) == 160


def test_real_sound_files_without_sound_are_too_short(real_data):
    for name in ("wav_header_only.wav", "one_sample_44k.wav"):
        assert reason_of(real_data / "field_cases/wav_header_only" / name) is Reason.TOO_SHORT


def test_streams_hold_what_a_clip_holds(tmp_path):
    path = film(tmp_path, 12)
    clip = read(path, frame_rate=2.0, size=(8, 8), sample_rate=8000)
    streamed = list(stream_frames(path, frame_rate=2.0, size=(8, 8)))
    np.testing.assert_array_equal([time for time, _ in streamed], clip.frame_times)
    np.testing.assert_array_equal([pixels for _, pixels in streamed], clip.frames)
    np.testing.assert_allclose(clip.frame_times, np.arange(24) / 2, atol=1e-4)
    chunks = list(stream_audio(path, 8000, 5.0))
    assert [start for start, _ in chunks] == [0, 5, 10]
    assert {len(samples) for _, samples in chunks[:-1]} == {40000}
    np.testing.assert_array_equal(np.concatenate([samples for _, samples in chunks]), clip.waveform)


def live_peak(path) -> tuple[int, int, int]:
    """(peak bytes of Python's allocations, frames, samples) of streaming both tracks."""
    gc.collect()
    tracemalloc.start()
    frames = sum(1 for _ in stream_frames(path, frame_rate=None, size=(96, 96)))
    samples = sum(len(chunk) for _, chunk in stream_audio(path, 8000, 2.0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak, frames, samples


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def check_flat(tmp_path, short_seconds: int, long_seconds: int):
    short_peak, *_ = live_peak(film(tmp_path, short_seconds))
    long_film = film(tmp_path, long_seconds)
    before = resident_bytes()
    long_peak, frames, samples = live_peak(long_film)
    assert frames == 4 * long_seconds and samples >= 8000 * long_seconds
    assert long_peak < 1.5 * short_peak + 200_000
    # All pictures alone would be 27648 bytes each.
    assert long_peak < 27648 * frames / 20
    assert resident_bytes() - before < 64_000_000  # What the decoders hold outside Python.


def test_memory_stays_flat_over_minutes(tmp_path):
    check_flat(tmp_path, 20, 300)


@pytest.mark.slow
def test_memory_stays_flat_over_an_hour(tmp_path):
    check_flat(tmp_path, 60, 3600)


def test_an_abandoned_stream_closes_its_file(tmp_path):
    path = film(tmp_path, 5)
    opened = len(os.listdir("/proc/self/fd"))
    stream = stream_frames(path)
    next(stream)
    assert len(os.listdir("/proc/self/fd")) > opened
    stream.close()
    assert len(os.listdir("/proc/self/fd")) == opened
