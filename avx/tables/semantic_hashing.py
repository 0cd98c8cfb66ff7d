"""The hashing tables of paper D on features that can be had: Wikipedia (Table 1, Figure 2), NUS-WIDE-10K (Table 2, 3).

Protocol (docs/methods.md 5.1): queries are the test items of one modality, the database holds the training items of
the other, or its test items; every code comes from a fitted hash function; MAP over the full list with expected values
under ties. Constants are chosen on validation items: those of the data set, or a fifth of its training items, which
are fitted with the rest once the choice is made.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, median_low
from typing import Any

import jax
import numpy as np

from avx.core.errors import UserError
from avx.data.sets import feature_pairs
from avx.data.splits import split_hash
from avx.media.atomic import write_bytes
from avx.registry.pairs import PAIR_SIZES, described_pictures, pair_sizes
from avx.retrieval.curves import precision_recall, radius_curve
from avx.retrieval.hamming_map import counts_of_distances
from avx.retrieval.metrics import chance_levels
from avx.runs.workdir import write_json
from avx.tables import hashing_page, hashing_rows
from avx.tables.hashing_rows import Constants, Row
from avx.tables.hashing_studies import TABLE1, TABLE2, Study
from avx.tables.table import Table
from avx.training.environment import record
from experiments.pairs import DIRECTIONS, Pairs, by_split, evaluate, fitting_parts, validation_levels

SELECTION_BITS = 32
KS, MAP_CUTOFFS = (1, 10, 100), (50, 100)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a run of the table may change.

    Attributes:
      bits: code lengths, separated by commas.
      seeds: runs of each row that depends on a seed.
      image: kind of image features, such as "image" for the published ones, and "image_handcrafted",
        "image_squeezenet" or "image_resnet50" of picture files; see `PAIR_SIZES` of `avx.registry.pairs`.
      image_weights: file of the network that `image` names.
      text: kind of text features, such as "text" for the 10 topics, "text_tfidf" for 1000 words, "text_words" of texts.
      search: choose the constants anew, on validation items, instead of taking those chosen on Wikipedia's.
      epochs: of the trained rows; 0 for the chosen number.
      validation_share: of the training items, for the search, where the data set names no validation items.
      split_seed: of that part.
      cuts: parts with seeds from `split_seed` on that a candidate is averaged over; one part of 435 items is too few to
        tell similar candidates apart.
    """

    bits: str = "16,32,64"
    seeds: int = 5
    image: str = "image"
    image_weights: str = ""
    text: str = "text"
    search: bool = False
    epochs: int = 0
    validation_share: float = 0.2
    split_seed: int = 0
    cuts: int = 3

    @property
    def kinds(self) -> dict[str, str]:
        """Kind of features by side."""
        return {"image": self.image, "text": self.text}

    @property
    def lengths(self) -> tuple[int, ...]:
        """The code lengths as numbers; UserError where they are none."""
        try:
            lengths = tuple(int(one) for one in self.bits.split(","))
        except ValueError:
            lengths = ()
        if not lengths or min(lengths) < 1:
            raise UserError(f"bits={self.bits} must be code lengths of at least 1 with commas between, as 16,32,64.")
        return lengths

    def __post_init__(self):
        if self.seeds < 1 or self.cuts < 1 or self.epochs < 0:
            raise UserError(
                f"seeds={self.seeds} and cuts={self.cuts} must be at least 1, and epochs={self.epochs} at least 0."
            )


@dataclasses.dataclass(frozen=True)
class Measured:
    """One fit of one row.

    Attributes:
      bits: code length; 0 for a real-valued row.
      seed: of the fit.
      metrics: {database: {direction: {metric: value}}}.
      curves: 11-point precision {database: {direction: (11,)}} of seed 0.
      radius_curves: of seed 0's codes, {database: {direction: {name: (bits + 1,)}}} with the fields of `RadiusCurve`.
    """

    bits: int
    seed: int
    metrics: dict[str, dict[str, dict[str, float]]]
    curves: dict[str, dict[str, list[float]]]
    radius_curves: dict[str, dict[str, dict[str, list[float]]]]


@dataclasses.dataclass(frozen=True)
class SearchedSettings(Settings):
    """As `Settings`; the constants are chosen on the data set's own validation items."""

    search: bool = True


def choose(
    row: Row, parts: Mapping[str, Pairs], classes: int, settings: Settings
) -> tuple[Constants, list[dict[str, Any]]]:
    """The candidate with the largest MAP of `validation_levels`, averaged over cuts, and the record of all of them."""
    cuts = 1 if "val" in parts else settings.cuts
    tried: list[dict[str, Any]] = []
    for candidate in row.candidates:
        limited = _limited(candidate, settings)
        values, stopped = [], []
        for cut in range(cuts):
            fitting, validation = fitting_parts(parts, settings.validation_share, settings.split_seed + cut)
            if validation is None:
                raise UserError("validation_share=0 leaves nothing to choose constants by; give a share such as 0.2.")
            scorer, found = row.fit(fitting, validation, classes, SELECTION_BITS, 0, limited)
            values.append(validation_levels(scorer, fitting, validation)["map"])
            stopped.append(found)
        # What training found by itself, such as the number of epochs, is that of the cut in the middle.
        middle = {name: median_low(found[name] for found in stopped) for name in stopped[0]}
        tried.append({"constants": {**candidate, **middle}, "validation_map": fmean(values)})
    best = max(tried, key=lambda one: one["validation_map"])
    return best["constants"], tried


def _limited(constants: Constants, settings: Settings) -> dict[str, Any]:
    if not settings.epochs or "train.epochs" not in constants:
        return dict(constants)
    every = min(settings.epochs, constants["train.evaluate_every"])
    return {**constants, "train.epochs": settings.epochs, "train.evaluate_every": every}


def measure(
    row: Row, constants: Constants, bits: int, seed: int, training: Pairs, test: Pairs, classes: int
) -> Measured:
    """Fits a row on all training items and evaluates both databases in both directions."""
    scorer, _ = row.fit(training, None, classes, bits, seed, constants)
    found: dict[str, dict[str, dict[str, float]]] = {}
    curves: dict[str, dict[str, list[float]]] = {}
    radius_curves: dict[str, dict[str, dict[str, list[float]]]] = {}
    for name, database in zip(hashing_page.DATABASES, (training, test), strict=True):
        scores = scorer(test, database)
        found[name] = evaluate(scores, test.label, database.label, KS, MAP_CUTOFFS)
        if seed == 0:
            relevance = test.label[:, None] == database.label
            curves[name] = {
                f"{query}_to_{other}": precision_recall(scores[query, other], relevance).eleven_point.tolist()
                for query, other in DIRECTIONS
            }
        if seed == 0 and row.hashed:
            radius_curves[name] = {
                f"{query}_to_{other}": _over_radius(scores[query, other], relevance, bits)
                for query, other in DIRECTIONS
            }
    return Measured(bits, seed, found, curves, radius_curves)


def _over_radius(scores: np.ndarray, relevance: np.ndarray, bits: int) -> dict[str, list[float]]:
    counts = counts_of_distances(hashing_rows.hamming_distances(scores, bits), relevance, bits)
    return {name: line.tolist() for name, line in dataclasses.asdict(radius_curve(counts)).items()}


def reproduce(study: Study, data: Path, out: Path, settings: Settings) -> str:
    """A table on the published files in `data`.

    Args:
      study: which table.
      data: folder of the published files, see `avx.data.sets.wikipedia` and `avx.data.sets.nuswide`.
      out: folder of the results; the tfds dataset is built in its subfolder "data".
      settings: see `Settings`.

    Returns:
      The table as Markdown, as written to table.md; table.json holds every number and the chosen constants.

    Raises:
      UserError: data or settings that cannot serve.
    """
    lengths = settings.lengths
    pair_sizes(PAIR_SIZES[study.kind], settings.kinds)
    option = "--set=image_weights"
    describe = described_pictures(settings.image, settings.image_weights, option, out / "data")
    table = feature_pairs.load(study.build(out / "data", data, describe))
    parts = by_split(table, **settings.kinds)
    classes = len(table.class_names)
    content = _described(study, table, parts, settings)
    fields = {"data.kind": study.kind} | {f"features.{side}": kind for side, kind in settings.kinds.items()}
    rows = [_on_data(row, fields) for row in (*hashing_rows.HASHING, *hashing_rows.REAL)]
    results: list[dict[str, Any]] = []
    for row in rows:
        constants: Constants = row.chosen
        tried: list[dict[str, Any]] = []
        if settings.search:
            constants, tried = choose(row, parts, classes, settings)
            jax.clear_caches()
        printed = {str(bits): value for bits, value in study.printed.get(row.name, {}).items()}
        results.append(
            {
                "name": row.name,
                "hashed": row.hashed,
                "standardised": hashing_rows.sees_standardised(row, constants),
                "printed_image_to_text": printed,
                "constants": dict(constants),
                "tried_on_validation": tried,
                "runs": [],
            }
        )
    for seed in range(settings.seeds):
        for row, result in zip(rows, results, strict=True):
            if seed and not row.seeded:
                continue
            for bits in lengths if row.hashed else (0,):
                limited = _limited(result["constants"], settings)
                run = measure(row, limited, bits, seed, parts["train"], parts["test"], classes)
                result["runs"].append(dataclasses.asdict(run))
                # Every fit compiles a step of its own; kept, they would add up to gigabytes.
                jax.clear_caches()
        # After each seed, so that a long run that is stopped leaves a whole table of fewer seeds.
        text = _write(study, out, content | {"rows": results}, lengths)
    return text


def _described(
    study: Study, table: feature_pairs.PairTable, parts: Mapping[str, Pairs], settings: Settings
) -> dict[str, Any]:
    """What table.json says beside the rows."""
    return {
        "table": study.name,
        "settings": dataclasses.asdict(settings),
        "features": {
            "sizes": {kind: table.features[kind].shape[1] for kind in settings.kinds.values()},
            "rows": "L2-normalised",
        },
        "split_hash": {name: split_hash(part.item_ids, range(len(part))) for name, part in parts.items()},
        "queries": len(parts["test"]),
        "chance_map": {
            name: chance_levels(parts["test"].label[:, None] == parts[name].label, KS)["map"]
            for name in hashing_page.DATABASES
        },
        "environment": record(),
    }


def _on_data(row: Row, fields: Constants) -> Row:
    """A trained row with the fields of its config that name the data; other rows read none."""
    if "train.epochs" not in row.chosen:
        return row
    candidates = tuple({**candidate, **fields} for candidate in row.candidates)
    return dataclasses.replace(row, chosen={**row.chosen, **fields}, candidates=candidates)


def _write(study: Study, out: Path, content: Mapping[str, Any], lengths: Sequence[int]) -> str:
    write_json(out / "table.json", content)
    text = hashing_page.page(study.title, study.remark, content, lengths)
    write_bytes(out / "table.md", text.encode())
    for name, picture in hashing_page.pictures(content, lengths).items():
        write_bytes(out / f"{name}.png", picture)
    return text


TABLES = {
    TABLE1.name: Table(Settings, functools.partial(reproduce, TABLE1)),
    TABLE2.name: Table(SearchedSettings, functools.partial(reproduce, TABLE2)),
}
