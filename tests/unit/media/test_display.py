"""Which track is read, and how its pictures and channels are shown: pixel shape, fields, colours, cancelled mixes."""

from fractions import Fraction

import av
import av.filter
import numpy as np
import pytest
from av.codec.context import Flags
from av.stream import Disposition

from avx.media.decode import read_clip
from avx.media.mix import full_scale_of
from avx.media.pixels import Display
from avx.media.probe import probe
from avx.media.quarantine import Reason

RATE = 16000


def read(source, **options):
    return read_clip(source, **({"clip_id": "c", "frame_rate": None, "size": None, "sample_rate": RATE} | options))


def tone(frequency, count=2 * RATE):
    return (0.25 * np.sin(2 * np.pi * frequency * np.arange(count) / RATE)).astype(np.float32)[np.newaxis]


def write_tracks(path, films, tones):
    """Writes tracks [(codec, (T, H, W, 3), disposition)] and [(waveform (1, N), disposition)]."""
    with av.open(str(path), "w") as container:
        streams = []
        for codec, frames, disposition in films:
            stream = container.add_stream(codec, rate=25)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.disposition = disposition
            streams.append((stream, [av.VideoFrame.from_ndarray(frame, format="rgb24") for frame in frames]))
        for waveform, disposition in tones:
            stream = container.add_stream("aac", rate=RATE, layout="mono")
            stream.disposition = disposition
            frame = av.AudioFrame.from_ndarray(waveform, format="fltp", layout="mono")
            frame.sample_rate = RATE
            streams.append((stream, [frame]))
        for stream, frames in streams:
            for number, frame in enumerate(frames):
                if isinstance(frame, av.VideoFrame):
                    frame.pts, frame.time_base = number, Fraction(1, 25)
                else:
                    frame.pts, frame.time_base = 0, Fraction(1, RATE)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


NONE = Disposition(0)
TRACKS = {
    "the first of equals": ((440, Disposition.default), (880, Disposition.default), 440),
    "the default": ((440, NONE), (880, Disposition.default), 880),
    "the first where none is": ((440, NONE), (880, NONE), 440),
    "no commentary": ((440, Disposition.comment), (880, NONE), 880),
    "no description for the blind": ((440, Disposition.visual_impaired), (880, NONE), 880),
    "a marked first": ((440, Disposition.default), (880, NONE), 440),
}


@pytest.mark.parametrize("case", TRACKS)
def test_the_default_track_of_sound_is_heard(tmp_path, case):
    (first, one), (second, other), expected = TRACKS[case]
    film = [("libx264", np.full((10, 32, 32, 3), 90, np.uint8), Disposition.default)]
    clip = read(write_tracks(tmp_path / "x.mkv", film, [(tone(first), one), (tone(second), other)]))
    assert np.abs(np.fft.rfft(clip.waveform[:RATE])).argmax() == expected


THUMBNAILS = {
    "x.mp4": (Disposition.attached_pic, Disposition.default),
    "y.mp4": (NONE, Disposition.default),
    "x.mkv": (NONE, Disposition.default),
    "z.mp4": (Disposition.default, Disposition.default),
}


@pytest.mark.parametrize("name", THUMBNAILS)
def test_a_thumbnail_is_not_the_film(tmp_path, name):
    small, film = np.full((1, 16, 16, 3), 200, np.uint8), np.full((10, 48, 64, 3), 90, np.uint8)
    still, moving = THUMBNAILS[name]
    path = write_tracks(tmp_path / name, [("mjpeg", small, still), ("libx264", film, moving)], [])
    assert read(path).frames.shape == (10, 48, 64, 3)
    assert (probe(path).height, probe(path).width) == (48, 64)


def test_a_film_of_one_picture_is_read_where_there_is_no_other(tmp_path, encode):
    assert read(encode(tmp_path / "x.mp4", "libx264", frames=1)).frames.shape == (1, 64, 96, 3)


SHAPES = {
    "x.mp4": ("libx264", Fraction(2), (64, 192)),
    "y.mp4": ("libx264", Fraction(1, 2), (64, 48)),
    "x.mkv": ("libx264", Fraction(4, 3), (64, 128)),
    "x.avi": ("mpeg4", Fraction(2), (64, 192)),
    "x.ts": ("libx264", Fraction(3, 2), (64, 144)),
    "z.mp4": ("libx264", Fraction(96, 97), (64, 96)),  # An encoder's rounding.
}


@pytest.mark.parametrize("name", SHAPES)
def test_pixels_are_made_square(tmp_path, encode, place_of_bar, name):
    codec, shape, size = SHAPES[name]
    path = encode(tmp_path / name, codec, frames=12, sample_aspect_ratio=shape)
    clip = read(path)
    assert clip.frames.shape == (12, *size, 3)
    assert (probe(path).height, probe(path).width) == size
    assert abs(place_of_bar(clip.frames[10]) - 20) <= 2
    shorter = read(path, size=24).frames.shape[1:3]
    assert min(shorter) == 24 and shorter[1] / shorter[0] == pytest.approx(size[1] / size[0], rel=0.03)
    assert read(path, size=(10, 30)).frames.shape[1:3] == (10, 30)


def test_display_by_hand():
    turned = Display(Fraction(2), True, False, True)
    assert (turned.square_size(30, 40), turned.upright_size(30, 40), turned.rotation) == ((30, 80), (80, 30), 90)
    assert Display(Fraction(1, 1000)).square_size(30, 40) == (30, 40)
    assert Display(None, False, True, True).rotation == 180


def interlaced(count, height=64, width=96):
    """Pictures whose odd rows show the bar half a picture later."""
    for number in range(count):
        pixels = np.full((height, width, 3), 30, np.uint8)
        for field in range(2):
            place = 4 * number + 2 * field
            pixels[field::2, place : place + 8] = 220
        yield pixels


def with_first_field(frames, order):
    """Marks frames as interlaced, with the top or the bottom field first."""
    graph = av.filter.Graph()
    source = graph.add_buffer(width=96, height=64, format="yuv420p", time_base=Fraction(1, 25))
    marked, sink = graph.add("setfield", order), graph.add("buffersink")
    source.link_to(marked)
    marked.link_to(sink)
    graph.configure()
    for frame in frames:
        graph.push(frame.reformat(format="yuv420p"))
        yield graph.pull()


@pytest.mark.parametrize(("order", "first"), [("tff", 0), ("bff", 2)])
@pytest.mark.parametrize(
    ("name", "codec", "options", "flags"),
    [
        ("x.mp4", "libx264", {"crf": "5"}, Flags.interlaced_dct),
        ("x.mpg", "mpeg2video", {"b": "8000k"}, Flags.interlaced_dct | Flags.interlaced_me),
        ("plain.mp4", "libx264", {"crf": "5"}, 0),
    ],
)
def test_flagged_fields_become_pictures(tmp_path, name, codec, options, flags, order, first):
    frames = [av.VideoFrame.from_ndarray(pixels, format="rgb24") for pixels in interlaced(20)]
    for number, frame in enumerate(frames):
        frame.pts, frame.time_base = number, Fraction(1, 25)
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        stream.codec_context.flags |= flags
        for frame in with_first_field(frames, order):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    clip = read(tmp_path / name)
    assert len(clip.frames) == 20
    np.testing.assert_allclose(clip.frame_times, np.arange(20) / 25, atol=1e-4)
    combs = np.abs(np.diff(clip.frames[5].astype(int), axis=0)).mean()
    if name == "plain.mp4":  # Without the flag the same pictures are left alone.
        assert combs > 5
        return
    assert combs < 0.5
    places = [np.argmax(pixels.mean((0, 2)) > 120) for pixels in clip.frames]
    np.testing.assert_allclose(places[1:], 4 * np.arange(1, 20) + first, atol=1)


@pytest.mark.parametrize(
    ("height", "width", "tagged", "read_as"), [(720, 1280, False, 1), (576, 720, False, 5), (720, 1280, True, 5)]
)
def test_untagged_high_definition_is_bt709(tmp_path, height, width, tagged, read_as):
    """Pure green by one matrix: read by the other it is off by some thirty levels."""
    path = tmp_path / "x.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "5"})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        if tagged:
            stream.codec_context.colorspace = read_as
        luma, blue, red = {1: (134, 63, 47), 5: (111, 73, 59)}[read_as]  # (0, 170, 0) in limited range.
        planes = np.concatenate([
            np.full(height * width, luma, np.uint8),
            np.full(height * width // 4, blue, np.uint8),
            np.full(height * width // 4, red, np.uint8),
        ])  # fmt: skip
        frame = av.VideoFrame.from_ndarray(planes.reshape(height * 3 // 2, width), format="yuv420p")
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    mean = read(path, size=(36, 64)).frames[0].reshape(-1, 3).mean(0)
    wrong = {1: 5, 5: 1}[read_as]
    matrix = {1: (1.164, 0.0, 1.793, -0.213, -0.533, 2.112), 5: (1.164, 0.0, 1.596, -0.392, -0.813, 2.017)}

    def by(space):
        scale, _, to_red, blue_to_green, red_to_green, to_blue = matrix[space]
        y, u, v = scale * (luma - 16), blue - 128, red - 128
        return np.clip([y + to_red * v, y + blue_to_green * u + red_to_green * v, y + to_blue * u], 0, 255)

    np.testing.assert_allclose(mean, by(read_as), atol=4)
    assert np.abs(by(wrong) - by(read_as)).max() > 15


@pytest.mark.parametrize(
    ("name", "codec"), [("x.wav", "pcm_s16le"), ("x.mp4", "aac"), ("x.mp3", "libmp3lame"), ("x.flac", "flac")]
)
def test_channels_that_cancel_are_not_silent(tmp_path, write_media, name, codec):
    """A lossy coder leaves a rest of the mix, far below the channels."""
    signal = np.round(8000 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.int16)
    signal += np.random.default_rng(0).integers(-900, 900, RATE, dtype=np.int16)
    path = write_media(
        tmp_path / name, sound=np.stack([signal, -signal]), layout="stereo", rate=RATE, sound_codec=codec
    )
    clip = read(path)
    assert np.sqrt(np.mean(clip.waveform**2)) == pytest.approx(np.sqrt(np.mean((signal / 32768.0) ** 2)), rel=0.1)
    assert [reason for reason, _ in clip.remarks] == [Reason.CANCELLED_MIX]


@pytest.mark.parametrize("level", [0, 3, 300])
def test_quiet_channels_that_do_not_cancel_are_mixed(tmp_path, write_media, level):
    left = np.round(level * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.int16)
    path = write_media(tmp_path / "x.wav", sound=np.stack([left, 0 * left]), layout="stereo", rate=RATE)
    clip = read(path)
    np.testing.assert_allclose(clip.waveform, left / 65536, atol=1e-7)
    assert clip.remarks == ()


def test_bass_effects_are_not_heard_in_place_of_a_quiet_mix(tmp_path, write_media):
    signal = np.full((6, 1600), 50, np.int16)
    signal[3] = 20000
    clip = read(write_media(tmp_path / "x.wav", sound=signal, layout="5.1", rate=RATE))
    np.testing.assert_allclose(clip.waveform, 50 / 32768, atol=1e-6)
    assert clip.remarks == ()


def test_full_scales_by_hand():
    peaks = (0.3, 1.0, 1.01, 128.0, 129.0, 32768.0, 40000.0, 2.0**31, 1e12)
    assert [full_scale_of(peak) for peak in peaks] == [1, 1, 1.01, 128, 32768, 32768, 1 << 23, 1 << 31, 1e12]
