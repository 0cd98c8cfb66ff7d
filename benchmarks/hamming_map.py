"""MAP of hash codes over the full list, by counting, against the argsort of every row that evaluation scripts use."""

from __future__ import annotations

import time
import tracemalloc

import jax.numpy as jnp
import numpy as np

from avx.core.types import HashCodes
from avx.retrieval.hamming_map import hamming_map
from benchmarks.harness import Row, timed

CLASSES = 10
RIVAL_QUERIES = 100


def run(queries: int = 10_000, gallery: int = 100_000, bit_lengths: tuple[int, ...] = (64, 256)) -> list[Row]:
    """Random codes and classes. The rival runs on the first queries and is scaled; it breaks ties by index."""
    rows = []
    for bits in bit_lengths:
        rng = np.random.default_rng(bits)
        codes = [rng.integers(0, 2**32, (count, bits // 32), dtype=np.uint32) for count in (queries, gallery)]
        asked, held = codes
        asked_labels, labels = rng.integers(0, CLASSES, queries), rng.integers(0, CLASSES, gallery)

        queried, searched = HashCodes(jnp.asarray(asked), bits), HashCodes(jnp.asarray(held), bits)

        def ours():
            return hamming_map(queried, searched, lambda rows: asked_labels[rows, None] == labels)

        tracemalloc.start()
        ours()
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        _, seconds = timed(ours, repeats=1)
        start = time.perf_counter()
        for row in range(RIVAL_QUERIES):
            _average_precision(asked[row], asked_labels[row], held, labels)
        rival = (time.perf_counter() - start) * queries / RIVAL_QUERIES
        note = f"of {RIVAL_QUERIES} queries, scaled; our peak memory {peak:.0f} MiB; a matrix of the scores would take "
        note += f"{queries * gallery * 4 / 2**30:.1f} GiB"
        name = f"MAP, {queries} queries, {gallery} codes of {bits} bits"
        rows.append(Row(name, seconds, "numpy argsort per query", rival, note))
    return rows


def _average_precision(query: np.ndarray, label: int, gallery: np.ndarray, labels: np.ndarray) -> float:
    distance = np.bitwise_count(gallery ^ query).sum(1)
    relevant = labels[np.argsort(distance, kind="stable")] == label
    return float((np.cumsum(relevant) / np.arange(1, len(labels) + 1))[relevant].mean())
