"""System C's memory and pair scores: writing a batch, scoring all pairs of a large gallery, reranking a shortlist.

The rivals do what a direct reading of the paper does: a Python loop over samples for the memory, and for the scores one
pass of the fusion for each pair, which is measured on some pairs and scaled to all. A second rival for the scores
computes each item's part of the fusion once and takes the gallery at a time for each query, as numpy does best.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from avx.core.arrays import l2_normalize
from avx.core.types import Embedded, MemoryBank, ModelState
from avx.memory import bank as memory
from avx.memory.bank import MemoryOptions
from avx.nn.fusion import PairFusion
from avx.retrieval.index import InnerProductIndex
from avx.retrieval.pair_scores import PairScore, PairScoreIndex, RerankedPairs, tiled_scores
from avx.systems import feature_memory
from avx.systems.feature_memory import LossOptions, Options, PairTokens
from benchmarks.harness import Row, timed
from benchmarks.naive_memory import NaiveMemory

BATCH, CAPACITY, RAW = 128, 50, 2048
EMBEDDED, HIDDEN = 512, 256
LOOKS = 60
"""What samples resemble: more than slots, so that a batch merges, writes and evicts."""
MEMORY = MemoryOptions(CAPACITY)
OPTIONS = Options("features", (4,), 1, RAW // 2, False, EMBEDDED, HIDDEN, 0.2, "fusion", MEMORY, "product", 0.5, 0)
LOSSES = LossOptions(1.0, 0.2, "hard_and_semi_hard", 1.0, "class", "match")
PAIRS_OF_RIVAL, QUERIES_OF_RIVAL = 5000, 20
NEIGHBOURS, SHORTLIST = 10, 100
CLEAR_PEAK = Path("/proc/self/clear_refs")


def run(items: int = 10_000) -> list[Row]:
    """Three comparisons; the notes state the compilation, the agreement with the rival, and memory."""
    return [_write(), *_all_pairs(items), _shortlist(items)]


def _features(count: int, seed: int, noise: float) -> dict[str, np.ndarray]:
    """Raw features by modality, each a look and noise; both sides of a sample have the same look."""
    rng, looks = np.random.default_rng(seed), np.random.default_rng(0)
    chosen = rng.integers(0, LOOKS, count)
    return {
        name: (looks.normal(size=(LOOKS, RAW))[chosen] + noise * rng.normal(size=(count, RAW))).astype(np.float32)
        for name in feature_memory.MODALITIES
    }


def _write() -> Row:
    # With this noise two samples of one look have a cosine of 0.92, above the merge threshold.
    batches = [_features(BATCH, seed, 0.3) for seed in (1, 2)]
    match = np.random.default_rng(3).uniform(0.5, 1, BATCH).astype(np.float32)
    label = np.random.default_rng(4).random(BATCH) < 0.8
    everyone = jnp.ones(BATCH, bool)
    write = jax.jit(functools.partial(memory.write, options=MEMORY, train=True))
    widths = dict.fromkeys(feature_memory.MODALITIES, RAW)
    # The second batch meets a memory in use.
    known = write(memory.empty(CAPACITY, widths), batches[0], match, label, everyone)
    features = {name: jnp.asarray(values) for name, values in batches[1].items()}
    compiled, ours = timed(lambda: write(known, features, match, label, everyone), 20)

    def naive() -> NaiveMemory:
        rival = NaiveMemory(CAPACITY, widths)
        rival.keys = {name: np.asarray(keys, np.float64) for name, keys in known.keys.items()}
        rival.count, rival.stamp = np.array(known.count), np.array(known.stamp)
        rival.size, rival.clock = int(known.size), int(known.clock)
        for row in range(BATCH):
            sample = {name: values[row] for name, values in batches[1].items()}
            rival.update(sample, match[row], label[row], MEMORY)
        return rival

    _, peer = timed(naive, 3)
    expected, found = naive(), write(known, features, match, label, everyone)
    apart = max(np.abs(found.keys[name] - expected.keys[name]).max() for name in widths)
    note = (
        f"first call {compiled:.2f} s; {int((found.count > 1).sum())} of {CAPACITY} slots merged; "
        f"keys differ by {apart:.0e}"
    )
    return Row(f"memory write, {BATCH} samples, X={CAPACITY}, 2 x {RAW}", ours, "loop over samples", peer, note)


def _gallery(count: int) -> tuple[PairScore, dict[str, Embedded], dict[str, Any]]:
    """(pair score, items by modality, fusion parameters) of a system with a full memory."""
    fusion, rng = PairFusion(HIDDEN), np.random.default_rng(5)
    two = jnp.zeros((2, EMBEDDED))
    params = fusion.init(jax.random.key(0), two, two, jnp.arange(2), True)["params"]
    every = jnp.ones(CAPACITY, bool)
    bank: MemoryBank = memory.write(
        memory.empty(CAPACITY, dict.fromkeys(feature_memory.MODALITIES, RAW)),
        jax.tree.map(jnp.asarray, _features(CAPACITY, 6, 1.0)),
        jnp.ones(CAPACITY),
        every,
        every,
        MEMORY,
        train=True,
    )
    raw, vectors = jax.tree.map(jnp.asarray, _features(count, 7, 1.0)), {}
    for name in feature_memory.MODALITIES:
        rows = np.maximum(rng.normal(size=(count, EMBEDDED)), 0).astype(np.float32)
        vectors[name] = l2_normalize(jnp.asarray(rows))
    sides = fusion.apply({"params": params}, *vectors.values(), method="project")
    items = {
        name: Embedded(
            vectors[name],
            jnp.ones(count, bool),
            tokens=PairTokens(projected, raw[name], memory.cosines(bank, name, raw[name])),
        )
        for name, projected in zip(vectors, sides, strict=True)
    }
    system = feature_memory.build(OPTIONS, LOSSES)
    score = Partial(jax.jit(system.score), {"fusion": params}, ModelState(bank))
    return score, jax.device_get(items), jax.device_get(params)


def _resident(name: str) -> float:
    """MiB of this process's memory that is resident now ("VmRSS") or was at its peak ("VmHWM"), as Linux tells."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[name].split()[0]) / 1024


def _all_pairs(count: int) -> list[Row]:
    score, items, params = _gallery(count)
    video, audio = items["video"], items["audio"]
    compiled, ours = timed(lambda: tiled_scores(score, video, audio), 1)
    before = _resident("VmRSS")
    CLEAR_PEAK.write_text("5")
    table = tiled_scores(score, video, audio)
    peak = _resident("VmHWM") - before
    rng = np.random.default_rng(8)

    kernel = np.concatenate([params["first"]["kernel"], params["second"]["kernel"]])
    bias, logits = params["first"]["bias"], params["logits"]
    chosen = rng.integers(0, count, (PAIRS_OF_RIVAL, 2))

    def pair_by_pair() -> np.ndarray:
        found = np.empty(len(chosen), np.float32)
        for place, (row, column) in enumerate(chosen):
            hidden = np.maximum(np.concatenate([video.vectors[row], audio.vectors[column]]) @ kernel + bias, 0)
            no, yes = hidden @ logits["kernel"] + logits["bias"]
            agreed = np.maximum(video.tokens.cosines[row], 0) * np.maximum(audio.tokens.cosines[column], 0)
            found[place] = agreed.max() / (1 + np.exp(no - yes))
        return found

    weights = logits["kernel"][:, 1] - logits["kernel"][:, 0]
    offset = logits["bias"][1] - logits["bias"][0]
    known = np.maximum(audio.tokens.cosines, 0)

    def query_by_query() -> np.ndarray:
        found = np.empty((QUERIES_OF_RIVAL, count), np.float32)
        for row in range(QUERIES_OF_RIVAL):
            odds = np.maximum(video.tokens.projected[row] + audio.tokens.projected, 0) @ weights + offset
            found[row] = (np.maximum(video.tokens.cosines[row], 0) * known).max(1) / (1 + np.exp(-odds))
        return found

    name = f"pair scores, {count} x {count}, D={EMBEDDED}, H={HIDDEN}, X={CAPACITY}"
    size = table.nbytes / 2**20
    note = f"first call {compiled:.1f} s; peak memory {peak:.0f} MiB, {size:.0f} of them the result"
    rows = []
    rivals: list[tuple[str, Callable[[], np.ndarray], np.ndarray, float, str]] = [
        (
            "fusion pair by pair, cosines given",
            pair_by_pair,
            table[chosen[:, 0], chosen[:, 1]],
            count * count / PAIRS_OF_RIVAL,
            f"rival timed on {PAIRS_OF_RIVAL} pairs",
        ),
        (
            "numpy, query by query",
            query_by_query,
            table[:QUERIES_OF_RIVAL],
            count / QUERIES_OF_RIVAL,
            f"rival timed on {QUERIES_OF_RIVAL} queries",
        ),
    ]
    for peer, function, ours_there, scale, sample in rivals:
        _, seconds = timed(function, 3)
        apart = np.abs(function() - ours_there).max() / ours_there.max()
        rows.append(
            Row(
                name,
                ours,
                peer,
                seconds * scale,
                f"{note}; {sample} and scaled; scores differ by {apart:.0e} of the largest",
            )
        )
    return rows


def _shortlist(count: int) -> Row:
    score, items, _ = _gallery(count)
    video, audio = items["video"], items["audio"]
    shortlists = InnerProductIndex(np.asarray(audio.vectors))
    fast = RerankedPairs(shortlists, score, audio, shortlist=SHORTLIST)
    every = PairScoreIndex(score, audio)
    compiled, ours = timed(lambda: fast.search(video, NEIGHBOURS), 1)
    _, peer = timed(lambda: every.search(video, NEIGHBOURS), 1)
    _, share = timed(lambda: shortlists.search(np.asarray(video.vectors), SHORTLIST), 1)
    return Row(
        f"top {NEIGHBOURS} by a shortlist of {SHORTLIST}, {count} queries, {count} items",
        ours,
        "top by all pairs, streamed",
        peer,
        f"first call {compiled:.1f} s; {share:.2f} s of it for the shortlist",
    )
