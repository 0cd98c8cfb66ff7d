"""The folder of a run: whose it is, and how results are written into it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from avx.core.errors import UserError
from avx.media.atomic import atomic_path, write_bytes
from avx.training import environment


def write_json(path: Path, content: Any) -> None:
    """Writes a JSON file; readers see the old one or the new one."""
    write_bytes(path, json.dumps(content, indent=2, default=_plain).encode() + b"\n")


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Writes an .npz file without pickle; readers see the old one or the new one."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **{name: np.asarray(array) for name, array in arrays.items()})  # type: ignore[arg-type]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def as_plain(config: ConfigDict) -> dict[str, Any]:
    """The config as nested dicts, lists and scalars, as it comes back from JSON."""
    return json.loads(json.dumps(config.to_dict(), default=list))


def differing_fields(first: dict[str, Any], second: dict[str, Any], prefix: str = "") -> list[str]:
    """Dotted names of the fields whose values differ between two plain configs."""
    names = []
    for key in sorted(set(first) | set(second)):
        one, other = first.get(key), second.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            names += differing_fields(one, other, f"{prefix}{key}.")
        elif one != other:
            names.append(f"{prefix}{key}")
    return names


def claim(workdir: Path, config: ConfigDict) -> dict[str, Any]:
    """Makes `workdir` the folder of this config, or checks that it already is; returns the plain config.

    A run that stopped before its first step leaves nothing worth keeping, so its folder may be claimed again.

    Raises:
      UserError: the folder holds a run of another config, or files of something else.
    """
    plain = as_plain(config)
    path = workdir / "config.json"
    if path.exists() and (workdir / "metrics.jsonl").exists():
        earlier = json.loads(path.read_text(encoding="utf-8"))
        names = differing_fields(earlier, plain)
        if names:
            raise UserError(
                f"{workdir} holds a run of another config (it differs in {', '.join(names[:5])}); "
                "give a new --workdir, or that run's own config to go on with it."
            )
        return plain
    if not path.exists() and workdir.exists() and any(not entry.name.startswith(".") for entry in workdir.iterdir()):
        raise UserError(f"{workdir} is not empty and holds no run; give a new --workdir.")
    write_json(path, plain)
    return plain


def load_config(workdir: Path) -> ConfigDict:
    """The config of a run.

    Raises:
      UserError: the folder is not a run's.
    """
    path = workdir / "config.json"
    if not path.exists():
        raise UserError(f"{workdir} is not the workdir of a run: it holds no config.json.")
    return ConfigDict(_tuples(json.loads(path.read_text(encoding="utf-8")))).lock()


def _tuples(value: Any) -> Any:
    """Lists to tuples, as configs hold them."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def write_environment(workdir: Path) -> None:
    """Records software and hardware of this start."""
    write_json(workdir / "environment.json", environment.record())
