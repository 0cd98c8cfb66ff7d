"""Train, validation and test splits and folds that are a function of the clip ids and a seed."""

from __future__ import annotations

import collections
import hashlib
import math
from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from avx.core.dataset import SPLITS
from avx.core.errors import UserError

_SPLIT_OF = {
    **{name: "train" for name in ("train", "training")},
    **{name: "val" for name in ("val", "valid", "validation", "dev")},
    **{name: "test" for name in ("test", "testing")},
}


def split_named(text: str, where: str) -> str:
    """Reads the name of a split as data state it, in any case: "" where it is blank.

    Args:
      text: such as "Train", "dev" or "validation".
      where: what states it, for the message, such as "Row 3 of clips.csv".

    Raises:
      UserError: another name.
    """
    name = text.strip().lower()
    if name and name not in _SPLIT_OF:
        raise UserError(f"{where} has the split {text!r}: write train, val or test.")
    return _SPLIT_OF.get(name, "")


def split_rows(
    ids: Sequence[str],
    labels: np.ndarray,
    groups: Sequence[str],
    stated: Sequence[str],
    fractions: tuple[float, float, float],
    seed: int,
) -> dict[str, np.ndarray]:
    """Splits the items of a data set: as it states itself, else by `split_by_item`.

    Where classes are so small that a part would get less than half its share of the groups, the split is drawn over
    all items instead: a class of one clip can only train, and a folder full of such classes would leave nothing to
    validate and to test on. Where the data state training and test items and none to validate on, a share of the
    training items is cut off for that, fractions[1] of fractions[0] + fractions[1].

    Args:
      ids: N unique names.
      labels: (N,) class indices, or (N, C) bool, of which the first class counts.
      groups: N names; items of one group lie on one side. "" for an item on its own.
      stated: N of "train", "val", "test"; or "" for all items, where the data leave the split to the run.
      fractions: shares of train, val and test.
      seed: another seed draws another split.

    Returns:
      {"train", "val", "test"}: sorted int64 rows, disjoint and complete.

    Raises:
      UserError: some items state a split and others none, a group is stated on two sides, or as `split_by_item`.
    """
    check_fractions(fractions)
    first = labels if labels.ndim == 1 else np.where(labels.any(1), labels.argmax(1), -1)
    # A group of one item is that item, so that adding a second one elsewhere moves nothing here.
    size = collections.Counter(groups)
    units = [group if group and size[group] > 1 else None for group in groups]
    if any(stated):
        parts = _stated_rows(ids, groups, stated)
        share = fractions[1] / (fractions[0] + fractions[1])
        return parts if len(parts["val"]) else hold_out(parts, ids, first, units, share, seed)
    parts = split_by_item(ids, first.tolist(), fractions, seed, units)
    names = [id_ if unit is None else unit for id_, unit in zip(ids, units, strict=True)]
    total = len(set(names))
    counts = {name: len({names[row] for row in rows.tolist()}) for name, rows in parts.items()}
    if all(counts[name] >= share * total / 2 for name, share in zip(SPLITS, fractions, strict=True)):
        return parts
    return split_by_item(ids, [0] * len(ids), fractions, seed, units)


def hold_out(
    parts: Mapping[str, np.ndarray],
    ids: Sequence[str],
    labels: np.ndarray,
    groups: Sequence[str | None] | None,
    share: float,
    seed: int,
) -> dict[str, np.ndarray]:
    """Moves a share of the training rows of a split without validation rows to validation, class by class.

    Args:
      parts: {"train", "val", "test"}, the second one empty.
      ids: N unique names.
      labels: (N,) class indices.
      groups: N names, None for an item on its own; or None where all are.
      share: in [0, 1); 0 moves none.
      seed: of the cut.
    """
    if not share:
        return dict(parts)
    rows = parts["train"].tolist()
    own = None if groups is None else [groups[row] for row in rows]
    cut = split_by_item([ids[row] for row in rows], labels[rows].tolist(), (1 - share, share, 0.0), seed, own)
    return {**parts, "train": parts["train"][cut["train"]], "val": parts["train"][cut["val"]]}


def join_equal(ids: Sequence[str], groups: Sequence[str], marks: Sequence[Hashable]) -> list[str]:
    """Joins groups of which two items bear an equal mark, such as copies of one file.

    Args:
      ids: N unique names.
      groups: N names, "" for an item on its own.
      marks: N of anything.

    Returns:
      N names; joined groups have the first of their names in alphabetical order, so that the order of the items does
      not matter, and what shares no mark keeps its name.
    """
    own = [group or f"item {one}" for one, group in zip(ids, groups, strict=True)]
    parent: dict[str, str] = {}

    def find(name: str) -> str:
        while (above := parent.get(name, name)) != name:
            name = above
        return name

    first_of: dict[Hashable, str] = {}
    for name, mark in zip(own, marks, strict=True):
        first, second = sorted((find(first_of.setdefault(mark, name)), find(name)))
        if first != second:
            parent[second] = first
    joined = [find(name) for name in own]
    shared = collections.Counter(joined)
    return [name if group or shared[name] > 1 else "" for name, group in zip(joined, groups, strict=True)]


def check_stated(ids: Sequence[str], groups: Sequence[str], stated: Sequence[str]) -> None:
    """Refuses a split that is stated for some items only, or that parts a group.

    Args:
      ids: N names, for the message.
      groups: N names, "" for an item on its own.
      stated: N of "train", "val", "test" or "".

    Raises:
      UserError: it names the items.
    """
    first_of: dict[str, int] = {}
    for row, (group, side) in enumerate(zip(groups, stated, strict=True)):
        if not side:
            raise UserError(f"Item {ids[row]} states no split while others do: fill it in, or leave all of them blank.")
        other = first_of.setdefault(group, row) if group else row
        if stated[other] != side:
            raise UserError(
                f"Items {ids[other]} and {ids[row]} belong together ({group}), but one is in {stated[other]} and the "
                f"other in {side}: put them on one side."
            )


def _stated_rows(ids: Sequence[str], groups: Sequence[str], stated: Sequence[str]) -> dict[str, np.ndarray]:
    """Rows of each split as stated. Raises UserError as `check_stated`."""
    check_stated(ids, groups, stated)
    column = np.asarray(stated)
    return {name: np.flatnonzero(column == name) for name in SPLITS}


def split_by_item(
    clip_ids: Sequence[str],
    labels: Sequence[int],
    fractions: tuple[float, float, float],
    seed: int,
    groups: Sequence[Hashable | None] | None = None,
) -> dict[str, np.ndarray]:
    """Splits items within every class in the order of a hash of (seed, clip id).

    Within a class of n units the cuts lie at the shares of n, rounded up or down by an offset that is hashed from
    (seed, class), so that over many small classes the shares hold as well. The order of the items does not matter;
    when a file comes or goes, other classes are not touched, and of its own class at most one item changes sides at
    each cut. With one unit a class only trains, with two it trains and is tested (or validated, where no test split is
    asked for), and from three on every split with a positive share has at least one.

    Args:
      clip_ids: B unique names.
      labels: B class indices; -1 (unknown) counts as a class.
      fractions: shares of train, val and test, not negative, train positive, summing to 1.
      seed: another seed gives another split.
      groups: B group names, None for an item on its own, or None where all are. A group (a speaker, a source film) is
        one unit: it never straddles, its class is the most frequent of its items, and the shares count groups.

    Returns:
      {"train", "val", "test"}: sorted int64 indices into `clip_ids`, disjoint and complete.

    Raises:
      UserError: fractions that are not such shares, or lengths that differ.
    """
    check_fractions(fractions)
    chosen: dict[str, list[int]] = {name: [] for name in SPLITS}
    for label, units in _ordered_units(clip_ids, labels, seed, groups).items():
        offset = int.from_bytes(_hash(seed, f"class {label}")[:4], "big") / 2**32
        first, second = _cuts(len(units), fractions, offset)
        for name, part in zip(SPLITS, (units[:first], units[first:second], units[second:]), strict=True):
            chosen[name] += [item for unit in part for item in unit]
    return {name: np.array(sorted(items), np.int64) for name, items in chosen.items()}


def folds(
    clip_ids: Sequence[str],
    labels: Sequence[int],
    count: int,
    seed: int,
    groups: Sequence[Hashable | None] | None = None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """`count` stratified (train, test) index pairs; every item is tested in exactly one of them.

    Each class is cut in its hash order into `count` runs whose lengths differ by one at most; classes follow one
    another around the folds, so that the folds as wholes differ by one unit at most as well. Arguments are those of
    `split_by_item`; a file that comes or goes may move items of every class.

    Raises:
      UserError: fewer than two folds, or more folds than units (items, or groups).
    """
    by_class = _ordered_units(clip_ids, labels, seed, groups)
    unit_count = sum(map(len, by_class.values()))
    if not 2 <= count <= unit_count:
        raise UserError(f"{count} folds of {unit_count} items or groups: choose between 2 and {unit_count} folds.")
    tested: list[list[int]] = [[] for _ in range(count)]
    start = 0
    for label in sorted(by_class):
        units = by_class[label]
        bounds = [len(units) * place // count for place in range(count + 1)]
        # The longer runs go to the folds that are next in turn.
        for place, run in enumerate(np.argsort(-np.diff(bounds), kind="stable")):
            tested[(start + place) % count] += [item for unit in units[bounds[run] : bounds[run + 1]] for item in unit]
        start += len(units)
    everything = np.arange(len(clip_ids))
    return [(np.setdiff1d(everything, items), np.array(sorted(items), np.int64)) for items in tested]


def split_hash(clip_ids: Sequence[str], indices: Sequence[int] | np.ndarray) -> str:
    """First 16 hex digits of the sha256 of the chosen clip ids as a set; state it beside every result."""
    digest = hashlib.sha256()
    for clip_id in sorted(clip_ids[index] for index in indices):
        name = clip_id.encode("utf-8", "surrogateescape")
        digest.update(len(name).to_bytes(8, "big") + name)
    return digest.hexdigest()[:16]


def _ordered_units(
    clip_ids: Sequence[str], labels: Sequence[int], seed: int, groups: Sequence[Hashable | None] | None
) -> dict[int, list[list[int]]]:
    """Class -> its units in hash order, each a list of item indices."""
    if len(set(clip_ids)) != len(clip_ids):
        raise UserError("Clip ids occur twice, so their split is not defined: make the ids unique.")
    groups = [None] * len(clip_ids) if groups is None else groups
    if not len(clip_ids) == len(labels) == len(groups):
        raise UserError(
            f"{len(clip_ids)} clip ids, {len(labels)} labels, {len(groups)} groups: give one for each clip."
        )
    pairs = zip(clip_ids, groups, strict=True)
    names = [f"item {clip_id}" if group is None else f"group {group}" for clip_id, group in pairs]
    members: dict[str, list[int]] = collections.defaultdict(list)
    for index, name in enumerate(names):
        members[name].append(index)
    by_class: dict[int, list[list[int]]] = collections.defaultdict(list)
    for name in sorted(members, key=lambda name: _hash(seed, name)):
        tally = collections.Counter(int(labels[index]) for index in members[name])
        by_class[min(tally, key=lambda label: (-tally[label], label))].append(members[name])
    return dict(by_class)


def check_fractions(fractions: Sequence[float]) -> None:
    """Raises UserError for what are no shares of train, val and test."""
    if len(fractions) != 3 or min(fractions) < 0 or fractions[0] <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise UserError(
            f"data.split_fractions = {tuple(fractions)} must be shares (train, val, test) of at least 0 that sum to 1, "
            "train above 0."
        )


def _hash(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed} {name}".encode("utf-8", "surrogateescape")).digest()


def _cuts(count: int, fractions: tuple[float, float, float], offset: float) -> tuple[int, int]:
    """Ends of train and val among `count` units. Both grow with `count`, never shrink, which keeps splits stable.

    `offset` in [0, 1) decides which shares are rounded up.
    """
    train, val, test = fractions
    validates, tests = int(val > 0), int(test > 0)
    if count == 2 and validates and tests:
        return 1, 1
    # 1e-9 keeps 10 * (0.8 + 0.1) from falling below 9.
    first = min(max(math.floor(count * train + offset + 1e-9), 1), max(count - validates - tests, 1))
    if not validates:
        return first, first
    second = max(math.floor(count * (train + val) + offset + 1e-9), first + 1)
    return first, min(second, max(count - tests, first)) if tests else count
