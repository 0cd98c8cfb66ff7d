"""Blocks, weights and the choice of blocks, by hand and against numpy's own splitting."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from avx.core.arrays import masked_softmax
from avx.nn.attention import BlockAttention, block_means, top_blocks


@pytest.mark.parametrize("length", [1, 3, 4, 7, 8, 11])
def test_blocks_are_those_of_array_split(length):
    tokens = np.random.default_rng(0).normal(size=(1, 11, 2)).astype(np.float32)
    tokens[:, length:] = np.nan
    means, real = block_means(tokens, np.arange(11)[None] < length, blocks=4)
    parts = np.array_split(tokens[0, :length], 4)
    np.testing.assert_array_equal(real[0], [len(part) > 0 for part in parts])
    expected = [part.mean(0) if len(part) else np.zeros(2) for part in parts]
    np.testing.assert_allclose(means[0], expected, atol=1e-6)


def test_blocks_by_hand_with_a_gap():
    tokens = jnp.asarray([[1.0, 99.0, 2.0, 4.0, 7.0, 9.0]])[:, :, None]
    mask = jnp.asarray([[True, False, True, True, True, True]])
    means, real = block_means(tokens, mask, blocks=2)
    np.testing.assert_allclose(means[0, :, 0], [(1 + 2 + 4) / 3, 8])
    assert real.all()
    naive = np.asarray(tokens[0, :, 0]).reshape(2, 3).mean(1)
    assert not np.allclose(means[0, :, 0], naive)


def test_no_gradient_from_masked_tokens():
    mask = jnp.asarray([[True, False, True]])
    gradient = jax.grad(lambda tokens: block_means(tokens, mask, 2)[0].sum())(jnp.full((1, 3, 1), 5.0))
    np.testing.assert_array_equal(gradient[0, :, 0], [1, 0, 1])


def test_weights_are_a_softmax_over_the_real_entries():
    scores = jnp.asarray([[np.log(2.0), 1e4, np.log(6.0), np.nan], [-1e4, 0, 0, 0], [1, 2, 3, 4]])
    mask = jnp.asarray([[True, False, True, False], [True, False, False, False], [False] * 4])
    np.testing.assert_allclose(
        masked_softmax(scores, mask), [[0.25, 0, 0.75, 0], [1, 0, 0, 0], [0, 0, 0, 0]], atol=1e-6
    )
    gradient = jax.grad(lambda s: masked_softmax(s, mask)[0, 0])(scores)
    np.testing.assert_allclose(gradient[0], [0.1875, 0, -0.1875, 0], atol=1e-6)


def test_the_highest_blocks_are_kept_and_ties_go_to_the_earliest():
    scores = jnp.asarray([[3.0, 1.0, 3.0, 2.0, 9.0], [1.0, 5.0, 5.0, 5.0, 0.0]])
    mask = jnp.asarray([[True, True, True, True, False], [True] * 5])
    np.testing.assert_array_equal(
        top_blocks(scores, mask, 2), [[True, False, True, False, False], [False, True, True, False, False]]
    )
    np.testing.assert_array_equal(top_blocks(scores, mask, 9), mask)


def test_pooled_vector_by_hand():
    """States of one entry per direction, w = 1, W_f = 1, W_b = 2, beta = 0.5; the two best of three are kept."""
    states = np.array([[[0.1, 0.2], [-0.5, 0.3], [1.0, -0.7], [np.nan, np.nan]]], np.float32)
    mask = np.array([[True, True, True, False]])
    params = {
        "evidence": {"kernel": jnp.asarray([[1.0], [2.0]]), "bias": jnp.asarray([0.5])},
        "score": {"kernel": jnp.asarray([[1.0]])},
    }
    attended = BlockAttention(width=1, kept=2).apply({"params": params}, states, mask)
    pooled, weights, kept = attended.pooled, attended.weights, attended.kept
    u = np.tanh([0.1 + 0.4 + 0.5, -0.5 + 0.6 + 0.5, 1.0 - 1.4 + 0.5])
    p = np.exp(u) / np.exp(u).sum()
    np.testing.assert_allclose(weights[0], [*p, 0], atol=1e-6)
    np.testing.assert_array_equal(kept[0], [True, True, False, False])
    expected = p[0] * states[0, 0] + p[1] * states[0, 1]
    np.testing.assert_allclose(pooled[0], expected, atol=1e-6)
    assert np.abs(expected / (p[0] + p[1]) - pooled[0]).max() > 0.01, "weights are not normalised over the kept set"


def test_every_parameter_learns():
    states = jnp.asarray(np.random.default_rng(0).normal(size=(2, 4, 3)), jnp.float32)
    mask = jnp.asarray([[True] * 4, [True, True, False, False]])
    layer = BlockAttention(width=5, kept=2)
    params = layer.init(jax.random.key(0), states, mask)
    gradients = jax.jit(jax.grad(lambda params: (layer.apply(params, states, mask).pooled ** 2).sum()))(params)
    assert all(np.isfinite(leaf).all() and np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradients))
