"""The training step of the quickstart: beside the same network in torch, and beside reading each batch in the loop."""

from __future__ import annotations

import runpy
import tempfile
import time
from pathlib import Path

import jax
import numpy as np

from avx import registry
from avx.data.batches import train_iterator
from avx.data.cache import FeatureCache, fingerprint
from avx.signal.saliency_maps import SALIENCY
from avx.training import state as train_state
from avx.training.step import finalize, make_train_step
from benchmarks.harness import Row

CLIPS, STEPS, CLASSES, TURNS = 256, 12, 20, 15


def _fill(cache: FeatureCache, config) -> list[str]:
    """Random features of the shapes that the front end caches, thumbnails included."""
    generator = np.random.default_rng(0)
    keys = []
    for number in range(CLIPS):
        side, hop_count = config.features.image_size, config.features.max_audio_steps
        keys.append(fingerprint("benchmark", number))
        cache.put(
            keys[-1],
            {
                "video": generator.integers(0, 255, (config.keyframes.max_clusters, side, side, 3), np.uint8),
                "audio": generator.normal(size=(hop_count, 96, 64)).astype(np.float32),
                "keyframe_images": generator.integers(0, 255, (config.keyframes.max_clusters, 96, 96, 3), np.uint8),
            },
        )
    return keys


def _beside_torch(config, step, state, batch) -> Row:
    """One step on one batch, no reading: ours and torch's take turns, so that both see the same load."""
    from benchmarks.torch_quickstart import stepper

    video, audio = (np.asarray(batch.modalities[name].values) for name in ("video", "audio"))
    saliency = np.asarray(jax.jit(SALIENCY[config.keyframes.saliency])(video))
    rival, count = stepper(config, CLASSES, video, saliency, audio, np.asarray(batch.label))
    rival()
    ours, theirs = [], []
    for _ in range(TURNS):
        start = time.perf_counter()
        state, metrics = step(state, batch)
        finalize(metrics)
        middle = time.perf_counter()
        rival()
        ours.append(middle - start)
        theirs.append(time.perf_counter() - middle)
    counts = f"{train_state.parameter_count(state.params):,} parameters, rival {count:,}"
    note = f"{counts}; ours also draws changes of the input and its saliency maps"
    return Row(f"quickstart step alone, B={len(batch.label)}", min(ours), "torch", min(theirs), note)


def run() -> list[Row]:
    """Times whole steps, fetching included; the rival reads each batch in the training thread, just before its step."""
    config = runpy.run_path(str(Path(__file__).parents[1] / "configs" / "quickstart.py"))["get_config"]().lock()
    specs = registry.clip_specs(config)
    facts = registry.Facts(CLASSES, ("video", "audio"))
    system, optimizer = registry.system(config, facts), registry.optimizer(config, 100)
    with tempfile.TemporaryDirectory() as folder:
        cache = FeatureCache(Path(folder))
        keys = _fill(cache, config)

        def load(index: int):
            return {**cache.get(keys[index]), "label": np.int32(index % CLASSES)}  # type: ignore[dict-item]

        def iterator(threads: int):
            indices = np.arange(CLIPS)
            return train_iterator(
                load, indices, specs, batch_size=config.train.batch_size, seed=0, num_threads=threads, prefetch=4
            )

        step = make_train_step(system, optimizer, 0)
        first = next(iterator(1))
        fresh = jax.device_get(train_state.create(system, optimizer, 0, first, ema=False))
        begin = time.perf_counter()
        finalize(step(fresh, first)[1])
        compiled = time.perf_counter() - begin

        def epoch(threads: int) -> tuple[float, float]:
            source, state, waited = iterator(threads), fresh, 0.0
            batch, before, start = next(source), None, time.perf_counter()
            for _ in range(STEPS):
                state, metrics = step(state, batch)
                fetch = time.perf_counter()
                batch = next(source)
                waited += time.perf_counter() - fetch
                if before is not None:
                    finalize(before)
                before = metrics
            finalize(metrics)
            return time.perf_counter() - start, waited

        alone = _beside_torch(config, step, fresh, first)
        ahead, waited = epoch(config.train.loader_threads)
        serial, serial_waited = epoch(0)
    rows = STEPS * config.train.batch_size
    note = (
        f"{rows / ahead:.0f} examples/s, waiting for data {100 * waited / ahead:.1f} % "
        f"(rival {rows / serial:.0f} examples/s, {100 * serial_waited / serial:.1f} %); compile {compiled:.0f} s"
    )
    size = f"B={config.train.batch_size}, {STEPS} steps"
    return [alone, Row(f"quickstart training step, {size}", ahead / STEPS, "reading in the loop", serial / STEPS, note)]
