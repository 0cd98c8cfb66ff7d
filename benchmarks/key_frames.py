"""Key frames: SKM beside MiniSom followed by FasterPAM, a corpus with compilation, and growth with the length.

`python -m benchmarks.key_frames` runs all of it; `run(lengths=(1000,), corpus=5, growth=(2000, 4000))` is a quick
version.
"""

from __future__ import annotations

import functools
import resource
import time
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from avx.keyframes import adaptive_k, kmedoids, skm, sofm
from avx.keyframes.distances import unit_vectors
from benchmarks.harness import Row, timed

FEATURES = 512
FORMS: dict[str, dict] = {
    "SKM as printed": {"swap_sweeps": 0},
    "SKM": {},
    "SKM with PAM swaps": {"swap_candidates": 0},
}


def video(num_frames: int, width: int = FEATURES, seed: int = 0, shot_length: int = 25) -> np.ndarray:
    """(num_frames, width) non-negative float32 features of shots of varying length, each drifting a little."""
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.choice(num_frames, max(num_frames // shot_length, 1), replace=False))
    shot = np.searchsorted(cuts, np.arange(num_frames), side="right")
    looks = rng.normal(size=(shot.max() + 1, width)).astype(np.float32)
    features = looks[shot]
    features += 0.5 * rng.standard_normal((num_frames, width), dtype=np.float32)
    return np.maximum(features, 0, out=features)


def minisom_then_fasterpam(features: np.ndarray, num_clusters: int, epochs: int = 20) -> float:
    """The rival: MiniSom's online map on a line, winners' nearest frames, sklearn's table of distances, FasterPAM."""
    import kmedoids as peer
    from minisom import MiniSom
    from sklearn.metrics.pairwise import cosine_distances

    units = features / np.linalg.norm(features, axis=1, keepdims=True)
    network = MiniSom(
        1,
        num_clusters,
        units.shape[1],
        sigma=max(num_clusters / 2, 0.5),
        learning_rate=0.5,
        activation_distance="cosine",
        random_seed=0,
    )
    network.train(units, epochs * len(units), random_order=True)
    table = cosine_distances(units).astype(np.float32)
    to_neurons = cosine_distances(network.get_weights()[0], units)
    start = []
    for row in to_neurons:
        start.append(next(frame for frame in row.argsort() if frame not in start))
    return peer.fasterpam(table, np.array(start, dtype=np.uint64)).loss


def _number_of_clusters(features: np.ndarray) -> int:
    """The video's K at the default sensitivity; the static bound of the timed runs is the next power of two."""
    count = jax.jit(functools.partial(adaptive_k.adaptive_k, max_clusters=4096))
    return int(count(features, np.ones(len(features), bool)))


def beside_rival(num_frames: int, with_rival: bool = True) -> list[Row]:
    """One video of `num_frames`, as printed and with swaps: ours without compilation, the rival once.

    The rival's FasterPAM reaches a lower objective than the paper's alternation; with swaps ours reaches it too, and
    only those rows compare like results: the default's, with some candidates, and PAM's, with all of them.
    """
    features = video(num_frames)
    mask = jnp.ones(num_frames, bool)
    number = _number_of_clusters(features)
    on_device = jnp.asarray(features)
    peer, seconds, goal = "", None, ""
    if with_rival:
        start = time.perf_counter()
        loss = minisom_then_fasterpam(features, number)
        peer, seconds = "MiniSom + FasterPAM", time.perf_counter() - start
        goal = f" against {loss:.1f}"
    rows = []
    for name, swaps in FORMS.items():
        config = skm.SKMConfig(max_clusters=1 << (number - 1).bit_length(), **swaps)
        first, median = timed(functools.partial(skm.select, on_device, mask, config), repeats=3)
        objective = float(skm.select(on_device, mask, config).objective)
        note = f"K {number}, first call {first:.1f} s, objective {objective:.1f}{goal}"
        rows.append(Row(f"{name}, {num_frames} x {FEATURES}", median, peer, seconds, note))
    return rows


def corpus_row(num_videos: int, with_rival: bool = True) -> Row:
    """A corpus of videos of 100 to 2000 frames, every compilation counted."""
    lengths = np.random.default_rng(1).integers(100, 2000, num_videos)
    videos = [video(int(length), seed=number) for number, length in enumerate(lengths)]
    jax.clear_caches()
    start = time.perf_counter()
    found = skm.select_ragged(videos)
    seconds = time.perf_counter() - start
    name = f"corpus of {num_videos} videos, {lengths.sum()} frames, compilation counted"
    if not with_rival:
        return Row(name, seconds)
    start = time.perf_counter()
    for features, chosen in zip(videos, found, strict=True):
        minisom_then_fasterpam(features, len(chosen.indices))
    return Row(name, seconds, "MiniSom + FasterPAM", time.perf_counter() - start)


@functools.partial(jax.jit, static_argnames="num_clusters")
def _fixed_k(features: jax.Array, num_clusters: int) -> kmedoids.Clustering:
    """The clustering with K given, so that growth is measured in the number of frames alone."""
    mask = jnp.ones(features.shape[0], bool)
    config = skm.SKMConfig(max_rounds=10, schedule=sofm.SOFMConfig(epochs=10, tolerance=0.0), swap_sweeps=1)
    return skm.cluster_frames(unit_vectors(features, mask), mask, jnp.asarray(num_clusters), num_clusters, config)


def growth_row(num_frames: int, width: int = 64, num_clusters: int = 64) -> Row:
    """Time and memory at fixed K and a fixed number of epochs: both should be linear in the number of frames."""
    features = jnp.asarray(video(num_frames, width))
    compiled = _fixed_k.lower(features, num_clusters).compile()
    memory = compiled.memory_analysis()
    scratch = f"scratch {memory.temp_size_in_bytes / 2**20:.0f} MiB" if memory else "scratch unknown"
    _, median = timed(lambda: _fixed_k(features, num_clusters), repeats=1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    note = (
        f"{1e6 * median / num_frames:.2f} us a frame, {scratch}"
        f" beside {features.nbytes / 2**20:.0f} MiB of features, process peak {peak:.1f} GiB"
    )
    return Row(f"growth, {num_frames} x {width}, K {num_clusters}", median, note=note)


def run(
    lengths: Sequence[int] = (1000, 5000, 20000),
    corpus: int = 50,
    growth: Sequence[int] = (10_000, 100_000, 1_000_000),
    with_rival: bool = True,
) -> list[Row]:
    """All rows.

    Args:
      lengths: frames of the single videos compared with the rival, whose table of distances takes 4 n^2 bytes.
      corpus: number of videos in the corpus, 0 for none.
      growth: lengths of the growth rows.
      with_rival: False leaves out the rival, which takes minutes for the longer videos.
    """
    rows = [row for length in lengths for row in beside_rival(length, with_rival)]
    if corpus:
        rows.append(corpus_row(corpus, with_rival))
    return rows + [growth_row(length) for length in growth]


if __name__ == "__main__":
    for row in run():
        print(f"{row.name}: {row.ours_s:.3f} s", f"{row.peer} {row.peer_s:.3f} s" if row.peer else "", row.note)
