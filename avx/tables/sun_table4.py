"""Key frames by four methods, video by video (Sun 2024, table 4 and figures 5 and 6)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from avx.core.errors import UserError
from avx.core.progress import ProgressBar
from avx.data.folders import folder_clips
from avx.extraction import key_frames
from avx.extraction.frame_features import FrameDescriber, FrameFeatures
from avx.extraction.key_frames import Method
from avx.keyframes.quality import THEORETICAL
from avx.keyframes.shot_boundary import SPREAD
from avx.keyframes.skm import BATCH
from avx.keyframes.sofm import temporal_positions
from avx.media.atomic import write_bytes
from avx.media.probe import probe
from avx.media.quarantine import MediaProblem
from avx.registry import frame_methods
from avx.registry.frame_methods import METHODS
from avx.runs.workdir import write_json
from avx.tables import sun_table4_page
from avx.tables.measure_plots import video_curves
from avx.tables.table import Table
from avx.training.environment import record

SHOTS, DIFFERENCE, CLUSTERING, SKM = "shot boundary", "frame difference", "clustering", "SKM"
PUBLISHED = (SHOTS, DIFFERENCE, CLUSTERING, SKM)
SWAPS, SAME_FEATURES, SAME_K = "SKM + PAM swaps", "clustering of SKM's features", "equal distances, SKM's K"
VSUMM = "VSUMM"

PRINTED = (
    (0.543, 0.971, 0.772, 0.884, 0.668, 0.898, 0.771, 0.901),
    (0.599, 0.976, 0.735, 0.863, 0.664, 0.952, 0.730, 0.956),
    (0.403, 0.963, 0.714, 0.861, 0.686, 0.911, 0.696, 0.915),
    (0.518, 0.960, 0.689, 0.873, 0.583, 0.915, 0.616, 0.919),
    (0.599, 0.963, 0.736, 0.860, 0.665, 0.955, 0.732, 0.961),
    (0.437, 0.977, 0.745, 0.894, 0.729, 0.952, 0.740, 0.956),
    (0.502, 0.954, 0.603, 0.863, 0.572, 0.904, 0.604, 0.913),
    (0.507, 0.961, 0.621, 0.883, 0.592, 0.921, 0.623, 0.926),
    (0.521, 0.966, 0.704, 0.887, 0.593, 0.923, 0.633, 0.927),
    (0.607, 0.969, 0.746, 0.872, 0.668, 0.962, 0.738, 0.965),
    (0.620, 0.974, 0.757, 0.875, 0.677, 0.963, 0.749, 0.964),
    (0.535, 0.961, 0.762, 0.874, 0.661, 0.887, 0.758, 0.893),
    (0.610, 0.977, 0.747, 0.879, 0.672, 0.963, 0.741, 0.969),
    (0.426, 0.973, 0.730, 0.879, 0.709, 0.933, 0.719, 0.938),
    (0.497, 0.947, 0.596, 0.853, 0.562, 0.900, 0.595, 0.903),
    (0.510, 0.958, 0.608, 0.874, 0.580, 0.914, 0.610, 0.920),
    (0.535, 0.970, 0.713, 0.895, 0.605, 0.934, 0.637, 0.942),
    (0.606, 0.965, 0.738, 0.868, 0.660, 0.952, 0.727, 0.958),
    (0.599, 0.963, 0.735, 0.867, 0.659, 0.952, 0.727, 0.956),
    (0.419, 0.965, 0.723, 0.872, 0.701, 0.926, 0.713, 0.933),
)
"""Fidelity and compression ratio of the four published methods in turn, for the paper's 20 videos."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the paper leaves open, or what another set of videos may ask for.

    Attributes:
      videos: rows of the table: so many of the longest.
      frame_rate: pictures per second; 0 takes every frame.
      features: one of `frame_methods.FEATURES`, for SKM; the judgement of all methods does not depend on it.
      weights: file of a pretrained backbone's weights.
      saliency, region: of the features.
      delta, k_rule: of SKM's adaptive K.
      sofm: form of SKM's map, "batch" or "online" as printed.
      cuts: how shot boundaries are found, "spread" or "contrast" (docs/methods.md 9.6).
      high: deviations above the mean that make a shot boundary.
      gradual: find gradual transitions as well.
      factor: deviations above the mean that make an inter-frame difference count.
      fraction: clusters of the clustering method as a share of the frames.
      swap_sweeps: sweeps of the row of SKM with PAM swaps; 0 leaves the row out.
      largest_distance: D_max of fidelity, "theoretical" or "video".
    """

    videos: int = 20
    frame_rate: float = 2.0
    features: str = frame_methods.HANDCRAFTED
    weights: str = ""
    saliency: str = "spectral_residual"
    region: str = "pool"
    delta: float = 1.5
    k_rule: str = "changes"
    sofm: str = BATCH
    cuts: str = SPREAD
    high: float = 2.5
    gradual: bool = False
    factor: float = 1.0
    fraction: float = 0.07
    swap_sweeps: int = 20
    largest_distance: str = THEORETICAL

    def __post_init__(self):
        if self.videos < 1:
            raise UserError(f"videos={self.videos} cannot be; give at least 1.")
        if self.frame_rate < 0:
            raise UserError(f"frame_rate={self.frame_rate:g} cannot be; give pictures per second, or 0 for all.")


def longest(data: Path, most: int) -> tuple[list[tuple[str, Path]], list[str]]:
    """(name, path) of the `most` longest videos of a folder, the longest first, and what is wrong with others."""
    clips, found = folder_clips(data), []
    problems = [f"{data}/{one.clip_id}: {one.detail}" for one in clips.problems]
    for name in clips.files:
        try:
            info = probe(data / name)
        except MediaProblem as problem:
            problems.append(str(problem))
            continue
        if info.has_video:
            found.append((-(info.duration or 0.0), name, data / name))
    return [(name, path) for _, name, path in sorted(found)[:most]], problems


def methods(settings: Settings) -> dict[str, Method]:
    """The four published methods with the settings' constants, SKM with swaps, k-means of SKM's features, and VSUMM."""
    skm = METHODS["skm"].replaced(
        delta=settings.delta, k_rule=settings.k_rule, sofm_form=settings.sofm, max_clusters=1024, swap_sweeps=0
    )
    clustering = METHODS["clustering"].replaced(fraction=settings.fraction)
    found = {
        SHOTS: METHODS["shot_boundary"].replaced(rule=settings.cuts, high=settings.high, gradual=settings.gradual),
        DIFFERENCE: METHODS["frame_difference"].replaced(factor=settings.factor),
        CLUSTERING: clustering,
        SKM: skm,
        SAME_FEATURES: dataclasses.replace(clustering, rows=skm.rows),
        VSUMM: METHODS["vsumm"],
    }
    return found | (
        {SWAPS: skm.replaced(swap_sweeps=settings.swap_sweeps, swap_candidates=0)} if settings.swap_sweeps else {}
    )


def measure(video: FrameFeatures, settings: Settings) -> dict[str, dict[str, float]]:
    """{method: {"fidelity", "mean_fidelity", "compression_ratio", "objective", "sse", "K"}} of one video."""
    figures: dict[str, dict[str, float]] = {}
    for name, method in methods(settings).items():
        chosen = dataclasses.asdict(key_frames.choose(video, method, settings.largest_distance))
        del chosen["represents"]
        figures[name] = {"K": len(chosen.pop("indices")), **chosen}
    count = int(figures[SKM]["K"])
    spaced = np.asarray(temporal_positions(jnp.ones(len(video.times), bool), jnp.asarray(count), count))
    figures[SAME_K] = {"K": count, **key_frames.judge(video, spaced, settings.largest_distance)}
    return figures


def averages(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """{method: {measure: mean over the videos}}."""
    names = rows[0]["methods"]
    return {
        name: {measure: float(np.mean([row["methods"][name][measure] for row in rows])) for measure in names[name]}
        for name in names
    }


def printed_averages() -> dict[str, dict[str, float]]:
    """The last row of the published table, from its 20 rows."""
    means = np.mean(PRINTED, axis=0)
    return {
        name: {"fidelity": float(means[2 * place]), "compression_ratio": float(means[2 * place + 1])}
        for place, name in enumerate(PUBLISHED)
    }


def findings(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The published statements about the averages, each held against what was measured."""
    mean = averages(rows)

    def compared(first: str, second: str, name: str) -> str:
        gap = mean[first][name] - mean[second][name]
        words = name.replace("_", " ")
        verdict = "holds" if gap > 0 else "does not hold"
        return f"{first} has the higher {words} than {second}: {verdict} ({gap:+.3f})"

    wins = sum(
        row["methods"][SKM]["fidelity"] > row["methods"][CLUSTERING]["fidelity"]
        and row["methods"][SKM]["compression_ratio"] > row["methods"][CLUSTERING]["compression_ratio"]
        for row in rows
    )
    return [
        compared(SKM, CLUSTERING, "fidelity"),
        compared(SKM, CLUSTERING, "compression_ratio"),
        compared(SKM, SHOTS, "fidelity"),
        compared(SHOTS, SKM, "compression_ratio"),
        compared(DIFFERENCE, SKM, "fidelity"),
        compared(SKM, DIFFERENCE, "compression_ratio"),
        f"SKM beats clustering on both measures in {wins} of {len(rows)} videos (printed: 20 of 20)",
    ]


def reproduce(data: Path, out: Path, settings: Settings) -> str:
    """Measures the table on the longest videos of a folder and writes table.md, table.json and two plots.

    Args:
      data: folder of videos.
      out: folder of the results.
      settings: see `Settings`.

    Returns:
      The Markdown.

    Raises:
      UserError: the folder holds no video that can be read, or an impossible setting.
    """
    methods(settings)  # Impossible constants stop here, before any work.
    encoder = frame_methods.encoder(
        settings.features, settings.weights, settings.saliency, settings.region, option="--set=weights"
    )
    describer = FrameDescriber(encoder)
    videos, left_out = longest(data, settings.videos)
    rows: list[dict[str, Any]] = []
    with ProgressBar(len(videos), "videos") as bar:
        for done, (name, path) in enumerate(videos, start=1):
            bar.update(done - 1, name)
            try:
                video = describer(path, settings.frame_rate or None)
            except MediaProblem as problem:
                left_out.append(str(problem))
                continue
            seconds = float(video.times[-1])
            rows.append(
                {"video": name, "seconds": seconds, "frames": len(video.times), "methods": measure(video, settings)}
            )
            bar.update(done)
    if not rows:
        raise UserError(f"{data} holds no video that can be read; give a folder with files such as .mp4 or .webm.")
    content = {
        "table": "Sun 2024, table 4",
        "source": data.resolve().name,
        "encoder": encoder.name,
        "judged_by": key_frames.EVALUATION,
        "settings": dataclasses.asdict(settings),
        "rows": rows,
        "averages": averages(rows),
        "printed": PRINTED,
        "printed_averages": printed_averages(),
        "findings": findings(rows),
        "left_out": left_out,
        "environment": record(),
    }
    for measure_name, title in (("fidelity", "Fidelity of the key frames"), ("compression_ratio", "Compression ratio")):
        curves = {name: [row["methods"][name][measure_name] for row in rows] for name in PUBLISHED}
        write_bytes(out / f"{measure_name}.png", video_curves(curves, measure_name.replace("_", " "), title))
    page = sun_table4_page.markdown(content)
    write_json(out / "table.json", content)
    write_bytes(out / "table.md", page.encode())
    return page


TABLE = Table(Settings, reproduce)
