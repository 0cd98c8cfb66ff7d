"""The training step of the quickstart with cached features: examples/s, and the share of it spent waiting for data."""

from __future__ import annotations

import runpy
import tempfile
import time
from pathlib import Path

import numpy as np

from avx import registry
from avx.data.batches import train_iterator
from avx.data.cache import FeatureCache, fingerprint
from avx.training import state as train_state
from avx.training.step import finalize, make_train_step
from benchmarks.harness import Row

CLIPS, STEPS, CLASSES = 256, 12, 20


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


def run() -> list[Row]:
    """Times whole steps, fetching included; the rival reads each batch in the training thread, just before its step."""
    config = runpy.run_path(str(Path(__file__).parents[1] / "configs" / "quickstart.py"))["get_config"]().lock()
    specs = registry.clip_specs(config)
    system = registry.system(config, registry.Facts(CLASSES, ("video", "audio")))
    optimizer = registry.optimizer(config, 100)
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
        begin = time.perf_counter()
        first = next(iterator(1))
        state = train_state.create(system, optimizer, 0, first, ema=False)
        for _ in range(2):  # the second step is compiled again for a state that lies where the first step left it
            state, metrics = step(state, first)
            finalize(metrics)
        compiled = time.perf_counter() - begin

        def epoch(threads: int) -> tuple[float, float]:
            source, current = iterator(threads), state
            next(source)
            waited, start = 0.0, time.perf_counter()
            for _ in range(STEPS):
                fetch = time.perf_counter()
                batch = next(source)
                waited += time.perf_counter() - fetch
                current, metrics = step(current, batch)
                finalize(metrics)
            return time.perf_counter() - start, waited

        ahead, waited = epoch(config.train.loader_threads)
        serial, serial_waited = epoch(0)
    rows = STEPS * config.train.batch_size
    note = (
        f"{rows / ahead:.0f} examples/s, waiting for data {100 * waited / ahead:.1f} % "
        f"(rival {rows / serial:.0f} examples/s, {100 * serial_waited / serial:.1f} %); compile {compiled:.0f} s"
    )
    size = f"B={config.train.batch_size}, {STEPS} steps"
    return [Row(f"quickstart training step, {size}", ahead / STEPS, "reading in the loop", serial / STEPS, note)]
