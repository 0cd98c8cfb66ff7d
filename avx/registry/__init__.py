"""The one place where a config string becomes an object; every table is explicit."""

from avx.registry.datasets import SOURCES, check_clips, source
from avx.registry.encoders import FRAME_ENCODERS
from avx.registry.inputs import front_end, importer, modality_specs
from avx.registry.pairs import PAIR_SIZES, PAIRS, check_pairs, pairs
from avx.registry.systems import SYSTEMS, optimizer, system

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
