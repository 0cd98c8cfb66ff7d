"""The checksum of TensorFlow's checkpoints: CRC-32C (Castagnoli), masked, over whole arrays at once.

A CRC is linear: that of a long buffer follows from those of its lanes, which numpy computes side by side. A lane that n
bytes follow counts as if n zero bytes stood behind it, which is a product with a 32 x 32 matrix of bits.
"""

from __future__ import annotations

import functools

import numpy as np

POLYNOMIAL = 0x82F63B78
MASK_DELTA = 0xA282EAD8
ONES = np.uint32(0xFFFFFFFF)
INITIAL_BYTES = 4


@functools.cache
def _table() -> np.ndarray:
    """(256,) uint32: what each byte does to an empty register."""
    register = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        register = np.where(register & 1, (register >> np.uint32(1)) ^ np.uint32(POLYNOMIAL), register >> np.uint32(1))
    return register


def _advanced(register: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Lanes of bytes (rows, lanes) run into registers (lanes,), a row at a time."""
    table = _table()
    for row in columns:
        register = table[(register ^ row) & np.uint32(0xFF)] ^ (register >> np.uint32(8))
    return register


def _times(matrix: np.ndarray, registers: np.ndarray) -> np.ndarray:
    """A matrix, given as the images (32,) of single bits, times registers."""
    result = np.zeros_like(registers)
    for bit in range(32):
        result ^= np.where((registers >> np.uint32(bit)) & np.uint32(1), matrix[bit], np.uint32(0))
    return result


def _zeros(count: int) -> np.ndarray:
    """The matrix that stands for `count` zero bytes, by repeated squaring."""
    single = np.uint32(1) << np.arange(32, dtype=np.uint32)
    power = _advanced(single, np.zeros((1, 1), np.uint32))
    result = single
    while count:
        if count & 1:
            result = _times(power, result)
        power = _times(power, power)
        count >>= 1
    return result


def crc32c(buffer: bytes | memoryview | np.ndarray) -> int:
    """CRC-32C of some bytes.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    data = np.frombuffer(buffer, np.uint8)
    if len(data) < INITIAL_BYTES:
        return int((_advanced(np.array([ONES]), data[:, None]) ^ ONES)[0])
    lanes = 1 << len(data).bit_length() // 2
    length = -(-len(data) // lanes)
    # Zeros in front of the data change nothing in an empty register, and ones in the first four bytes are the full one.
    padded = np.zeros(lanes * length, np.uint8)
    padded[-len(data) :] = data
    padded[len(padded) - len(data) :][:INITIAL_BYTES] ^= 0xFF
    registers = _advanced(np.zeros(lanes, np.uint32), np.ascontiguousarray(padded.reshape(lanes, length).T))
    step = _zeros(length)
    while len(registers) > 1:  # Neighbours by pairs: the left one has the right one's bytes behind it.
        registers = _times(step, registers[::2]) ^ registers[1::2]
        step = _times(step, step)
    return int((registers ^ ONES)[0])


def masked(checksum: int) -> int:
    """The form in which a checksum is stored (LevelDB's log format), so that sums of sums stay telling."""
    return (((checksum >> 15) | (checksum << 17)) + MASK_DELTA) & 0xFFFFFFFF
