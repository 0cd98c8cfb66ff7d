"""Reads the weights of a Keras HDF5 file; runs in a child process, see `avx.core.foreign.child`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from avx.core.foreign import child
from avx.core.foreign.boundary import checked_name, printable
from avx.core.foreign.hdf5 import Reader, member

MAX_NAMES = 100_000


def keras_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays of a Keras weights file (or of the weights in a whole saved model), named layer/index.

    The stored weight names are counters of the session that saved them, so the place within the layer is the name.

    Raises:
      UserError, ValueError, KeyError, OSError: damage, and whatever leads out of the file.
    """
    reader = Reader(path)
    with h5py.File(path, "r") as file:
        root = member(file, "model_weights") if "model_weights" in file else file
        tensors = {}
        for layer in _names(root, "layer_names"):
            group = member(root, layer)
            for index, weight in enumerate(_names(group, "weight_names")):
                tensors[f"{layer}/{index}"] = reader.numbers(member(group, weight))
        return tensors


def _names(group: Any, attribute: str) -> list[str]:
    if attribute not in group.attrs:
        raise ValueError(f"its group {printable(str(group.name), 60)} has no attribute {attribute}, as Keras writes it")
    stored = group.attrs.get_id(attribute)
    if stored.shape is None or stored.shape == () or len(stored.shape) > 1 or stored.shape[0] > MAX_NAMES:
        raise ValueError(f"the attribute {attribute} of {printable(str(group.name), 60)} is no list of names")
    names = [name.decode() if isinstance(name, bytes) else name for name in group.attrs[attribute].tolist()]
    return [checked_name(name) for name in names]


if __name__ == "__main__":
    child.serve({"arrays": keras_arrays})
