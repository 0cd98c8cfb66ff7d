"""A trained system on feature pairs: what it says of any items."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from avx.core.types import Embeddings, System, TrainState
from avx.data import batches
from avx.evaluation import retrieval
from avx.hashing.codes_file import CodedItems
from avx.training import state as train_state
from avx.training.checkpoint import Progress
from avx.training.step import make_embed_step
from avx import registry
from experiments.pairs import DIRECTIONS, Pairs, Scores, checked, standardised


def feature_sizes(config: ConfigDict) -> dict[str, int]:
    """Number of features that the model of a config takes, by side."""
    return {spec.name: spec.shape[0] for spec in registry.modality_specs(config)}


def prepared(reference: Pairs | None, pairs: Pairs) -> Pairs:
    """`pairs` standardised by the reference items; as they are without any."""
    return pairs if reference is None else standardised(reference, pairs)


def loader(pairs: Pairs) -> batches.Loader:
    """Items by index, each side a sequence of one step."""

    def load(index: int) -> dict[str, Any]:
        rows = slice(index, index + 1)
        return {"image": pairs.image[rows], "text": pairs.text[rows], "label": pairs.label[index]}

    return load


@dataclasses.dataclass
class Fitted:
    """A trained system with what it needs to embed other items of the same features.

    Attributes:
      config: of the run.
      system: the model.
      state: its parameters.
      reference: the items whose statistics standardise all others; None where features stay as they are.
      progress: how training went.
    """

    config: ConfigDict
    system: System
    state: TrainState
    reference: Pairs | None
    progress: Progress

    def embed(self, pairs: Pairs) -> dict[str, Embeddings]:
        """Embeddings of items by modality; UserError for features of another number or that are not finite."""
        return jax.tree.map(jnp.asarray, self._outputs(pairs, self.system.modalities))

    def coded(self, pairs: Pairs, class_names: Sequence[str]) -> dict[str, CodedItems]:
        """Codes of items by modality; errors as in `embed`."""
        names = [f"{side}_{kind}" for side in self.system.modalities for kind in ("codes", "real")]
        found = self._outputs(pairs, names)
        return {
            side: CodedItems(
                codes=found[f"{side}_codes"],
                vectors=found[f"{side}_real"].vectors,
                item_ids=pairs.item_ids,
                labels=pairs.label,
                class_names=tuple(class_names),
            )
            for side in self.system.modalities
        }

    def scores(self, queries: Pairs, database: Pairs) -> Scores:
        """(Q, G) of both directions."""
        params, asked, held = train_state.evaluation_params(self.state), self.embed(queries), self.embed(database)
        return {
            (query, other): np.asarray(self.system.score(params, self.state.model_state, asked[query], held[other]))
            for query, other in DIRECTIONS
        }

    def _outputs(self, pairs: Pairs, names: Sequence[str]) -> dict[str, Any]:
        """Some outputs of `system.embed` for all items, with numpy leaves (n, ...)."""
        checked(pairs, feature_sizes(self.config))
        load, specs = loader(prepared(self.reference, pairs)), registry.modality_specs(self.config)
        rows = self.config.evaluation.batch_size * jax.local_device_count()
        batches = batches.evaluation_batches(load, np.arange(len(pairs)), specs, rows)
        embed, params = make_embed_step(self.system), train_state.evaluation_params(self.state)
        return retrieval.embed_split(embed, params, self.state.model_state, batches, names).embeddings
