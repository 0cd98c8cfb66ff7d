"""The row of a memory that goes on learning: both directions from the trained state, in a seeded order."""

import types

import jax
import numpy as np
import pytest

from avx.core import rng
from avx.core.errors import UserError
from avx.core.types import Embeddings, ModelState, System, TrainState
from avx.evaluation import retrieval
from configs import feature_memory
from experiments import results
from experiments import run as run_room

LABELS = np.array([0, 0, 1, 1, 2])
PRESENT = {"video": np.arange(5) != 3, "audio": np.ones(5, bool)}


def score_and_learn(params, model_state, queries, gallery, order, query_modality):
    """Scores that depend on the state, on who asks and on when."""
    when = np.float32(1) * order.argsort()
    scores = model_state.buffers + when[:, None] * queries.vectors @ gallery.vectors.T
    return scores + (query_modality == "audio") * gallery.vectors[:, 0], ModelState(buffers=model_state.buffers + 100)


def run_of(seed):
    config = feature_memory.get_config()
    config.seed = seed
    system = System(None, None, None, None, ("video", "audio"), False, score_and_learn)
    return types.SimpleNamespace(config=config, system=system)


def test_both_directions_start_from_the_trained_state_in_the_order_of_the_seed():
    generator = np.random.default_rng(0)
    embeddings = {name: Embeddings(generator.normal(size=(5, 3)).astype(np.float32), PRESENT[name]) for name in PRESENT}
    split = retrieval.EmbeddedSplit(embeddings, LABELS)
    state = TrainState(0, None, None, ModelState(buffers=np.float32(0.5)))
    orders = []
    for seed in (0, 3):
        order = np.asarray(jax.random.permutation(rng.stream(seed, "test_time_update"), 5))
        expected = {}
        for query, gallery in (("video", "audio"), ("audio", "video")):
            scores, _ = score_and_learn(None, state.model_state, embeddings[query], embeddings[gallery], order, query)
            expected[f"{query}_to_{gallery}"] = retrieval.evaluate_direction(
                scores, LABELS, PRESENT, query, gallery, (1, 10, 25)
            )
        assert results.learning_levels(run_of(seed), state, split) == expected
        orders.append(order.tolist())
    assert orders[0] != orders[1]


def test_without_a_memory_the_flag_is_refused():
    config = feature_memory.get_config()
    config.evaluation.test_time_update = True
    run_room.check(config)
    config.model.memory = False
    with pytest.raises(UserError, match=r"set model\.memory = True"):
        run_room.check(config)
