"""Writes a TensorFlow checkpoint of the second form (an .index and one .data part) without TensorFlow.

Only what the format asks of a reader that checks no sums: one data block, whole keys, zero checksums.
"""

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

FLOAT32 = 1
MAGIC = 0xDB4775248B80FB57


def varint(number: int) -> bytes:
    """Groups of seven bits, lowest first."""
    groups = bytearray()
    while number >= 0x80:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def field(number: int, value: int | bytes) -> bytes:
    """One field of a protocol buffer message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    """A block of a sorted table with its one restart point, type and checksum."""
    body = b"".join(varint(0) + varint(len(key)) + varint(len(value)) + key + value for key, value in entries)
    return body + struct.pack("<II", 0, 1)


def write_bundle(index: Path, variables: Mapping[str, np.ndarray]) -> None:
    """Writes float32 variables to `index` (a path that ends in .index) and the .data part beside it."""
    entries = [(b"", field(1, 1))]
    data = bytearray()
    for name, array in sorted(variables.items()):
        raw = np.ascontiguousarray(array, np.float32).tobytes()
        shape = b"".join(field(2, field(1, size)) for size in array.shape)
        entry = field(1, FLOAT32) + field(2, shape) + field(4, len(data)) + field(5, len(raw))
        entries.append((name.encode(), entry))
        data += raw
    content = block(entries)
    table = content + bytes(5)
    index_block = block([(entries[-1][0], varint(0) + varint(len(content)))])
    place = varint(len(table)) + varint(len(index_block))
    table += index_block + bytes(5)
    index.write_bytes(table + (varint(0) + varint(0) + place).ljust(40, b"\0") + struct.pack("<Q", MAGIC))
    index.with_suffix(".data-00000-of-00001").write_bytes(bytes(data))
