"""Files as people have them, and the right value of each (docs/field_cases.md)."""

import numpy as np
import pytest

from avx.media.decode import read_clip
from avx.media.quarantine import MediaProblem, Reason

RATE = 16000

# File, frames, (height, width), start of the last frame, seconds of sound, its level, remarks.
READ = [
    ("adts_silence_start/adts_silence_start.aac", 0, None, None, 8.03, None, ()),
    ("antiphase_stereo/antiphase.wav", 0, None, None, 1.0, 0.088, (Reason.CANCELLED_MIX,)),
    ("bad_metadata_avi/bad_meta.avi", 40, (120, 160), 3.9, 4.04, None, (Reason.REPAIRED_TIMES,)),
    ("bad_metadata_shiftjis_mp4/sjis_title.mp4", 40, (120, 160), 3.9, 4.02, None, ()),
    ("bad_metadata_wav/bad_meta.wav", 0, None, None, 1.0, None, ()),
    ("h264_bframes_in_avi/bframes_h264.avi", 40, (120, 160), 3.9, 0, None, (Reason.REPAIRED_TIMES,)),
    ("mkv_two_frames_one_millisecond/close_pts.mkv", 20, (48, 64), 0.92, 0, None, (Reason.REPAIRED_TIMES,)),
    ("mkv_two_frames_one_millisecond/close_pts.mp4", 25, (48, 64), 0.92011, 0, None, ()),
    ("mp3_junk_in_the_middle/mp3_mid_garbage.mp3", 0, None, None, 2.95, None, (Reason.DAMAGED_PACKETS,)),
    ("mp3_lyrics3_tag/mp3_lyrics3.mp3", 0, None, None, 3.0, None, (Reason.DAMAGED_PACKETS,)),
    ("mp3_trailing_zeros/mp3_trailing_zeros.mp3", 0, None, None, 3.0, None, (Reason.DAMAGED_PACKETS,)),
    ("mp4_one_bad_aac_packet/mp4_one_bad_aac_packet.mp4", 40, (120, 160), 3.9, 4.02, None, (Reason.DAMAGED_PACKETS,)),
    ("silent_commentary_track_first/first_silent_comment.mkv", 40, (120, 160), 3.9, 4.02, 0.088, ()),
    ("suffixes_skipped/camcorder.MTS", 30, (120, 160), 2.9, 3.01, None, ()),
    ("suffixes_skipped/w.wma", 0, None, None, 1.07, None, ()),
    ("suffixes_skipped/x.aif", 0, None, None, 1.0, None, ()),
    ("thumbnail_track_first_mp4/thumb_first.mp4", 40, (120, 160), 3.9, 4.02, None, ()),
    ("vbr_mp3_without_xing/vbr_noxing.mp3", 0, None, None, 8.05, None, ()),
    ("video_starts_3s_late_mp4/late_video_3s.mp4", 30, (120, 160), 2.9, 3.01, None, ()),
    ("video_starts_3s_late_ts/late_video_3s.ts", 30, (120, 160), 2.9, 3.01, None, ()),
]
HOSTILE = {
    "fuzz_1474_slow.wav": Reason.TOO_LARGE,
    "fuzz_406_UnicodeDecodeError.mp4": Reason.NO_VIDEO,
    "g16000.gif": Reason.TOO_LARGE,
    "rate_2147483647_MemoryError.wav": Reason.TOO_LARGE,
}


def read(path):
    return read_clip(path, clip_id="x", frame_rate=None, size=None, sample_rate=RATE)


@pytest.mark.parametrize(("file", "frames", "size", "last", "seconds", "level", "remarks"), READ)
def test_what_people_have_is_read(real_data, file, frames, size, last, seconds, level, remarks):
    clip = read(real_data / "field_cases" / file)
    assert len(clip.frames) == frames and (np.diff(clip.frame_times) > 0).all()
    if frames:
        assert clip.frames.shape[1:3] == size
        assert clip.frame_times[0] == 0 and clip.frame_times[-1] == pytest.approx(last, abs=1e-4)
    assert len(clip.waveform) / RATE == pytest.approx(seconds, abs=0.02)
    if level is not None:
        assert np.sqrt(np.mean(clip.waveform**2)) == pytest.approx(level, abs=1e-3)
    assert tuple(reason for reason, _ in clip.remarks) == remarks
    assert (clip.damaged_packets > 0) == (Reason.DAMAGED_PACKETS in remarks)


@pytest.mark.parametrize("name", ["wav_header_only.wav", "one_sample_44k.wav"])
def test_sound_without_a_sample_is_named(real_data, name):
    with pytest.raises(MediaProblem) as problem:
        read(real_data / "field_cases/wav_header_only" / name)
    assert problem.value.reason is Reason.TOO_SHORT


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_end_in_one_sentence(real_data, name):
    with pytest.raises(MediaProblem) as problem:
        read(real_data / "hostile_files" / name)
    assert problem.value.reason is HOSTILE[name]


def test_files_with_odd_tags_are_no_hostile_ones(real_data):
    assert len(read(real_data / "hostile_files/latin1_title.avi").frames) == 16
    assert len(read(real_data / "hostile_files/latin1_title.wav").waveform) == RATE
