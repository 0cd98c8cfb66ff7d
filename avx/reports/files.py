"""Writes and reads the result, the configuration and the logs of a workdir; the array files live in `arrays`.

Nobody else knows the names and keys of these files. Files appear whole or not at all, arrays are stored without
pickle, and whatever is wrong with a file that is read becomes one `UserError`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from avx.core import disk
from avx.core.errors import UserError
from avx.core.foreign.numpy_files import read_npz
from avx.core.result import Direction, Result, ResultRow

RESULT, RANKS = "results/result.json", "results/ranks.npz"
AGAIN = "evaluate the run again to rewrite it"
_FIGURES, _ARRAYS, _GROUPS = (
    ("levels", "intervals"),
    ("queries", "top", "top_scores", "confusion"),
    ("per_query", "curve", "radius"),
)


def write_whole(path: Path, content: bytes) -> None:
    """Writes beside `path` and renames, so that the file is the old one or the new one; makes its folder.

    Raises:
      UserError: the disk is full, or the folder cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(content)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        if error.filename in (None, str(partial)):
            error.filename = str(path)
        raise UserError(f"{path.name} cannot be written: {disk.sentence(error, path)}.") from error


def read_bytes(workdir: Path, name: str) -> bytes:
    """The content of a file of the workdir."""
    try:
        return (Path(workdir) / name).read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{name} cannot be read from {workdir} ({error.strerror}): {AGAIN}.") from error
    except OSError as error:
        raise UserError(f"{name} cannot be read: {disk.sentence(error, Path(workdir) / name)}.") from error


def _json_bytes(content: Any) -> bytes:
    """Strict JSON: arrays become lists, numbers that are not finite null, and what else JSON has not its text."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return dict(value)
        return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)

    finite = json.loads(json.dumps(content, default=plain), parse_constant=lambda _: None)
    return json.dumps(finite, indent=1).encode() + b"\n"


def _json_object(name: str, content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name} is no readable JSON ({error}): {AGAIN}.") from error
    if not isinstance(value, dict):
        raise UserError(f"{name} holds a {type(value).__name__}, not a JSON object: {AGAIN}.")
    return value


def archive_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The content of an .npz file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{name: np.asarray(value) for name, value in arrays.items()})  # type: ignore[arg-type]
    return buffer.getvalue()


def read_archive(name: str, content: bytes) -> dict[str, np.ndarray]:
    """The arrays of an .npz file."""
    try:
        return read_npz(name, content=content)
    except UserError as error:
        raise UserError(f"{name} is no readable .npz archive of plain arrays: {AGAIN}.") from error


def grouped(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """The arrays whose keys are "<name>/<key>", by key."""
    return {key.removeprefix(f"{name}/"): value for key, value in arrays.items() if key.startswith(f"{name}/")}


def write_result(result: Result, workdir: Path) -> None:
    """Writes `results/ranks.npz`, then `results/result.json`, which names the digest of the former."""
    arrays: dict[str, np.ndarray] = {}
    rows = []
    for place, row in enumerate(result.rows):
        for name, direction in row.directions.items():
            arrays |= {f"{place}/{name}/{key}": getattr(direction, key) for key in _ARRAYS}
            for group in _GROUPS:
                arrays |= {f"{place}/{name}/{group}/{key}": value for key, value in getattr(direction, group).items()}
        directions = {
            name: {key: getattr(direction, key) for key in _FIGURES} for name, direction in row.directions.items()
        }
        rows.append(
            {key: getattr(row, key) for key in ("name", "role", "gallery", "note")} | {"directions": directions}
        )
    ranks = archive_bytes(arrays)
    content = {key: getattr(result, key) for key in ("protocol", "validation", "training")}
    write_whole(Path(workdir) / RANKS, ranks)
    digest = hashlib.sha256(ranks).hexdigest()[:16]
    write_whole(Path(workdir) / RESULT, _json_bytes({"ranks": digest, "rows": rows} | content))


def read_result(workdir: Path) -> Result:
    """Reads what `write_result` wrote: the same values, names and types.

    Raises:
      UserError: a file is absent or broken, or the two are of different evaluations.
    """
    content, ranks = _json_object(RESULT, read_bytes(workdir, RESULT)), read_bytes(workdir, RANKS)
    if content.get("ranks") != hashlib.sha256(ranks).hexdigest()[:16]:
        raise UserError(f"{RANKS} is damaged or does not belong to {RESULT}: {AGAIN}.")
    arrays = read_archive(RANKS, ranks)
    try:
        rows = tuple(
            ResultRow(
                **{key: str(row[key]) for key in ("name", "role", "gallery", "note")},
                directions={
                    name: _direction(figures, grouped(arrays, f"{place}/{name}"))
                    for name, figures in row["directions"].items()
                },
            )
            for place, row in enumerate(content["rows"])
        )
        return Result(dict(content["protocol"]), rows, _numbers(content["validation"]), dict(content["training"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{RESULT} is not what an evaluation writes ({error!r}): {AGAIN}.") from error


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {name: math.nan if value is None else float(value) for name, value in metrics.items()}


def _direction(figures: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Direction:
    parts: dict[str, Any] = {key: arrays[key] for key in _ARRAYS} | {group: grouped(arrays, group) for group in _GROUPS}
    levels = {level: _numbers(metrics) for level, metrics in figures["levels"].items()}
    intervals = {
        level: {name: (float(low), float(high)) for name, (low, high) in metrics.items()}
        for level, metrics in figures["intervals"].items()
    }
    return Direction(levels, intervals, **parts)


@dataclasses.dataclass(frozen=True)
class JsonFile:
    """One JSON object, shown as it is."""

    PATH: ClassVar[str]
    content: Mapping[str, Any]

    def write(self, workdir: Path) -> None:
        """Writes the file into the workdir."""
        write_whole(Path(workdir) / self.PATH, _json_bytes(self.content))

    @classmethod
    def read(cls, workdir: Path):
        """Reads the file of the workdir."""
        return cls(_json_object(cls.PATH, read_bytes(workdir, cls.PATH)))


class Config(JsonFile):
    """The whole config of the run."""

    PATH = "config.json"


class Environment(JsonFile):
    """Software, hardware, commit and command of the run."""

    PATH = "environment.json"


def _lines(workdir: Path, name: str) -> list[tuple[int, dict[str, Any]]]:
    """(line number, object) of a JSON-lines file; a last line that a killed process cut off is passed over."""
    lines = read_bytes(workdir, name).decode("utf-8", "replace").split("\n")
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            value = json.loads(line) if line.strip() else {}
        except (ValueError, RecursionError):
            value = {} if number == len(lines) else None
        if not isinstance(value, dict):
            raise UserError(f"{name} line {number} is no JSON object: delete that line.")
        found.append((number, value))
    return [(number, value) for number, value in found if value]


@dataclasses.dataclass(frozen=True)
class MetricLog:
    """The metrics of a run by split and name, each (steps, values) by rising step; training appends its lines."""

    PATH: ClassVar[str] = "metrics.jsonl"
    series: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]]

    @classmethod
    def read(cls, workdir: Path) -> MetricLog:
        """Reads the log. Where a resumed run wrote a step twice, the later line counts."""
        lines: dict[tuple[int, str], dict[str, float]] = {}
        for number, line in _lines(workdir, cls.PATH):
            try:
                lines[int(line["step"]), str(line["split"])] = _numbers(line["metrics"])
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                raise UserError(
                    f"{cls.PATH} line {number} lacks a step, a split or numeric metrics: delete that line."
                ) from error
        points: dict[str, dict[str, dict[int, float]]] = {}
        for step, split in sorted(lines):
            for name, value in lines[step, split].items():
                points.setdefault(split, {}).setdefault(name, {})[step] = value
        return cls(
            {
                split: {name: (np.array([*of]), np.array([*of.values()])) for name, of in series.items()}
                for split, series in points.items()
            }
        )


@dataclasses.dataclass(frozen=True)
class QuarantineLog:
    """Clips put aside and notes on clips that were used, one record each; reading media appends them."""

    PATH: ClassVar[str] = "quarantine.jsonl"
    records: Sequence[Mapping[str, Any]]

    @classmethod
    def read(cls, workdir: Path) -> QuarantineLog:
        """Reads the log; a clip met again for the same reason counts once."""
        keyed = {
            (str(record["clip_id"]), str(record.get("reason"))) if "clip_id" in record else number: record
            for number, record in _lines(workdir, cls.PATH)
        }
        return cls(tuple(keyed.values()))
