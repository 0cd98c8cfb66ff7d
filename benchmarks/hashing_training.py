"""Seconds that each method of the hashing table takes to fit the Wikipedia training items."""

from __future__ import annotations

import os
import time
from pathlib import Path

import jax

from avx.core.errors import UserError
from avx.data.sets import wikipedia
from benchmarks.harness import Row
from experiments.pairs import by_split
from avx.tables import hashing_rows

BITS = 32


def run() -> list[Row]:
    """One row for each method with its recorded constants; a trained row counts its compilation.

    Raises:
      UserError: AVX_REAL_DATA, the folder that holds wikipedia_xmodal, is not set.
    """
    folder = os.environ.get("AVX_REAL_DATA")
    if not folder:
        raise UserError("AVX_REAL_DATA is not set: give the folder that holds wikipedia_xmodal.")
    table = wikipedia.read(Path(folder) / "wikipedia_xmodal")
    training = by_split(table, "image", "text")["train"]
    rows = []
    for method in (*hashing_rows.HASHING, *hashing_rows.REAL):
        jax.clear_caches()
        start = time.perf_counter()
        method.fit(training, None, len(table.class_names), BITS if method.hashed else 0, 0, method.chosen)
        name = f"fit {method.name}, {len(training)} pairs" + (f", {BITS} bits" if method.hashed else "")
        epochs = method.chosen.get("train.epochs")
        note = f"{epochs} epochs, compilation included" if epochs else ""
        rows.append(Row(name, time.perf_counter() - start, note=note))
    return rows
