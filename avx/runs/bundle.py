"""The inference bundle of a run: what asking a fitted method needs, apart from data, optimizer and checkpoints.

`model/bundle.json` holds config, class names, layout of batches and the front end's fingerprint; `model/arrays.npz` the
evaluation parameters, the model state and the scaling; `model/front_end.npz` the weights of frozen encoders. The first
names the digests of the other two and its own. It is written before new arrays take the place of the ones before and
says what both are, so that a run killed in between leaves a whole model, too.
"""

from __future__ import annotations

import dataclasses
import json
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from avx import registry
from avx.core import digests, disk
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
from avx.runs.workdir import as_config, as_json, read_json, write_json

FORMAT_VERSION = 2
FOLDER = "model"
DESCRIPTION, ARRAYS, FRONT_END = "bundle.json", "arrays.npz", "front_end.npz"
PARAMS, STATE, SCALING = "params", "state", "scaling"
BEFORE = "before"
AGAIN = "run the same training command again, which writes it anew"
DAMAGE = (OSError, EOFError, KeyError, ValueError, TypeError, zipfile.BadZipFile, zlib.error)


def _state_names(state: ModelState) -> Iterator[str]:
    """A name for each leaf of a model state, in the order of its leaves."""
    for path, _ in jax.tree_util.tree_flatten_with_path(state)[0]:
        yield STATE + jax.tree_util.keystr(path)


def _save(path: Path, arrays: Mapping[str, Any]) -> None:
    with path.open("wb") as file:
        np.savez(file, **{name: np.asarray(array) for name, array in arrays.items()})  # type: ignore[arg-type]


def _read_arrays(path: Path, expected: Collection[str] = ()) -> tuple[dict[str, np.ndarray], str]:
    """The arrays of a file and its digest, which must be among the expected ones unless there are none."""
    try:
        digest = digests.of_file(path)
        if expected and digest not in expected:
            raise ValueError("not as it was written")
        return read_npz(path), digest
    except FileNotFoundError as error:
        raise UserError(f"{path} is damaged or missing (no such file); {AGAIN}.") from error
    except OSError as error:
        if error.errno:
            raise UserError(f"the fitted model cannot be read: {disk.sentence(error, path)}.") from error
        raise UserError(f"{path} is damaged or missing ({error}); {AGAIN}.") from error
    except (UserError, *DAMAGE) as error:
        raise UserError(f"{path} is damaged or missing; {AGAIN}.") from error


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
    state = on_host(_kept(retriever.model_state))
    arrays = flatten_dict({PARAMS: on_host(retriever.params)}, sep="/")
    arrays |= dict(zip(_state_names(state), jax.tree.leaves(state), strict=True))
    for name, scaling in retriever.scaling.items():
        arrays |= {f"{SCALING}/{name}/{key}": value for key, value in scaling.to_arrays().items()}
    content = {
        "format_version": FORMAT_VERSION,
        "title": retriever.system.title,
        "config": as_plain(retriever.config),
        "facts": dataclasses.asdict(facts),
        "class_names": list(retriever.class_names),
        "specs": [dataclasses.asdict(spec) for spec in retriever.specs],
        "front_end": front_end_fingerprint(retriever.clips),
        "weights": _write_weights(folder / FRONT_END, retriever.weights, _description(workdir).get("weights")),
        "step": step,
        "training": dict(retriever.training),
    }
    before = _whole(workdir)
    with atomic_path(folder / ARRAYS) as temporary:
        _save(temporary, arrays)
        content[ARRAYS] = digests.of_file(temporary)
        if before:
            both = content | {BEFORE: {name: before[name] for name in (ARRAYS, "step", "training")}}
            write_json(folder / DESCRIPTION, digests.sealed(as_json(both)))
    if not before:
        write_json(folder / DESCRIPTION, digests.sealed(as_json(content)))


def _write_weights(path: Path, weights: Mapping[str, Any], before: str | None) -> str:
    """Writes the weights of frozen encoders, which never change; returns their digest, "" for none."""
    if not weights:
        return ""
    if not path.exists() or before != digests.of_file(path):
        with atomic_path(path) as temporary:
            _save(temporary, flatten_dict(dict(weights), sep="/"))
    return digests.of_file(path)


def _description(workdir: Path) -> dict[str, Any]:
    """What a whole bundle says of itself; {} where there is none."""
    try:
        content = read_json(workdir / FOLDER / DESCRIPTION)
    except UserError:
        return {}
    return content if digests.is_whole(content) and content.get("format_version") == FORMAT_VERSION else {}


def front_end_fingerprint(clips: Clips | None) -> str:
    """Returns a digest of everything that decides the features of a file; "" for a method of feature vectors."""
    if clips is None:
        return ""
    decoding = dataclasses.asdict(clips.decoding) | {"size": repr(clips.decoding.size)}
    return fingerprint(decoding, json.loads(json.dumps(clips.front_end.description)))[:16]


def read_weights(workdir: Path) -> dict[str, Any]:
    """Returns the weights of frozen encoders that a run has kept; {} where there are none.

    Raises:
      UserError: they are damaged.
    """
    path = workdir / FOLDER / FRONT_END
    if not path.exists():
        return {}
    expected = _description(workdir).get("weights")
    try:
        arrays, _ = _read_arrays(path, {expected} if expected else ())
    except UserError as error:
        raise UserError(f"{str(error).rpartition(';')[0]}; delete that file, then {AGAIN}.") from error
    return unflatten_dict(arrays, sep="/")


def step_of(workdir: Path) -> int | None:
    """Returns the training step of the bundle's parameters; None where there is no whole bundle."""
    path = workdir / FOLDER / DESCRIPTION
    return int(read_json(path).get("step", -1)) if path.exists() else None


def is_whole(workdir: Path) -> bool:
    """Returns whether a workdir holds a bundle whose files are as they were written; no array is loaded."""
    content = _description(workdir)
    path = workdir / FOLDER / FRONT_END
    return bool(_whole(workdir)) and content["weights"] == (digests.of_file(path) if path.exists() else "")


def _whole(workdir: Path) -> Mapping[str, Any]:
    """What the description says of the arrays that are there; {} where it does not know them."""
    try:
        return _known(_description(workdir)).get(digests.of_file(workdir / FOLDER / ARRAYS), {})
    except FileNotFoundError:
        return {}


def _known(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Digest of the arrays -> step and training record of them: the ones of this bundle, or of the one before it."""
    return {record[ARRAYS]: record for record in (content.get(BEFORE), content) if record}


def read(workdir: Path) -> tuple[Retriever, Facts]:
    """Reads the bundle of a run; it needs the workdir alone.

    Raises:
      UserError: no bundle, a damaged one, one of a newer format, or one whose front end is no longer the same.
    """
    folder = workdir / FOLDER
    if not (folder / DESCRIPTION).exists():
        raise UserError(f"{workdir} holds no fitted model; run experiments.train into it until its first evaluation.")
    content = read_json(folder / DESCRIPTION)
    if content.get("format_version") != FORMAT_VERSION:
        raise UserError(
            f"{folder} has format version {content.get('format_version')}, this package reads {FORMAT_VERSION}; "
            "use the package version that wrote it."
        )
    if not digests.is_whole(content):
        raise UserError(f"{folder / DESCRIPTION} is damaged: it is not as it was written; {AGAIN}.")
    arrays, digest = _read_arrays(folder / ARRAYS, _known(content))
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
        raise UserError(f"{folder} is damaged ({error}); {AGAIN}.") from error
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
        _known(content)[digest]["training"],
        weights,
    )
    return found, facts


def _kept(state: ModelState) -> ModelState:
    """The part of a model state that a fitted model has."""
    return dataclasses.replace(state, training=None)


def _part(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name[len(prefix) + 1 :]: array for name, array in arrays.items() if name.startswith(f"{prefix}/")}


def _state(system: System, specs: tuple[ModalitySpec, ...], arrays: Mapping[str, np.ndarray]) -> ModelState:
    """The model state in the structure that the system gives it; nothing is computed."""
    if system.init is None:
        return ModelState()
    batch = assemble([None], np.arange(1), specs)
    template = jax.eval_shape(lambda: _kept(system.init(jax.random.key(0), batch)[1]))  # type: ignore[misc]
    leaves = [arrays[name] for name in _state_names(template)]
    return jax.tree.unflatten(jax.tree.structure(template), leaves)
