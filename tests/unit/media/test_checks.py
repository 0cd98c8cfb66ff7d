"""Requirements on clips, and notes."""

import numpy as np
import pytest

from avx.core.dataset import Clip
from avx.media.checks import remarks, require
from avx.media.quarantine import MediaProblem, Reason


def clip(times=(), samples=0, amplitude=0.5) -> Clip:
    return Clip(
        clip_id="c",
        frames=np.zeros((len(times), 2, 2, 3), np.uint8),
        frame_times=np.array(times, np.float64),
        waveform=np.full(samples, amplitude, np.float32),
        sample_rate=100,
        has_video=len(times) > 0,
        has_audio=samples > 0,
    )


@pytest.mark.parametrize(
    ("given", "wanted", "reason"),
    [
        (clip(samples=200), {"video": True}, Reason.NO_VIDEO),
        (clip(times=[0, 1]), {"audio": True}, Reason.NO_AUDIO),
        (clip(times=[0, 1], samples=150), {"min_seconds": 1.6}, Reason.TOO_SHORT),
        (clip(), {"min_seconds": 0.1}, Reason.TOO_SHORT),
    ],
)
def test_what_is_missing_is_named(given, wanted, reason):
    with pytest.raises(MediaProblem) as problem:
        require(given, "c.mp4", **wanted)
    assert problem.value.reason is reason and problem.value.source == "c.mp4"


def test_a_whole_clip_passes():
    require(clip(times=[0, 1], samples=150), "c.mp4", video=True, audio=True, min_seconds=1.5)
    require(clip(times=[0, 2], samples=150), "c.mp4", min_seconds=2)
    require(clip(), "c.mp4")


def test_notes():
    assert remarks(clip(times=np.arange(9) / 30, samples=20)) == ()
    assert remarks(clip(times=[0, 0.033, 0.067, 0.1], samples=20)) == ()  # A constant rate, rounded to 1 ms.
    assert remarks(clip(times=[0, 0.1, 0.2, 0.5])) == (Reason.VARIABLE_FRAME_RATE,)
    assert remarks(clip(samples=20, amplitude=0.0)) == (Reason.SILENT_AUDIO,)
    assert remarks(clip(samples=20, amplitude=0.001)) == ()
    assert remarks(clip(times=[0])) == ()
