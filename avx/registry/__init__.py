"""Turns the names in a config into objects; every table of names stands here."""

from avx.registry.datasets import DATASETS, check_choices, check_places, clips, dataset, kinds_of, reads_clips
from avx.registry.encoders import AUDIO_ENCODERS, FRAME_ENCODERS
from avx.registry.inputs import (
    AUDIO_INPUTS,
    VIDEO_INPUTS,
    check_inputs,
    clip_specs,
    decoding,
    front_end,
    read_weights,
    video_input,
)
from avx.registry.systems import SYSTEMS, Facts, optimizer, system

__all__ = [
    "AUDIO_ENCODERS",
    "AUDIO_INPUTS",
    "DATASETS",
    "FRAME_ENCODERS",
    "SYSTEMS",
    "VIDEO_INPUTS",
    "Facts",
    "check_choices",
    "check_inputs",
    "check_places",
    "clip_specs",
    "clips",
    "dataset",
    "decoding",
    "front_end",
    "kinds_of",
    "optimizer",
    "read_weights",
    "reads_clips",
    "system",
    "video_input",
]
