"""Reads HDF5 files of video summaries (Zhang et al. 2016); runs in a child process, see `avx.core.foreign.child`."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from avx.core.foreign import child
from avx.core.foreign.hdf5 import Reader, member

SUMMARIES = "user_summary"
PARTS = (SUMMARIES, "features", "picks", "change_points")


def summary_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays "VIDEO/PART" of each group that holds summaries, PART one of `PARTS`.

    Raises:
      KeyError: a group with summaries lacks one of the others. Others, of HDF5: damage.
    """
    reader = Reader(path)
    arrays: dict[str, np.ndarray] = {}
    with h5py.File(path, "r") as file:
        for name in file:
            group = member(file, name)
            if isinstance(group, h5py.Group) and SUMMARIES in group:
                arrays |= {f"{name}/{part}": reader.numbers(member(group, part)) for part in PARTS}
    return arrays


if __name__ == "__main__":
    child.serve({"summaries": summary_arrays})
