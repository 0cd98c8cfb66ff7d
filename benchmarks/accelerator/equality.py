"""Steps, key frames, memory and ranks on an accelerator, held to the same on the processor."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import runpy
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from ml_collections import ConfigDict

from avx import registry
from avx.commands.check_config import CLASSES, imagined_specs
from avx.core.types import Batch, HashCodes, System
from avx.data.batches import assemble
from avx.hashing import hamming_index
from avx.keyframes import skm
from avx.memory import bank
from avx.retrieval.index import InnerProductIndex
from avx.runs.feature_layout import sides_of
from avx.training import state as train_state
from avx.training.step import make_train_step
from benchmarks.accelerator.page import Check

CONFIGS = Path(__file__).parents[2] / "configs"
TRAINED = ("quickstart", "skm_embedding", "feature_memory_embedded", "semantic_hashing", "ssah", "dssah")
LOSS_TOLERANCE, GRADIENT_TOLERANCE = 1e-4, 1e-3
"""Relative errors; the gradient's is that of the whole tree as one vector. Products are of full precision."""


def checks(accelerator: jax.Device, processor: jax.Device, small: bool) -> Iterator[Check]:
    """One check after the other.

    Args:
      accelerator: whose results are judged.
      processor: whose results they must equal.
      small: networks and sets of a size for processors.
    """
    for name in TRAINED:
        yield _step(name, accelerator, processor, small)
    yield _same(
        "key frames of 8 videos", functools.partial(_key_frames, 200 if small else 2000), accelerator, processor
    )
    yield _same("memory after 4 batches: which slots hold what", _memory, accelerator, processor)
    rows = 2_000 if small else 200_000
    yield _same(f"ids of the 10 nearest of {rows:,} codes", functools.partial(_codes, rows), accelerator, processor)
    yield _same(f"ids of the 10 nearest of {rows:,} vectors", functools.partial(_vectors, rows), accelerator, processor)


def shipped(name: str, small: bool = False) -> ConfigDict:
    """A config of `configs/`, with fewer rows a batch and one layer of each width where `small`."""
    config = runpy.run_path(str(CONFIGS / f"{name}.py"))["get_config"]()
    if small:
        config.train.batch_size = 8
        config.evaluation.batch_size = 8
        if "max_windows" in config.features:
            config.features.max_windows = 2
        if "max_audio_steps" in config.features:
            config.features.max_audio_steps = 3
        if "max_clusters" in config.get("keyframes", {}):
            config.keyframes.max_clusters = 3
    return config.lock()


def random_batch(config: ConfigDict, system: System, rows: int) -> Batch:
    """A batch of random features in the shapes that the config reads; each class occurs more than once."""
    specs, generator = imagined_specs(config, system), np.random.default_rng(0)

    def values(shape: tuple[int, ...], dtype: str) -> np.ndarray:
        whole = np.issubdtype(np.dtype(dtype), np.integer)
        return generator.integers(0, 256, shape).astype(dtype) if whole else generator.random(shape).astype(dtype)

    items: list[Mapping[str, np.ndarray] | None] = [
        {spec.name: values((spec.length, *spec.shape), spec.dtype) for spec in specs}
        | {"label": np.array(row % (CLASSES // 4), np.int32)}
        for row in range(rows)
    ]
    return dataclasses.replace(assemble(items, np.arange(rows), specs), item=np.arange(rows, dtype=np.int32))


def _step(name: str, accelerator: jax.Device, processor: jax.Device, small: bool) -> Check:
    config = shipped(name, small)
    system = registry.system(config, registry.Facts(CLASSES, sides_of(config)))
    batch, descent = random_batch(config, system, config.train.batch_size), optax.sgd(1.0)
    with jax.default_device(processor):
        fresh = jax.device_get(train_state.create(system, descent, 0, batch, ema=False))
    found: list[tuple[float, np.ndarray]] = []
    for device in (accelerator, processor):
        with jax.default_matmul_precision("highest"):
            following, metrics = make_train_step(system, descent, 0, devices=[device])(fresh, batch)
        total, weight = jax.device_get(metrics["loss"])
        # One step of plain descent at rate 1 moves the parameters by the gradient.
        moved = jax.tree.map(
            lambda before, after: np.ravel(before - after), fresh.params, jax.device_get(following.params)
        )
        found.append((float(total) / float(weight), np.concatenate(jax.tree.leaves(moved)).astype(np.float64)))
    (loss, gradient), (true_loss, truth) = found
    loss_error = abs(loss - true_loss) / max(abs(true_loss), 1e-12)
    gradient_error = float(np.linalg.norm(gradient - truth) / max(float(np.linalg.norm(truth)), 1e-12))
    words = f"loss {true_loss:.5f}, relative error {loss_error:.1e}; gradient {gradient_error:.1e}"
    fine = np.isfinite(true_loss) and loss_error <= LOSS_TOLERANCE and gradient_error <= GRADIENT_TOLERANCE
    return Check(f"one step of {name}, {len(batch.label)} rows", words, bool(fine))


def _same(what: str, compute: Callable[[], Any], accelerator: jax.Device, processor: jax.Device) -> Check:
    """Whole numbers that must be equal, each and all."""
    with _on(accelerator):
        found = [np.asarray(leaf) for leaf in jax.tree.leaves(compute())]
    with _on(processor):
        truth = [np.asarray(leaf) for leaf in jax.tree.leaves(compute())]
    differing = sum(int((one != other).sum()) for one, other in zip(found, truth, strict=True))
    return Check(what, f"{differing} of {sum(leaf.size for leaf in truth):,} numbers differ", differing == 0)


@contextlib.contextmanager
def _on(device: jax.Device) -> Iterator[None]:
    with jax.default_device(device):
        yield


def _key_frames(frames: int) -> Any:
    generator = np.random.default_rng(1)
    shots = np.repeat(generator.random((8, 10, 64)), frames // 10, axis=1)
    features = (shots + 0.05 * generator.random(shots.shape)).astype(np.float32)
    chosen = skm.select_batch(jnp.asarray(features), jnp.ones(features.shape[:2], bool), skm.SKMConfig(max_clusters=16))
    return chosen.indices, chosen.mask, chosen.assignment


def _memory() -> Any:
    generator, options = np.random.default_rng(2), bank.MemoryOptions(50)
    looks = generator.normal(size=(60, 256))
    known = bank.empty(50, {"video": 256, "speech": 256})
    for _ in range(4):
        place = generator.integers(0, 60, 128)
        rows = {
            name: jnp.asarray(looks[place] + 0.3 * generator.normal(size=(128, 256)), jnp.float32)
            for name in ("video", "speech")
        }
        match = jnp.asarray(generator.uniform(0.5, 1, 128), jnp.float32)
        known = bank.write(
            known, rows, match, jnp.asarray(place < 48), jnp.ones(128, bool), options=options, train=True
        )
    return known.count, known.stamp, known.size, known.clock


def _codes(rows: int) -> Any:
    generator = np.random.default_rng(3)
    codes, asked = (generator.integers(0, 2**32, (count, 4), dtype=np.uint32) for count in (rows, 100))
    index = hamming_index.build(HashCodes(jnp.asarray(codes), 128), neighbours=10)
    return hamming_index.top_k(jnp.asarray(asked), index, 10)


def _vectors(rows: int) -> Any:
    generator = np.random.default_rng(4)
    vectors, asked = (generator.normal(size=(count, 64)).astype(np.float32) for count in (rows, 100))
    return InnerProductIndex(vectors).search(asked, 10).ids
