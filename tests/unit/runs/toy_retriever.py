"""Retrievers of made-up methods whose features are their embeddings, for tests that look at runs alone."""

import jax.numpy as jnp
from ml_collections import ConfigDict
from toy_dataset import SIDES

from avx.core.arrays import l2_normalize
from avx.core.types import VECTORS, Embedded, ModelState, System
from avx.data.batches import ModalitySpec
from avx.runs.retriever import Retriever

EVALUATION = {
    "batch_size": 4,
    "ks": (1, 3),
    "map_cutoffs": (),
    "score": "class/map",
    "galleries": ("test",),
    "validation_galleries": ("val",),
}


def inner_product(params, model_state, queries, gallery):
    return queries.vectors @ gallery.vectors.T


def toy_retriever(sides=SIDES, width=3, score=inner_product, *, state=None, params=None, learn=None, **config):
    """A method that embeds a vector as its own direction, plus `params` where there are any.

    Args:
      sides: of the method.
      width: of the vectors of both sides.
      score: (params, model_state, queries, gallery) -> (Q, G).
      state: buffers of the model state.
      params: () added to every vector.
      learn: as `System.score_and_learn`.
      config: fields of the group evaluation.
    """

    def embed(params, model_state, batch):
        found = {}
        for side in sides:
            sequence = batch.modalities[side]
            vectors = jnp.where(sequence.mask[:, :, None], sequence.values, 0).sum(1)
            found[side] = Embedded(
                l2_normalize(vectors if params is None else vectors + params), sequence.mask.any(1) & batch.example_mask
            )
        return found

    system = System(
        "Toy",
        {side: (side,) for side in sides},
        embed,
        score,
        fit=lambda batches, key: (None, ModelState()),
        reads=VECTORS,
        factored=score is inner_product,
        score_and_learn=learn,
    )
    groups = {"seed": 0, "data": {}, "features": {"sides": sides}, "evaluation": EVALUATION | config}
    specs = tuple(ModalitySpec(side, 1, (width,)) for side in sides)
    return Retriever(ConfigDict(groups).lock(), system, params, ModelState(buffers=state), specs)
