"""One file's faults stay its own: tags, names, errors of every class, damaged packets, joined and changing sound."""

import os
import wave

import av
import numpy as np
import pytest

from avx.core.errors import UserError
from avx.media import container
from avx.media.boundary import boundary
from avx.media.decode import read_clip, stream_audio, stream_frames
from avx.media.images import read_image
from avx.media.quarantine import MediaProblem, Reason

RATE = 16000


def read(source, **options):
    return read_clip(source, **({"clip_id": "c", "frame_rate": None, "size": None, "sample_rate": RATE} | options))


def reasons(clip) -> list[str]:
    return [reason for reason, _ in clip.remarks]


RAISED = [
    (UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "invalid"), Reason.UNREADABLE),
    (MemoryError(), Reason.TOO_LARGE),
    (av.error.MemoryError(12, "Cannot allocate memory"), Reason.TOO_LARGE),
    (PermissionError(13, "Permission denied"), Reason.UNREADABLE),
    (OSError(5, "Input/output error"), Reason.UNREADABLE),
    (OverflowError("too large"), Reason.UNREADABLE),
    (av.error.InvalidDataError(1, "Invalid data"), Reason.UNREADABLE),
    (RuntimeError("odd"), Reason.UNREADABLE),
    (KeyError("odd"), Reason.UNREADABLE),
]


@pytest.mark.parametrize(("error", "reason"), RAISED, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(
    "way", [read, lambda path: list(stream_frames(path)), lambda path: list(stream_audio(path, 8000, 1.0))]
)
def test_whatever_is_raised_becomes_the_files_problem(tmp_path, encode, monkeypatch, error, reason, way):
    path = encode(tmp_path / "x.mp4", "mpeg4", "aac", frames=3)

    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(container.av, "open", fail)
    with pytest.raises(MediaProblem) as problem:
        way(path)
    assert problem.value.reason is reason and problem.value.source == str(path)


def test_the_boundary_lets_a_persons_mistakes_and_interrupts_pass():
    for error in (UserError("say which"), KeyboardInterrupt(), GeneratorExit()):
        with pytest.raises(type(error)), boundary("x"):
            raise error


@pytest.mark.parametrize("name", ["x.mp4", "x.avi", "x.wav", "x.mkv", "x.flv"])
@pytest.mark.parametrize("title", [b"caf\xe9 \xff\xfe", "テスト".encode("shift-jis"), b"\xc3\x28\x80"])
def test_tags_in_any_encoding_do_no_harm(tmp_path, encode, name, title):
    placeholder = "@" * len(title)
    with_pictures = name != "x.wav"
    path = tmp_path / name
    sound = "pcm_s16le" if not with_pictures else "aac" if name != "x.avi" else "mp2"
    encode(path, "mpeg4" if name != "x.flv" else "flv", sound, frames=10) if with_pictures else encode(
        path, None, sound, frames=10
    )
    with av.open(str(path)) as source, av.open(str(tmp_path / f"tagged-{name}"), "w") as target:
        target.metadata["title"] = placeholder
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    content = (tmp_path / f"tagged-{name}").read_bytes()
    assert content.count(placeholder.encode()) == 1
    clip = read(content.replace(placeholder.encode(), title))
    assert len(clip.frames) == (10 if with_pictures else 0)
    assert len(clip.waveform) >= 0.38 * RATE


def test_names_that_are_no_utf8(tmp_path, encode):
    whole = encode(tmp_path / "x.mp4", "mpeg4", "aac", frames=5)
    name = os.fsencode(tmp_path) + b"/caf\xe9.mp4"
    os.rename(whole, name)
    assert len(read(tmp_path / os.fsdecode(b"caf\xe9.mp4")).frames) == 5
    with pytest.raises(MediaProblem) as problem:
        read(tmp_path / os.fsdecode(b"absent\xe9.mp4"))
    assert problem.value.reason is Reason.MISSING_FILE
    with pytest.raises(MediaProblem):
        read(tmp_path / "nul\0.mp4")


def spoiled(path, kind: str, number: int) -> bytes:
    """The file with a packet of one track overwritten."""
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as opened:
        packets = [packet for packet in opened.demux() if packet.size and packet.stream.type == kind]
        lost = bytes(packets[number])
    assert content.count(lost) == 1
    place = content.index(lost)
    content[place : place + len(lost)] = np.random.default_rng(5).bytes(len(lost))
    return bytes(content)


@pytest.mark.parametrize(
    ("name", "codec", "frame"),
    [("x.mp4", "aac", 1024), ("x.mp4", "alac", 4096), ("x.mkv", "aac", 1024), ("x.mka", "flac", 1152)],
)
def test_a_damaged_packet_of_sound_is_a_gap_of_its_own_length(tmp_path, encode, name, codec, frame):
    path = encode(tmp_path / name, None if name == "x.mka" else "libx264", codec, frames=50, rate=RATE)
    whole, clip = read(path), read(spoiled(path, "audio", 3))
    assert clip.damaged_packets == 1 and reasons(clip) == [Reason.DAMAGED_PACKETS]
    assert len(clip.waveform) == len(whole.waveform) and len(clip.frames) == len(whole.frames)
    apart = np.flatnonzero(clip.waveform != whole.waveform)
    # What was lost, and with it what a lapped transform or the filters of the resampler spread it to.
    assert frame // 2 <= len(apart) <= 2.5 * frame and np.ptp(apart) < 2.5 * frame
    assert np.abs(clip.waveform - whole.waveform)[apart[-1] + 1 :].max() == 0


def test_a_damaged_packet_of_pictures_leaves_the_others_their_times(tmp_path, encode):
    path = encode(tmp_path / "x.mkv", "mjpeg", "aac", frames=30, pix_fmt="yuvj420p")
    whole, clip = read(path), read(spoiled(path, "video", 7))
    assert clip.damaged_packets == 1
    np.testing.assert_array_equal(clip.frame_times, np.delete(whole.frame_times, 7))
    np.testing.assert_array_equal(clip.frames, np.delete(whole.frames, 7, 0))
    np.testing.assert_array_equal(clip.waveform, whole.waveform)


TAILS = {
    "zeros": bytes(4096),
    "noise": np.random.default_rng(1).bytes(4096),
    "html": b"<html>not found</html>" * 200,
    "id3v1": b"TAG" + bytes(125),
    "ape": b"APETAGEX" + (2000).to_bytes(4, "little") * 2 + bytes(300),
    "lyrics": b"LYRICSBEGIN" + b"IND0000200" + b"la " * 900 + b"002719LYRICS200",
}


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("place", ["before", "within", "after"])
@pytest.mark.parametrize("xing", ["0", "1"])
def test_an_mp3_with_something_else_in_it(tmp_path, encode, tail, place, xing):
    path = encode(tmp_path / "x.mp3", None, "libmp3lame", options={"write_xing": xing})
    content, junk = path.read_bytes(), TAILS[tail]
    at = {"before": 0, "within": len(content) // 2, "after": len(content)}[place]
    clip = read(content[:at] + junk + content[at:])
    assert len(clip.waveform) / RATE == pytest.approx(2.4, abs=0.15)
    # Noise may hold what looks like a packet of another rate.
    assert set(reasons(clip)) <= {Reason.DAMAGED_PACKETS, *([Reason.CHANGED_SOUND] if tail == "noise" else [])}
    assert np.sqrt(np.mean(clip.waveform**2)) == pytest.approx(0.21, abs=0.02)


@pytest.mark.parametrize(
    ("name", "codec"), [("x.mp3", "libmp3lame"), ("x.aac", "aac"), ("x.flac", "flac"), ("x.ac3", "ac3")]
)
def test_joined_sound_is_heard_to_its_end(tmp_path, encode, name, codec):
    content = encode(tmp_path / name, None, codec).read_bytes()
    once, twice = read(content), read(content + content)
    assert len(twice.waveform) == pytest.approx(2 * len(once.waveform), abs=0.06 * RATE)


def test_a_rate_and_a_layout_that_change_midway(tmp_path, encode):
    slow = encode(tmp_path / "slow.aac", None, "aac", rate=22050).read_bytes()
    fast = encode(tmp_path / "fast.aac", None, "aac", rate=48000, layout="stereo").read_bytes()
    first, second, both = read(slow), read(fast), read(slow + fast)
    assert Reason.CHANGED_SOUND in reasons(both)
    seconds = (len(first.waveform) + len(second.waveform)) / RATE
    assert len(both.waveform) / RATE == pytest.approx(seconds, abs=0.1)
    pitch = np.abs(np.fft.rfft(both.waveform[-RATE:])).argmax()
    assert pitch == 440  # Without a change of the rate the tone would be at 202 Hz.


@pytest.mark.parametrize("name", ["x.ts", "x.mpg"])
def test_a_track_that_appears_midway_leaves_the_other_whole(tmp_path, encode, name):
    pictures, sound = ("mpeg2video", "mp2") if name == "x.mpg" else ("libx264", "aac")
    alone = encode(tmp_path / f"a-{name}", pictures, frames=50).read_bytes()
    both = encode(tmp_path / f"b-{name}", pictures, sound, frames=50).read_bytes()
    clip = read(alone * 8 + both)
    assert len(clip.frames) >= 8 * 49 and (np.diff(clip.frame_times) > 0).all()


def test_what_yields_nothing_is_unreadable(tmp_path, encode):
    path = encode(tmp_path / "x.mp4", None, "aac", frames=10)
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 4
    with av.open(str(path)) as opened:
        end = max(packet.pos + packet.size for packet in opened.demux() if packet.size)
    content[start:end] = b"\xff" * (end - start)
    with pytest.raises(MediaProblem) as problem:
        read(bytes(content))
    assert problem.value.reason is Reason.UNREADABLE


@pytest.mark.parametrize("broken", ["audio", "video"])
def test_one_track_of_two_is_used_where_the_other_yields_nothing(tmp_path, encode, broken):
    path = encode(tmp_path / "x.mkv", "mjpeg", "aac", frames=10, pix_fmt="yuvj420p")
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as opened:
        for packet in opened.demux():
            if packet.size and packet.stream.type == broken:
                found = content.index(bytes(packet))
                content[found : found + packet.size] = b"\xff" * packet.size
    clip = read(bytes(content))
    assert (clip.has_video, clip.has_audio) == (broken == "audio", broken == "video")
    assert (len(clip.frames) > 0, len(clip.waveform) > 0) == (clip.has_video, clip.has_audio)
    assert Reason.DAMAGED_TRACK in reasons(clip)


def test_sound_without_a_sample_is_too_short(tmp_path):
    for count, rate in ((0, 8000), (1, 44100)):
        with wave.open(str(tmp_path / "x.wav"), "wb") as file:
            file.setnchannels(1), file.setsampwidth(2), file.setframerate(rate)
            file.writeframes(b"\1\2" * count)
        with pytest.raises(MediaProblem) as problem:
            read(tmp_path / "x.wav")
        assert problem.value.reason is Reason.TOO_SHORT


def test_pictures_that_are_no_pictures(tmp_path):
    for content in (b"", b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(50)):
        with pytest.raises(MediaProblem) as problem:
            read_image(content)
        assert problem.value.reason is Reason.UNREADABLE
