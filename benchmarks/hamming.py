"""Exact Hamming search against faiss IndexBinaryFlat, on the same codes, queries and cores."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from avx.core.types import HashCodes
from avx.hashing import hamming_index
from benchmarks.harness import Row, timed

NEIGHBOURS = 10
COPIED = 1 << 28
"""Bytes of the memory copy, 256 MiB: more than any cache holds."""


def run(
    gallery_sizes: tuple[int, ...] = (1_000_000, 10_000_000),
    queries: int = 1000,
    bit_lengths: tuple[int, ...] = (64, 256),
) -> list[Row]:
    """Top-10 of random queries among random codes, and a memory copy to compare rates with.

    faiss runs at its best: of one thread or all cores, and queries in its default batches or all at once, what is
    fastest on the smallest gallery. The notes give the first call (compilation included), the time that building our
    index takes, and the rate at which pairs are scanned, in bytes of gallery code.
    """
    rows = [_copy()]
    for bits in bit_lengths:
        chosen: tuple[int, int] | None = None
        for size in sorted(gallery_sizes):
            row, chosen = _search(size, queries, bits, chosen)
            rows.append(row)
    return rows


def _search(size: int, queries: int, bits: int, chosen: tuple[int, int] | None) -> tuple[Row, tuple[int, int]]:
    """One row, and the rival's best (threads, queries at a time), which is looked for where none is given."""
    import faiss

    rng = np.random.default_rng(bits)
    gallery = rng.integers(0, 2**32, (size, bits // 32), dtype=np.uint32)
    asked = rng.integers(0, 2**32, (queries, bits // 32), dtype=np.uint32)
    device_gallery, device_asked = jnp.asarray(gallery), jnp.asarray(asked)
    start = time.perf_counter()
    index = hamming_index.build(HashCodes(device_gallery, bits), neighbours=NEIGHBOURS)
    index.tiles.block_until_ready()
    build = time.perf_counter() - start
    first, ours = timed(lambda: hamming_index.top_k(device_asked, index, NEIGHBOURS), 3)
    found = np.asarray(hamming_index.top_k(device_asked, index, NEIGHBOURS)[0])

    rival: Any = faiss.IndexBinaryFlat(bits)
    rival.add(gallery.view(np.uint8))
    cores = len(os.sched_getaffinity(0))
    options = [chosen] if chosen else list(itertools.product((1, cores), (rival.query_batch_size, queries)))
    seconds = {}
    for threads, at_once in options:
        faiss.omp_set_num_threads(threads)
        rival.query_batch_size = at_once
        seconds[threads, at_once], (distances, _) = _seconds(lambda: rival.search(asked.view(np.uint8), NEIGHBOURS))
    chosen = min(seconds, key=seconds.__getitem__)
    note = (
        f"{gallery.nbytes * queries / ours / 1e9:.0f} GB/s of code scanned; first call {first:.1f} s; "
        f"build {build:.2f} s; rival with {chosen[0]} threads, {chosen[1]} queries at a time; "
        f"distances {'agree' if np.array_equal(distances, found) else 'DISAGREE'}"
    )
    name = f"Hamming top-{NEIGHBOURS}, {queries} queries, {size} codes of {bits} bits"
    return Row(name, ours, "faiss IndexBinaryFlat", seconds[chosen], note), chosen


def _seconds(function: Callable[[], tuple], repeats: int = 2) -> tuple[float, tuple]:
    """The fastest of some calls, and the last result: the rival gets the benefit of a busy machine's doubt."""
    fastest, result = float("inf"), ()
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        fastest = min(fastest, time.perf_counter() - start)
    return fastest, result


def _copy() -> Row:
    source = np.random.default_rng(0).integers(0, 255, COPIED, dtype=np.uint8)
    target = np.empty_like(source)
    _, seconds = timed(lambda: np.copyto(target, source), 3)
    return Row("memory copy, 256 MiB", seconds, note=f"{2 * COPIED / seconds / 1e9:.0f} GB/s read and written")
