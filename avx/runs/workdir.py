"""The folder of a run: whose it is, of which data, and on what machine it ran."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from avx.core import disk
from avx.core.errors import UserError
from avx.media.atomic import write_bytes
from avx.runs.settings import as_plain, identity
from avx.training import environment

CONFIG, DATA, METRICS = "config.json", "data.json", "metrics.jsonl"
FRONT_END = "front_end"
FIELDS, GROUPS = ("name", "seed", "system"), ("data", "features", "evaluation")
"""What every config has: fields of its own, and groups of fields."""
SUMMARY, CHANGES = "summary", "changes"
DIFFERENCES = {
    "ids": "other items",
    "labels": "other labels",
    "classes": "other class names",
    "split": "another split",
    FRONT_END: "features of another front end",
}


def write_json(path: Path, content: Any) -> None:
    """Writes a JSON file; readers see the old one or the new one."""
    write_bytes(path, json.dumps(content, indent=2, default=_plain).encode() + b"\n")


def as_json(content: Any) -> Any:
    """Returns a JSON content as it is read back: lists for tuples and arrays, text for paths and keys."""
    return json.loads(json.dumps(content, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def read_json(path: Path) -> dict[str, Any]:
    """Returns the object of a JSON file of a workdir.

    Raises:
      UserError: the file is missing or holds no object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path.parent} is not the workdir of a run: it holds no {path.name}.") from None
    except OSError as error:
        raise UserError(f"{path.name} cannot be read: {disk.sentence(error, path)}.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read ({error}); restore it, or give a new --workdir.") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no JSON object; restore it, or give a new --workdir.")
    return content


def differing_fields(first: ConfigDict | dict[str, Any], second: ConfigDict | dict[str, Any]) -> list[str]:
    """Returns the dotted names of the fields in which two configs differ, operational ones apart."""
    one, other = identity(first), identity(second)
    missing = object()
    return sorted(name for name in one.keys() | other.keys() if one.get(name, missing) != other.get(name, missing))


def claim(workdir: Path, config: ConfigDict) -> None:
    """Makes `workdir` the folder of this config, or checks that it already is.

    A run that stopped before its first step leaves nothing worth keeping, so its folder may be claimed again.

    Raises:
      UserError: the folder holds a run of another config, or files of something else.
    """
    path = workdir / CONFIG
    if path.exists() and ((workdir / METRICS).exists() or (workdir / "model").exists()):
        names = differing_fields(read_json(path), config)
        if names:
            raise UserError(
                f"{workdir} holds a run of another config (it differs in {', '.join(names[:5])}); "
                "give a new --workdir, or that run's own config to go on with it."
            )
    elif not path.exists() and workdir.exists() and any(not entry.name.startswith(".") for entry in workdir.iterdir()):
        raise UserError(f"{workdir} is not empty and holds no run; give a new --workdir.")
    write_json(path, as_plain(config))
    write_json(workdir / "environment.json", environment.record())


def load_config(workdir: Path) -> ConfigDict:
    """Returns the locked config of a run.

    Raises:
      UserError: the folder is not a run's, or its config is damaged.
    """
    plain = read_json(workdir / CONFIG)
    missing = [name for name in FIELDS if name not in plain]
    missing += [name for name in GROUPS if not isinstance(plain.get(name), dict)]
    if missing:
        raise UserError(
            f"{workdir / CONFIG} is damaged: it lacks {', '.join(missing)}; restore it, or give a new --workdir."
        )
    try:
        return as_config(plain)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{workdir / CONFIG} is damaged ({error}); restore it, or give a new --workdir.") from error


def as_config(plain: Mapping[str, Any]) -> ConfigDict:
    """Returns a locked config from what `as_plain` made of one."""
    return ConfigDict(_tuples(dict(plain))).lock()


def _tuples(value: Any) -> Any:
    """Lists to tuples, as configs hold them."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def data_differences(recorded: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Returns in words what differs between two records of data; see `Dataset.digest`."""
    return [words for name, words in DIFFERENCES.items() if recorded.get(name) != found.get(name)]


def record_data(workdir: Path, found: Mapping[str, str], *, accept_changed: bool = False, step: int = 0) -> None:
    """Records what the data of a run are, or checks that they are still the same.

    Args:
      workdir: of the run.
      found: `Dataset.digest`, the fingerprint of the front end, and a summary for people.
      accept_changed: go on with other data than those that the run was begun on; the change is recorded.
      step: that the run has come to.

    Raises:
      UserError: the run was begun on other data, and these are not accepted.
    """
    path = workdir / DATA
    record: dict[str, Any] = dict(found)
    if path.exists() and (workdir / METRICS).exists():
        before = read_json(path)
        changes = before.get(CHANGES, [])
        differences = data_differences(before, found)
        if differences and not accept_changed:
            then, now = before.get(SUMMARY, ""), found.get(SUMMARY, "")
            counts = f"; then {then}, now {now}" if then != now else ""
            raise UserError(
                f"{workdir} was begun on other data (now {' and '.join(differences)}{counts}); restore the data of "
                "that run, give a new --workdir, or go on with these by --accept_changed_data."
            )
        if differences:
            former = {name: before.get(name) for name in (*DIFFERENCES, SUMMARY)}
            changes = [*changes, {"step": step, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "before": former}]
        if changes:
            record[CHANGES] = changes
    write_json(path, record)


def data_changed_at(workdir: Path) -> int:
    """Returns the step after which a run went on with other data than before, the last such; -1 for never."""
    path = workdir / DATA
    changes = read_json(path).get(CHANGES, []) if path.exists() else []
    return int(changes[-1]["step"]) if changes else -1
