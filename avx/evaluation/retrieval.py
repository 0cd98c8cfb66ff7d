"""Retrieval results of a system: embed a split, score it in both directions, compare with truth.

Policy on missing modalities: a clip without the query's modality asks nothing, and one without the gallery's modality
is not offered. A query whose own counterpart is missing still counts at class level and is excluded at instance level.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.tree_util import Partial

from avx.core.types import Batch, ModelState, Params, System
from avx.retrieval import metrics
from avx.retrieval.curves import precision_recall
from avx.retrieval.pair_scores import tiled_scores

EmbedStep = Callable[[Params, ModelState, Batch], dict[str, Any]]
Levels = dict[str, dict[str, dict[str, float]]]

MISSING_POLICY = "clips without the modality neither ask nor are offered; they are counted"
RECALL_LEVELS = np.linspace(0, 1, 11).round(1)
TIE_RULE = "expected value under random order of equal scores"


@dataclasses.dataclass(frozen=True)
class EmbeddedSplit:
    """What a system embeds of a split's N clips, by modality, and labels (N,).

    An embedding is a pytree of arrays (N, ...) that has `vectors` and `present`: `Embeddings`, or what else a system's
    pair score reads.
    """

    embeddings: dict[str, Any]
    labels: np.ndarray

    @property
    def present(self) -> dict[str, np.ndarray]:
        """modality -> (N,) bool."""
        return {name: np.asarray(embedding.present) for name, embedding in self.embeddings.items()}


def embed_split(
    embed: EmbedStep, params: Params, model_state: ModelState, batches: Iterable[Batch], modalities: Sequence[str]
) -> EmbeddedSplit:
    """Embeds batch after batch and drops the rows that only fill up the last one."""
    parts, labels = [], []
    for batch in batches:
        outputs = embed(params, model_state, batch)
        real = np.asarray(batch.example_mask)
        parts.append({name: jax.tree.map(lambda leaf: leaf[real], outputs[name]) for name in modalities})
        labels.append(np.asarray(batch.label)[real])
    return EmbeddedSplit(jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts), np.concatenate(labels))


def direction_name(query: str, gallery: str) -> str:
    """The key of a direction in results, such as "video_to_audio"."""
    return f"{query}_to_{gallery}"


def relevance_levels(labels: np.ndarray, query_rows: np.ndarray, gallery_rows: np.ndarray) -> dict[str, np.ndarray]:
    """Relevance (Q, G) bool by level: "class" is an equal label, "instance" the same clip.

    Args:
      labels: (N,) class indices; clips of unknown class (-1) share no class.
      query_rows: (Q,) clips that ask.
      gallery_rows: (G,) clips that are offered.
    """
    query_labels, gallery_labels = labels[query_rows][:, None], labels[gallery_rows][None, :]
    return {
        "class": (query_labels == gallery_labels) & (query_labels >= 0),
        "instance": query_rows[:, None] == gallery_rows[None, :],
    }


def evaluate_scores(
    scores: np.ndarray,
    labels: np.ndarray,
    present: Mapping[str, np.ndarray],
    modalities: tuple[str, str],
    ks: Sequence[int],
) -> Levels:
    """Metrics of both directions at both levels.

    Args:
      scores: (N, N) similarity of clip i's first modality to clip j's second, larger is better.
      labels: (N,) class indices.
      present: modality -> (N,) bool.
      modalities: (first, second).
      ks: cut-offs.

    Returns:
      {direction: {level: {metric: value}}}; a level in which no query has a relevant item is left out.
    """
    return _both_directions(present, modalities, labels, functools.partial(metrics.evaluate, ks=ks), scores)


def chance(
    labels: np.ndarray, present: Mapping[str, np.ndarray], modalities: tuple[str, str], ks: Sequence[int]
) -> Levels:
    """What a random order scores, in the form of `evaluate_scores`."""
    constant = np.zeros((len(labels), len(labels)), np.float32)
    return _both_directions(
        present, modalities, labels, lambda matrix, relevance: metrics.chance_levels(relevance, ks), constant
    )


def evaluate_direction(
    scores: np.ndarray,
    labels: np.ndarray,
    present: Mapping[str, np.ndarray],
    query: str,
    gallery: str,
    ks: Sequence[int],
) -> dict[str, dict[str, float]]:
    """Metrics of one direction, {level: {metric: value}}, for scores that are not the same in both directions.

    Args:
      scores: (N, N) similarity of clip i's `query` modality to clip j's `gallery` modality.
      labels, present, ks: as for `evaluate_scores`.
      query: the modality that asks.
      gallery: the modality that is offered.
    """
    measure = functools.partial(metrics.evaluate, ks=ks)
    return _one_direction(present, query, gallery, labels, measure, scores)


def _both_directions(present, modalities, labels, measure, scores) -> Levels:
    return {
        direction_name(query, gallery): _one_direction(present, query, gallery, labels, measure, matrix)
        for (query, gallery), matrix in _directions(modalities, scores)
    }


def _one_direction(present, query, gallery, labels, measure, matrix) -> dict[str, dict[str, float]]:
    query_rows, gallery_rows = np.flatnonzero(present[query]), np.flatnonzero(present[gallery])
    return {
        level: measure(matrix[np.ix_(query_rows, gallery_rows)], relevance)
        for level, relevance in relevance_levels(labels, query_rows, gallery_rows).items()
        if relevance.any()
    }


def _directions(modalities: tuple[str, str], scores: np.ndarray):
    first, second = modalities
    return [((first, second), scores), ((second, first), scores.T)]


def pr_curves(
    scores: np.ndarray, labels: np.ndarray, present: Mapping[str, np.ndarray], modalities: tuple[str, str]
) -> dict[str, dict[str, list[float]]]:
    """Class-level precision over recall by direction, interpolated at eleven points and averaged over queries."""
    curves = {}
    for (query, gallery), matrix in _directions(modalities, scores):
        query_rows, gallery_rows = np.flatnonzero(present[query]), np.flatnonzero(present[gallery])
        relevance = relevance_levels(labels, query_rows, gallery_rows)["class"]
        if relevance.any():
            curve = precision_recall(matrix[np.ix_(query_rows, gallery_rows)], relevance)
            curves[direction_name(query, gallery)] = {
                "recall": RECALL_LEVELS.tolist(),
                "precision": curve.eleven_point.tolist(),
            }
    return curves


def score_split(
    system: System,
    params: Params,
    model_state: ModelState,
    split: EmbeddedSplit,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """(N, N) scores of every clip's first modality against every clip's second.

    Pair scores are computed in tiles, whose `progress`, the number of pairs done, may be watched.

    Raises:
      UserError: a pair score is NaN or infinite.
    """
    first, second = (split.embeddings[name] for name in system.modalities)
    if system.factored:
        return np.asarray(system.score(params, model_state, first, second))
    score = Partial(jax.jit(system.score), *on_one_device((params, model_state)))
    return tiled_scores(score, first, second, progress=progress)


def on_one_device(tree: Any) -> Any:
    """A replicated pytree as its first local copy, so that what reads it runs once and not on every device."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0) if isinstance(leaf, jax.Array) else leaf, tree)


def flatten(levels: Levels) -> dict[str, float]:
    """{"class/map": mean of both directions, "video_to_audio/class/map": ...} for curves and model selection."""
    flat: dict[str, float] = {}
    for direction, by_level in levels.items():
        for level, values in by_level.items():
            for name, value in values.items():
                flat[f"{direction}/{level}/{name}"] = value
                key = f"{level}/{name}"
                flat[key] = flat.get(key, 0.0) + value / len(levels)
    return flat
