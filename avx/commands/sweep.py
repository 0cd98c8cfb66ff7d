"""Runs configs several times, over seeds and ablations, and compares them in one table.

    avx sweep --config=configs/quickstart.py --seeds=0,1,2
    avx sweep --config=configs/quickstart.py --ablations=configs/ablations/skm_embedding.py
    avx sweep --config=configs/semantic_hashing.py --config.data.root=FOLDER \\
        --others=configs/ssah.py,configs/comparators/cca.py

An ablation file has `variants()`, a generator of (name, {dotted field: value}). The other configs run on the data of
the first one. Choose by the validation figures; those of the test split stand there to be reported. Runs that are
finished are not run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from absl import flags
from ml_collections.config_flags import config_flags

from avx.core import processes
from avx.core.errors import UserError
from avx.evaluation.measure import flat_levels
from avx.evaluation.protocol import flatten
from avx.media.atomic import write_bytes
from avx.reports.tables import table_markdown, table_text
from avx.runs import settings, studies
from avx.runs.field_ranges import SEED
from avx.runs.workdir import write_json
from avx.tables.sweep_tables import SweepRun, sweep_tables


def define_flags() -> None:
    config_flags.DEFINE_config_file("config", None, "Path of the config file.", lock_config=True)
    flags.DEFINE_string("workdir", "", "Folder of all runs; runs/NAME_sweep if not given.")
    flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds, separated by commas.")
    flags.DEFINE_string("ablations", "", "Python file with variants().")
    flags.DEFINE_list("others", [], "Config files of other methods, on the same data, separated by commas.")
    flags.mark_flag_as_required("config")


def main(argv: Sequence[str]) -> None:
    processes.initialize()
    config, given = flags.FLAGS.config, flags.FLAGS.seeds
    root = Path(flags.FLAGS.workdir or f"runs/{config.name}_sweep")
    try:
        seeds = [int(seed) for seed in given]
    except ValueError:
        seeds = []
    if not seeds or not all(seed in SEED for seed in seeds) or len(set(seeds)) < len(seeds):
        raise UserError(f"--seeds={','.join(given)} must be different whole numbers from 0 on, such as 0,1,2.")
    asked = [studies.Study(name, config, overrides) for name, overrides in studies.variants(flags.FLAGS.ablations)]
    for path in flags.FLAGS.others:
        asked.append(studies.Study("", studies.on_data_of(studies.read_config(path), config)))
    for study in asked:
        for seed in seeds:
            settings.check(study.seeded(seed))  # What cannot be shows itself before the first run.
    runs = sweep_runs(list(studies.run_all(asked, seeds, root)))
    if not processes.is_leader():
        return
    tables = sweep_tables(runs, config.evaluation.sweep_metrics)
    shown = ("name", "role", "gallery", "seed", "values", "validation")
    write_json(root / "sweep.json", [{field: getattr(run, field) for field in shown} for run in runs])
    write_bytes(root / "sweep.md", ("\n\n".join(map(table_markdown, tables)) + "\n").encode())
    print("\n\n".join(map(table_text, tables)))
    print(f"sweep.md and sweep.json are in {root}")


def sweep_runs(finished: Sequence[studies.Finished]) -> list[SweepRun]:
    """Returns the rows of all results, as a table of means shows them."""
    runs = []
    for one in finished:
        for place, row in enumerate(one.result.rows):
            own = row.role in ("system", "variant")
            name = f"{row.name}, {one.study.name}" if own and one.study.name else row.name
            levels = flat_levels(dict(row.directions))
            ranked = {
                f"{direction}/{key}": values
                for direction, found in row.directions.items()
                for key, values in found.per_query.items()
            }
            runs.append(
                SweepRun(
                    name=name,
                    role=row.role,
                    gallery=row.gallery,
                    seed=one.seed,
                    values=flatten({row.gallery: levels}),
                    validation={} if place else one.result.validation,
                    per_query=ranked,
                )
            )
    return runs
