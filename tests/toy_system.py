"""A retrieval system small enough to compile in a moment, with dropout, mining over the global batch and a state."""

import jax
import jax.numpy as jnp
import numpy as np

from avx.core import rng
from avx.core.arrays import l2_normalize, masked_mean, ratio, weighted_sum
from avx.core.types import Batch, Embedded, Loss, ModelState, Padded, System

VIDEO_SIZE, AUDIO_SIZE, SIZE, STEPS = 6, 5, 4, 3


def toy_system(dropout: float = 0.5) -> System:
    def init(key, batch):
        first, second = jax.random.split(key)
        params = {
            "video": jax.random.normal(first, (VIDEO_SIZE, SIZE)) * 0.3,
            "audio": jax.random.normal(second, (AUDIO_SIZE, SIZE)) * 0.3,
        }
        return params, ModelState(buffers=jnp.zeros(()))

    def branch(params, batch, name, key):
        sequence = batch.modalities[name]
        pooled = masked_mean(sequence.values, sequence.mask)
        if key is not None:
            keys = rng.per_example(key, batch.position)
            keep = jax.vmap(lambda one: jax.random.bernoulli(one, 1 - dropout, pooled.shape[1:]))(keys)
            pooled = jnp.where(keep, pooled / (1 - dropout), 0)
        return l2_normalize(jnp.tanh(pooled @ params[name]))

    def loss(params, model_state, batch, rngs, gather):
        video = gather.all(branch(params, batch, "video", jax.random.fold_in(rngs["dropout"], 0)))
        audio = gather.all(branch(params, batch, "audio", jax.random.fold_in(rngs["dropout"], 1)))
        valid = gather.all(batch.example_mask)
        logits = jnp.where(valid[None, :], gather.mine(video) @ audio.T / 0.2, -1e9)
        own = jnp.take_along_axis(logits, gather.mine(jnp.arange(len(valid)))[:, None], axis=1)[:, 0]
        total, weight = gather.total(weighted_sum(jax.nn.logsumexp(logits, axis=1) - own, gather.mine(valid)))
        state = ModelState(buffers=model_state.buffers + weight)
        return Loss(ratio(total, weight), {"loss": (total, weight)}, state)

    def embed(params, model_state, batch):
        return {
            name: Embedded(branch(params, batch, name, None), batch.modalities[name].mask.any(1))
            for name in ("video", "audio")
        }

    def score(params, model_state, queries, gallery):
        return queries.vectors @ gallery.vectors.T

    return System("Toy", {"video": ("video",), "audio": ("audio",)}, embed, score, init=init, loss=loss)


def toy_features(count: int, seed: int = 0) -> list[dict]:
    """Clips of 4 classes with sequences of 1 to STEPS steps, in the form that the pipeline loads."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(4, VIDEO_SIZE + AUDIO_SIZE))
    clips = []
    for number in range(count):
        steps = generator.integers(1, STEPS + 1, 2)
        centre = centres[number % 4]
        clips.append(
            {
                "video": (centre[:VIDEO_SIZE] + generator.normal(size=(steps[0], VIDEO_SIZE))).astype(np.float32),
                "audio": (centre[VIDEO_SIZE:] + generator.normal(size=(steps[1], AUDIO_SIZE))).astype(np.float32),
                "label": np.int32(number % 4),
            }
        )
    return clips


def toy_batch(size: int = 16, real: int | None = None, seed: int = 0) -> Batch:
    """A batch of `size` rows of which the first `real` are real."""
    generator = np.random.default_rng(seed)
    real = size if real is None else real
    mask = np.arange(STEPS) < generator.integers(1, STEPS + 1, (size, 1))
    return Batch(
        modalities={
            "video": Padded(generator.normal(size=(size, STEPS, VIDEO_SIZE)).astype(np.float32), mask),
            "audio": Padded(generator.normal(size=(size, STEPS, AUDIO_SIZE)).astype(np.float32), mask.copy()),
        },
        label=generator.integers(0, 4, size).astype(np.int32),
        position=np.arange(size, dtype=np.int32),
        example_mask=np.arange(size) < real,
    )
