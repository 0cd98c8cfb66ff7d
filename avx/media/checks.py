"""What a decoded clip must have to be used, and what is worth noting about it."""

from __future__ import annotations

import numpy as np

from avx.core.dataset import Clip
from avx.media.quarantine import MediaProblem, Reason


def require(clip: Clip, source: str, *, video: bool = False, audio: bool = False, min_seconds: float = 0.0) -> None:
    """Raises `MediaProblem` where `clip` lacks a wanted track (no_video, no_audio) or lasts less than `min_seconds`.

    The length of a clip is that of its longest track; a picture track lasts until its last frame's start.
    """
    if video and not clip.has_video:
        raise MediaProblem(Reason.NO_VIDEO, source, "the file carries no picture track")
    if audio and not clip.has_audio:
        raise MediaProblem(Reason.NO_AUDIO, source, "the file carries no sound track")
    seconds = max(clip.frame_times[-1] if len(clip.frame_times) else 0.0, len(clip.waveform) / clip.sample_rate)
    if seconds < min_seconds:
        raise MediaProblem(Reason.TOO_SHORT, source, f"it lasts {seconds:.2f} s, at least {min_seconds:g} s are needed")


def remarks(clip: Clip) -> tuple[Reason, ...]:
    """The notes on a usable clip, for a clip whose frames were not subsampled.

    silent_audio: a sound track below -80 dB throughout. variable_frame_rate: the longest step between frames
    exceeds the shortest by half and by 5 ms, more than any container's rounding of a constant rate.
    """
    found = []
    if clip.has_audio and np.abs(clip.waveform).max(initial=0.0) < 1e-4:
        found.append(Reason.SILENT_AUDIO)
    steps = np.diff(clip.frame_times)
    if len(steps) and steps.max() > max(1.5 * steps.min(), steps.min() + 0.005):
        found.append(Reason.VARIABLE_FRAME_RATE)
    return tuple(found)
