"""Frame numbers from packets equal the order in which a decoder gives the frames."""

from fractions import Fraction

import av
import numpy as np
import pytest

from avx.extraction.frame_numbers import frame_numbers
from avx.media.decode import stream_frames
from avx.media.quarantine import MediaProblem, Reason

READABLE = ("av1.mkv", "h265_10bit.mp4", "no_duration.webm", "rotated_90.mov", "vfr_short.mp4", "vp9_alpha.webm")


def write_film(path, stamps):
    """Frames of growing brightness at the given 25ths of a second, in MPEG-4 with two reordered frames a group."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.codec_context.max_b_frames = 2
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        for number, stamp in enumerate(stamps):
            picture = av.VideoFrame.from_ndarray(np.full((16, 32, 3), 12 * number, np.uint8), format="rgb24")
            picture.pts, picture.time_base = stamp, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_reordered_frames_of_uneven_times(tmp_path, suffix):
    path = tmp_path / f"film{suffix}"
    stamps = [0, 1, 2, 3, 7, 8, 9, 10, 20, 21]
    write_film(path, stamps)
    with av.open(str(path)) as container:
        sent = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert sent != sorted(sent), "the film must have frames out of order, or counting packets would pass"
    times = [time for time, _ in stream_frames(path)]
    np.testing.assert_allclose(times, np.array(stamps) / 25, atol=1e-3)
    assert frame_numbers(path, np.array(times)).tolist() == list(range(10))
    # Of the frames on screen at 0, 0.2, 0.4, 0.6 and 0.8 s the third, shown until 0.8 s, is on screen twice.
    sampled = [time for time, _ in stream_frames(path, 5.0)]
    assert frame_numbers(path, np.array(sampled)).tolist() == [0, 3, 7, 8]


@pytest.mark.parametrize("name", READABLE)
def test_awkward_files_are_counted_as_they_are_decoded(real_data, name):
    path = real_data / "av_edge_cases" / name
    times = np.array([time for time, _ in stream_frames(path, None, (16, 16))])
    np.testing.assert_array_equal(frame_numbers(path, times), np.arange(len(times)))


def test_files_without_pictures(tmp_path, real_data):
    for path, reason in (
        (tmp_path / "none.mp4", Reason.MISSING_FILE),
        (real_data / "av_edge_cases" / "audio_only.mp4", Reason.NO_VIDEO),
    ):
        with pytest.raises(MediaProblem) as caught:
            frame_numbers(path, np.zeros(1))
        assert caught.value.reason == reason


@pytest.mark.parametrize(("suffix", "copies"), [(".avi", 1), (".ts", 3), (".m4v", 1)])
def test_frames_whose_times_are_repaired(tmp_path, suffix, copies):
    """AVI has times of decoding alone, joined streams start anew, and a bare stream has no times."""
    path = tmp_path / f"film{suffix}"
    write_film(path, list(range(12)))
    content = path.read_bytes() * copies
    times = [time for time, _ in stream_frames(content)]
    assert len(times) >= 12 * copies - copies
    assert frame_numbers(content, np.array(times)).tolist() == list(range(len(times)))
