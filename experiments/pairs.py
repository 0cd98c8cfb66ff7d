"""Paired feature vectors as matrices: splits, normalisation, and the metrics of both directions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from avx.core.errors import UserError
from avx.data import splits
from avx.data.sets.feature_pairs import SPLITS, PairTable
from avx.retrieval import metrics

DIRECTIONS = (("image", "text"), ("text", "image"))
Scores = dict[tuple[str, str], np.ndarray]
Scorer = Callable[["Pairs", "Pairs"], Scores]
"""(queries, database) -> (query modality, database modality) -> (Q, G), larger is better."""


@dataclasses.dataclass(frozen=True, eq=False)
class Pairs:
    """n items as two feature matrices: image (n, p), text (n, q) float32, label (n,), and ids."""

    image: np.ndarray
    text: np.ndarray
    label: np.ndarray
    item_ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: np.ndarray) -> Pairs:
        """The items of `rows`, in that order."""
        return Pairs(self.image[rows], self.text[rows], self.label[rows], tuple(self.item_ids[row] for row in rows))


def normalised_rows(values: np.ndarray) -> np.ndarray:
    """Rows scaled to unit Euclidean norm; a zero row stays zero."""
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)


def by_split(table: PairTable, image: str, text: str) -> dict[str, Pairs]:
    """The items of each split that a table has, by "train", "val" and "test", rows L2-normalised.

    Args:
      table: with the features `image` and `text`.
      image: kind of the image features.
      text: kind of the text features.

    Raises:
      UserError: no such features.
    """
    if missing := [kind for kind in (image, text) if kind not in table.features]:
        raise UserError(f"{table.name} has no features {missing[0]!r}; choose of {', '.join(sorted(table.features))}.")
    sides = {kind: normalised_rows(table.features[kind]) for kind in (image, text)}
    whole = Pairs(sides[image], sides[text], table.label, table.item_ids)
    return {split: whole.take(rows) for split in SPLITS if len(rows := table.rows(split))}


def joined(parts: Iterable[Pairs]) -> Pairs:
    """The items of all parts, one part after the other."""
    listed = list(parts)
    image, text, label = (
        np.concatenate([getattr(part, name) for part in listed]) for name in ("image", "text", "label")
    )
    return Pairs(image, text, label, tuple(item_id for part in listed for item_id in part.item_ids))


def fitting_parts(parts: Mapping[str, Pairs], share: float, seed: int) -> tuple[Pairs, Pairs | None]:
    """(the items to fit, the items to choose by) of `by_split`'s parts; no test item is in either.

    Validation items that the data set names are taken; else a share of the training items is cut off by class.

    Args:
      parts: see `by_split`.
      share: in [0, 1); 0 fits all training items and has none to choose by.
      seed: of the cut.
    """
    training = parts["train"]
    if "val" in parts:
        return training, parts["val"]
    if not share:
        return training, None
    rows = splits.split_by_item(training.item_ids, training.label.tolist(), (1 - share, share, 0.0), seed)
    return training.take(rows["train"]), training.take(rows["val"])


def checked(pairs: Pairs, sizes: Mapping[str, int], classes: int | None = None) -> Pairs:
    """`pairs` where they fit a model.

    Args:
      pairs: any items.
      sizes: "image" and "text" -> number of features that the model takes.
      classes: number of classes; None where labels are not looked at.

    Raises:
      UserError: features of another number or not finite, or a label outside 0..classes - 1. It names the item.
    """
    for side, size in sizes.items():
        values = getattr(pairs, side)
        if values.shape != (len(pairs), size):
            raise UserError(
                f"The {side} features have shape {values.shape}, but the model takes ({len(pairs)}, {size}): "
                "give one row for each item, of the same kind of features as were fitted."
            )
        bad = np.flatnonzero(~np.isfinite(values).all(1))
        if bad.size:
            raise UserError(
                f"The {side} features of item {pairs.item_ids[bad[0]]} hold NaN or infinity ({bad.size} such items): "
                "leave those items out."
            )
    if classes is not None:
        bad = np.flatnonzero((pairs.label < 0) | (pairs.label >= classes))
        if bad.size:
            raise UserError(
                f"Item {pairs.item_ids[bad[0]]} has label {pairs.label[bad[0]]}, but labels run from 0 to "
                f"{classes - 1}: correct it or list its class."
            )
    return pairs


def standardised(reference: Pairs, pairs: Pairs) -> Pairs:
    """Columns less the mean of `reference`, over its deviation; constant columns become zero."""
    sides = {}
    for side in ("image", "text"):
        known = getattr(reference, side)
        deviation = known.std(0)
        scale = np.where(deviation > 1e-9, 1 / np.where(deviation > 1e-9, deviation, 1), 0)
        sides[side] = ((getattr(pairs, side) - known.mean(0)) * scale).astype(np.float32)
    return dataclasses.replace(pairs, **sides)


def evaluate(
    scores: Mapping[tuple[str, str], np.ndarray],
    query_labels: np.ndarray,
    database_labels: np.ndarray,
    ks: Sequence[int],
    map_cutoffs: Sequence[int],
) -> dict[str, dict[str, float]]:
    """Metrics by direction ("image_to_text", ...), an item being relevant to all of its class.

    Args:
      scores: (query modality, database modality) -> (Q, G), larger is better.
      query_labels: (Q,).
      database_labels: (G,).
      ks: cut-offs of the metrics at k.
      map_cutoffs: cut-offs of the truncated average precisions.
    """
    relevance = query_labels[:, None] == database_labels
    return {
        f"{query}_to_{other}": metrics.evaluate(matrix, relevance, ks=ks, map_cutoffs=map_cutoffs)
        for (query, other), matrix in scores.items()
    }


def validation_levels(scorer: Scorer, fitted: Pairs, held: Pairs) -> dict[str, float]:
    """What constants and epochs are chosen by: held-out queries against the fitted items and against the held-out.

    A method that only learns its fitted items by heart does well in the first database and not in the second.

    Args:
      scorer: of the fitted method.
      fitted: the items that it has seen.
      held: items that it has not.

    Returns:
      "map" and "hit@1", averaged over databases and directions, and each by "<database>/<direction>/<metric>".
    """
    levels: dict[str, float] = {}
    for name, database in (("fitted", fitted), ("held", held)):
        for direction, found in evaluate(scorer(held, database), held.label, database.label, (1,), ()).items():
            levels |= {f"{name}/{direction}/{metric}": value for metric, value in found.items()}
    means = {
        metric: float(np.mean([value for name, value in levels.items() if name.endswith(f"/{metric}")]))
        for metric in ("map", "hit@1")
    }
    return levels | means
