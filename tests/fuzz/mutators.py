"""Ways to damage bytes, the same ones for the same state of a random generator.

Each takes the content, files that pieces may come from, and the generator.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

Mutator = Callable[[bytes, Sequence[Path], random.Random], bytes]

TELLING = (0, 1, 2, 3, *(2**bits - 1 for bits in (7, 8, 16, 31, 32, 64)), *(2**bits for bits in (7, 31, 40, 60, 63)))
"""Numbers at which readers go wrong."""


def flipped(content: bytes, corpus: Sequence[Path], chance: random.Random) -> bytes:
    """One to eight bits are turned over."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def cut_off(content: bytes, corpus: Sequence[Path], chance: random.Random) -> bytes:
    """The end is missing."""
    return content[: chance.randrange(len(content))]


def field_set(content: bytes, corpus: Sequence[Path], chance: random.Random) -> bytes:
    """A number of 1, 2, 4 or 8 bytes becomes one at the edge of its range."""
    size = chance.choice((1, 2, 4, 8))
    value = chance.choice(TELLING) % (1 << 8 * size)
    place = chance.randrange(max(1, len(content) - size + 1))
    return content[:place] + value.to_bytes(size, chance.choice(("little", "big"))) + content[place + size :]


def spliced(content: bytes, corpus: Sequence[Path], chance: random.Random) -> bytes:
    """A piece of another file, or of the same one, is put in or put over."""
    other = content if chance.random() < 0.5 else chance.choice(corpus).read_bytes()
    start = chance.randrange(len(other))
    piece = other[start : start + chance.choice((1, 8, 64, 1024))]
    place = chance.randrange(len(content))
    return content[:place] + piece + content[place + (len(piece) if chance.random() < 0.5 else 0) :]


def cut_out(content: bytes, corpus: Sequence[Path], chance: random.Random) -> bytes:
    """A piece is missing."""
    place = chance.randrange(len(content))
    return content[:place] + content[place + chance.choice((1, 4, 16, 256)) :]


RAW: tuple[Mutator, ...] = (flipped, cut_off, field_set, spliced, cut_out)
