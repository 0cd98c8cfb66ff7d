"""Mapping over leading axes equals calling the function example by example."""

import jax
import jax.numpy as jnp
import numpy as np

from avx.signal.map_examples import map_examples


def test_examples_and_aligned_arrays_are_mapped_over_every_leading_axis():
    signal = np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)
    scale = jnp.arange(6.0).reshape(2, 3)
    got = jax.jit(lambda x, s: map_examples(lambda clip, factor: clip[:2] * factor, 1, x, s))(signal, scale)
    assert np.array_equal(got, signal[..., :2] * np.asarray(scale)[..., None])


def test_pictures_keep_their_own_axes_and_single_examples_need_none():
    pictures = np.arange(48.0, dtype=np.float32).reshape(2, 2, 4, 3)
    got = map_examples(lambda picture: picture.max((0, 1)), 3, pictures)
    assert np.array_equal(got, pictures.max((1, 2)))
    assert np.array_equal(map_examples(lambda picture: picture.max((0, 1)), 3, pictures[0]), got[0])
    assert map_examples(lambda picture: picture.max((0, 1)), 3, pictures[:0]).shape == (0, 3)
