"""The inference bundle of a run: what asking a fitted method needs, apart from data, optimizer and checkpoints.

`model/bundle.json` holds config, class names, layout of batches and the front end's fingerprint; `model/arrays.npz` the
evaluation parameters, the model state and the scaling; `model/front_end.npz` the weights of frozen encoders.
"""

from __future__ import annotations

import dataclasses
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from avx import registry
from avx.core.errors import UserError
from avx.core.foreign.numpy_files import read_npz
from avx.core.types import ModelState, System
from avx.data.batches import ModalitySpec, assemble
from avx.data.cache import fingerprint
from avx.data.scaling import Scaling
from avx.media.atomic import atomic_path
from avx.registry.systems import Facts
from avx.runs.retriever import Clips, Retriever, on_host
from avx.runs.settings import as_plain
from avx.runs.workdir import as_config, read_json, write_json

FORMAT_VERSION = 1
FOLDER = "model"
PARAMS, STATE, SCALING = "params", "state", "scaling"
DAMAGE = (OSError, EOFError, KeyError, ValueError, TypeError, zipfile.BadZipFile, zlib.error)


def _state_names(state: ModelState) -> Iterator[str]:
    """A name for each leaf of a model state, in the order of its leaves."""
    for path, _ in jax.tree_util.tree_flatten_with_path(state)[0]:
        yield STATE + jax.tree_util.keystr(path)


def _write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **{name: np.asarray(array) for name, array in arrays.items()})  # type: ignore[arg-type]


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        return read_npz(path)
    except UserError as error:
        raise UserError(f"{path} is damaged or missing; run the same training command again.") from error


def write(workdir: Path, retriever: Retriever, facts: Facts, step: int) -> None:
    """Writes the bundle of a retriever; readers see the old one or the new one.

    Args:
      workdir: of the run.
      retriever: what was fitted.
      facts: with which its system was built.
      step: training step of its parameters; 0 for a closed form.

    Raises:
      UserError: the disk is full.
    """
    folder = workdir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    state = on_host(retriever.model_state)
    arrays = flatten_dict({PARAMS: on_host(retriever.params)}, sep="/")
    arrays |= dict(zip(_state_names(state), jax.tree.leaves(state), strict=True))
    for name, scaling in retriever.scaling.items():
        arrays |= {f"{SCALING}/{name}/{key}": value for key, value in scaling.to_arrays().items()}
    weights = folder / "front_end.npz"
    if retriever.weights and not weights.exists():
        _write_arrays(weights, flatten_dict(dict(retriever.weights), sep="/"))
    _write_arrays(folder / "arrays.npz", arrays)
    write_json(
        folder / "bundle.json",
        {
            "format_version": FORMAT_VERSION,
            "title": retriever.system.title,
            "config": as_plain(retriever.config),
            "facts": dataclasses.asdict(facts),
            "class_names": list(retriever.class_names),
            "specs": [dataclasses.asdict(spec) for spec in retriever.specs],
            "front_end": front_end_fingerprint(retriever.clips),
            "step": step,
            "training": dict(retriever.training),
        },
    )


def front_end_fingerprint(clips: Clips | None) -> str:
    """Returns a digest of everything that decides the features of a file; "" for a method of feature vectors."""
    if clips is None:
        return ""
    decoding = dataclasses.asdict(clips.decoding) | {"size": repr(clips.decoding.size)}
    return fingerprint(decoding, json.loads(json.dumps(clips.front_end.description)))[:16]


def read_weights(workdir: Path) -> dict[str, Any]:
    """Returns the weights of frozen encoders that a run has kept; {} where there are none."""
    path = workdir / FOLDER / "front_end.npz"
    return unflatten_dict(_read_arrays(path), sep="/") if path.exists() else {}


def step_of(workdir: Path) -> int | None:
    """Returns the training step of the bundle's parameters; None where there is no whole bundle."""
    path = workdir / FOLDER / "bundle.json"
    return int(read_json(path).get("step", -1)) if path.exists() else None


def read(workdir: Path) -> tuple[Retriever, Facts]:
    """Reads the bundle of a run; it needs the workdir alone.

    Raises:
      UserError: no bundle, a damaged one, one of a newer format, or one whose front end is no longer the same.
    """
    folder = workdir / FOLDER
    if not (folder / "bundle.json").exists():
        raise UserError(f"{workdir} holds no fitted model; run experiments.train into it until its first evaluation.")
    content = read_json(folder / "bundle.json")
    if content.get("format_version") != FORMAT_VERSION:
        raise UserError(
            f"{folder} has format version {content.get('format_version')}, this package reads {FORMAT_VERSION}; "
            "use the package version that wrote it."
        )
    arrays = _read_arrays(folder / "arrays.npz")
    try:
        config = as_config(content["config"])
        facts = Facts(**(content["facts"] | {"sides": tuple(content["facts"]["sides"])}))
        specs = tuple(ModalitySpec(**(spec | {"shape": tuple(spec["shape"])})) for spec in content["specs"])
        system = registry.system(config, facts)
        params = unflatten_dict(_part(arrays, PARAMS), sep="/")
        state = _state(system, specs, arrays)
        scaling = {
            name: Scaling.from_arrays(_part(arrays, f"{SCALING}/{name}"))
            for name in {key.split("/")[1] for key in arrays if key.startswith(f"{SCALING}/")}
        }
    except DAMAGE as error:
        raise UserError(f"{folder} is damaged ({error}); run the same training command again.") from error
    weights = read_weights(workdir)
    clips = None
    if content["front_end"]:
        clips = Clips(registry.decoding(config), registry.front_end(config, weights))
        if front_end_fingerprint(clips) != content["front_end"]:
            raise UserError(
                f"the front end of {workdir} is no longer what it was when the model was trained; use the package "
                "version that wrote it, or train again."
            )
    found = Retriever(
        config,
        system,
        params,
        state,
        specs,
        scaling,
        tuple(content["class_names"]),
        clips,
        content["training"],
        weights,
    )
    return found, facts


def _part(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name[len(prefix) + 1 :]: array for name, array in arrays.items() if name.startswith(f"{prefix}/")}


def _state(system: System, specs: tuple[ModalitySpec, ...], arrays: Mapping[str, np.ndarray]) -> ModelState:
    """The model state in the structure that the system gives it; nothing is computed."""
    if system.init is None:
        return ModelState()
    batch = assemble([None], np.arange(1), specs)
    template = jax.eval_shape(lambda: system.init(jax.random.key(0), batch)[1])  # type: ignore[misc]
    leaves = [arrays[name] for name in _state_names(template)]
    return jax.tree.unflatten(jax.tree.structure(template), leaves)
