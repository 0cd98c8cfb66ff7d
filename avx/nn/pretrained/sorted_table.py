"""Reads the sorted tables of the LevelDB kind and the protocol buffers that TensorFlow's checkpoints are made of.

What a table states is believed only within bounds: numbers of at most 64 bits, blocks one behind the other, each whose
checksum holds, keys of a limited length in rising order. So a small file cannot ask for much work.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from avx.nn.pretrained.crc32c import crc32c, masked

TABLE_MAGIC = 0xDB4775248B80FB57
FOOTER_BYTES = 48
TRAILER_BYTES = 5
MAX_VARINT_BYTES = 10
MAX_KEY = 1024
KEYS_ALWAYS_ALLOWED, KEYS_TIMES = 16 << 20, 16
"""Bytes that all keys may have together, and how many times as many as the table, since they repeat each other."""
MAX_FIELD = 1 << 29
Message = dict[int, list[Any]]
VARINT, BYTES = 0, 2
FIXED_BYTES = {1: 8, 5: 4}


def entries(buffer: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """(key, value) pairs of a sorted table: the footer leads to the index block, that one to the data blocks.

    Raises:
      ValueError: bytes that are no such table, are compressed, or whose checksums do not hold.
    """
    footer = buffer[-FOOTER_BYTES:]
    if len(footer) < FOOTER_BYTES or struct.unpack("<Q", footer[-8:])[0] != TABLE_MAGIC:
        raise ValueError("it does not end as a sorted table")
    body = buffer[:-FOOTER_BYTES]
    numbers, place = [], 0
    for _ in range(4):
        number, place = varint(footer[:-8], place)
        numbers.append(number)
    last, end = b"", 0
    first, keys = True, 0
    for _, handle in _block(body, *numbers[2:]):
        offset, place = varint(handle, 0)
        size, _ = varint(handle, place)
        if offset < end:
            raise ValueError("its blocks overlap or repeat")
        end = offset + size + TRAILER_BYTES
        for key, value in _block(body, offset, size):
            if not first and key <= last:
                raise ValueError("its keys are not in order")
            first, last, keys = False, key, keys + len(key)
            if keys > max(KEYS_ALWAYS_ALLOWED, KEYS_TIMES * len(buffer)):
                raise ValueError("its keys are out of all proportion")
            yield key, value


def _block(buffer: memoryview, offset: int, size: int) -> Iterator[tuple[bytes, memoryview]]:
    """Entries of a block; each key repeats the first bytes of the one before it."""
    if offset + size + TRAILER_BYTES > len(buffer):
        raise ValueError("a block lies outside of the file")
    if buffer[offset + size] != 0:
        raise ValueError("a block is compressed")
    (checksum,) = struct.unpack_from("<I", buffer, offset + size + 1)
    if checksum != masked(crc32c(buffer[offset : offset + size + 1])):
        raise ValueError("the checksum of a block does not hold")
    block = buffer[offset : offset + size]
    (restarts,) = struct.unpack("<I", block[-4:])
    end = size - 4 * (restarts + 1)
    if end < 0:
        raise ValueError("a block ends early")
    key, position = b"", 0
    while position < end:
        shared, position = varint(block, position)
        added, position = varint(block, position)
        length, position = varint(block, position)
        if shared > len(key) or shared + added > MAX_KEY or position + added + length > end:
            raise ValueError("a block holds an entry that reaches outside")
        key = key[:shared] + bytes(block[position : position + added])
        position += added
        yield key, block[position : position + length]
        position += length


def message(buffer: memoryview) -> Message:
    """Fields of a protocol buffer message: number -> values in order, integers or memory views.

    Raises:
      ValueError: a message that ends early, or has a field of a type that checkpoints do not use.
    """
    fields: Message = {}
    position = 0
    while position < len(buffer):
        tag, position = varint(buffer, position)
        number, wire = tag >> 3, tag & 7
        if not 0 < number < MAX_FIELD:
            raise ValueError("a message has a field without number")
        if wire == VARINT:
            value, position = varint(buffer, position)
            fields.setdefault(number, []).append(value)
            continue
        if wire == BYTES:
            length, position = varint(buffer, position)
        elif wire in FIXED_BYTES:
            length = FIXED_BYTES[wire]
        else:
            raise ValueError(f"a message has a field of wire type {wire}")
        if position + length > len(buffer):
            raise ValueError("a message ends early")
        fields.setdefault(number, []).append(buffer[position : position + length])
        position += length
    return fields


def varints(buffer: memoryview) -> Iterator[int]:
    """All integers of a packed field."""
    position = 0
    while position < len(buffer):
        value, position = varint(buffer, position)
        yield value


def varint(buffer: memoryview, position: int) -> tuple[int, int]:
    """An integer of up to 64 bits in groups of seven, lowest first, and the position behind it."""
    value = 0
    for place in range(MAX_VARINT_BYTES):
        if position + place >= len(buffer):
            raise ValueError("a number ends early")
        byte = buffer[position + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            if value >= 1 << 64:
                break
            return value, position + place + 1
    raise ValueError("a number has more than 64 bits")


def integer(fields: Message, number: int, default: int = 0) -> int:
    """The last value of an integer field, or the default."""
    value = fields.get(number, [default])[-1]
    if not isinstance(value, int):
        raise ValueError(f"field {number} of a message is no integer")
    return value


def content(fields: Message, number: int) -> memoryview:
    """The last value of a field of bytes, empty where it is not there."""
    value = fields.get(number, [memoryview(b"")])[-1]
    if isinstance(value, int):
        raise ValueError(f"field {number} of a message is an integer")
    return value
