"""Rates of encoders, of the training loop and of search on an accelerator, beside what the hardware can do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from avx import registry
from avx.core.types import HashCodes
from avx.data.batches import train_iterator
from avx.hashing import hamming_index
from avx.nn.encoders.audio_cnn import AudioCNN
from avx.nn.encoders.i3d import I3D
from avx.nn.encoders.resnet import ResNet
from avx.nn.encoders.squeezenet import SqueezeNet
from avx.nn.encoders.vggish import VGGish
from avx.runs.feature_layout import sides_of
from avx.training import state as train_state
from avx.training.step import finalize, make_train_step
from benchmarks.accelerator.equality import random_batch, shipped
from benchmarks.accelerator.overlap import copy_seconds, profiled
from benchmarks.accelerator.page import Check, Rate
from benchmarks.harness import timed

PEAK = {
    "H100": (494.7e12, 989.4e12),
    "H200": (494.7e12, 989.4e12),
    "A100": (156e12, 312e12),
    "L4": (60e12, 121e12),
}
"""Operations a second without sparsity, of float32 inputs in TF32 (JAX's default there) and of bfloat16, by model."""
CLASSES = 20


class Encoder(NamedTuple):
    """An encoder to time: builds it with a dtype; the shape of one example; whether it takes a mask of examples."""

    build: Callable[[Any], nn.Module]
    example: tuple[int, ...]
    masked: bool = False


ENCODERS = {
    "VGGish, 10 s of sound": Encoder(lambda dtype: VGGish(dtype=dtype), (10, 96, 64), True),
    "AudioCNN of the quickstart's kind, 10 s": Encoder(lambda dtype: AudioCNN(dtype=dtype), (10, 96, 64), True),
    "SqueezeNet, 224 px": Encoder(lambda dtype: SqueezeNet(dtype=dtype), (224, 224, 3)),
    "ResNet-50, 224 px": Encoder(lambda dtype: ResNet(dtype=dtype), (224, 224, 3)),
    "I3D RGB, 64 x 224 px": Encoder(lambda dtype: I3D(dtype=dtype), (64, 224, 224, 3)),
}


def encoder_rates(device: jax.Device, small: bool) -> Iterator[Rate]:
    """Examples a second, and the share of the hardware's peak, of every encoder in float32 and bfloat16."""
    for name, encoder in ENCODERS.items():
        for place, dtype in enumerate((jnp.float32, jnp.bfloat16)):
            batch = 1 if small else max(1, min(64, 2**27 // int(np.prod(encoder.example))))
            shape = (16, 64, 64, 3) if small and len(encoder.example) == 4 else encoder.example
            module = encoder.build(dtype)
            inputs = [jnp.asarray(np.random.default_rng(0).random((batch, *shape), np.float32))]
            if encoder.masked:
                inputs.append(jnp.ones((batch, shape[0]), bool))
            variables = jax.jit(module.init)(jax.random.key(0), *inputs)
            compiled = jax.jit(module.apply).lower(variables, *inputs).compile()
            _, seconds = timed(lambda run=compiled, v=variables, i=inputs: run(v, *i), 3 if small else 20)
            yield Rate(
                f"{name}, {jnp.dtype(dtype).name}, batch {batch}",
                f"{batch / seconds:,.1f} examples/s",
                _share(compiled, seconds, device, place),
            )


def _share(compiled: Any, seconds: float, device: jax.Device, place: int) -> str:
    operations = (compiled.cost_analysis() or {}).get("flops", 0.0)
    rate = f"{operations / seconds / 1e12:.2f} T operations/s"
    peak = next((peaks[place] for model, peaks in PEAK.items() if model in device.device_kind), None)
    return (
        f"{rate}, {100 * operations / seconds / peak:.1f} % of the peak" if peak else f"{rate}; its peak is not listed"
    )


def loop_rate(small: bool) -> tuple[Rate, Check]:
    """The quickstart's loop on features in memory: examples a second, waiting for data, and copies beside computing."""
    config = shipped("quickstart", small)
    system = registry.system(config, registry.Facts(CLASSES, sides_of(config)))
    descent, rows = optax.adam(1e-3), config.train.batch_size
    specs = registry.clip_specs(config)
    held = random_batch(config, system, rows)

    def load(row: int) -> dict[str, Any]:
        features = {name: held.modalities[name].values[row % rows] for name in ("video", "audio")}
        return features | {"label": held.label[row % rows]}

    source = train_iterator(load, np.arange(64 * rows), specs, batch_size=rows, seed=0, num_threads=4, prefetch=4)
    step = make_train_step(system, descent, 0)
    state = train_state.create(system, descent, 0, held, ema=False)
    steps, waited = (4 if small else 60), 0.0
    state, metrics = step(state, next(source))
    finalize(metrics)

    def run() -> None:
        nonlocal state, waited
        batch, before = next(source), None
        for _ in range(steps):
            state, metrics = step(state, batch)
            fetch = time.perf_counter()
            batch = next(source)
            waited += time.perf_counter() - fetch
            if before is not None:
                finalize(before)
            before = metrics
        finalize(metrics)

    begin = time.perf_counter()
    run()
    seconds = time.perf_counter() - begin
    share = 100 * waited / seconds
    copied, beside = copy_seconds(profiled(run))
    rate = Rate(f"training loop of the quickstart, B = {rows}", f"{steps * rows / seconds:,.0f} examples/s")
    if jax.default_backend() == "cpu":
        overlap = "a processor copies nothing to itself"
    else:
        overlap = f"{1e3 * beside:.1f} of {1e3 * copied:.1f} ms of copies to the device lie beside its computing"
    return rate._replace(note=f"waiting for data {share:.1f} % of the time; {overlap}"), Check(
        "copies to the device overlap its computing", overlap, jax.default_backend() == "cpu" or beside > 0
    )


def search_rates(small: bool) -> Iterator[Rate]:
    """Bytes of gallery that a search reads a second, beside a copy on the same device."""
    size = 2**24 if small else 2**30
    source, copy = jnp.zeros(size // 4, jnp.float32), jax.jit(lambda values: values + 1)
    _, seconds = timed(lambda: copy(source), 5)
    yield Rate(f"device copy, {size / 2**20:.0f} MiB", f"{2 * size / seconds / 1e9:,.0f} GB/s read and written")
    rows, queries = (20_000, 64) if small else (10_000_000, 1000)
    generator = np.random.default_rng(0)
    codes, asked = (jnp.asarray(generator.integers(0, 2**32, (n, 2), dtype=np.uint32)) for n in (rows, queries))
    index = hamming_index.build(HashCodes(codes, 64), neighbours=10)
    _, seconds = timed(lambda: hamming_index.top_k(asked, index, 10), 3)
    yield _read(f"Hamming top 10, {queries} queries, {rows:,} codes of 64 bits", codes.nbytes, queries, seconds)
    rows = 20_000 if small else 1_000_000
    vectors, asked = (jnp.asarray(generator.random((n, 256), np.float32)) for n in (rows, queries))
    best = jax.jit(lambda asked, vectors: jax.lax.top_k(asked @ vectors.T, 10))
    _, seconds = timed(lambda: best(asked, vectors), 3)
    yield _read(f"inner product top 10, {queries} queries, {rows:,} vectors of 256", vectors.nbytes, queries, seconds)


def _read(what: str, gallery: int, queries: int, seconds: float) -> Rate:
    once = f"{gallery / seconds / 1e9:,.1f} GB/s of gallery if each byte is read once"
    return Rate(what, f"{1e3 * seconds:.1f} ms", f"{gallery * queries / seconds / 1e9:,.0f} GB/s of pairs; {once}")
