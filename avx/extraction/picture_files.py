"""Features of still pictures in files, by a frozen encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from avx.core.errors import UserError
from avx.extraction.front_end import resized
from avx.extraction.frozen import FrozenEncoder, in_fixed_batches
from avx.media.images import read_image
from avx.media.quarantine import MediaProblem

SIDE = 224
PICTURES_AT_ONCE = 32


def picture_features(encoder: FrozenEncoder) -> Callable[[Mapping[str, Path]], np.ndarray]:
    """A function from picture files by item to (n, D) float32, rows in the order of the mapping.

    Pictures are stretched to 224 x 224; a batch of 32 is in memory at a time. A row depends on its own file alone.

    Args:
      encoder: (32, 224, 224, 3) uint8 -> (32, D).

    Returns:
      The function. It raises UserError, naming the item, for a file that is missing or is no whole png or jpeg.
    """
    apply = in_fixed_batches(encoder.apply, PICTURES_AT_ONCE)

    def described(files: Mapping[str, Path]) -> np.ndarray:
        items = list(files.items())
        assert items, "there is no feature size without pictures"
        rows = []
        for first in range(0, len(items), PICTURES_AT_ONCE):
            batch = [_read(item_id, path) for item_id, path in items[first : first + PICTURES_AT_ONCE]]
            rows.append(apply(np.concatenate(batch)))
        return np.concatenate(rows).astype(np.float32)

    return described


def _read(item_id: str, path: Path) -> np.ndarray:
    try:
        return resized(read_image(path)[None], SIDE)
    except MediaProblem as problem:
        raise UserError(f"The picture of item {item_id} cannot be read, {problem}: fetch it again.") from problem
