"""The one place where a config string becomes an object; every table is explicit."""

from experiments.builders.encoders import FRAME_ENCODERS
from experiments.builders.features import front_end, modality_specs
from experiments.builders.pairs import PAIR_SIZES, PAIRS, pairs
from experiments.builders.sources import SOURCES, source
from experiments.builders.systems import SYSTEMS, optimizer, system

__all__ = [
    "FRAME_ENCODERS",
    "PAIRS",
    "PAIR_SIZES",
    "SOURCES",
    "SYSTEMS",
    "front_end",
    "modality_specs",
    "optimizer",
    "pairs",
    "source",
    "system",
]
