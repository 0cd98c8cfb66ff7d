"""The hashing tables of paper D on features that can be had: Wikipedia (Table 1, Figure 2), NUS-WIDE-10K (Table 2, 3).

Protocol (docs/methods.md 5.1): queries are the test items of one side, the gallery holds the training items of the
other, or its test items; every code comes from a fitted hash function; MAP over the full list with expected values
under ties. Constants are chosen on validation items: those of the data set, or a fifth of its training items, which
are fitted with the rest once the choice is made. A row is a config with overrides; the sweep runs it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from avx.core.errors import UserError
from avx.core.result import Result
from avx.evaluation.measure import flat_levels
from avx.media.atomic import write_bytes
from avx.runs import studies
from avx.runs.grids import WideningGrid
from avx.runs.studies import Finished, Study
from avx.runs.workdir import write_json
from avx.tables import hashing_leads, hashing_page, hashing_rows
from avx.tables.hashing_rows import Constants, Row
from avx.tables.hashing_studies import TABLE1, TABLE2, PublishedTable
from avx.tables.table import Table
from avx.training.environment import record

SELECTION_BITS = 32


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
    def kinds(self) -> tuple[str, str]:
        """Kind of features of either side."""
        return self.image, self.text

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
class SearchedSettings(Settings):
    """As `Settings`; the constants are chosen on the data set's own validation items."""

    search: bool = True
    cuts: int = 1


def configured(row: Row, study: PublishedTable, data: Path, out: Path, settings: Settings) -> ConfigDict:
    """Returns the config of a row on the data of a table, with all training items to fit."""
    fields = {
        "data.kind": study.kind,
        "data.root": str(data),
        "data.cache_dir": str(out / "data"),
        "data.validation_share": 0.0,
        "data.split_seed": settings.split_seed,
        "features.kinds": settings.kinds,
        "features.image_weights": settings.image_weights,
        "evaluation.galleries": hashing_page.DATABASES,
    }
    config = studies.overridden(studies.read_config(row.config), fields).unlock()
    config.baselines = ConfigDict()  # The table has rows of its own.
    return config.lock()


def choose(row: Row, config: ConfigDict, settings: Settings, out: Path) -> tuple[Constants, list[dict[str, Any]]]:
    """Returns the candidate with the largest validation MAP, averaged over cuts, and the record of all of them."""
    if not settings.validation_share:
        raise UserError("validation_share=0 leaves nothing to choose constants by; give a share such as 0.2.")
    fields: dict[str, Any] = {"data.validation_share": settings.validation_share, "seed": 0}
    if row.hashed:
        fields["model.bits"] = SELECTION_BITS
    cuts = range(settings.split_seed, settings.split_seed + settings.cuts)
    asked = without_grid(studies.overridden(config, fields))
    if row.candidates:
        return studies.choose(asked, [_limited(candidate, settings) for candidate in row.candidates], cuts, out)
    return _choose_in_grid(WideningGrid(config.get("grid", {})), asked, cuts, out)


def _choose_in_grid(
    grid: WideningGrid, config: ConfigDict, cuts: Sequence[int], out: Path
) -> tuple[Constants, list[dict[str, Any]]]:
    """`studies.choose` among the candidates of a closed form, and beyond an edge on which the choice stands."""
    tried: list[dict[str, Any]] = []
    best: tuple[float, Constants, Constants] | None = None
    asked = grid.start()
    while asked:
        unfit = []
        for candidate in asked:
            try:
                constants, (found,) = studies.choose(config, [hashing_rows.overrides_of(candidate)], cuts, out)
            except UserError:
                if best is None:
                    raise
                unfit.append(candidate)
                continue
            tried.append(found)
            if best is None or found["validation"] > best[0]:
                best = found["validation"], candidate, constants
        grid.refuse(asked, unfit)
        asked = grid.beyond(best[1]) if best is not None else []
    assert best is not None, "a grid has at least the config's own constants"
    return best[2], tried


def without_grid(config: ConfigDict) -> ConfigDict:
    """Returns the config with its own constants alone."""
    return studies.overridden(config, {f"grid.{name}": () for name in config.get("grid", {})})


def _limited(constants: Constants, settings: Settings) -> dict[str, Any]:
    if not settings.epochs or "train.epochs" not in constants:
        return dict(constants)
    every = min(settings.epochs, constants["train.evaluate_every"])
    return {**constants, "train.epochs": settings.epochs, "train.evaluate_every": every}


def reproduce(study: PublishedTable, data: Path, out: Path, settings: Settings) -> str:
    """Measures a table on the published files in `data`.

    Args:
      study: which table.
      data: folder of the published files, see `avx.data.sets.wikipedia` and `avx.data.sets.nuswide`.
      out: folder of the results and of the runs; the tfds dataset is built in its subfolder "data".
      settings: see `Settings`.

    Returns:
      The table as Markdown, as written to table.md; table.json holds every number and the chosen constants.

    Raises:
      UserError: data or settings that cannot serve.
    """
    lengths = settings.lengths
    fits: list[Study] = []
    results: list[dict[str, Any]] = []
    for row in (*hashing_rows.HASHING, *hashing_rows.REAL):
        config = configured(row, study, data, out, settings)
        constants: Constants = row.chosen
        tried: list[dict[str, Any]] = []
        if settings.search:
            constants, tried = choose(row, config, settings, out)
        found = studies.overridden(without_grid(config), _limited(constants, settings))
        results.append(
            {
                "name": row.name,
                "hashed": row.hashed,
                "standardised": found.features.standardise,
                "printed_image_to_text": {str(bits): value for bits, value in study.printed.get(row.name, {}).items()},
                "constants": dict(constants),
                "tried_on_validation": tried,
                "runs": [],
            }
        )
        fits += [Study(row.name, found, {"model.bits": bits} if row.hashed else {}) for bits in _bits(row, lengths)]
    by_name = {result["name"]: result for result in results}
    seeded = {row.name for row in (*hashing_rows.HASHING, *hashing_rows.REAL) if row.seeded}
    precision: dict[tuple[str, int, str, str], list[Any]] = {}
    text = ""
    for seed in range(settings.seeds):
        asked = [one for one in fits if not seed or one.name in seeded]
        for finished in studies.run_all(asked, [seed], out):
            by_name[finished.study.name]["runs"].append(_measured(finished))
            for key, values in _precision(finished).items():
                precision.setdefault(key, []).append(values)
            card = finished.result.protocol
        # After each seed, so that a long run that is stopped leaves a whole table of fewer seeds.
        content = _described(study, card, finished.result, settings)
        content |= {"rows": results, "first_places": hashing_leads.leads(precision)}
        text = _write(study, out, content, lengths)
    return text


def _bits(row: Row, lengths: Sequence[int]) -> Sequence[int]:
    return lengths if row.hashed else (0,)


def _measured(finished: Finished) -> dict[str, Any]:
    """What table.json says of one run: metrics, and curves of seed 0, by gallery and direction."""
    rows = {row.gallery: row.directions for row in finished.result.rows if row.role == "system"}
    metrics = {
        gallery: {name: levels["class"] for name, levels in flat_levels(dict(directions)).items()}
        for gallery, directions in rows.items()
    }
    curves: dict[str, Any] = {}
    radius: dict[str, Any] = {}
    for gallery, directions in rows.items() if finished.seed == 0 else ():
        curves[gallery] = {name: found.curve["precision"].tolist() for name, found in directions.items()}
        radius[gallery] = {
            name: {key: values.tolist() for key, values in found.radius.items()} for name, found in directions.items()
        }
    bits = finished.study.overrides.get("model.bits", 0)
    return {"bits": bits, "seed": finished.seed, "metrics": metrics, "curves": curves, "radius_curves": radius}


def _precision(finished: Finished) -> dict[tuple[str, int, str, str], Any]:
    """Average precision (Q,) of the queries of a run of codes, by row, bits, database and direction."""
    bits = finished.study.overrides.get("model.bits", 0)
    return {
        (finished.study.name, bits, row.gallery, direction): found.per_query["class/ap"]
        for row in finished.result.rows
        for direction, found in row.directions.items()
        if row.role == "system" and bits
    }


def _described(study: PublishedTable, card: Mapping[str, Any], result: Result, settings: Settings) -> dict[str, Any]:
    """What table.json says beside the rows."""
    orders = {row.gallery: row.directions for row in result.rows if row.role == "chance"}
    curves = {
        gallery: {name: found.curve["precision"].tolist() for name, found in directions.items()}
        for gallery, directions in orders.items()
    }
    chance = {gallery: next(iter(found.values())).levels["class"]["map"] for gallery, found in orders.items()}
    return {
        "table": study.name,
        "settings": dataclasses.asdict(settings),
        "features": {"kinds": list(settings.kinds), "rows": "L2-normalised"},
        "split_hash": card["split_hash"],
        "digest": card["digest"],
        "queries": card["queries"],
        "chance_map": chance,
        "chance_curves": curves,
        "environment": record(),
    }


def _write(study: PublishedTable, out: Path, content: Mapping[str, Any], lengths: Sequence[int]) -> str:
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
