"""The fusion in parts equals one layer on the concatenation; the table of all pairs equals single pairs."""

import jax
import numpy as np
import pytest

from avx.nn.fusion import PairFusion, all_pairs

WIDTH, HIDDEN = 5, 13
FUSION = PairFusion(HIDDEN, dropout=0.4)


def rows(count, seed):
    return np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)


@pytest.fixture(scope="module")
def variables():
    first, second = rows(3, 0), rows(3, 1)
    found = FUSION.init(jax.random.key(0), first, second, np.arange(3), True)
    # Biases start at 0; a formula that forgets one would pass.
    return jax.tree.map(lambda leaf: leaf + 0.1 * np.arange(leaf.size).reshape(leaf.shape) / leaf.size, found)


def by_concatenation(variables, first, second):
    """Logits of the layer that the paper draws, in numpy."""
    params = jax.device_get(variables["params"])
    kernel = np.concatenate([params["first"]["kernel"], params["second"]["kernel"]])
    hidden = np.maximum(np.concatenate([first, second], 1) @ kernel + params["first"]["bias"], 0)
    return hidden @ params["logits"]["kernel"] + params["logits"]["bias"]


def test_two_parts_equal_one_layer_on_the_concatenation(variables):
    first, second = rows(4, 2), rows(4, 3)
    logits = by_concatenation(variables, first, second)
    found = FUSION.apply(variables, first, second, np.arange(4), True)
    np.testing.assert_allclose(found, logits[:, 1] - logits[:, 0], rtol=1e-5, atol=1e-5)
    swapped = by_concatenation(variables, second, first)
    assert np.abs(found - (swapped[:, 1] - swapped[:, 0])).max() > 0.1, "the sides are not alike"


@pytest.mark.parametrize("units_at_once", [1, 4, 16])
def test_all_pairs_equal_single_pairs(variables, units_at_once):
    first, second = rows(4, 4), rows(6, 5)
    projected = FUSION.apply(variables, first, second, method="project")
    table = all_pairs(*projected, *FUSION.apply(variables, method="readout"), units_at_once=units_at_once)
    for row in range(4):
        logits = by_concatenation(variables, np.repeat(first[row : row + 1], 6, 0), second)
        np.testing.assert_allclose(table[row], logits[:, 1] - logits[:, 0], rtol=1e-5, atol=1e-5)


def test_dropout_belongs_to_the_pair_and_not_to_its_place_in_the_call(variables):
    first, second, place = rows(6, 6), rows(6, 7), np.arange(6)
    keys = {"dropout": jax.random.key(1)}
    whole = FUSION.apply(variables, first, second, place, False, rngs=keys)
    part = FUSION.apply(variables, first[3:], second[3:], place[3:], False, rngs=keys)
    np.testing.assert_allclose(whole[3:], part, rtol=1e-6)
    assert np.abs(whole - FUSION.apply(variables, first, second, place, True)).max() > 1e-3
