"""Labels as people write them: numbers from 0 or 1, texts, several classes in a cell, or a column for each class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from avx.core.errors import UserError
from avx.data.sets.vector_files import SEVERAL


def texts(values: np.ndarray) -> list[str]:
    """Values as text, whole numbers without a point."""
    if values.dtype.kind == "f" and (values == np.floor(values)).all():
        values = values.astype(np.int64)
    return [str(value).strip() for value in values.tolist()]


def labels_of(
    path: Path, values: np.ndarray | None, class_names: Sequence[str] | None, ids: Sequence[str]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Reads labels as class indices.

    Args:
      path: for messages.
      values: (N,) numbers or texts, or (N, C) of 0 and 1; None where nothing is known.
      class_names: C names, or None where the labels name their classes.
      ids: N names, for messages.

    Returns:
      (N,) int64, -1 where unknown, or (N, C) bool where an item has several classes; and the names.

    Raises:
      UserError: labels that are no such numbers, or of no class that is named. It names the item.
    """
    if values is None:
        return np.full(len(ids), -1, np.int64), tuple(class_names or ())
    if values.ndim == 2:
        borne, names = _indicators(path, values, class_names, ids)
        if (borne.sum(1) > 1).any():
            return borne, names
        return np.where(borne.any(1), borne.argmax(1), -1).astype(np.int64), names
    if values.dtype.kind == "f":
        for row in np.flatnonzero(values != np.floor(values)).tolist():
            raise UserError(f"Item {ids[row]} of {path} has the label {values[row]}: give whole numbers or texts.")
    listed = [[one for one in text.split(SEVERAL) if one not in ("", "-1")] for text in texts(values)]
    numbers = all(one.isdecimal() for several in listed for one in several)
    if numbers and class_names is not None and not {one for several in listed for one in several} <= set(class_names):
        listed = _counted(path, listed, class_names, ids)
    known = {one for several in listed for one in several}
    names = tuple(class_names or sorted(known, key=lambda one: (int(one), one) if numbers else (0, one)))
    index = {name: place for place, name in enumerate(names)}
    for row, several in enumerate(listed):
        if strange := [one for one in several if one not in index]:
            raise UserError(
                f"Item {ids[row]} of {path} has the label {strange[0]}, which is none of the {len(names)} class names: "
                "correct it or add its name."
            )
    if max(map(len, listed), default=0) < 2:
        return np.array([index[several[0]] if several else -1 for several in listed], np.int64), names
    borne = np.zeros((len(ids), len(names)), bool)
    for row, several in enumerate(listed):
        borne[row, [index[one] for one in several]] = True
    return borne, names


def _counted(
    path: Path, listed: Sequence[Sequence[str]], class_names: Sequence[str], ids: Sequence[str]
) -> list[list[str]]:
    """Class names in place of numbers, which count from 1 where they reach the number of classes."""
    numbers = {int(one) for several in listed for one in several}
    first = 1 if max(numbers) == len(class_names) and min(numbers) > 0 else 0
    for row, several in enumerate(listed):
        if strange := [one for one in several if int(one) - first >= len(class_names)]:
            raise UserError(
                f"Item {ids[row]} of {path} has the label {strange[0]}, but only {len(class_names)} classes are named: "
                "correct it or name its class."
            )
    return [[class_names[int(one) - first] for one in several] for several in listed]


def _indicators(
    path: Path, values: np.ndarray, class_names: Sequence[str] | None, ids: Sequence[str]
) -> tuple[np.ndarray, tuple[str, ...]]:
    if values.dtype.kind not in "fiub":
        raise UserError(f"The labels of {path} are a matrix of {values.dtype}: write 0 and 1 for each class.")
    strange = np.flatnonzero(((values != 0) & (values != 1)).any(1))
    if strange.size:
        raise UserError(
            f"The labels of item {ids[strange[0]]} of {path} are {values[strange[0]].tolist()}: a row holds 0 and 1."
        )
    names = tuple(class_names or map(str, range(values.shape[1])))
    if len(names) != values.shape[1]:
        raise UserError(f"{path} names {len(names)} classes, but its labels have {values.shape[1]} columns.")
    return values == 1, names
