"""One checkpoint on disk: the arrays of a state, and a record that holds a digest of each of them and of itself.

    STEP/state/...        arrays, written by Orbax
    STEP/meta/metadata    JSON record

It is written beside its place and renamed when all of it has reached the disk, so it is there whole or not at all.
Orbax has no digests of its own: a flipped bit in its files would be restored as another number. Here it is `Damaged`.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from avx.core import digests, disk
from avx.core.errors import UserError

FORMAT_VERSION = 2
STATE, META = "state", "meta/metadata"
ARRAYS = "arrays"
PARTIAL, OLD = ".partial", ".old"
TROUBLE = {
    *(errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT),
    *(errno.ENOTCONN, errno.EHOSTDOWN, errno.ENXIO, errno.ENODEV, errno.EBUSY),
}
"""Errors of the system, which say nothing about what a file holds."""


class Damaged(Exception):
    """A checkpoint that is not as it was written, or cannot be read; the message says what was found."""


def write(folder: Path, state: Any, record: Mapping[str, Any]) -> None:
    """Writes a checkpoint; `folder` appears when it is whole.

    Args:
      folder: of the checkpoint; its parents are made.
      state: pytree of numpy arrays.
      record: JSON object that is kept with them.

    Raises:
      Exception: whatever the storage raises; nothing is left behind.
    """
    partial = folder.with_name(f".{folder.name}{PARTIAL}")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        (partial / META).parent.mkdir(parents=True)
        _orbax().save(partial / STATE, args=ocp.args.StandardSave(state))
        described = {name: _described(leaf) | {"sha256": digests.of_array(leaf)} for name, leaf in _named(state)}
        content = digests.sealed({"format_version": FORMAT_VERSION, ARRAYS: described, **record})
        (partial / META).write_text(json.dumps(content), encoding="utf-8")
        for path in (partial, *partial.rglob("*")):
            disk.sync(path)
        os.replace(partial, folder)
        disk.sync(folder.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def read_record(folder: Path) -> dict[str, Any]:
    """Returns the record of a checkpoint.

    Raises:
      Damaged: it is absent, torn or changed.
      UserError: it is of another version of the format, or the disk refuses to read it.
    """
    try:
        record = json.loads((folder / META).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        _refuse_trouble(error, folder)
        raise Damaged(f"its record cannot be read: {_first_line(error)}") from error
    if not isinstance(record, dict):
        raise Damaged("its record is no JSON object")
    version = record.get("format_version")
    if version != FORMAT_VERSION:
        raise UserError(
            f"checkpoint {folder} has format version {version}, this package reads {FORMAT_VERSION}; "
            "use the package version that wrote it."
        )
    if not digests.is_whole(record):
        raise Damaged("its record was changed after it was written")
    return record


def read_state(folder: Path, template: Any, record: Mapping[str, Any]) -> Any:
    """Returns the state of a checkpoint, every array compared with its digest.

    Args:
      folder: of the checkpoint.
      template: pytree of arrays of the right shapes and types; its values are not used.
      record: from `read_record`.

    Raises:
      Damaged: an array cannot be read, or is not the one that was written.
      UserError: the checkpoint is of a model of other arrays, or the disk refuses to read it.
    """
    written = record[ARRAYS]
    expected = {name: _described(leaf) for name, leaf in _named(template)}
    for name in [*expected, *written]:
        there, here = written.get(name), expected.get(name)
        if there is None or here is None or {**here, "sha256": there["sha256"]} != there:
            raise UserError(
                f"checkpoint {folder} is of another model: {name.lstrip('.')} is {_in_words(there)} in it and "
                f"{_in_words(here)} in this run; give a new --workdir, or the data and the package of that run."
            )
    blank = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), template)
    try:
        state = _orbax().restore(folder / STATE, args=ocp.args.StandardRestore(blank))
    except Exception as error:  # Storage libraries raise what they like for a damaged file.
        _refuse_trouble(error, folder)
        raise Damaged(_first_line(error)) from error
    for name, leaf in _named(state):
        if digests.of_array(np.asarray(leaf)) != written[name]["sha256"]:
            raise Damaged(f"{name.lstrip('.')} is not as it was written")
    return state


def _refuse_trouble(error: BaseException, folder: Path) -> None:
    """Raises UserError where the system, and not the checkpoint, is why it cannot be read: it may be whole."""
    found = disk.os_error_in(error)
    if found is not None and found.errno in TROUBLE:
        raise UserError(f"checkpoint {folder} cannot be read: {disk.sentence(found, folder)}.") from error
    if isinstance(error, MemoryError):
        raise error


def _orbax() -> ocp.Checkpointer:
    """Writes and reads in this process alone, whatever other processes there are."""
    alone = ocp.options.MultiprocessingOptions(
        primary_host=jax.process_index(),
        active_processes={jax.process_index()},
        barrier_sync_key_prefix=f"process{jax.process_index()}",
    )
    handler = ocp.StandardCheckpointHandler(multiprocessing_options=alone)
    return ocp.Checkpointer(handler, multiprocessing_options=alone)


def _named(tree: Any) -> list[tuple[str, Any]]:
    """(dotted name, leaf) of all leaves of a pytree."""
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]]


def _described(leaf: Any) -> dict[str, Any]:
    return {"dtype": np.dtype(leaf.dtype).name, "shape": list(leaf.shape)}


def _in_words(described: Mapping[str, Any] | None) -> str:
    return "absent" if described is None else f"{described['dtype']} {tuple(described['shape'])}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
