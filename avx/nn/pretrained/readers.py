"""Reads published weight files into flat dictionaries of numpy arrays, never running code from a file.

| format | suffix | names in the result |
|---|---|---|
| safetensors, numpy | .safetensors, .npz | as stored |
| Keras HDF5 weights | .h5, .hdf5 | layer/0, layer/1, ... in the layer's own order (kernel, bias) |
| PyTorch state dict | .pth, .pt, .bin | as stored; see `torch_file` |
| TensorFlow checkpoint | .ckpt, .index | variable names; see `tensorflow_checkpoint` |
| TensorFlow Lite | .tflite | layers by kind and place; see `tflite_file` |

A run reads safetensors, and what a config names explicitly; `avx convert_weights` makes the one of the other, once. No
format is trusted: see docs/security.md.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from avx.core.errors import UserError
from avx.core.foreign.boundary import checked_name, reading
from avx.core.foreign.child import read_in_child
from avx.core.foreign.numpy_files import read_npz
from avx.core.foreign.safetensors_files import read_safetensors
from avx.nn.pretrained import weight_card
from avx.nn.pretrained.tensorflow_checkpoint import read_tensorflow_checkpoint
from avx.nn.pretrained.tflite_file import read_tflite
from avx.nn.pretrained.torch_file import read_torch_file

Tensors = dict[str, np.ndarray]


def read_keras_h5(path: Path) -> Tensors:
    """Arrays of a Keras weights file, named layer/index; see `keras_file.keras_arrays`."""
    return read_in_child(path, "avx.nn.pretrained.keras_file:arrays", "intact Keras weights file")


def read_converted(path: Path) -> Tensors:
    """Arrays of a safetensors file; one with a card beside it must be the file that the card tells of."""
    weight_card.check(path)
    return read_safetensors(path)


READERS: dict[str, Callable[[Path], Tensors]] = {
    ".npz": read_npz,
    ".safetensors": read_converted,
    ".h5": read_keras_h5,
    ".hdf5": read_keras_h5,
    ".pth": read_torch_file,
    ".pt": read_torch_file,
    ".bin": read_torch_file,
    ".ckpt": read_tensorflow_checkpoint,
    ".index": read_tensorflow_checkpoint,
    ".tflite": read_tflite,
}


def read_weights(path: str | Path) -> Tensors:
    """Reads a weight file by its suffix.

    Args:
      path: the file; of a TensorFlow checkpoint in parts, its .index.

    Returns:
      Name -> array.

    Raises:
      UserError: no such file, an unknown suffix, or a file that is not what its suffix says.
    """
    path = Path(path)
    suffix = suffix_of(path)
    if suffix not in READERS:
        raise UserError(f"{path} has the suffix '{suffix}'; weights are read from {', '.join(READERS)}.")
    if not path.is_file():
        raise UserError(f"{path} does not exist; give the path of a downloaded weight file.")
    tensors = READERS[suffix](path)
    with reading(path, "intact weight file"):
        for name in tensors:
            checked_name(name)
    return tensors


def suffix_of(path: Path) -> str:
    """The suffix in lower case; that of a name that is nothing else (".index") is the name."""
    dot = path.name.rfind(".")
    return path.name[dot:].lower() if dot >= 0 else ""
