"""Masked averages and normalisation: values by hand, and nothing leaks from masked entries."""

import jax
import jax.numpy as jnp
import numpy as np

from avx.core.arrays import l2_normalize, masked_mean, masked_softmax, product, ratio, weighted_sum

NAN = float("nan")


def test_weighted_sum_over_a_ragged_table():
    values, mask = jnp.array([[1.0, 2.0, NAN], [4.0, NAN, NAN]]), jnp.array([[True, True, False], [True, False, False]])
    total, weight = weighted_sum(values, mask)
    assert (float(total), float(weight)) == (7.0, 3.0)
    gradient = jax.grad(lambda x: weighted_sum(x, mask)[0])(values)
    np.testing.assert_array_equal(gradient, [[1, 1, 0], [1, 0, 0]])


def test_weighted_sum_counts_in_float32_whatever_it_is_given():
    total, weight = weighted_sum(jnp.full(3000, 1, jnp.bfloat16), jnp.ones(3000, bool))
    assert (float(total), float(weight)) == (3000.0, 3000.0)  # bfloat16 stops counting at 256
    assert total.dtype == weight.dtype == jnp.float32


def test_two_batches_average_as_one():
    first = weighted_sum(jnp.array([2.0, 4.0, 9.0]), jnp.array([True, True, True]))
    second = weighted_sum(jnp.array([1.0, NAN, NAN]), jnp.array([True, False, False]))
    pooled = ratio(first[0] + second[0], first[1] + second[1])
    assert float(pooled) == 4.0
    assert float((ratio(*first) + ratio(*second)) / 2) == 3.0  # the mean of means is another number


def test_ratio_without_weight_is_zero_in_value_and_gradient():
    value, gradient = jax.value_and_grad(ratio)(jnp.asarray(0.0), jnp.asarray(0.0))
    assert (float(value), float(gradient)) == (0.0, 0.0)


def test_masked_mean_by_hand():
    values = jnp.array([[[1.0, 10.0], [3.0, 30.0], [NAN, NAN]], [[5.0, 6.0], [NAN, NAN], [NAN, NAN]]])
    mask = jnp.array([[True, True, False], [True, False, False]])
    np.testing.assert_array_equal(masked_mean(values, mask), [[2, 20], [5, 6]])
    gradient = jax.grad(lambda x: masked_mean(x, mask).sum())(values)
    np.testing.assert_array_equal(gradient[..., 0], [[0.5, 0.5, 0], [1, 0, 0]])


def test_masked_mean_of_a_row_without_entries_is_zero():
    values = jnp.full((1, 2, 3), NAN)
    mask = jnp.zeros((1, 2), bool)
    np.testing.assert_array_equal(masked_mean(values, mask), np.zeros((1, 3)))
    np.testing.assert_array_equal(jax.grad(lambda x: masked_mean(x, mask).sum())(values), np.zeros((1, 2, 3)))


def test_l2_normalize_by_hand_and_at_the_zero_vector():
    vectors = jnp.array([[3.0, -4.0], [0.0, 0.0]])
    np.testing.assert_allclose(l2_normalize(vectors), [[0.6, -0.8], [0, 0]], rtol=1e-6)
    jacobian = jax.vmap(jax.jacobian(l2_normalize))(vectors)
    unit = np.array([0.6, -0.8])
    np.testing.assert_allclose(jacobian[0], (np.eye(2) - np.outer(unit, unit)) / 5, atol=1e-7)
    np.testing.assert_array_equal(jacobian[1], np.zeros((2, 2)))


def test_masked_softmax_by_hand_and_in_an_empty_row():
    logits = jnp.array([[0.0, jnp.log(3.0), NAN], [NAN, NAN, NAN]])
    mask = jnp.array([[True, True, False], [False, False, False]])
    np.testing.assert_allclose(masked_softmax(logits, mask), [[0.25, 0.75, 0], [0, 0, 0]], rtol=1e-6)
    gradient = jax.grad(lambda x: masked_softmax(x, mask)[:, 0].sum())(logits)
    np.testing.assert_allclose(gradient, [[0.1875, -0.1875, 0], [0, 0, 0]], atol=1e-7)


def test_masked_softmax_of_extreme_logits():
    logits = jnp.array([[3e38, -3e38, 3e38]])
    np.testing.assert_array_equal(masked_softmax(logits, jnp.ones((1, 3), bool)), [[0.5, 0, 0.5]])


def test_product_asks_for_full_precision_whatever_the_default():
    with jax.default_matmul_precision("bfloat16"):
        jaxpr = jax.make_jaxpr(product)(jnp.ones((2, 3)), jnp.ones((3, 4)))
    (equation,) = jaxpr.jaxpr.eqns
    assert equation.params["precision"] == (jax.lax.Precision.HIGHEST, jax.lax.Precision.HIGHEST)
    np.testing.assert_array_equal(product(jnp.array([[1.0, 2.0]]), jnp.array([3.0, 4.0])), [11])
