"""Seconds that each method of the hashing table takes to fit the Wikipedia training items."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import jax

from avx.core.errors import UserError
from avx.runs import job
from avx.runs.fit import fit
from avx.runs.studies import overridden
from avx.tables import hashing_rows
from avx.tables.hashing_studies import TABLE1
from avx.tables.hashing_table import Settings, configured, without_grid
from benchmarks.harness import Row

BITS = 32


def run() -> list[Row]:
    """One row for each method with its recorded constants; a trained row counts its compilation.

    Raises:
      UserError: AVX_REAL_DATA, the folder that holds wikipedia_xmodal, is not set.
    """
    folder = os.environ.get("AVX_REAL_DATA")
    if not folder:
        raise UserError("AVX_REAL_DATA is not set: give the folder that holds wikipedia_xmodal.")
    data, rows = Path(folder) / "wikipedia_xmodal", []
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        for method in (*hashing_rows.HASHING, *hashing_rows.REAL):
            length = {"model.bits": BITS} if method.hashed else {}
            config = without_grid(configured(method, TABLE1, data, out, Settings()))
            config = overridden(config, {**method.chosen, **length})
            dataset = job.prepare(config, out / "prepared").dataset
            jax.clear_caches()
            start = time.perf_counter()
            fit(config, dataset, out / method.name)
            seconds = time.perf_counter() - start
            name = f"fit {method.name}, {len(dataset.rows('train'))} pairs" + (f", {BITS} bits" if length else "")
            epochs = method.chosen.get("train.epochs")
            rows.append(Row(name, seconds, note=f"{epochs} epochs, compilation included" if epochs else ""))
    return rows
