"""Learning curves on few clips: system A beside closed forms on the same features, cross-validated by recording.

    python -m benchmarks.small_data --config=configs/folder.py:pretrained --config.data.root=CLIPS \\
        --config.features.video_weights=squeezenet.h5 --config.features.audio_weights=yamnet.safetensors \\
        [--sizes=42,100,300] [--folds=5] [--seeds=0,1,2,3,4] [--out=small_data.json]

Prints class MAP in both directions as a table of Markdown: the mean over seeds, each of which draws other folds and
another initialisation, with the deviation between them. Clips of one recording (one file, or one `group` of clips.csv)
are never on both sides. Features are extracted once, to the cache.

Every closed form reads what system A's heads read: the mean over a clip's steps, at mean 0 and deviation 1, about the
training mean. Its constants are chosen on folds within the training clips, then it is fitted to all of these. A row "at
best" has the constants that do best on the test clips: nobody has them, they bound what a better choice could give.
"""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import jax
import numpy as np
from absl import flags
from ml_collections import ConfigDict
from ml_collections.config_flags import config_flags

from avx import registry
from avx.commands import app
from avx.core.errors import UserError
from avx.core.types import Batch
from avx.data import batches
from avx.data.splits import folds
from avx.retrieval.chance import chance_levels
from avx.retrieval.metrics import PerQuery
from avx.runs import job
from avx.runs.feature_layout import sized
from avx.runs.workdir import write_json
from avx.training import state as train_state
from avx.training.step import make_train_step
from benchmarks.small_closed_forms import CLOSED_FORMS, ClosedForm, Items, Scores

INNER_FOLDS = 4
Cut = Sequence[tuple[np.ndarray, np.ndarray]]
"""(training places, test places) of each fold."""
Precisions = tuple[np.ndarray, np.ndarray]
"""Average precision of each test clip in either direction."""


@dataclasses.dataclass(frozen=True)
class Sample:
    """Clips that are measured on.

    Attributes:
      rows: of the dataset.
      items: their features and classes.
      names, recordings: of each, for folds.
    """

    rows: np.ndarray
    items: Items
    names: tuple[str, ...]
    recordings: tuple[str | None, ...]

    def folds(self, count: int, seed: int, places: np.ndarray | None = None) -> Cut:
        """Folds of the clips at some places (all if None), as places of the sample."""
        of = np.arange(len(self.rows)) if places is None else places
        cut = folds(
            [self.names[place] for place in of],
            self.items.labels[of].tolist(),
            count,
            seed,
            [self.recordings[place] for place in of],
        )
        return [(of[train], of[test]) for train, test in cut]


def sample(config: ConfigDict, prepared: job.Prepared, size: int) -> Sample:
    """Takes `size` clips with a class, pictures and sound, in the order of a hash of their names; all if fewer.

    Raises:
      UserError: no clip has all three.
    """
    dataset, clips = prepared.dataset, registry.clips(config)
    group = dict(zip(clips.ids, clips.groups, strict=True))
    complete = [
        row
        for row in range(len(dataset))
        if dataset.first_label[row] >= 0 and {"video", "audio"} <= set(dataset.shapes(row))
    ]
    if not complete:
        raise UserError(f"no clip of {dataset.name} has a class, pictures and sound; give such clips.")
    complete.sort(key=lambda row: hashlib.sha256(dataset.ids[row].encode()).digest())
    rows = np.array(sorted(complete[:size]))
    names = tuple(dataset.ids[row] for row in rows)
    return Sample(rows, Items.of(dataset, rows), names, tuple(group[name] or None for name in names))


def average_precisions(scores: Scores, labels: np.ndarray) -> Precisions:
    """Class AP of each query in both directions; a clip's own other side counts as relevant, as in every result."""
    found = []
    for matrix in scores:
        counted = PerQuery((1,))
        counted.add(matrix, labels[:, None] == labels[None, :])
        found.append(counted.values()["map"])
    return found[0], found[1]


def of_forms(form: ClosedForm, sampled: Sample, cut: Cut) -> np.ndarray:
    """(candidates, 2, clips) average precisions of a closed form over the test clips of all folds."""
    parts = []
    for train, test in cut:
        pair, labels = sampled.items.pair(train, test), sampled.items.labels[test]
        parts.append([average_precisions(form.scores(pair, **one), labels) for one in form.candidates])
    return np.concatenate(parts, axis=-1)


def chosen_within(form: ClosedForm, sampled: Sample, train: np.ndarray, seed: int) -> int:
    """The place of the candidate that does best on folds of the training clips."""
    if len(form.candidates) == 1:
        return 0
    return int(of_forms(form, sampled, sampled.folds(INNER_FOLDS, seed, train)).mean((1, 2)).argmax())


class Trained:
    """A config's system, trained as `runs.fit` does without validation items, less the files that it writes.

    One compiled step serves all folds and seeds: units are dropped as the config's own seed says, while initialisation
    and order follow the seed of each run.
    """

    def __init__(self, config: ConfigDict, prepared: job.Prepared, sampled: Sample, count: int):
        longest = len(sampled.rows) - len(sampled.rows) // count
        self.sampled, self.load = sampled, batches.labelled(prepared.dataset)
        self.specs = sized(registry.clip_specs(config), prepared.dataset)
        self.batch_size = min(config.train.batch_size, longest)
        self.steps = batches.steps_per_epoch(longest, self.batch_size) * config.train.epochs
        facts = registry.Facts(len(prepared.dataset.class_names), ("video", "audio"))
        self.system, self.optimizer = registry.system(config, facts), registry.optimizer(config, self.steps)
        self.step = make_train_step(self.system, self.optimizer, config.seed, devices=jax.local_devices()[:1])
        self.embed = jax.jit(self.system.embed)

    def passed(self, rows: np.ndarray, size: int) -> Iterator[Batch]:
        return batches.evaluation_batches(self.load, rows, self.specs, size)

    def average_precisions(self, cut: Cut, seed: int) -> Precisions:
        """Of the test clips of all folds, in their order."""
        parts = []
        for train, test in cut:
            rows, asking = self.sampled.rows[train], self.sampled.rows[test]
            state = train_state.create(self.system, self.optimizer, seed, next(self.passed(rows[:1], 1)), False)
            if self.system.calibrate is not None:
                found = self.system.calibrate(state.params, state.model_state, lambda rows=rows: self.passed(rows, 32))
                state = dataclasses.replace(state, model_state=found)
            iterator = batches.train_iterator(self.load, rows, self.specs, batch_size=self.batch_size, seed=seed)
            for _ in range(self.steps):
                state, _ = self.step(state, next(iterator))
            # All folds are padded to one size, so that one compilation serves them.
            embedded = self.embed(state.params, state.model_state, next(self.passed(asking, len(self.sampled.rows))))
            video, audio = (np.asarray(embedded[side].vectors)[: len(test)] for side in self.system.sides)
            parts.append(average_precisions((video @ audio.T, audio @ video.T), self.sampled.items.labels[test]))
        first, second = np.concatenate(parts, axis=-1)
        return first, second


def of_chance(labels: np.ndarray) -> Precisions:
    """Expected class AP of a random order."""
    relevant = (labels[:, None] == labels[None, :]).sum(1)
    expected = np.array([chance_levels(np.array([count]), len(labels), (1,))["map"] for count in relevant])
    return expected, expected


def curve(
    config: ConfigDict, prepared: job.Prepared, sampled: Sample, count: int, seeds: Sequence[int]
) -> dict[str, np.ndarray]:
    """Row of the table -> (seeds, 2) class MAP."""
    rows: dict[str, list[np.ndarray]] = {}
    fixed: dict[str, list[np.ndarray]] = {}
    trained = Trained(config, prepared, sampled, count)
    for seed in seeds:
        cut = sampled.folds(count, seed)
        rows.setdefault("system A", []).append(np.mean(trained.average_precisions(cut, seed), axis=-1))
        for name, form in CLOSED_FORMS.items():
            parts = [of_forms(form, sampled, [fold])[chosen_within(form, sampled, fold[0], seed)] for fold in cut]
            rows.setdefault(name, []).append(np.concatenate(parts, axis=-1).mean(-1))
            fixed.setdefault(name, []).append(of_forms(form, sampled, cut).mean(-1))
        chance = np.concatenate([of_chance(sampled.items.labels[test]) for _, test in cut], axis=-1)
        rows.setdefault("chance", []).append(chance.mean(-1))
        print(f"seed {seed}: " + ", ".join(f"{name} {of[-1].mean():.3f}" for name, of in rows.items()), flush=True)
    table = {name: np.array(values) for name, values in rows.items()}
    for name, values in fixed.items():
        candidates = np.array(values).swapaxes(0, 1)
        if len(candidates) > 1:
            table[f"{name}, at best"] = candidates[candidates.mean((1, 2)).argmax()]
    return table


def markdown(table: Mapping[str, np.ndarray], clips: int) -> str:
    """The table of one number of clips."""
    lines = [f"| {clips} clips | video to sound | sound to video | mean |", "|---|---|---|---|"]
    for name, values in table.items():
        deviation = values.std(0, ddof=1) if len(values) > 1 else np.zeros(2)
        cells = [f"{mean:.3f} ± {one:.3f}" for mean, one in zip(values.mean(0), deviation, strict=True)]
        lines.append(f"| {name} | {' | '.join(cells)} | {values.mean():.3f} |")
    return "\n".join(lines)


def numbers(given: Sequence[str], flag: str, smallest: int) -> list[int]:
    """Whole numbers of a flag. Raises UserError for others."""
    try:
        found = [int(text) for text in given]
    except ValueError:
        found = []
    if not found or min(found) < smallest:
        raise UserError(f"--{flag}={','.join(given)} must be whole numbers from {smallest} on.")
    return found


def define_flags() -> None:
    config_flags.DEFINE_config_file("config", None, "Path of the config file.", lock_config=True)
    flags.DEFINE_list("sizes", ["42"], "Numbers of clips, separated by commas.")
    flags.DEFINE_integer("folds", 5, "Folds of the cross-validation.")
    flags.DEFINE_list("seeds", ["0", "1", "2", "3", "4"], "Seeds, separated by commas.")
    flags.DEFINE_string("out", "small_data.json", "File of all values.")
    flags.mark_flag_as_required("config")


def main(argv: Sequence[str]) -> None:
    config, out = flags.FLAGS.config, Path(flags.FLAGS.out)
    sizes, seeds = numbers(flags.FLAGS.sizes, "sizes", 2), numbers(flags.FLAGS.seeds, "seeds", 0)
    with tempfile.TemporaryDirectory() as scratch:
        prepared = job.prepare(config, Path(scratch))
    found = {}
    for size in sizes:
        sampled = sample(config, prepared, size)
        table = curve(config, prepared, sampled, flags.FLAGS.folds, seeds)
        found[len(sampled.rows)] = {name: values.tolist() for name, values in table.items()}
        print(markdown(table, len(sampled.rows)), flush=True)
    write_json(out, {"config": config.name, "folds": flags.FLAGS.folds, "seeds": seeds, "map": found})
    print(f"every value is in {out}")


if __name__ == "__main__":
    app.run(__import__("benchmarks.small_data", fromlist=["main"]))
