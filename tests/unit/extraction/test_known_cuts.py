"""The cuts of rendered clips, and of a film with known ones, are found through the whole reading path."""

import json

import numpy as np
import pytest

from avx.extraction.frame_features import FrameDescriber, colour_histogram
from avx.keyframes.agreement import cut_score
from avx.keyframes.shot_boundary import ShotBoundaryConfig, boundaries
from avx.media.encode import write_clip
from avx.studio.render import render_clip


@pytest.fixture(scope="module")
def describer():
    return FrameDescriber(colour_histogram())


def found_cuts(video, **constants):
    """First frames of the shots but the first; padded, so that films of like length share a compilation."""
    length = max(128, 1 << (len(video.times) - 1).bit_length())
    histograms = np.pad(video.histograms, [(0, length - len(video.times)), (0, 0)])
    mask = np.arange(length) < len(video.times)
    return np.flatnonzero(boundaries(histograms, mask, ShotBoundaryConfig(**constants))) + 1


@pytest.mark.parametrize("clip_number", [1, 6, 9, 12, 19])
def test_cuts_of_rendered_clips(describer, clip_number):
    """Precision and recall 1 to the frame, for one to three cuts and the classes that move most."""
    clip = render_clip(clip_number, seed=0)
    media = write_clip(None, clip.frames, clip.frame_rate, np.zeros(0, np.float32), 16000)
    found = found_cuts(describer(media, None))
    score = cut_score(found, clip.boundary_frames, tolerance=0)
    assert (score.precision, score.recall) == (1.0, 1.0), f"{found} for {clip.boundary_frames}"
    assert cut_score(found + 1, clip.boundary_frames, tolerance=0).recall == 0.0


@pytest.mark.slow
def test_hard_cuts_of_a_real_film(describer, real_data):
    """Every frame of 24 s at 30 frames a second, at the default constants: the hard cuts, to the frame, and no other.

    The reference is PySceneDetect's list of its content detector. The 691 that its adaptive detector adds at a lower
    threshold lies within a fade to black, and is no hard cut.
    """
    folder = real_data / "scene_cuts"
    golden = json.loads((folder / "testvideo.mp4.ContentDetector.default.json").read_text())["cuts"]
    video = describer(folder / "testvideo.mp4", None)
    assert len(video.times) == 720
    found = found_cuts(video)
    score = cut_score(found, golden, tolerance=0)
    assert (score.precision, score.recall) == (1.0, 1.0), found
    assert cut_score(found + 1, golden, tolerance=0).recall == 0.0, "the frame numbers are exact"
