"""The embedding network by hand, its published shapes, and dropout that follows the position."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from avx.nn.heads import AUDIO_SIZES, VIDEO_SIZES, Classifier, EmbeddingHead, identity

PARAMS = {
    "hidden_0": {"kernel": jnp.asarray([[1.0, -1.0], [0.5, 2.0]]), "bias": jnp.asarray([0.1, -0.2])},
    "embedding": {"kernel": jnp.asarray([[2.0, 0.0], [1.0, -1.0]]), "bias": jnp.asarray([0.0, 0.3])},
}
FEATURES = jnp.asarray([[0.4, -0.6]])


def embed(**fields):
    return EmbeddingHead(sizes=(2, 2), **fields).apply({"params": PARAMS}, FEATURES, jnp.arange(1), True)


def test_sigmoid_then_tanh_then_unit_norm_by_hand():
    before = np.array([0.4 - 0.3 + 0.1, -0.4 - 1.2 - 0.2])
    hidden = 1 / (1 + np.exp(-before))
    raw = np.tanh([2 * hidden[0] + hidden[1], -hidden[1] + 0.3])
    np.testing.assert_allclose(embed(normalise=False)[0], raw, rtol=1e-6)
    np.testing.assert_allclose(embed()[0], raw / np.linalg.norm(raw), rtol=1e-6)
    rectified = np.maximum(before, 0)
    np.testing.assert_allclose(
        embed(hidden=jax.nn.relu, output=identity, normalise=False)[0],
        [2 * rectified[0] + rectified[1], -rectified[1] + 0.3],
        rtol=1e-6,
    )


def test_published_widths():
    for sizes in (VIDEO_SIZES, AUDIO_SIZES):
        head = EmbeddingHead(sizes=sizes)
        init = functools.partial(head.init, deterministic=True)
        variables = jax.eval_shape(init, jax.random.key(0), jnp.ones((2, 128)), jnp.arange(2))
        kernels = [layer["kernel"].shape for layer in variables["params"].values()]
        assert sorted(kernels) == sorted(zip((128, *sizes[:-1]), sizes, strict=True))


def test_dropout_follows_the_position():
    head = EmbeddingHead(sizes=(32, 8), dropout=0.5)
    features = jnp.ones((2, 3))
    params = jax.jit(functools.partial(head.init, deterministic=True))(jax.random.key(0), features, jnp.arange(2))
    drop = jax.jit(functools.partial(head.apply, deterministic=False))

    def embed_at(features, position):
        return drop(params, features, jnp.asarray(position), rngs={"dropout": jax.random.key(1)})

    both = embed_at(features, [4, 7])
    np.testing.assert_allclose(embed_at(features[:1], [7])[0], both[1], rtol=1e-6)
    assert np.abs(both[0] - both[1]).max() > 1e-3


def test_the_classifier_is_linear():
    classifier = Classifier(3)
    params = classifier.init(jax.random.key(0), jnp.ones((1, 4)))
    rows = jnp.asarray(np.random.default_rng(0).normal(size=(2, 4)), jnp.float32)
    logits = classifier.apply(params, rows)
    kernel = np.asarray(params["params"]["logits"]["kernel"])
    np.testing.assert_allclose(logits, rows @ kernel, rtol=1e-5)
