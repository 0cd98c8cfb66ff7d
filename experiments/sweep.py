"""Runs a config several times, over seeds or over an ablation file, and writes one table with mean and deviation.

    python -m experiments.sweep --config=configs/quickstart.py --seeds=0,1,2
    python -m experiments.sweep --config=configs/quickstart.py --ablations=configs/ablations/skm_embedding.py

An ablation file has `variants()`, a generator of (name, {dotted field: value}). Runs that are finished are not run
again.
"""

from __future__ import annotations

import copy
import json
import runpy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict
from ml_collections.config_flags import config_flags

from avx.core.errors import UserError
from avx.evaluation.retrieval import flatten
from avx.reports.tables import sweep_table, table_text
from avx.commands import app
from avx.core import processes
from experiments.train import train
from avx.runs.workdir import write_json

Overrides = Mapping[str, Any]


def variants(path: str) -> Iterator[tuple[str, Overrides]]:
    """The ablations of a file; the config as it is, without one.

    Raises:
      UserError: no such file, or a file without `variants()`.
    """
    if not path:
        yield "as configured", {}
        return
    if not Path(path).exists():
        raise UserError(f"the ablation file {path} does not exist; see configs/ablations.")
    found = runpy.run_path(path).get("variants")
    if found is None:
        raise UserError(f"{path} has no variants(); give a generator of (name, overrides).")
    yield from found()


def overridden(config: ConfigDict, overrides: Overrides, seed: int) -> ConfigDict:
    """A copy of the config with some fields changed; the fields must exist and keep their types.

    Raises:
      UserError: an unknown field or a wrong type.
    """
    changed = copy.deepcopy(config)
    try:
        changed.lock().update_from_flattened_dict(dict(overrides))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"an override cannot be applied: {str(error).splitlines()[0]}") from error
    changed.seed = seed
    return changed


def sweep(config: ConfigDict, root: Path, seeds: Sequence[int], ablations: str) -> list[dict[str, Any]]:
    """Runs every variant with every seed.

    Returns:
      [{"name", "seed", "metrics": {"direction/level/metric": value}}], one entry for each row of each run's results.
      CCA and chance do not depend on the variant's training, and stand once for each seed.
    """
    rows = []
    for place, (name, overrides) in enumerate(variants(ablations)):
        for seed in seeds:
            workdir = root / name.replace(" ", "_").replace("/", "_") / f"seed{seed}"
            train(overridden(config, overrides, seed), workdir)
            content = json.loads((workdir / "results" / "test.json").read_text(encoding="utf-8"))
            for number, row in enumerate(content["rows"]):
                if number and place:
                    continue
                label = row["name"] if number else f"{row['name']}, {name}"
                rows.append({"name": label, "seed": seed, "metrics": flatten(row["directions"])})
    return rows


def shown(rows: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> list[dict[str, Any]]:
    """The rows with the chosen metrics only, under short names."""
    return [
        {**row, "metrics": {name: row["metrics"][name] for name in metrics if name in row["metrics"]}} for row in rows
    ]


def main(argv: Sequence[str]) -> None:
    processes.initialize()
    config = _CONFIG.value
    root = Path(_WORKDIR.value or f"runs/{config.name}_sweep")
    try:
        seeds = [int(seed) for seed in _SEEDS.value]
    except ValueError:
        raise UserError(f"--seeds={','.join(_SEEDS.value)} must be whole numbers, such as 0,1,2.") from None
    rows = sweep(config, root, seeds, _ABLATIONS.value)
    write_json(root / "sweep.json", rows)
    if processes.is_leader():
        print(table_text(sweep_table(shown(rows, config.evaluation.sweep_metrics))))


if __name__ == "__main__":
    _CONFIG = config_flags.DEFINE_config_file("config", None, "Path of the config file.", lock_config=True)
    _WORKDIR = flags.DEFINE_string("workdir", "", "Folder of all runs; runs/NAME_sweep if not given.")
    _SEEDS = flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds, separated by commas.")
    _ABLATIONS = flags.DEFINE_string("ablations", "", "Python file with variants().")
    flags.mark_flag_as_required("config")
    app.run(main)
