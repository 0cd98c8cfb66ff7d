"""What a run on feature pairs leaves behind: its figures beside their protocol, and the codes of all items."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from avx.data.sets.feature_pairs import SPLITS, PairTable
from avx.data.splits import split_hash
from avx.evaluation.retrieval import TIE_RULE
from avx.hashing.codes_file import item_arrays
from avx.retrieval.metrics import chance_levels
from avx.training import state as train_state
from avx.core import processes
from experiments.fitted_pairs import Fitted
from experiments.pairs import DIRECTIONS, Pairs, Scorer, evaluate, joined
from avx.runs.workdir import write_arrays, write_json

SYSTEM_NAMES = {"semantic_hashing": "System D", "ssah": "SSAH", "dssah": "DSSAH (reconstructed)"}
SCORES = {"hash": "1 - 2 distance / bits of the codes", "semantic": "cosine of the class posteriors"}
DATABASES = ("train", "test")


def measured(config: ConfigDict, table: PairTable, parts: Mapping[str, Pairs], scorer: Scorer) -> dict[str, Any]:
    """`protocol` and `rows` of results/test.json (docs/workdir.md).

    The system's row with the training items as database comes first, then the one with the test items, and what chance
    gives in both.

    Args:
      config: of the run.
      table: all items.
      parts: the table's items by split, and under "fitted" and "validation" those that training was given.
      scorer: of the trained system.
    """
    name = SYSTEM_NAMES[config.system]
    systems, chances = [], []
    for database in DATABASES:
        queries, held = parts["test"], parts[database]
        found = evaluate(
            scorer(queries, held), queries.label, held.label, config.evaluation.ks, config.evaluation.map_cutoffs
        )
        chance = chance_levels(queries.label[:, None] == held.label, config.evaluation.ks)
        of = "" if database == DATABASES[0] else f", {database} items as database"
        note = f"database: the {len(held)} {database} items"
        systems.append({"name": f"{name}{of}", "note": note, "directions": _at_class_level(found)})
        everywhere = dict.fromkeys(found, chance)
        chances.append({"name": f"chance{of}", "note": note, "directions": _at_class_level(everywhere)})
    return {"protocol": protocol(config, table, parts), "rows": systems + chances}


def _at_class_level(found: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, dict[str, float]]]:
    return {direction: {"class": dict(values)} for direction, values in found.items()}


def protocol(config: ConfigDict, table: PairTable, parts: Mapping[str, Pairs]) -> dict[str, Any]:
    """What was measured and how, to stand beside every number; arguments as in `measured`."""
    hashes = {name: split_hash(part.item_ids, range(len(part))) for name, part in parts.items()}
    return {
        "dataset": table.name,
        "split": "test",
        "split_hash": hashes["test"],
        "split_hashes": hashes,
        "items": {name: len(part) for name, part in parts.items()},
        "queries": len(parts["test"]),
        "gallery": len(parts[DATABASES[0]]),
        "classes": len(table.class_names),
        "class_names": list(table.class_names),
        "modalities": list(DIRECTIONS[0]),
        "tie_rule": TIE_RULE,
        "features": {side: config.features[side] for side in DIRECTIONS[0]},
        "normalisation": "rows L2-normalised"
        + (", then columns standardised by the fitted items" if config.features.standardise else ""),
        "bits": config.model.bits,
        "score": SCORES[config.model.get("score", "hash")],
        "codes": "from the trained networks, for queries and databases alike",
    }


def write(fitted: Fitted, table: PairTable, parts: Mapping[str, Pairs], workdir: Path) -> dict[str, Any]:
    """Writes results/test.json (see `measured`) and the codes of all items; returns the former."""
    result = measured(fitted.config, table, parts, fitted.scores) | {
        "training": {
            "best_step": fitted.progress.best_step,
            "steps": fitted.progress.step,
            "train_seconds": fitted.progress.train_seconds,
            "parameters": train_state.parameter_count(fitted.state.params),
        }
    }
    whole = joined(parts[split] for split in SPLITS if split in parts)
    coded = fitted.coded(whole, table.class_names)
    if processes.is_leader():
        write_json(workdir / "results" / "test.json", result)
        for side, items in coded.items():
            write_arrays(workdir / "results" / f"{side}_codes.npz", **item_arrays(items))
    processes.barrier("results written")
    return result
