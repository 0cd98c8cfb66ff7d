"""The one place where a config string becomes an object; every table is explicit."""

from experiments.builders.encoders import FRAME_ENCODERS
from experiments.builders.features import front_end, importer, modality_specs
from experiments.builders.pairs import PAIR_SIZES, PAIRS, check_pairs, pairs
from experiments.builders.sources import SOURCES, check_clips, source
from experiments.builders.systems import SYSTEMS, optimizer, system

__all__ = [
    "FRAME_ENCODERS",
    "PAIRS",
    "PAIR_SIZES",
    "SOURCES",
    "SYSTEMS",
    "check_clips",
    "check_pairs",
    "front_end",
    "importer",
    "modality_specs",
    "optimizer",
    "pairs",
    "source",
    "system",
]
