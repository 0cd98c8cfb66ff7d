"""Writes the embedded data set as ordinary files, mp4 clips with clips.csv, to try the other commands on.

    avx export --out=clips [--clips=60] [--seed=0]

Clips are rendered on first use, at about 0.2 s of one core each.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from avx.data.sets import embedded


def define_flags() -> None:
    flags.DEFINE_string("out", None, "Folder of the files.", required=True)
    flags.DEFINE_integer("clips", 60, "How many; classes take turns.")
    flags.DEFINE_integer("seed", embedded.SEED, "Another seed renders other clips.")
    flags.DEFINE_string("cache_dir", ".cache/avx", "Folder of the rendered data set.")


def main(argv: Sequence[str]) -> None:
    out, count, seed = Path(flags.FLAGS.out), flags.FLAGS.clips, flags.FLAGS.seed
    cache = Path(flags.FLAGS.cache_dir)
    embedded.build(cache, clips=count, seed=seed, workers=os.cpu_count() or 1)
    embedded.export(cache, out, clips=count, seed=seed)
    print(f"{count} clips and clips.csv are in {out}")
