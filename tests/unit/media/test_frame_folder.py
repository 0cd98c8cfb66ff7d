"""Folders of pictures: the clip that a video of the same pictures would be, in the order that people count."""

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.data.cache import media_hash
from avx.media.decode import read_clip
from avx.media.frame_folder import natural_order, pictures_in
from avx.media.images import write_image
from avx.media.quarantine import MediaProblem, Reason


@pytest.fixture
def folder(tmp_path):
    """Twelve grey pictures named 1.png to 12.png, the n-th of brightness 10 n; and two files that are none of them."""
    pictures = tmp_path / "clip"
    for number in range(1, 13):
        write_image(pictures / f"{number}.png", np.full((8, 12, 3), 10 * number, np.uint8))
    (pictures / ".hidden.png").write_bytes(b"no picture")
    (pictures / "notes.txt").write_text("no picture")
    return pictures


def clip_of(source, frame_rate=None, size=None, **more):
    return read_clip(source, clip_id="x", frame_rate=frame_rate, size=size, sample_rate=8000, **more)


def test_pictures_come_in_natural_order_at_their_times(folder):
    clip = clip_of(folder, frames_per_second=4)
    assert clip.frames.shape == (12, 8, 12, 3)
    assert clip.frames[:, 0, 0, 0].tolist() == [10 * number for number in range(1, 13)]
    np.testing.assert_array_equal(clip.frame_times, np.arange(12) / 4)
    assert clip.has_video and not clip.has_audio and len(clip.waveform) == 0


def test_they_are_sampled_cut_and_resized_like_a_video(folder):
    clip = clip_of(folder, frame_rate=2, size=4, max_seconds=2.0, frames_per_second=4)
    assert clip.frames.shape == (4, 4, 6, 3)
    np.testing.assert_array_equal(clip.frame_times, [0, 0.5, 1, 1.5])
    assert clip.frames[:, 0, 0, 0].tolist() == [10, 30, 50, 70]
    for rate in (7, 24, 25, 29.97, 30):
        assert len(clip_of(folder, frame_rate=rate, frames_per_second=rate).frames) == 12, rate


def test_a_video_of_the_same_pictures_is_the_same_clip(folder, tmp_path, write_media):
    pictures = [(250 * number, np.full((8, 12, 3), 10 * (number + 1), np.uint8)) for number in range(12)]
    video = write_media(tmp_path / "clip.mkv", pictures=pictures, frame_rate=4)
    one, other = clip_of(video, frame_rate=3), clip_of(folder, frame_rate=3, frames_per_second=4)
    np.testing.assert_array_equal(one.frames, other.frames)
    np.testing.assert_array_equal(one.frame_times, other.frame_times)


def test_later_pictures_are_brought_to_the_size_of_the_first(folder):
    write_image(folder / "13.jpg", np.full((16, 24, 3), 99, np.uint8))
    assert clip_of(folder, frames_per_second=4).frames.shape == (13, 8, 12, 3)


def test_a_sound_of_its_own_is_the_sound(folder, tmp_path, write_media):
    sound = write_media(tmp_path / "clip.wav", sound=np.full((1, 800), 1000, np.int16))
    clip = clip_of(folder, frames_per_second=4, audio_source=sound)
    assert clip.has_audio and len(clip.waveform) == 800


def test_faults_are_named(folder, tmp_path):
    with pytest.raises(UserError, match=r"is a folder of pictures: state their rate as data\.frames_per_second"):
        clip_of(folder)
    (folder / "3.png").write_bytes(b"torn")
    with pytest.raises(MediaProblem, match=r"3\.png") as problem:
        clip_of(folder, frames_per_second=4)
    assert problem.value.reason is Reason.UNREADABLE
    (tmp_path / "empty").mkdir()
    for ask in (lambda: clip_of(tmp_path / "empty", frames_per_second=4), lambda: media_hash(tmp_path / "empty")):
        with pytest.raises(MediaProblem) as problem:
            ask()
        assert problem.value.reason is Reason.ZERO_FRAMES
    with pytest.raises(MediaProblem) as problem:
        pictures_in(tmp_path / "none")
    assert problem.value.reason is Reason.MISSING_FILE


def test_the_hash_is_that_of_names_and_pictures(folder):
    before = media_hash(folder)
    (folder / "notes.txt").write_text("other words")
    assert media_hash(folder) == before
    (folder / "12.png").rename(folder / "13.png")
    renamed = media_hash(folder)
    (folder / "13.png").write_bytes((folder / "11.png").read_bytes())
    assert len({before, renamed, media_hash(folder)}) == 3


def test_natural_order():
    names = ["frame10.png", "Frame2.png", "frame1.png", "frame02.png", "a.png", "10.png", "9.png"]
    assert sorted(names, key=natural_order) == [
        *("9.png", "10.png", "a.png", "frame1.png"),
        *("Frame2.png", "frame02.png", "frame10.png"),
    ]
