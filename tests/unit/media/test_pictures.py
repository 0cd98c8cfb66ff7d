"""Pictures: true times, sampling by time, orientation, alpha, antialiasing."""

import io
import itertools

import av
import numpy as np
import pytest
from PIL import Image

from avx.media.pictures import Shown, iterate_pictures, sample_by_time
from avx.media.quarantine import MediaProblem, Reason
from avx.media.remarks import Remarks

GREY = np.full((8, 12, 3), 128, np.uint8)


def marked(value: int) -> np.ndarray:
    return np.full((8, 12, 3), value, np.uint8)


def read(source, frame_rate=None, size=None, **options):
    items = list(iterate_pictures(source, frame_rate, size, **options))
    return [time for time, _ in items], [pixels for _, pixels in items]


def test_times_are_those_of_the_container_and_not_counted_frames(tmp_path, write_media):
    stamps = [0, 40, 250, 251, 900]
    path = write_media(tmp_path / "x.mkv", pictures=[(stamp, marked(stamp % 200)) for stamp in stamps])
    times, frames = read(path)
    np.testing.assert_allclose(times, np.array(stamps) / 1000, atol=1e-12)
    assert [frame[0, 0, 0] for frame in frames] == [0, 40, 50, 51, 100]  # ffv1 is lossless.
    counted = np.arange(5) / 25
    assert np.abs(np.array(times) - counted).max() > 0.5
    assert read(path.read_bytes())[0] == times


def test_times_start_with_the_track(tmp_path, write_media):
    path = write_media(tmp_path / "x.mkv", pictures=[(700, GREY), (740, GREY), (800, GREY)])
    np.testing.assert_allclose(read(path)[0], [0, 0.04, 0.1], atol=1e-12)


def test_reordered_pictures_come_in_order_of_presentation(tmp_path, write_media):
    ramp = [(50 * step, np.full((32, 32, 3), 10 + 8 * step, np.uint8)) for step in range(24)]
    reordering = {"x264-params": "bframes=3:b-adapt=0:scenecut=0"}
    path = write_media(tmp_path / "x.mp4", pictures=ramp, codec="libx264", codec_options=reordering)
    with av.open(str(path)) as container:
        stamps = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert stamps != sorted(stamps)  # The file really holds pictures out of order.
    times, frames = read(path)
    np.testing.assert_allclose(times, np.arange(24) * 0.05, atol=1e-9)
    assert (np.diff([frame.mean() for frame in frames]) > 0).all()


def intervals(starts, end):
    return [Shown(*times, place) for place, times in enumerate(itertools.pairwise([*starts, end]))]


def shown_by_definition(starts, end, frame_rate):
    """The pictures on screen at k / frame_rate, by search through all of them at every k."""
    starts = np.asarray(starts)
    slots = np.arange(0, int(end * frame_rate) + 2) / frame_rate
    on_screen = [np.flatnonzero(starts <= slot)[-1] for slot in slots if starts[0] <= slot < end]
    return sorted(set(on_screen))


@pytest.mark.parametrize("frame_rate", [0.5, 1.0, 3.0, 7.3, 25.0, 100.0])
@pytest.mark.parametrize("seed", range(4))
def test_sampling_matches_the_definition(frame_rate, seed):
    starts = np.cumsum(np.random.default_rng(seed).exponential(0.08, 60))
    starts -= starts[0] * (seed % 2)  # Also a track whose first picture is late.
    end = starts[-1] + 0.1
    shown = intervals(starts, end)
    chosen = [item.picture for item in sample_by_time(shown, frame_rate)]
    assert chosen == shown_by_definition(starts, end, frame_rate)


def test_sampling_by_hand():
    starts = [0.0, 0.3, 0.45, 1.2]
    shown = intervals(starts, 1.4)
    # At 2 per second: 0 s picture 0; 0.5 and 1.0 s picture 2, once; 1.5 s nothing any more.
    assert [item.picture for item in sample_by_time(shown, 2.0)] == [0, 2]
    # Nearest picture to 0.5 s would be 2 as well, but to 1.0 s it would be 3.
    assert [item.picture for item in sample_by_time(shown, 0.8)] == [0, 3]
    with pytest.raises(ValueError, match="positive"):
        list(sample_by_time(shown, 0.0))


def test_rounded_times_still_meet_their_slots(tmp_path, write_media):
    """At 30 per second Matroska writes 0.033, 0.067, 0.1; half the rate is every second picture."""
    stamps = [round(1000 * number / 30) for number in range(30)]
    path = write_media(tmp_path / "x.mkv", pictures=[(stamp, GREY) for stamp in stamps], frame_rate=30)
    times, _ = read(path, frame_rate=15.0)
    np.testing.assert_allclose(times, np.array(stamps[::2]) / 1000, atol=1e-12)
    assert len(read(path, frame_rate=30.0)[0]) == 30


def test_max_seconds_cuts_before_the_time(tmp_path, write_media):
    path = write_media(tmp_path / "x.mkv", pictures=[(100 * step, GREY) for step in range(10)])
    np.testing.assert_allclose(read(path, max_seconds=0.3)[0], [0, 0.1, 0.2])
    np.testing.assert_allclose(read(path, frame_rate=5.0, max_seconds=0.5)[0], [0, 0.2, 0.4])


# Rows (a, b, c, d) of the display matrix, which sends (x right, y down) to (a x + c y, b x + d y), and what becomes
# of the stored array.
ORIENTATIONS = {
    "upright": ((1, 0, 0, 1), lambda stored: stored),
    "quarter turn clockwise": ((0, 1, -1, 0), lambda stored: np.rot90(stored, -1)),
    "half turn": ((-1, 0, 0, -1), lambda stored: np.rot90(stored, 2)),
    "quarter turn anticlockwise": ((0, -1, 1, 0), lambda stored: np.rot90(stored, 1)),
    "mirror": ((-1, 0, 0, 1), lambda stored: stored[:, ::-1]),
    "upside down": ((1, 0, 0, -1), lambda stored: stored[::-1]),
    "transposed": ((0, 1, 1, 0), lambda stored: stored.transpose(1, 0, 2)),
    "other diagonal": ((0, -1, -1, 0), lambda stored: stored[::-1, ::-1].transpose(1, 0, 2)),
}


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_pictures_are_turned_upright(tmp_path, write_media, name):
    (a, b, c, d), turn = ORIENTATIONS[name]
    one = 1 << 16
    matrix = (a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    stored = np.zeros((32, 48, 3), np.uint8)
    stored[:16, :16] = 250  # One bright corner; no two orientations look alike, with the strip below it.
    stored[16:, :16] = 90
    path = write_media(tmp_path / "x.mp4", pictures=[(0, stored), (40, stored)], codec="libx264", matrix=matrix)
    _, frames = read(path)
    assert frames[0].shape == turn(stored).shape
    np.testing.assert_allclose(frames[0].astype(int), turn(stored), atol=12)
    _, resized = read(path, size=(20, 30))
    assert resized[0].shape == (20, 30, 3)
    _, in_proportion = read(path, size=16)
    assert in_proportion[0].shape == ((16, 24, 3) if turn(stored).shape == stored.shape else (24, 16, 3))
    np.testing.assert_allclose(in_proportion[0].astype(int), turn(stored)[::2, ::2], atol=12)


def test_resizing_averages_instead_of_skipping(tmp_path, write_media):
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    path = write_media(tmp_path / "x.mkv", pictures=[(0, stripes)])
    _, frames = read(path, size=(16, 16))
    np.testing.assert_allclose(frames[0].astype(int), 127, atol=2)
    assert set(np.unique(stripes[::4, ::4])) == {255}  # What skipping would give.


def test_resizing_is_close_to_the_box_filter_of_pillow(tmp_path, write_media):
    smooth = np.random.default_rng(0).integers(0, 256, (12, 18, 3), dtype=np.uint8).repeat(5, 0).repeat(5, 1)
    path = write_media(tmp_path / "x.mkv", pictures=[(0, smooth)])
    _, frames = read(path, size=(20, 30))
    reference = np.asarray(Image.fromarray(smooth).resize((30, 20), Image.Resampling.BOX)).astype(int)
    difference = np.abs(frames[0].astype(int) - reference)
    assert difference.mean() < 3
    wrong = np.asarray(Image.fromarray(smooth).resize((30, 20), Image.Resampling.BOX).transpose(1)).astype(int)
    assert np.abs(frames[0].astype(int) - wrong).mean() > 30


def test_a_track_that_shrinks_midway_keeps_the_size_of_its_first_frame(tmp_path):
    pieces = []
    for side in (64, 32):
        with av.open(str(tmp_path / f"{side}.ts"), "w") as container:
            video = container.add_stream("mpeg2video", rate=25)
            video.height = video.width = side
            for number in range(5):
                frame = av.VideoFrame.from_ndarray(np.full((side, side, 3), 100, np.uint8), format="rgb24")
                frame.pts = number + (5 if side == 32 else 0)
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        pieces.append((tmp_path / f"{side}.ts").read_bytes())
    (tmp_path / "both.ts").write_bytes(b"".join(pieces))
    _, frames = read(tmp_path / "both.ts")
    assert {frame.shape for frame in frames} == {(64, 64, 3)}
    assert len(frames) >= 9  # The parser loses one where the files join.


def test_alpha_lies_over_black(real_data):
    path = real_data / "av_edge_cases/vp9_alpha.webm"
    _, frames = read(path, frame_rate=1.0)
    with av.open(str(path)) as container:
        plain = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert max(frame[0, 0].max() for frame in frames) == 0
    assert max(frame.max() for frame in frames) > 200  # The ball is there.
    opaque = [np.count_nonzero(frame.max(-1) > 16) for frame in frames]
    assert max(opaque) < 0.05 * 200 * 200
    assert plain.shape == (200, 200, 3)


def test_alpha_of_a_gif_by_hand():
    still = Image.new("RGBA", (4, 2), (255, 0, 0, 255))
    still.putpixel((0, 0), (0, 255, 0, 0))
    content = io.BytesIO()
    still.save(content, "GIF")
    _, frames = read(content.getvalue())
    assert frames[0][0, 0].tolist() == [0, 0, 0]
    np.testing.assert_allclose(frames[0][1, 3], [255, 0, 0], atol=1)


def test_of_two_pictures_at_one_instant_the_first_stays(tmp_path, write_media):
    frames = [(0, marked(0)), (40, marked(40)), (80, marked(80))]
    content = bytearray(write_media(tmp_path / "x.mkv", pictures=frames).read_bytes())
    # SimpleBlock: id A3, size, track 81, then the block's time in ms as 16 bits.
    places = [place for place in range(len(content) - 4) if content[place : place + 3] == b"\x81\x00\x50"]
    assert len(places) == 1
    content[places[0] + 2] = 40
    remarks = Remarks()
    times, pixels = read(bytes(content), remarks=remarks)
    np.testing.assert_allclose(times, [0, 0.04], atol=1e-12)
    assert [frame[0, 0, 0] for frame in pixels] == [0, 40]
    assert remarks.entries() == ((Reason.REPAIRED_TIMES, "1 pictures at the instant of another are left out"),)


def test_pictures_without_a_clock_are_counted(tmp_path, encode, place_of_bar):
    path = encode(tmp_path / "x.h264", "libx264", frames=20, codec_options={"bf": "2"})
    remarks = Remarks()
    times, pixels = read(path, remarks=remarks)
    np.testing.assert_allclose(times, np.arange(20) / 25, atol=1e-5)
    np.testing.assert_allclose([place_of_bar(frame) for frame in pixels], 2 * np.arange(20), atol=1)
    assert [reason for reason, _ in remarks.entries()] == [Reason.REPAIRED_TIMES]


def test_no_pictures_and_zero_frames(tmp_path, write_media):
    sound = np.zeros((1, 800), np.int16)
    with pytest.raises(MediaProblem) as problem:
        read(write_media(tmp_path / "x.wav", sound=sound))
    assert problem.value.reason is Reason.NO_VIDEO
    with av.open(str(tmp_path / "empty.avi"), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.height = video.width = 32
        container.start_encoding()
    with pytest.raises(MediaProblem) as problem:
        read(tmp_path / "empty.avi")
    assert problem.value.reason is Reason.ZERO_FRAMES


def test_a_file_that_breaks_off_is_noticed(tmp_path, write_media):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    path = write_media(
        tmp_path / "x.mp4",
        pictures=[(100 * step, np.roll(noise, step, 0)) for step in range(50)],
        codec="libx264",
        options={"movflags": "+faststart"},
    )
    whole = path.read_bytes()
    assert len(read(whole)[0]) == 50
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    between, inside = sum(packets[30]), sum(packets[30]) + packets[31][1] // 2
    for length, reasons in ((between, {Reason.TRUNCATED}), (inside, {Reason.TRUNCATED, Reason.UNREADABLE})):
        with pytest.raises(MediaProblem) as problem:
            read(whole[:length])
        assert problem.value.reason in reasons
        assert len(read(whole[:length], max_seconds=1.0)[0]) == 10  # What is asked for is whole.
