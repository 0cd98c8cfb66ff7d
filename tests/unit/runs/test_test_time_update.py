"""The row of a memory that goes on learning: both directions from the trained state, in a seeded order."""

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict
from toy_dataset import table, without
from toy_retriever import toy_retriever

from avx.core import rng
from avx.core.errors import UserError
from avx.core.types import ModelState
from avx.evaluation.measure import measure
from avx.evaluation.protocol import both_directions
from avx.runs import results, settings
from configs import feature_memory

SIDES = ("video", "audio")
LABELS = np.array([0, 0, 1, 1, 2])


def score_and_learn(params, model_state, queries, gallery, order, query_side):
    """Scores that depend on the state, on who asks and on when."""
    when = np.float32(1) * order.argsort()
    scores = model_state.buffers + when[:, None] * queries.vectors @ gallery.vectors.T
    return scores + (query_side == "audio") * gallery.vectors[:, 0], ModelState(buffers=model_state.buffers + 100)


def test_both_directions_start_from_the_trained_state_in_the_order_of_the_seed():
    generator = np.random.default_rng(0)
    vectors = {side: generator.normal(size=(5, 3)).astype(np.float32) for side in SIDES}
    units = {side: values / np.linalg.norm(values, axis=1, keepdims=True) for side, values in vectors.items()}
    dataset = without(table(vectors, LABELS, ("a", "b", "c")), "video", np.array([3]))
    dataset.split["test"], dataset.split["val"] = np.arange(5), np.zeros(0, int)
    rows = {"video": np.array([0, 1, 2, 4]), "audio": np.arange(5)}
    orders = []
    for seed in (0, 3):
        trained = toy_retriever(SIDES, state=np.float32(0.5), learn=score_and_learn, test_time_update=True)
        config = ConfigDict(trained.config.to_dict())
        config.seed = seed
        object.__setattr__(trained, "config", config.lock())
        result, _ = results.evaluate(trained, dataset)
        (row,) = (row for row in result.rows if row.role == "variant")
        assert row.name == "Toy, memory updated at test" and f"seed {seed}" in row.note
        for protocol in both_directions(SIDES, "test", "test", (1, 3)):
            query, gallery = protocol.query_side, protocol.gallery_side
            count = len(rows[query])
            order = np.asarray(jax.random.permutation(rng.stream(seed, "test_time_update"), count))
            scores = 0.5 + order.argsort()[:, None] * (units[query][rows[query]] @ units[gallery][rows[gallery]].T)
            scores = scores + (query == "audio") * units[gallery][rows[gallery], 0]
            expected = measure([(slice(0, count), scores)], dataset, protocol, rows[query], rows[gallery])
            found = row.directions[protocol.direction]
            np.testing.assert_array_equal(found.top, expected.top)
            np.testing.assert_allclose(found.top_scores, expected.top_scores, rtol=1e-5, atol=1e-6)
            assert found.levels["class"] == pytest.approx(expected.levels["class"])
            orders.append(order.tolist())
    assert orders[:2] != orders[2:]


def test_the_row_is_there_where_it_is_asked_for_alone():
    dataset = table({side: np.eye(5, 3, dtype=np.float32) for side in SIDES}, LABELS, ("a", "b", "c"))
    dataset.split["test"] = np.arange(5)
    result, _ = results.evaluate(toy_retriever(SIDES, state=np.float32(0.5), learn=score_and_learn), dataset)
    assert [row.role for row in result.rows] == ["system", "chance"]


def test_without_a_memory_the_flag_is_refused():
    config = feature_memory.get_config()
    config.evaluation.test_time_update = True
    settings.check(config)
    config.memory.enabled = False
    with pytest.raises(UserError, match=r"set memory\.enabled = True"):
        settings.check(config)
