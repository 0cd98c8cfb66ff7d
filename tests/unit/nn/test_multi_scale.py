import jax
import jax.numpy as jnp
import numpy as np

from avx.nn.multi_scale import MultiScale, response_normalised


def test_response_normalisation_sums_squares_of_neighbours():
    values = np.array([[1.0, 2.0, 0.0, 4.0, 8.0, 16.0]])
    neighbours = np.array([[5, 21, 85, 340, 336, 336]])  # the squares within two places: 1, 4, 0, 16, 64, 256
    expected = values / (2 + 0.5 * neighbours) ** 0.75
    np.testing.assert_allclose(response_normalised(jnp.asarray(values), scale=0.5), expected, rtol=1e-6)


def test_multi_scale_averages_runs_and_stretches_them_back():
    values = np.arange(12, dtype=np.float32)[None]
    model = MultiScale()
    found = model.apply({"params": model.init(jax.random.key(0), values)["params"]}, values)
    assert found.shape == (1, 72)
    np.testing.assert_array_equal(found[0, :12], values[0])
    # Same padding starts runs of 5 one place early: means of 0..3, 4..8 and 9..11.
    np.testing.assert_allclose(found[0, [12, 23]], [1.5, 10.0], rtol=1e-6)
    np.testing.assert_allclose(found[0, 60:], 5.5, rtol=1e-6)
