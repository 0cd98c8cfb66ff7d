"""Group normalisation by channel sums is flax's, value, gradient and parameters."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from avx.nn.normalisation import GroupNorm


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_values_gradients_and_parameters_are_those_of_the_layer_of_flax(dtype):
    generator = np.random.default_rng(0)
    maps = generator.normal(3, 2, (2, 5, 4, 24)).astype(np.float32) * np.arange(1, 25)
    ours, reference = GroupNorm(8, dtype), nn.GroupNorm(None, group_size=8, dtype=dtype)
    variables = reference.init(jax.random.key(0), maps)
    chex.assert_trees_all_equal(ours.init(jax.random.key(0), maps), variables)
    drawn = {name: generator.normal(size=24).astype(np.float32) for name in ("scale", "bias")}
    weights = generator.normal(size=maps.shape)

    def run(layer):
        def total(params, maps):
            found = layer.apply({"params": params}, maps)
            return (found.astype(jnp.float32) * weights).sum(), found

        (_, found), slopes = jax.value_and_grad(total, argnums=(0, 1), has_aux=True)(drawn, maps)
        return found, slopes

    (found, slopes), (expected, expected_slopes) = run(ours), run(reference)
    tolerance = 2e-5 if dtype == jnp.float32 else 2e-2
    assert found.dtype == expected.dtype == dtype
    chex.assert_trees_all_close(found, expected, atol=4 * tolerance, rtol=tolerance)
    chex.assert_trees_all_close(slopes, expected_slopes, atol=4 * tolerance, rtol=5 * tolerance)


def test_a_constant_map_becomes_the_shift():
    maps = np.full((1, 3, 3, 8), 7.0, np.float32)
    params = {"scale": np.full(8, 2.0, np.float32), "bias": np.arange(8.0, dtype=np.float32)}
    found = GroupNorm(8).apply({"params": params}, maps)
    np.testing.assert_allclose(found, np.broadcast_to(np.arange(8.0), maps.shape), atol=1e-2)
