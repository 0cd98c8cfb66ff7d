"""Code words of classes, as far apart as can be had, and the words of items that bear several classes.

Rows of a Sylvester-Hadamard matrix of order m and their negatives are 2 m words of m bits with a smallest distance of
m / 2, the largest that so many words can have (Plotkin 1960). A row's sign is free: it is drawn so that no bit is the
same for all classes, as column 0 of the matrix would be. Fewer classes lie farther apart without that column. Other
numbers of bits and classes are served by such matrices side by side, by one that is cut to the length, or by a search.
The candidate with the largest smallest distance is taken.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from avx.core.errors import UserError

_ALL_WORDS = 12
"""Bits up to which a search goes over every word there is."""
_POOL = 4096
_SIGN_DRAWS = 200


@functools.lru_cache
def class_words(classes: int, bits: int) -> np.ndarray:
    """Code words (c, b) float32 in {-1, +1}, all different, the same in every run; read only.

    Where b is a power of two, up to 2 b classes have a smallest distance of at least b / 2.

    >>> words = class_words(20, 16)
    >>> int(smallest_distance(words))
    8

    Raises:
      UserError: fewer than log2(classes) bits.
    """
    if 2 ** min(bits, 63) < classes:
        raise UserError(
            f"model.bits = {bits} is too short to tell {classes} classes apart with model.head = 'hadamard': "
            f"ask for at least {(classes - 1).bit_length()} bits, or take 'shared'."
        )
    generator = np.random.default_rng(0)
    best = max(_candidates(classes, bits, generator), key=lambda words: (smallest_distance(words), -_lean(words)))
    best = best.astype(np.float32)
    best.setflags(write=False)
    return best


def item_words(indicators: np.ndarray, words: np.ndarray) -> np.ndarray:
    """The word of each item, (B, b) float32: the sign of the mean of its classes' words, with sign(0) = +1.

    An item of one class has that class's word; one without a class has zeros.

    >>> item_words(np.array([[1, 1], [0, 1]]), np.array([[1., 1., -1.], [1., -1., -1.]])).tolist()
    [[1.0, 1.0, -1.0], [1.0, -1.0, -1.0]]

    Args:
      indicators: (B, c) of 0 and 1.
      words: (c, b).
    """
    borne = np.asarray(indicators, np.float64)
    signs = np.where(borne @ words >= 0, 1.0, -1.0)
    return np.where(borne.any(1, keepdims=True), signs, 0.0).astype(np.float32)


def smallest_distance(words: np.ndarray) -> int:
    """The smallest Hamming distance of two words (c, b) in {-1, +1}; b for one word alone."""
    if len(words) < 2:
        return words.shape[1]
    products = words.astype(np.float32) @ words.astype(np.float32).T
    np.fill_diagonal(products, -words.shape[1])
    return round((words.shape[1] - float(products.max())) / 2)


def _lean(words: np.ndarray) -> float:
    """How far the fullest bit is from being +1 for half of the words."""
    return float(np.abs(words.sum(0)).max())


def _candidates(classes: int, bits: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    order = 1 << (bits - 1).bit_length()
    blocks = [1 << place for place in reversed(range(bits.bit_length())) if bits >> place & 1]
    yield _simplex(classes, bits)
    if classes <= 2 * min(blocks):
        yield _signed(np.concatenate([_rows(classes, block) for block in blocks], 1), min(classes, *blocks), generator)
    if order > bits and classes <= 2 * order:
        # The constant column goes first; the others are cut evenly.
        columns = 1 + np.floor(np.arange(bits) * (order - 1) / bits).astype(int)
        yield _signed(_rows(classes, order)[:, columns], min(classes, order), generator)
    if classes > 2 * min(blocks) or len(blocks) > 1:
        yield _searched(classes, bits, generator)


def _simplex(classes: int, bits: int) -> np.ndarray:
    """Rows of the smallest matrix with one for each class, without the constant column, again and again to the length.

    Columns numbered by powers of two come first: they alone tell all rows apart.
    """
    order = max(2, 1 << (classes - 1).bit_length())
    telling = [1 << place for place in range(order.bit_length() - 1)]
    columns = telling + [column for column in range(1, order) if column not in telling]
    index = np.arange(classes) * order // classes
    odd = np.bitwise_count(index[:, None] & np.resize(columns, bits)) % 2 == 1
    return np.where(odd, -1, 1)


def _rows(classes: int, order: int) -> np.ndarray:
    """The first rows (c, order) of a Sylvester-Hadamard matrix, and from row `order` on its negatives."""
    index = np.arange(classes)
    odd = np.bitwise_count(index[:, None] % order & np.arange(order)) % 2 == 1
    return np.where(odd, -1, 1) * np.where(index[:, None] < order, 1, -1)


def _signed(words: np.ndarray, period: int, generator: np.random.Generator) -> np.ndarray:
    """The words under the signs that leave the bits best balanced of some draws.

    Args:
      words: (c, b).
      period: words whose numbers differ by it may be each other's negatives, and take one sign.
      generator: of the draws.
    """
    half = np.where(np.arange(period) % 2 == 0, 1, -1)
    place = np.arange(len(words)) % period
    draws = (words * generator.permutation(half)[place][:, None] for _ in range(_SIGN_DRAWS))
    return min(draws, key=_lean)


def _searched(classes: int, bits: int, generator: np.random.Generator) -> np.ndarray:
    """Words that are taken one by one, each the farthest from those before among all words, or among a drawn pool."""
    if bits <= _ALL_WORDS:
        pool = np.where(np.arange(2**bits)[:, None] >> np.arange(bits) & 1, 1, -1)
    else:
        pool = np.where(generator.integers(0, 2, (max(_POOL, 4 * classes), bits)) == 1, 1, -1)
        pool = np.unique(pool, axis=0)
    pool = generator.permutation(pool).astype(np.float32)
    distance = np.full(len(pool), np.inf)
    chosen, place = [], 0
    for _ in range(classes):
        chosen.append(place)
        distance = np.minimum(distance, (bits - pool @ pool[place]) / 2)
        place = int(distance.argmax())
    return pool[chosen]
