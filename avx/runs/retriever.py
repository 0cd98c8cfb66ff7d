"""What a person holds of a fitted method: it embeds rows of a dataset, or files and arrays that it has never seen."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.tree_util import Partial
from ml_collections import ConfigDict

from avx.core import processes
from avx.core.dataset import Dataset, Features
from avx.core.errors import UserError
from avx.core.types import Batch, Embedded, ModelState, Params, System
from avx.data import batches
from avx.data.batches import ModalitySpec
from avx.data.records import Record
from avx.data.scaling import Scaling
from avx.evaluation.measure import query_blocks
from avx.extraction.corpus import Decoding
from avx.extraction.front_end import FrontEnd
from avx.media.atomic import atomic_path
from avx.media.quarantine import MediaProblem
from avx.retrieval.index import Shortlist
from avx.retrieval.pair_scores import QUERY_TILE, PairScoreIndex, tiled_scores
from avx.runs.explain import Explanation, evidence
from avx.training.step import make_embed_step, replicated

UNLABELLED = {"label": np.array(-1, np.int32)}
SCORES_AT_ONCE = 1 << 24
"""Scores that are held at a time: 64 MiB."""


@dataclasses.dataclass(frozen=True, eq=False)
class EmbeddedItems:
    """N items of one side.

    Attributes:
      side: of the system.
      ids: N names.
      embedded: numpy arrays (N, ...).
    """

    side: str
    ids: tuple[str, ...]
    embedded: Embedded

    @property
    def vectors(self) -> np.ndarray:
        """(N, D) unit rows; of an item that lacks the side they mean nothing."""
        return np.asarray(self.embedded.vectors)

    @property
    def present(self) -> np.ndarray:
        """(N,) bool, False for items that lack the side."""
        return np.asarray(self.embedded.present)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray) -> EmbeddedItems:
        """Returns the items of `rows`, in that order."""
        embedded = jax.tree.map(lambda leaf: leaf[rows], self.embedded)
        return EmbeddedItems(self.side, tuple(self.ids[row] for row in np.asarray(rows).tolist()), embedded)


@dataclasses.dataclass(frozen=True, eq=False)
class Clips:
    """How files become features.

    Attributes:
      decoding: from a file to a clip.
      front_end: from a clip to features.
    """

    decoding: Decoding
    front_end: FrontEnd

    def features(self, files: Sequence[Path]) -> list[Features]:
        """Returns the features of media files.

        Raises:
          UserError: a file that cannot be decoded.
        """
        clips = []
        for path in files:
            try:
                clips.append(self.decoding.read(Record(path), str(path)))
            except MediaProblem as problem:
                raise UserError(
                    f"{path} cannot be read, {problem.detail} ({problem.reason}); give another file."
                ) from (problem)
        return list(self.front_end.extract(clips))


class Compiled:
    """The functions of a system as they run on devices; shared by all retrievers of one system."""

    def __init__(self, system: System):
        self.system = system
        self.embed = make_embed_step(system)
        self.score = jax.jit(system.score)


@dataclasses.dataclass(frozen=True, eq=False)
class Retriever:
    """A fitted method, ready to be asked.

    Attributes:
      config: of the run.
      system: the method.
      params, model_state: what was fitted, on the host.
      specs: how features become batches.
      scaling: feature -> how its vectors are scaled; features that are not named stay as they are.
      class_names: of the training data.
      clips: from files to features; None for a method of feature vectors.
      training: record of steps, seconds, parameters and chosen constants.
      weights: parameters of the frozen encoders in front, by "video" and "audio".
      compiled: of the system; made here where none is given.
    """

    config: ConfigDict
    system: System
    params: Params
    model_state: ModelState
    specs: tuple[ModalitySpec, ...]
    scaling: Mapping[str, Scaling] = dataclasses.field(default_factory=dict)
    class_names: tuple[str, ...] = ()
    clips: Clips | None = None
    training: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    weights: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    compiled: Compiled | None = None

    def __post_init__(self):
        if self.compiled is None or self.compiled.system is not self.system:
            object.__setattr__(self, "compiled", Compiled(self.system))

    @property
    def sides(self) -> tuple[str, str]:
        """The two sides that are retrieved from each other."""
        first, second = self.system.sides
        return first, second

    @functools.cached_property
    def _embed(self) -> Any:
        assert self.compiled is not None
        return functools.partial(self.compiled.embed, *replicated((self.params, self.model_state)))

    @functools.cached_property
    def _score(self) -> Partial:
        assert self.compiled is not None
        return Partial(self.compiled.score, *on_one_device((self.params, self.model_state)))

    def prepared(self, features: Features) -> Features:
        """Returns the features that the method reads, scaled as those of training; vectors become one step."""
        found = {}
        for spec in self.specs:
            if spec.feature in features:
                values = np.asarray(features[spec.feature])
                values = values[None] if values.ndim == len(spec.shape) else values
                found[spec.feature] = self.scaling[spec.name].apply(values) if spec.name in self.scaling else values
        return found

    def embed_rows(self, dataset: Dataset, rows: np.ndarray) -> dict[str, EmbeddedItems]:
        """Embeds rows of a dataset, both sides, on all devices of all processes.

        Args:
          dataset: of the same kinds of features as the training data.
          rows: (n,) at least one.

        Returns:
          side -> n items, in that order.

        Raises:
          UserError: features of another size, or not finite.
        """

        def load(row: int) -> Features:
            features = dict(self.prepared(dataset.load(row)))
            for name, values in features.items():
                if values.dtype.kind == "f" and not np.isfinite(values).all():
                    raise UserError(
                        f"The {name} features of item {dataset.ids[row]} hold NaN or infinity: leave that item out."
                    )
            return features | UNLABELLED

        embedded = self._embedded(load, np.asarray(rows))
        ids = tuple(dataset.ids[row] for row in np.asarray(rows).tolist())
        return {side: EmbeddedItems(side, ids, found) for side, found in embedded.items()}

    def _embedded(self, load: Any, rows: np.ndarray) -> dict[str, Embedded]:
        mine = processes.share(rows)
        at_once = self.config.evaluation.batch_size * jax.local_device_count()
        parts = [self._real(batch) for batch in batches.evaluation_batches(load, mine, self.specs, at_once)]
        whole = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
        return processes.gathered(whole, len(rows))

    def _real(self, batch: Batch) -> dict[str, Embedded]:
        real = np.asarray(batch.example_mask)
        return jax.tree.map(lambda leaf: leaf[real], self._embed(batch))

    def embed(
        self, side: str, items: Sequence[Path | str] | np.ndarray | Sequence[np.ndarray], *, ids: Sequence[str] = ()
    ) -> EmbeddedItems:
        """Embeds things that no dataset holds.

        Args:
          side: one of `sides`.
          items: media files, through the front end of training; or feature vectors (N, D); or N feature sequences
            (T, ...) of the one modality that the side reads.
          ids: N names; by default the files' paths, or places.

        Raises:
          UserError: an unknown side, a file that cannot be decoded or lacks the side, or features of another size.
        """
        names = ids or [str(item) if isinstance(item, str | Path) else str(place) for place, item in enumerate(items)]
        return self._of_features(side, self.features(side, items), names)

    def features(self, side: str, items: Sequence[Path | str] | np.ndarray | Sequence[np.ndarray]) -> list[Features]:
        """Computes the features of things that no dataset holds; arguments and errors as for `embed`."""
        if side not in self.system.sides:
            raise UserError(f"the side {side!r} is unknown; {self.system.title} has {' and '.join(self.sides)}.")
        if not len(items):
            raise UserError(f"there are no items to embed for the side {side}; give at least one.")
        if not isinstance(items[0], str | Path):
            modality = self.system.sides[side][0]
            spec = next(spec for spec in self.specs if spec.name == modality)
            return [{spec.feature: np.asarray(item)} for item in items]
        if self.clips is None:
            raise UserError(f"{self.system.title} of this run reads feature vectors, not files; give an array (N, D).")
        return self.clips.features([Path(item) for item in items])  # type: ignore[arg-type]

    def _of_features(self, side: str, features: Sequence[Features], names: Sequence[str]) -> EmbeddedItems:
        prepared = [{**self.prepared(one), **UNLABELLED} for one in features]
        found = self._embedded(prepared.__getitem__, np.arange(len(prepared)))[side]
        lacking = np.flatnonzero(~np.asarray(found.present))
        if lacking.size:
            raise UserError(f"{names[lacking[0]]} has no {side}; give another file, or ask for the other side.")
        return EmbeddedItems(side, tuple(names), found)

    def explain(
        self, query_side: str, query: Path | str | np.ndarray, gallery_side: str, item: Path | str | np.ndarray
    ) -> Explanation:
        """Says why a query finds an item; each is a file or a feature array, as for `embed`.

        Raises:
          UserError: as `embed`.
        """
        asked_of: list[tuple[str, Any]] = [(query_side, query), (gallery_side, item)]
        features = [self.features(side, [one])[0] for side, one in asked_of]
        asked = self._of_features(query_side, features[:1], ["the query"])
        found = self._of_features(gallery_side, features[1:], ["the item"])
        score = float(self.score(asked, found)[0, 0])
        lengths = {spec.name: spec.length for spec in self.specs}
        return evidence(score, asked.embedded, found.embedded, features, lengths, self.class_names)

    def score(self, queries: EmbeddedItems, gallery: EmbeddedItems) -> np.ndarray:
        """Scores all pairs, (Q, G) float32, larger is better.

        Raises:
          UserError: a score is NaN or infinite.
        """
        return np.concatenate([scores for _, scores in self.score_blocks(queries, gallery)])

    def score_blocks(self, queries: EmbeddedItems, gallery: EmbeddedItems) -> Iterator[tuple[slice, np.ndarray]]:
        """Yields slices of the queries with their scores (q, G), in order; memory does not grow with Q x G.

        Raises:
          UserError: a score is NaN or infinite.
        """
        rows = max(1, min(QUERY_TILE, SCORES_AT_ONCE // max(len(gallery), 1), len(queries)))
        for block in query_blocks(len(queries), rows):
            # A short last block repeats its queries, so that all blocks are compiled once.
            places = np.resize(np.arange(block.start, block.stop), rows)
            asking = jax.tree.map(lambda leaf, places=places: leaf[places], queries.embedded)
            scores = tiled_scores(self._score, asking, gallery.embedded, query_tile=rows)
            yield block, scores[: block.stop - block.start]

    def nearest(self, queries: EmbeddedItems, gallery: EmbeddedItems, k: int = 10) -> Shortlist:
        """Finds the k best gallery items of each query, best first; of equal scores the earlier item first.

        Returns:
          Scores (Q, k) and places in the gallery (Q, k).

        Raises:
          UserError: k outside 1..G, or a score that is not finite.
        """
        return PairScoreIndex(self._score, gallery.embedded).search(queries.embedded, k)

    def save_embeddings(self, path: Path | str, items: EmbeddedItems) -> None:
        """Writes embeddings as an npz file without pickle: `ids`, `side`, `vectors`, `present`, codes where there are.

        Raises:
          UserError: the disk is full.
        """
        embedded = items.embedded
        arrays: dict[str, Any] = {
            "ids": np.array(items.ids),
            "side": np.array(items.side),
            "vectors": items.vectors,
            "present": items.present,
        }
        if embedded.codes is not None:
            arrays |= {"words": np.asarray(embedded.codes.words), "bits": np.array(embedded.codes.bits)}
        for name in ("real", "posterior"):
            if getattr(embedded, name) is not None:
                arrays[name] = np.asarray(getattr(embedded, name))
        with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)


def on_one_device(tree: Any) -> Any:
    """Returns a replicated pytree as its first local copy, so that what reads it runs once and not on every device."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0) if isinstance(leaf, jax.Array) else leaf, tree)


def on_host(tree: Any) -> Any:
    """Returns a pytree with numpy leaves; of a replicated array its first local copy."""
    return jax.tree.map(np.asarray, on_one_device(tree))
