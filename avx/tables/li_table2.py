"""Li 2022, Table 2: video-speech retrieval, on the data at hand.

The paper writes R@k both as the share of relevant items found and as at least one hit, and its figures lie below
chance under the second (docs/methods.md 8.6): so all readings stand side by side. Items, not pairs, are split.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from ml_collections import ConfigDict

from avx import registry
from avx.core.errors import UserError
from avx.evaluation.evaluator import Evaluator
from avx.evaluation.measure import flat_levels
from avx.evaluation.protocol import both_directions, flatten
from avx.media.atomic import write_bytes
from avx.reports.tables import Table as Cells
from avx.reports.tables import best_cells, table_markdown
from avx.runs import bundle, job, studies
from avx.runs import settings as runs_settings
from avx.runs.studies import Finished, Study
from avx.runs.workdir import write_json
from avx.tables.table import Table
from avx.training.environment import record

KS = (1, 10, 25)
READINGS = {
    "share of the class's items found, TP / (TP + FN) (eq. 5)": "class/tp_recall",
    "at least one item of the class": "class/hit",
    "the clip's own other side": "instance/hit",
}
DIRECTIONS = ("audio_to_video", "video_to_audio")
FULL = "System C"
TRAINED: dict[str, dict[str, Any]] = {
    FULL: {"evaluation.test_time_update": True},
    f"{FULL}, no memory": {"memory.enabled": False},
}
SCORES = ("blend", "distance", "printed")
"""Read from the memory that the full system has written: with the cross entropy of S1, training does not see them."""
PRINTED = {
    "CCA": (0.92, 6.83, 9.59, 0.87, 6.34, 9.78),
    "KCCA": (1.59, 7.98, 10.82, 1.12, 7.44, 10.31),
    "DCCA": (1.83, 8.35, 15.65, 1.55, 7.87, 12.78),
    "MuSimNet": (1.93, 8.21, 16.24, 1.85, 8.35, 16.80),
    "MusiCNN": (2.13, 8.73, 19.78, 2.05, 8.41, 19.52),
    "VM-Net": (2.40, 9.64, 21.37, 2.54, 9.36, 21.35),
    "Ours": (3.37, 12.45, 25.63, 3.56, 12.23, 24.37),
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a run of the table may change.

    Attributes:
      config: the study that is run; its data, features and sizes.
      kind: of the data, see `data.kind`; "" for the config's.
      speech: "track" or "spoken", of the embedded data set; "" for the config's.
      clips: of the embedded data set; 0 for the config's.
      video_weights, flow_weights: files of I3D's streams, for configs that read it.
      epochs: 0 for the config's.
      seeds: runs of each row.
    """

    config: str = "configs/feature_memory_embedded.py"
    kind: str = ""
    speech: str = ""
    clips: int = 0
    video_weights: str = ""
    flow_weights: str = ""
    epochs: int = 0
    seeds: int = 3

    def __post_init__(self):
        if self.seeds < 1:
            raise UserError(f"seeds={self.seeds} cannot be; give at least 1.")


def configured(data: Path, settings: Settings) -> ConfigDict:
    """The study's config on the data of `data`; UserError where there is no such config, or it lacks weights."""
    config = studies.read_config(settings.config)
    changed = {
        "data.root": str(data),
        "data.kind": settings.kind,
        "data.speech": settings.speech,
        "data.clips": settings.clips,
        "features.video_weights": settings.video_weights,
        "features.flow_weights": settings.flow_weights,
        "train.epochs": settings.epochs,
        "evaluation.ks": KS,
    }
    chosen = studies.overridden(config, {name: value for name, value in changed.items() if value})
    both = chosen.features.video_weights and chosen.features.flow_weights
    if chosen.features.video.startswith("i3d") and not both:
        raise UserError(
            f"{settings.config} reads I3D; give both streams as --set=video_weights=FILE --set=flow_weights=FILE."
        )
    return chosen


def reproduce(data: Path, out: Path, settings: Settings) -> str:
    """Runs every row with every seed and writes table.md and table.json; runs that are finished are not repeated.

    Args:
      data: folder of the clips; of the embedded data set, where it lies or is to be rendered.
      out: folder of the results and of the runs.
      settings: see `Settings`.
    """
    config = configured(data, settings)
    rows: dict[str, list[dict[str, float]]] = {}
    protocol: Mapping[str, Any] = {}
    asked = [Study(name, config, overrides) for name, overrides in TRAINED.items()]
    for finished in studies.run_all(asked, range(settings.seeds), out):
        protocol = finished.result.protocol
        for row in finished.result.rows:
            # CCA and chance stand in each run and are the same in all of them.
            name = finished.study.name if row.role == "system" else row.name
            if row.role in ("system", "variant") or name not in rows:
                rows.setdefault(name, []).append(flatten({row.gallery: flat_levels(dict(row.directions))}))
        for score in SCORES if finished.study.name == FULL else ():
            rows.setdefault(f"{FULL}, {score}", []).append(scored_by(finished, score, out))
    result = {
        "table": "li/table2",
        "settings": dataclasses.asdict(settings),
        "protocol": protocol,
        "rows": {name: runs for name, runs in sorted(rows.items(), key=lambda item: _place(item[0]))},
        "printed": PRINTED,
        "environment": record(),
    }
    write_json(out / "table.json", result)
    text = page(result)
    write_bytes(out / "table.md", text.encode())
    return text


def _place(name: str) -> tuple[bool, bool, str]:
    """Rows of the system first, chance last."""
    return name == "chance", not name.startswith(FULL), "" if name == FULL else name


def scored_by(finished: Finished, score: str, out: Path) -> dict[str, float]:
    """Returns the test metrics of a finished run's model under another score of the same memory."""
    retriever, facts = bundle.read(finished.workdir)
    changed = studies.overridden(retriever.config, {"model.score": score})
    asked = dataclasses.replace(retriever, config=changed, system=registry.system(changed, facts))
    prepared = job.prepare(retriever.config, finished.workdir)
    options = runs_settings.evaluation(changed)
    evaluator = Evaluator(asked, prepared.dataset)
    directions = evaluator.directions(both_directions(asked.sides, "test", "test", options.ks), whole=False)
    return flatten({"test": flat_levels(directions)})


def page(result: Mapping[str, Any]) -> str:
    """The measured readings, and the printed table, as Markdown."""
    protocol = result["protocol"]
    parts = [
        "# Video-speech retrieval (Li 2022, Table 2)",
        f"Data: {protocol['dataset']}, {protocol['items']['train']} clips to train, {protocol['gallery']} to search, "
        f"{protocol['classes']} classes, split by item ({protocol['split_hash']}). Percent, mean ± deviation over "
        f"{result['settings']['seeds']} seeds. {protocol['tie_rule'].capitalize()}; {protocol['missing_modality']}.",
        "The paper's corpus (50 videos and 50 spoken descriptions of each of 20 classes of MPII Cooking 2) is not "
        "public as such and its comparators are not rows of this table: compare orders, not values. A to V: a sound "
        "asks for videos.",
    ]
    parts += [table_markdown(measured(result["rows"], title, metric)) for title, metric in READINGS.items()]
    header = ("printed", *_columns())
    lines = tuple((name, *(f"{value:.2f}" for value in values)) for name, values in result["printed"].items())
    parts.append(table_markdown(Cells("As printed, R@k in percent", header, lines)))
    return "\n\n".join(parts) + "\n"


def measured(rows: Mapping[str, list[Mapping[str, float]]], title: str, metric: str) -> Cells:
    """The table of one reading of recall."""
    keys = [f"{direction}/{metric}@{k}" for direction in DIRECTIONS for k in KS]
    lines = [(name, *(_cell([run[key] for run in runs]) for key in keys)) for name, runs in rows.items()]
    means = [("map", [fmean(run[key] for run in runs) for runs in rows.values()]) for key in keys]
    return Cells(f"R@k as {title}", ("", *_columns()), tuple(lines), best_cells(means))


def _columns() -> list[str]:
    return [f"{arrow} R@{k}" for arrow in ("A to V", "V to A") for k in KS]


def _cell(values: list[float]) -> str:
    spread = f" ± {100 * stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * fmean(values):.1f}{spread}"


TABLE = Table(Settings, reproduce)
