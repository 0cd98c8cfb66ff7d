"""Sound: the clip's clock, mixing, resampling, full scale."""

import numpy as np
import pytest

from avx.media.mix import mono_mix
from avx.media.quarantine import MediaProblem, Reason
from avx.media.remarks import Remarks
from avx.media.sound import iterate_sound

RATE = 8000


def read(source, rate=RATE, **options) -> np.ndarray:
    return np.concatenate(list(iterate_sound(source, rate, **options)))


def ramp(count: int) -> np.ndarray:
    """(1, count) int16 in which every sample is told from its neighbours and none is zero."""
    return (np.arange(count) % 3000 * 7 + 100).astype(np.int16)[np.newaxis]


def as_float(samples: np.ndarray) -> np.ndarray:
    return samples[0].astype(np.float32) / 32768


GREY = np.full((8, 8, 3), 128, np.uint8)


def pictures(first_ms: int):
    return [(first_ms + 40 * step, GREY) for step in range(25)]


def test_samples_are_exact_where_nothing_is_to_be_done(tmp_path, write_media):
    signal = ramp(2000)
    path = write_media(tmp_path / "x.wav", sound=signal)
    np.testing.assert_array_equal(read(path), as_float(signal))
    np.testing.assert_array_equal(read(path.read_bytes()), as_float(signal))


@pytest.mark.parametrize("block_seconds", [0.01, 0.1, 0.1001, 3.0])
def test_blocks_have_one_size_and_join_to_the_whole(tmp_path, write_media, block_seconds):
    signal = ramp(2000)
    blocks = list(iterate_sound(write_media(tmp_path / "x.wav", sound=signal), RATE, block_seconds))
    assert {len(block) for block in blocks[:-1]} <= {round(block_seconds * RATE)}
    assert 0 < len(blocks[-1]) <= round(block_seconds * RATE)
    np.testing.assert_array_equal(np.concatenate(blocks), as_float(signal))


@pytest.mark.parametrize(("video_ms", "sound_ms"), [(500, 500), (500, 900), (900, 500), (0, 20), (20, 0)])
def test_sound_is_aligned_to_the_start_of_the_pictures(tmp_path, write_media, video_ms, sound_ms):
    signal = ramp(8000)
    path = write_media(tmp_path / "x.mkv", pictures=pictures(video_ms), sound=signal, jumps={0: sound_ms})
    late = (sound_ms - video_ms) * RATE // 1000
    expected = np.concatenate([np.zeros(max(0, late), np.float32), as_float(signal)[max(0, -late) :]])
    np.testing.assert_array_equal(read(path), expected)


def test_a_pause_in_the_clock_is_silence_and_an_overlap_is_cut(tmp_path, write_media):
    signal = ramp(4000)
    path = write_media(tmp_path / "pause.mkv", sound=signal, jumps={1600: 500})
    heard = read(path)
    np.testing.assert_array_equal(heard[:1600], as_float(signal)[:1600])
    np.testing.assert_array_equal(heard[1600:4000], 0)
    np.testing.assert_array_equal(heard[4000:], as_float(signal)[1600:])

    # Two packets of 10 ms come 9 ms early each, which passes for jitter; with the third it is 27 ms, too much.
    path = write_media(tmp_path / "overlap.mkv", sound=signal, jumps={1600: 191, 1680: 192, 1760: 193})
    np.testing.assert_array_equal(read(path), np.delete(as_float(signal), np.s_[1760:1840]))


def test_jitter_of_the_clock_makes_no_click(tmp_path, write_media):
    signal = ramp(4000)
    path = write_media(tmp_path / "x.mkv", sound=signal, jumps={800: 103, 1600: 196, 2400: 310})
    np.testing.assert_array_equal(read(path), as_float(signal))


def test_a_clock_that_leaps_is_refused(tmp_path, write_media):
    path = write_media(tmp_path / "x.mkv", sound=ramp(4000), jumps={1600: 3_600_000})
    with pytest.raises(MediaProblem) as problem:
        read(path)
    assert problem.value.reason is Reason.BAD_TIMESTAMPS


def test_stereo_is_averaged(tmp_path, write_media):
    signal = np.stack([np.full(800, 16384), np.full(800, -8192)]).astype(np.int16)
    heard = read(write_media(tmp_path / "x.wav", sound=signal, layout="stereo"))
    np.testing.assert_allclose(heard, 0.125, atol=1e-7)
    both = np.full((2, 800), 30000, np.int16)  # An energy-keeping mix would overshoot here.
    np.testing.assert_allclose(read(write_media(tmp_path / "y.wav", sound=both, layout="stereo")), 30000 / 32768)


@pytest.mark.parametrize("layout", ["5.1", "5.1(side)"])
def test_surround_is_mixed_by_the_stereo_rule(tmp_path, write_media, layout):
    levels = np.array([0.5, -0.25, 0.125, 0.75, 0.0625, -0.5])  # FL FR FC LFE and two surrounds.
    signal = np.repeat((levels * 32768).astype(np.int16)[:, np.newaxis], 800, axis=1)
    # ITU-R BS.775: left = FL + 0.707 FC + 0.707 SL, right likewise; their sum over the sum of the weights.
    half = np.sqrt(0.5)
    left = levels[0] + half * levels[2] + half * levels[4]
    right = levels[1] + half * levels[2] + half * levels[5]
    expected = (left + right) / (2 + 4 * half)
    np.testing.assert_allclose(read(write_media(tmp_path / "x.wav", sound=signal, layout=layout)), expected, atol=1e-6)
    assert abs(levels.mean() - expected) > 0.05


def test_a_layout_of_bass_alone_is_kept():
    np.testing.assert_allclose(mono_mix(np.array([[0.5, 0.25]], np.float32), ("LFE",)), [0.5, 0.25])


@pytest.mark.parametrize("rate", [16000, 11025, 8000, 48000])
def test_resampling_keeps_phase_level_and_length(tmp_path, write_media, rate):
    seconds, given = 1.0, 44100
    clock = np.arange(int(seconds * given)) / given
    signal = (20000 * np.sin(2 * np.pi * 440 * clock + 0.3)).astype(np.int16)[np.newaxis]
    heard = read(write_media(tmp_path / "x.wav", sound=signal, rate=given), rate)
    assert abs(len(heard) - seconds * rate) <= 1
    ideal = 20000 / 32768 * np.sin(2 * np.pi * 440 * np.arange(len(heard)) / rate + 0.3)
    inner = slice(rate // 20, -rate // 20)  # The filter has nothing to hold on to at the ends.
    np.testing.assert_allclose(heard[inner], ideal[inner], atol=2e-3)
    assert np.abs(heard[inner] - np.roll(ideal, 1)[inner]).max() > 0.02


def test_resampling_removes_what_the_new_rate_cannot_hold(tmp_path, write_media):
    signal = (20000 * np.sin(2 * np.pi * 6000 * np.arange(44100) / 44100)).astype(np.int16)[np.newaxis]
    heard = read(write_media(tmp_path / "x.wav", sound=signal, rate=44100), 8000)
    assert np.abs(heard[400:-400]).max() < 0.02  # Skipping samples would leave an alias of full level.


@pytest.mark.parametrize(("codec", "sample_format"), [("pcm_f32le", "flt"), ("pcm_f64le", "dbl")])
@pytest.mark.parametrize(
    ("factor", "full_scale"), [(1, 3), (0.2, 1), (40, 120), (2**15 / 3, 2**15), (2**31 / 3, 2**31)]
)
def test_float_files_beyond_full_scale_are_divided(tmp_path, write_media, codec, sample_format, factor, full_scale):
    """Integers that were made floats without dividing keep their level; other peaks become the full scale."""
    dtype = np.float32 if sample_format == "flt" else np.float64
    values = np.array([[0.5, 1.5, -3.0, np.nan, np.inf, -np.inf, 0.25, -0.25]]) * factor
    path = write_media(
        tmp_path / "x.wav", sound=np.tile(values, 100).astype(dtype), sound_codec=codec, sound_format=sample_format
    )
    remarks = Remarks()
    expected = np.nan_to_num(values[0] / full_scale, nan=0, posinf=1, neginf=-1)
    np.testing.assert_allclose(read(path, remarks=remarks)[:8], expected, rtol=1e-6)
    assert [reason for reason, _ in remarks.entries()] == ([Reason.SCALED_SOUND] if full_scale != 1 else [])
    resampled = read(path, 11025)
    assert np.isfinite(resampled).all() and np.abs(resampled).max() <= 1


@pytest.mark.parametrize(
    ("codec", "sample_format", "dtype", "scale", "zero"),
    [("pcm_u8", "u8", np.uint8, 128, 128), ("pcm_s32le", "s32", np.int32, 2**31, 0), ("pcm_f64le", "dbl", float, 1, 0)],
)
def test_every_sample_format_has_its_full_scale_at_one(tmp_path, write_media, codec, sample_format, dtype, scale, zero):
    values = np.tile(np.array([0.5, -0.25, 0.0, -1.0]), 200)
    signal = (values * scale + zero).astype(dtype)[np.newaxis]
    path = write_media(tmp_path / "x.wav", sound=signal, sound_codec=codec, sound_format=sample_format)
    np.testing.assert_array_equal(read(path), values.astype(np.float32))


def test_no_sound_is_named(tmp_path, write_media):
    with pytest.raises(MediaProblem) as problem:
        read(write_media(tmp_path / "x.mkv", pictures=pictures(0)))
    assert problem.value.reason is Reason.NO_AUDIO
