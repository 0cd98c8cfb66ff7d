"""One field is one ablation: what a weight of the loss does to a system, and what it does not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from avx import registry
from avx.core.errors import UserError
from avx.core.types import ALONE, Batch, Padded
from avx.runs.studies import overridden
from configs import feature_memory_embedded

FACTS = registry.Facts(3, ("video", "audio"), 5)
NARROW = {"model.lstm_size": 2, "model.mapping_size": 4, "model.fusion_size": 3, "memory.capacity": 3}


def system_of(**fields):
    return registry.system(overridden(feature_memory_embedded.get_config().lock(), NARROW | fields), FACTS)


def batch_of(size=6):
    generator = np.random.default_rng(0)
    sides = {"video": (size, 2, 5), "audio": (size, 4, 7)}
    modalities = {
        name: Padded(generator.normal(size=shape).astype(np.float32), np.ones(shape[:2], bool))
        for name, shape in sides.items()
    }
    return Batch(modalities, np.arange(size, dtype=np.int32) % 3, np.arange(size, dtype=np.int32), np.ones(size, bool))


def test_a_fusion_that_nothing_trains_is_refused_by_name():
    with pytest.raises(UserError, match=r"model\.match = 'fusion' needs loss\.cross_entropy_weight above 0"):
        system_of(**{"loss.cross_entropy_weight": 0.0})


def test_the_weight_of_the_cross_entropy_does_not_reach_the_score():
    """With one rule of the match, two weights make one embedding and one score of the same parameters."""
    batch, found = batch_of(), {}
    for weight in (0.0, 1.0):
        system = system_of(**{"loss.cross_entropy_weight": weight, "model.match": "cosine"})
        params, state = jax.jit(system.init)(jax.random.key(0), batch)
        embedded = system.embed(params, state, batch)
        found[weight] = params, embedded, system.score(params, state, embedded["video"], embedded["audio"])
    for first, second in zip(jax.tree.leaves(found[0.0]), jax.tree.leaves(found[1.0]), strict=True):
        np.testing.assert_array_equal(first, second)
    other = system_of()
    params, state = jax.jit(other.init)(jax.random.key(0), batch)
    embedded = other.embed(params, state, batch)
    assert np.abs(other.score(params, state, embedded["video"], embedded["audio"]) - found[1.0][2]).max() > 1e-3


@pytest.mark.parametrize(
    ("field", "term"), [("triplet_weight", "loss_triplet"), ("cross_entropy_weight", "loss_cross_entropy")]
)
def test_a_weight_of_zero_leaves_its_own_term_out(field, term):
    batch, terms = jax.tree.map(jnp.asarray, batch_of()), {}
    for weight in (0.0, 1.0):
        system = system_of(**{f"loss.{field}": weight, "model.match": "cosine"})
        params, state = jax.eval_shape(system.init, jax.random.key(0), batch)
        keys = {"dropout": jax.random.key(1), "loss": jax.random.key(2)}

        def loss(params, state, batch, system=system, keys=keys):
            return system.loss(params, state, batch, keys, ALONE)

        terms[weight] = set(jax.eval_shape(loss, params, state, batch).metrics)
    assert terms[1.0] - terms[0.0] == {term} and terms[0.0] < terms[1.0]
