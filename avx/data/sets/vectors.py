"""Feature vectors of one's own as a dataset: any number of named modalities, with ids, labels, splits and groups.

What each array means is told by its name (`ROLES`) and its shape, or stated as "video=view1", see `read_features` and
docs/own_features.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from absl import logging

from avx.core.dataset import SPLITS, Card, Dataset, Features
from avx.core.errors import UserError
from avx.data.records import refuse_duplicates
from avx.data.sets.vector_files import read_arrays, text_column
from avx.data.sets.vector_labels import labels_of, texts
from avx.data.splits import split_named, split_rows

# What an item has beside its features -> the names under which it is found in any case, the first one counts.
ROLES: dict[str, tuple[str, ...]] = {
    "id": ("id", "ids", "item_id", "item_ids", "clip_id", "clip_ids"),
    "label": ("label", "labels"),
    "class_names": ("class_names",),
    "split": ("split", "splits"),
    "group": ("group", "groups"),
    "caption": ("caption", "captions"),
}
_SHORT = {"tr": "train", "va": "val", "te": "test"}
_PART = re.compile(r"(?P<base>.+)_(?P<split>tr|te|va|train(ing)?|val(id(ation)?)?|dev|test(ing)?)", re.IGNORECASE)
_BLOCK = 1 << 22  # Numbers that are looked at together.


def read_features(
    path: Path,
    columns: Sequence[str] = (),
    *,
    sides: Mapping[str, str] | None = None,
    fractions: tuple[float, float, float] = (0.7, 0.1, 0.2),
    seed: int = 0,
) -> Dataset:
    """Reads a file or folder of feature vectors.

    Every array (N, D) of numbers is a modality of one vector for each item, every (N, T, D) one of T vectors. Arrays
    called as in `ROLES` are ids (else rows are counted), labels, class names, splits, groups and captions. Labels are
    numbers or texts (N,), or a column of 0 and 1 for each class (N, C); text may name several classes as "cat|dog";
    -1 or "" is unknown. Numbers count from 0 where class names are given, or from 1 where they reach C. Arrays X_train,
    X_val and X_test (or X_tr, X_te) are the parts of one array X, and state the split.

    Without a split the items are split by a hash, a group on one side.

    Args:
      path: as `read_arrays`.
      columns: what is called otherwise, such as ("id=name", "label=emotion", "video=view1"); where modalities are
        named, others are left out. A value is the name of an array, or FILE:3 for the third column of a text file
        beside `path` (FILE alone for its lines), or several of them joined by "+", one below the other.
      sides: modality -> the array that it is read from, for those that are wanted; None for all under their own names.
      fractions: shares of train, val and test, where the file states no split.
      seed: of that split.

    Returns:
      A dataset whose rows load as {modality: (1, D) or (T, D) float32}.

    Raises:
      UserError: as `read_arrays`, and for arrays that do not belong together or hold what they should not. It names the
        array, and the item where there is one.
    """
    parts = read_arrays(path)
    arrays, parted = _joined(parts, path)
    roles, modalities = _assigned(path, arrays, parts, columns)
    if not modalities:
        raise UserError(f"{path} holds no features: give at least one array (items, numbers).")
    if sides is not None:
        if missing := [kind for kind in sides.values() if kind not in modalities]:
            raise UserError(f"{path} has no features {missing[0]!r}; choose of {', '.join(sorted(modalities))}.")
        modalities = {side: modalities[kind] for side, kind in sides.items()}
    count = next((len(roles[role]) for role in ("id", "label") if role in roles), len(next(iter(modalities.values()))))
    for name, values in (modalities | roles).items():
        if name != "class_names" and len(values) != count:
            raise UserError(
                f"{name} in {path} has {len(values)} rows for {count} items: give one row for each item, or name the "
                "arrays that are meant by data.columns."
            )
    ids = _ids(path, roles.get("id"), count)
    for name, values in modalities.items():
        _check_finite(path, name, values, ids)
    named = tuple(texts(roles["class_names"])) if "class_names" in roles else None
    labels, class_names = labels_of(path, roles.get("label"), named, ids)
    if "split" in roles:
        parted = roles["split"]
    # Where single parts are named, they are no split of each other.
    stated = texts(parted) if parted is not None and len(parted) == count else [""] * count
    stated = [split_named(side, f"Item {one} of {path}") for side, one in zip(stated, ids, strict=True)]
    groups = texts(roles["group"]) if "group" in roles else [""] * count
    captions = texts(roles["caption"]) if "caption" in roles else [""] * count

    def load(row: int) -> Features:
        return {
            name: np.asarray(values[row : row + 1] if values.ndim == 2 else values[row], np.float32)
            for name, values in modalities.items()
        }

    def shapes(row: int) -> Mapping[str, tuple[int, ...]]:
        return {
            name: (1, values.shape[1]) if values.ndim == 2 else values.shape[1:] for name, values in modalities.items()
        }

    def card(row: int) -> Card:
        borne = [labels[row]] if labels.ndim == 1 else np.flatnonzero(labels[row])
        return Card(captions[row], tuple(class_names[place] for place in borne if place >= 0))

    return Dataset(
        name=path.stem,
        class_names=class_names,
        ids=ids,
        labels=labels,
        split=split_rows(ids, labels, groups, stated, fractions, seed),
        load=load,
        shapes=shapes,
        card=card,
        coverage={"items": count, "unlabelled": int(((labels == -1) if labels.ndim == 1 else ~labels.any(1)).sum())},
    )


def _joined(stored: Mapping[str, np.ndarray], path: Path) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """Puts arrays that come in parts together, and says which row is of which split (None without parts)."""
    arrays = dict(stored)
    parts: dict[str, dict[str, str]] = {}
    for name in arrays:
        if found := _PART.fullmatch(name):
            side = found["split"].lower()
            parts.setdefault(found["base"], {})[_SHORT.get(side) or split_named(side, name)] = name
    parts = {base: names for base, names in parts.items() if {"train", "test"} <= names.keys() and base not in arrays}
    sides = None
    for base, names in parts.items():
        values = _below([arrays.pop(names[side]) for side in SPLITS if side in names])
        own = np.repeat([side for side in SPLITS if side in names], [len(part) for part in values])
        if sides is not None and own.tolist() != sides.tolist():
            raise UserError(
                f"The parts of {base} in {path} have {' and '.join(str(len(part)) for part in values)} rows, but other "
                "arrays are of another length: give every item one row of each array."
            )
        if len({part.shape[1:] for part in values}) > 1:
            shapes = " and ".join(str(part.shape) for part in values)
            raise UserError(f"The parts of {base} in {path} have shapes {shapes}: give vectors of one length.")
        arrays[base], sides = np.concatenate(values), own
    return arrays, sides


def _assigned(
    path: Path, arrays: Mapping[str, np.ndarray], parts: Mapping[str, np.ndarray], columns: Sequence[str]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(role -> array, modality -> array (N, D) or (N, T, D)), by what is stated and by names."""
    roles: dict[str, np.ndarray] = {}
    modalities: dict[str, np.ndarray] = {}
    used: set[str] = set()
    for entry in columns:
        meaning, equals, expression = (part.strip() for part in entry.partition("="))
        if not (meaning and equals and expression):
            raise UserError(f"data.columns has the entry {entry!r}: write MEANING=ARRAY, such as label=emotion.")
        found = [_named(path, {**parts, **arrays}, name.strip()) for name in expression.split("+")]
        used |= {name.strip() for name in expression.split("+")}
        value = found[0] if len(found) == 1 else np.concatenate(_below(found))
        if meaning in ROLES:
            roles[meaning] = value
        else:
            modalities[meaning] = _vectors(path, expression, value)
    lower = {name.lower(): name for name in arrays}
    for role, names in ROLES.items():
        name = next((lower[name] for name in names if name in lower and lower[name] not in used), None)
        if role not in roles and name is not None:
            roles[role] = arrays[name]
            used.add(name)
    left = [name for name in arrays if name not in used]
    if not modalities:
        chosen = [name for name in left if arrays[name].ndim in (2, 3) and arrays[name].dtype.kind in "fiub"]
        chosen = [name for name in chosen if arrays[name].ndim == 3 or min(arrays[name].shape) > 1]
        modalities = {name: _vectors(path, name, arrays[name]) for name in chosen}
        left = [name for name in left if name not in modalities]
    if left:
        logging.warning("%s: nothing reads the arrays %s; data.columns says what one means.", path, ", ".join(left))
    matrix = {role for role, value in roles.items() if role == "label" and value.ndim == 2 and 1 not in value.shape}
    return {role: value if role in matrix else _flat(path, role, value) for role, value in roles.items()}, modalities


def _named(path: Path, arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """An array by its name, or a column of a text file beside `path`."""
    if name in arrays:
        return arrays[name]
    file, _, number = name.partition(":")
    beside = (path if path.is_dir() else path.parent) / file
    if Path(file).name == file and beside.is_file() and ((number.isdecimal() and int(number) > 0) or not number):
        return text_column(beside, int(number) if number else None)
    raise UserError(f"data.columns names {name}, but {path} holds {', '.join(sorted(arrays))}: choose one of these.")


def _below(parts: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Parts that stand one below the other; MATLAB keeps lists as matrices of one row."""
    return [part.ravel() for part in parts] if all(part.ndim == 2 and len(part) == 1 for part in parts) else list(parts)


def _flat(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    if values.ndim != 1 and values.size != max(values.shape, default=0):
        raise UserError(f"{name} in {path} has shape {values.shape}: give one value for each item.")
    return values.ravel()


def _vectors(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    """(N, D) or (N, T, D), float32 in memory, or as stored where it lies on the disk."""
    if values.dtype.kind not in "fiub":
        raise UserError(f"{name} in {path} holds {values.dtype} values: features are numbers.")
    if values.ndim not in (2, 3) or 0 in values.shape:
        raise UserError(
            f"{name} in {path} has shape {values.shape}: features are (items, numbers) or (items, steps, numbers)."
        )
    if isinstance(values, np.memmap):
        return values
    with np.errstate(over="ignore"):  # Numbers beyond float32 are found as infinite, and named.
        return np.ascontiguousarray(values, np.float32)


def _check_finite(path: Path, name: str, values: np.ndarray, ids: Sequence[str]) -> None:
    step = max(1, _BLOCK // values[0].size)
    for first in range(0, len(values), step):
        with np.errstate(over="ignore"):
            block = np.asarray(values[first : first + step], np.float32)
        bad = np.flatnonzero(~np.isfinite(block).reshape(len(block), -1).all(1))
        if bad.size:
            raise UserError(
                f"{name} of item {ids[first + bad[0]]} in {path} holds NaN, infinity or a number beyond float32: mend "
                "it or leave the item out."
            )


def _ids(path: Path, values: np.ndarray | None, count: int) -> tuple[str, ...]:
    if values is None:
        return tuple(f"{row:0{len(str(count - 1))}d}" for row in range(count))
    ids = texts(values)
    refuse_duplicates(ids, str(path))
    return tuple(ids)
