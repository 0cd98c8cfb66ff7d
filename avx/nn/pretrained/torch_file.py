"""Reads PyTorch state dicts without PyTorch and without running what a pickle may ask for.

A .pth file is a pickle whose tensors refer to raw storages beside it: members of a zip archive since PyTorch 1.6, the
tail of the same file before. `state_dict_pickle` interprets the pickle; here the storages are read.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from avx.core.errors import UserError
from avx.core.foreign.archives import opened
from avx.core.foreign.boundary import SHARED, check_declared, reading, sound
from avx.core.foreign.safetensors_files import widened
from avx.nn.pretrained.state_dict_pickle import Storage, View, interpreted

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
COUNT_BYTES = 8
WRAPPERS = ("state_dict", "model")
Raw = dict[str, memoryview]


def read_torch_file(path: Path) -> dict[str, np.ndarray]:
    """Tensors of a state dict, in either of PyTorch's file forms.

    A dictionary around it under "state_dict" or "model" is opened; entries that are no tensors are left out.

    Args:
      path: a .pth, .pt or .bin file.

    Returns:
      Name -> array; bfloat16 tensors as float32.

    Raises:
      UserError: a file that is torn, holds anything but plain tensors, or holds no tensor.
    """
    remedy = "fetch it again, or save the model's state_dict() as safetensors and read that"
    with reading(path, "intact, plain PyTorch state dict", remedy):
        content, raw = _read_zip(path) if zipfile.is_zipfile(path) else _read_legacy(path)
        views = _views(content)
        declared = sum(math.prod(view.shape) * view.storage.kind.dtype.itemsize for view in views.values())
        check_declared(path, declared, path.stat().st_size, SHARED)
        tensors = {name: _materialise(view, raw) for name, view in views.items()}
    if not tensors:
        raise UserError(f"{path} holds no tensors; give a file that was made from a state_dict().")
    return tensors


def _views(content: Any) -> dict[str, View]:
    if not isinstance(content, dict):
        raise ValueError(f"its outermost object is a {type(content).__name__}")
    for wrapper in WRAPPERS:
        if isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    return {name: value for name, value in content.items() if isinstance(value, View)}


def _read_zip(path: Path) -> tuple[Any, Raw]:
    with path.open("rb") as stream, opened(path, stream) as archive:
        names = set(archive.namelist())
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError(f"it holds {len(pickles)} pickles of tensors instead of one")
        root = pickles[0].removesuffix("data.pkl")
        if f"{root}byteorder" in names and archive.read(f"{root}byteorder") != b"little":
            raise ValueError("its numbers are big-endian")
        content, _, storages = interpreted(memoryview(archive.read(pickles[0])))
        return content, {key: memoryview(archive.read(f"{root}data/{key}")) for key in storages}


def _read_legacy(path: Path) -> tuple[Any, Raw]:
    buffer = memoryview(path.read_bytes())
    magic, place, _ = interpreted(buffer)
    protocol, place, _ = interpreted(buffer, place)
    system, place, _ = interpreted(buffer, place)
    if magic != LEGACY_MAGIC or protocol != LEGACY_PROTOCOL:
        raise ValueError("its first objects are not the format's marks")
    if not system["little_endian"]:
        raise ValueError("its numbers are big-endian")
    content, place, storages = interpreted(buffer, place)
    keys, place, _ = interpreted(buffer, place)
    raw: Raw = {}
    for key in keys:
        storage = storages[key]
        count = int.from_bytes(buffer[place : place + COUNT_BYTES], "little")
        place += COUNT_BYTES
        end = place + count * storage.kind.dtype.itemsize
        if count != storage.size or end > len(buffer):
            raise ValueError("a storage has another length than the tensors in it need")
        raw[key], place = buffer[place:end], end
    if place != len(buffer):
        raise ValueError("it goes on behind its last storage")
    return content, raw


def _elements(storage: Storage, raw: Raw) -> np.ndarray:
    content, dtype = raw[storage.key], storage.kind.dtype
    if len(content) != storage.size * dtype.itemsize:
        raise ValueError("a storage has another length than it is said to have")
    return np.frombuffer(content, dtype)


def _materialise(view: View, raw: Raw) -> np.ndarray:
    elements = _elements(view.storage, raw)
    if 0 in view.shape:
        array = np.zeros(view.shape, elements.dtype)
    else:
        strides = [stride if size > 1 else 0 for size, stride in zip(view.shape, view.strides, strict=True)]
        last = view.offset + sum((size - 1) * stride for size, stride in zip(view.shape, strides, strict=True))
        if last >= len(elements):
            raise ValueError("a tensor reaches outside of its storage")
        steps = [stride * elements.itemsize for stride in strides]
        array = np.lib.stride_tricks.as_strided(elements[view.offset :], view.shape, steps).copy(order="C")
    return widened(array) if view.storage.kind.brain else sound(array)
