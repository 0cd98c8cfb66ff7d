"""Digests of arrays, records and files, by which damage is told from what was written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

DIGEST = "digest"
BLOCK = 1 << 22


def of_array(array: np.ndarray) -> str:
    """SHA-256 of an array's type, shape and values: 64 hex digits, whatever the order of its axes in memory."""
    values = np.ascontiguousarray(array)
    total = hashlib.sha256(f"{values.dtype.str} {array.shape} ".encode())
    total.update(values.reshape(-1).view(np.uint8).data if values.size else b"")
    return total.hexdigest()


def of_file(path: Path) -> str:
    """SHA-256 of a file's content: 64 hex digits.

    Raises:
      OSError: the file cannot be read.
    """
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            total.update(block)
    return total.hexdigest()


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a JSON record with the digest of its other fields added."""
    return {**record, DIGEST: _of_record(record)}


def is_whole(record: Mapping[str, Any]) -> bool:
    """Returns whether a record that was read is the one that `sealed` made."""
    return record.get(DIGEST) == _of_record(record)


def _of_record(record: Mapping[str, Any]) -> str:
    others = {name: value for name, value in record.items() if name != DIGEST}
    return hashlib.sha256(json.dumps(others, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
