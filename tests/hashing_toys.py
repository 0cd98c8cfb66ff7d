"""Small batches of paired features, as the tests of the hashing systems share them."""

import numpy as np

from avx.core.types import Batch, Padded

IMAGE_SIZE, TEXT_SIZE = 5, 12


def batch_of(size=16, real=None, seed=0):
    """`size` rows of 3 classes, the first `real` of them present."""
    rng = np.random.default_rng(seed)
    mask = np.ones((size, 1), bool)
    sides = {"image": rng.normal(size=(size, 1, IMAGE_SIZE)), "text": rng.normal(size=(size, 1, TEXT_SIZE))}
    return Batch(
        modalities={name: Padded(values.astype(np.float32), mask) for name, values in sides.items()},
        label=rng.integers(0, 3, size).astype(np.int32),
        position=np.arange(size, dtype=np.int32),
        example_mask=np.arange(size) < (size if real is None else real),
        item=np.where(np.arange(size) < (size if real is None else real), np.arange(size), -1).astype(np.int32),
    )
