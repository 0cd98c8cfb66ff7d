"""Writes a TensorFlow checkpoint of the second form (an .index and one .data part) without TensorFlow.

Only what the format asks of a reader: one data block, whole keys, and checksums.
"""

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from avx.nn.pretrained.crc32c import crc32c, masked

FLOAT32 = 1
MAGIC = 0xDB4775248B80FB57


def checksum(content: bytes) -> bytes:
    """The masked CRC-32C of some bytes; a test holds it to its definition."""
    return struct.pack("<I", masked(crc32c(content)))


def fixed(number: int, value: bytes) -> bytes:
    """A field of four bytes."""
    return varint(number << 3 | 5) + value


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
    """A block of a sorted table with its one restart point."""
    body = b"".join(varint(0) + varint(len(key)) + varint(len(value)) + key + value for key, value in entries)
    return body + struct.pack("<II", 0, 1)


def table(entries: list[tuple[bytes, bytes]]) -> bytes:
    """A sorted table of one data block, one index block and the footer."""
    content = block(entries) + b"\0"
    index_block = block([(entries[-1][0], varint(0) + varint(len(content) - 1))]) + b"\0"
    place = varint(len(content) + 4) + varint(len(index_block) - 1)
    footer = (varint(0) + varint(0) + place).ljust(40, b"\0") + struct.pack("<Q", MAGIC)
    return content + checksum(content) + index_block + checksum(index_block) + footer


def write_bundle(index: Path, variables: Mapping[str, np.ndarray]) -> None:
    """Writes float32 variables to `index` (a path whose name ends in .index) and the .data part beside it."""
    entries = [(b"", field(1, 1))]
    data = bytearray()
    for name, array in sorted(variables.items()):
        raw = np.ascontiguousarray(array, np.float32).tobytes()
        shape = b"".join(field(2, field(1, size)) for size in array.shape)
        place = field(4, len(data)) + field(5, len(raw))
        entries.append((name.encode(), field(1, FLOAT32) + field(2, shape) + place + fixed(6, checksum(raw))))
        data += raw
    index.write_bytes(table(entries))
    index.with_name(f"{index.name.removesuffix('.index')}.data-00000-of-00001").write_bytes(bytes(data))
