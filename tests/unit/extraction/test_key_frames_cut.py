"""Clips whose rule asks for more key frames than their bound are counted in the coverage."""

import numpy as np

from avx.core.dataset import Clip
from avx.extraction import corpus, front_end
from avx.extraction.front_end import FrontEndOptions
from avx.keyframes.skm import SKMConfig


def clip(number_of_shots, length=6):
    """Shots of plain colours, each `length` frames of 32 x 32 at 10 a second."""
    colours = np.random.default_rng(number_of_shots).integers(0, 256, (number_of_shots, 1, 1, 1, 3))
    frames = np.broadcast_to(colours, (number_of_shots, length, 32, 32, 3)).reshape(-1, 32, 32, 3).astype(np.uint8)
    return Clip("c", frames, np.arange(len(frames)) / 10, np.zeros(0, np.float32), 16000, True, False)


def test_the_key_frames_that_the_rule_wants_are_kept_with_the_features():
    options = FrontEndOptions(
        32, "spectral_residual", 1.0, False, SKMConfig(k_rule="changes+1", max_clusters=4, delta=1.0), True
    )
    made = front_end.build(options, None, None)
    assert made.most_key_frames == 4
    few, many = made.extract([clip(3), clip(7)])
    assert few["keyframes_wanted"].shape == (3,) and len(few["keyframe_indices"]) == 3
    assert many["keyframes_wanted"].shape[0] > 4 == len(many["keyframe_indices"])
    shapes = [{name: array.shape for name, array in features.items()} for features in (few, many)]
    assert [corpus._cut(known, made.most_key_frames) for known in shapes] == [False, True]
    assert not corpus._cut({"audio": (3, 4)}, 4), "a clip without pictures"
