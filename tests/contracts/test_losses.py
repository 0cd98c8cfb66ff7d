"""What every loss on paired embeddings must satisfy: masks, NaN, order, zero vectors, one compilation.

A row adapts one loss to (first (B, D), second (B, D), labels (B,), valid (B,)) -> (sum, weight). The miners and triplet
samplers come from their tables, so a new one is tested by being there.
"""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from avx.losses.classification import label_prediction
from avx.losses.contrastive import info_nce
from avx.losses.pairs import DISTANCES, same_label
from avx.losses.ranked_list import ranked_list_loss
from avx.losses.structure import TRIPLETS, structure_preservation
from avx.losses.triplet import MINING, triplet_loss

OPTIONS = {"top_k": {"negatives": 3}, "random": {"key": jax.random.key(3), "pairs_per_anchor": 8}}
# Draws that depend on the order of the batch cannot be blind to it.
ORDERED = {"structure-random", "structure-adjacent"}


def triplet_case(mining, distance):
    def loss(first, second, labels, valid):
        options = OPTIONS.get(mining, {})
        return triplet_loss(
            first, second, same_label(labels), valid, valid, mining=mining, distance=distance, margin=0.3, **options
        )

    return loss


def structure_case(name):
    return lambda first, second, labels, valid: TRIPLETS[name](first, second, valid, **OPTIONS.get(name, {}))


LOSSES = {
    **{f"triplet-{mining}": triplet_case(mining, "squared_euclidean") for mining in MINING},
    **{f"triplet-{distance}": triplet_case("all", distance) for distance in DISTANCES},
    **{f"structure-{name}": structure_case(name) for name in TRIPLETS},
    "ranked_list": lambda first, second, labels, valid: ranked_list_loss(
        first, second, same_label(labels), valid, valid
    ),
    "info_nce": lambda first, second, labels, valid: info_nce(
        first, second, jnp.float32(2.0), same_label(labels), valid, valid
    ),
    "label_prediction": lambda first, second, labels, valid: label_prediction(first, second, labels, valid, valid),
}


def problem(seed=0, size=8):
    rng = np.random.default_rng(seed)
    first, second = (rng.normal(size=(size, 4)).astype(np.float32) for _ in range(2))
    return first, second, np.array([0, 1, 0, 2, 1, 2, 2, 0][:size], np.int32)


TRACES = dict.fromkeys(LOSSES, 0)


def with_gradients(name):
    """Jitted (first, second, labels, valid) -> ((sum, weight), gradients of the sum); traces are counted."""

    def split(first, second, labels, valid):
        TRACES[name] += 1
        total, weight = LOSSES[name](first, second, labels, valid)
        return total, (total, weight)

    def run(*arguments):
        gradients, pair = jax.grad(split, argnums=(0, 1), has_aux=True)(*arguments)
        return pair, gradients

    return jax.jit(run)


@pytest.fixture(scope="module")
def compiled():
    return {name: with_gradients(name) for name in LOSSES}


VALID = np.array([1, 1, 0, 1, 1, 0, 1, 1], bool)


@pytest.mark.parametrize("name", LOSSES)
def test_mask_equals_slicing_and_nan_stays_inside(name, compiled):
    first, second, labels = problem()
    first[~VALID], second[~VALID] = np.nan, np.inf
    pair, gradients = compiled[name](first, second, labels, VALID)
    sliced, expected = compiled[name](first[VALID], second[VALID], labels[VALID], np.ones(VALID.sum(), bool))
    assert sliced[1] > 0 and abs(sliced[0]) > 0.01
    np.testing.assert_allclose(pair, sliced, rtol=1e-5)
    for gradient, reference in zip(gradients, expected, strict=True):
        np.testing.assert_array_equal(gradient[~VALID], 0)
        np.testing.assert_allclose(gradient[VALID], reference, rtol=1e-4, atol=1e-4)


# What a device computes of a loss: name -> (first, second, labels, valid, anchors) -> (sum, weight).
DIVIDED = {
    "ranked_list": lambda first, second, labels, valid, anchors: ranked_list_loss(
        first, second, same_label(labels), valid, valid, anchors=anchors
    ),
    "info_nce": lambda first, second, labels, valid, anchors: info_nce(
        first, second, jnp.float32(2.0), same_label(labels), valid, valid, anchors=anchors
    ),
    "structure": lambda first, second, labels, valid, anchors: structure_preservation(
        first, second, valid, anchors=anchors
    ),
    **{
        f"triplet-{mining}": lambda first, second, labels, valid, anchors, mining=mining: triplet_loss(
            first,
            second,
            same_label(labels),
            valid,
            valid,
            mining=mining,
            margin=0.3,
            anchors=anchors,
            **OPTIONS.get(mining, {}),
        )
        for mining in MINING
    },
}


@pytest.mark.parametrize("name", DIVIDED)
def test_shares_of_the_anchors_add_up_to_the_loss(name):
    first, second, labels = problem(4)
    first[~VALID] = np.nan

    def share(first, start, stop):
        total, weight = DIVIDED[name](first, second, labels, VALID, lambda rows: rows[start:stop])
        return total, weight

    compiled = jax.jit(jax.value_and_grad(share, has_aux=True), static_argnums=(1, 2))
    (whole, weight), gradient = compiled(first, 0, 8)
    parts = [compiled(first, start, start + 2) for start in (0, 2, 4, 6)]
    np.testing.assert_allclose(sum(value for (value, _), _ in parts), whole, rtol=1e-5)
    np.testing.assert_allclose(sum(count for (_, count), _ in parts), weight, rtol=1e-6)
    np.testing.assert_allclose(sum(slope for _, slope in parts), gradient, rtol=1e-4, atol=1e-4)
    assert sum(count > 0 for (_, count), _ in parts) > 1


@pytest.mark.parametrize("name", LOSSES)
def test_loss_is_a_pair_of_float32_scalars(name):
    first, second, labels = problem()
    pair = jax.eval_shape(LOSSES[name], first, second, labels, VALID)
    assert [(x.shape, x.dtype) for x in pair] == [((), jnp.float32)] * 2


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in ORDERED])
def test_loss_ignores_the_order_of_the_batch(name, compiled):
    first, second, labels = problem(1)
    order = np.array([3, 0, 7, 6, 1, 2, 5, 4])
    pair, gradients = compiled[name](first, second, labels, VALID)
    moved, moved_gradients = compiled[name](first[order], second[order], labels[order], VALID[order])
    np.testing.assert_allclose(moved, pair, rtol=1e-5)
    for gradient, reference in zip(moved_gradients, gradients, strict=True):
        np.testing.assert_allclose(gradient, np.asarray(reference)[order], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite_at_ties_and_zero_vectors(name, compiled):
    first, second, labels = problem(2)
    first[1] = second[1] = 0
    first[3] = second[3] = first[4] = second[4] = [1, 0, 0, 0]
    everything = np.ones(8, bool)
    for x, y in ((first, second), (np.zeros_like(first), np.zeros_like(second))):
        chex.assert_tree_all_finite(compiled[name](x, y, labels, everything))


@pytest.mark.parametrize("name", LOSSES)
def test_an_empty_batch_weighs_nothing(name, compiled):
    nothing = np.full((8, 4), np.nan, np.float32)
    pair, gradients = compiled[name](nothing, nothing, np.zeros(8, np.int32), np.zeros(8, bool))
    assert pair == (0, 0)
    assert all((gradient == 0).all() for gradient in gradients)


@pytest.mark.parametrize("name", LOSSES)
def test_descent_along_the_gradient_lowers_the_loss(name, compiled):
    first, second, labels = problem(5)
    (total, weight), (down, _) = compiled[name](first, second, labels, VALID)
    (lower, count), _ = compiled[name](first - 1e-3 * np.asarray(down) / float(weight), second, labels, VALID)
    assert lower / count < total / weight or count < weight


@pytest.mark.parametrize("name", LOSSES)
def test_new_values_do_not_compile_again(name, compiled):
    compiled[name](*problem(0), VALID)
    before = TRACES[name]
    compiled[name](*problem(1), ~VALID)
    assert TRACES[name] == before > 0
