"""Seconds that each method of the hashing table takes to fit the Wikipedia training items."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import jax

from avx.core.errors import UserError
from avx.runs import job, sweep
from avx.runs.fit import fit
from avx.tables import hashing_rows, semantic_hashing
from avx.tables.hashing_studies import TABLE1
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
    data = Path(folder) / "wikipedia_xmodal"
    rows = []
    with tempfile.TemporaryDirectory() as made:
        for number, method in enumerate((*hashing_rows.HASHING, *hashing_rows.REAL)):
            config = semantic_hashing.configured(method, TABLE1, data, Path(made), semantic_hashing.Settings())
            constants = {**method.chosen, **({"model.bits": BITS} if method.hashed else {})}
            config = sweep.overridden(semantic_hashing.without_grid(config), constants)
            workdir = Path(made) / str(number)
            dataset = job.prepare(config, workdir).dataset
            jax.clear_caches()
            start = time.perf_counter()
            fit(config, dataset, workdir)
            seconds = time.perf_counter() - start
            pairs = len(dataset.rows("train"))
            name = f"fit {method.name}, {pairs} pairs" + (f", {BITS} bits" if method.hashed else "")
            epochs = method.chosen.get("train.epochs")
            rows.append(Row(name, seconds, note=f"{epochs} epochs, compilation included" if epochs else ""))
    return rows
