"""Times of pictures that are missing, swapped or start anew; recordings joined byte by byte."""

import io
import itertools

import av
import numpy as np
import pytest

from avx.media.decode import read_clip, stream_frames
from avx.media.picture_clock import PacketStamps
from avx.media.quarantine import Reason
from avx.media.remarks import Remarks

RATE = 16000


def read(source, **options):
    return read_clip(source, **({"clip_id": "c", "frame_rate": None, "size": None, "sample_rate": RATE} | options))


def reasons(clip) -> list[str]:
    return [reason for reason, _ in clip.remarks]


REORDERING = {
    "h264": ("libx264", {"x264-params": "bframes=3:b-adapt=0:scenecut=0"}),
    "h264 pyramid": ("libx264", {"x264-params": "bframes=7:b-adapt=0:b-pyramid=normal:scenecut=0"}),
    "xvid": ("mpeg4", {"bf": "2"}),
    "mpeg2": ("mpeg2video", {"bf": "2"}),
}


def check_order(clip, place_of_bar, frames=60):
    np.testing.assert_allclose(clip.frame_times, np.arange(frames) / 25, atol=1e-4)
    places = [place_of_bar(pixels) for pixels in clip.frames[:44]]
    np.testing.assert_allclose(places, 2 * np.arange(len(places)), atol=1)


@pytest.mark.parametrize("kind", REORDERING)
def test_pictures_of_an_avi_stand_in_order_and_start_at_0(tmp_path, encode, place_of_bar, kind):
    """AVI has no times of presentation; a demuxer's guesses are a picture late, and out of order for H.264."""
    codec, options = REORDERING[kind]
    path = encode(tmp_path / "x.avi", codec, "mp2", codec_options=options)
    clip = read(path)
    check_order(clip, place_of_bar)
    assert reasons(clip) == [Reason.REPAIRED_TIMES]
    np.testing.assert_array_equal([time for time, _ in stream_frames(path)], clip.frame_times)


@pytest.mark.parametrize("kind", REORDERING)
@pytest.mark.parametrize("name", ["x.mkv", "x.mp4"])
def test_swapped_times_are_put_in_order(tmp_path, encode, place_of_bar, kind, name):
    """What a copy from AVI into another container gives: the times of decoding as those of presentation."""
    codec, options = REORDERING[kind]
    path = encode(tmp_path / "x.avi", codec, codec_options=options)
    with av.open(str(path)) as source, av.open(str(tmp_path / name), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux():
            if packet.size:
                packet.pts, packet.stream = packet.dts, stream
                target.mux(packet)
    clip = read(tmp_path / name)
    check_order(clip, place_of_bar)
    assert reasons(clip) == [Reason.REPAIRED_TIMES]


def test_an_avi_without_reordering_keeps_its_times(tmp_path, encode, place_of_bar):
    clip = read(encode(tmp_path / "x.avi", "mpeg4"))
    check_order(clip, place_of_bar)
    assert clip.remarks == ()


@pytest.mark.parametrize(("name", "codec", "sound"), [("x.ts", "libx264", "aac"), ("x.mpg", "mpeg2video", "mp2")])
@pytest.mark.parametrize("copies", [2, 4])
def test_joined_recordings_go_on_in_step(tmp_path, encode, place_of_bar, name, codec, sound, copies):
    once = encode(tmp_path / name, codec, sound).read_bytes()
    whole, clip = read(once), read(once * copies)
    assert len(clip.frames) >= 60 * copies - copies  # A parser may lose one where files join.
    assert (np.diff(clip.frame_times) > 0).all()
    assert reasons(clip) == [Reason.REPAIRED_TIMES]
    seconds = len(clip.waveform) / RATE
    assert seconds == pytest.approx(copies * len(whole.waveform) / RATE, abs=0.1 * copies)
    assert clip.frame_times[-1] + 0.04 == pytest.approx(seconds, abs=0.15)
    starts = [time for time, pixels in zip(clip.frame_times, clip.frames, strict=True) if place_of_bar(pixels) == 0]
    steps = np.diff([starts[0], *[late for early, late in itertools.pairwise(starts) if late - early > 1]])
    assert len(steps) >= copies - 1 and np.ptp(steps[steps > 2]) < 0.05
    streamed = [time for time, _ in stream_frames(io.BytesIO(once * copies).getvalue())]
    np.testing.assert_array_equal(streamed, clip.frame_times)


def test_a_recording_that_starts_an_hour_later_by_its_clock_goes_on(tmp_path, encode):
    first = encode(tmp_path / "a.ts", "libx264", "aac").read_bytes()
    late = encode(tmp_path / "b.ts", "libx264", "aac", {"output_ts_offset": "3600"}).read_bytes()
    clip = read(first + late)
    assert len(clip.frames) == 120 and clip.frame_times[-1] < 5.1
    assert len(clip.waveform) / RATE == pytest.approx(clip.frame_times[-1], abs=0.2)
    assert reasons(clip) == [Reason.REPAIRED_TIMES]


def test_pictures_far_apart_are_no_join(tmp_path, write_media):
    """A lecture whose slide stands for a quarter of an hour; matroska files are not joined byte by byte."""
    grey = np.full((8, 8, 3), 90, np.uint8)
    path = write_media(tmp_path / "x.mkv", pictures=[(0, grey), (40, grey), (900_000, grey)])
    clip = read(path)
    np.testing.assert_allclose(clip.frame_times, [0, 0.04, 900])
    assert clip.remarks == ()


class Packet:
    def __init__(self, dts, pts=None, size=1, is_discard=False):
        self.dts, self.pts, self.size, self.is_discard = dts, pts, size, is_discard


def test_packet_stamps_by_hand():
    stamps = PacketStamps(True, 1)
    for dts in (0, 1):
        stamps.send(Packet(dts, pts=dts + 1))
    assert stamps.take(1) == 0
    stamps.send(Packet(2))
    assert stamps.take(1) == 1
    for dts in (3, 4):  # 3 repeats the picture before: the decoder gives nothing for it.
        stamps.send(Packet(dts))
    assert stamps.take(1) == 3
    stamps.send(Packet(5))
    stamps.lose()
    stamps.send(Packet(6, size=0))
    stamps.send(Packet(7, is_discard=True))
    assert [stamps.take(1), stamps.take(0), stamps.take(0)] == [4, 5, 6]


def test_the_first_remark_of_a_kind_stays():
    remarks = Remarks()
    remarks.add(Reason.REPAIRED_TIMES, "first")
    remarks.add(Reason.REPAIRED_TIMES, "second")
    others = Remarks([(Reason.BREAKS_OFF, "cut")], damaged_packets=2)
    remarks.take(others)
    assert remarks.entries() == (
        (Reason.REPAIRED_TIMES, "first"),
        (Reason.BREAKS_OFF, "cut"),
        (Reason.DAMAGED_PACKETS, "2 damaged packets were skipped"),
    )
