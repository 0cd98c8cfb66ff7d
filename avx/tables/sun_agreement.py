"""Agreement of summaries with those of people: CUS of key frames, F-scores of stretches (VSUMM, SumMe, TVSum).

    avx reproduce --table=sun/agreement --data=FOLDER

Our methods are measured where the material holds frames or features to choose from. Where it holds summaries alone,
the table says so and gives what can be computed: automatic summaries that come with it, and people among themselves.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from avx.core.errors import UserError, check_positive, check_share
from avx.keyframes import centroids, skm, uniform
from avx.keyframes.agreement import summary_f_score, user_agreement
from avx.media.atomic import write_bytes
from avx.media.images import read_image
from avx.runs.workdir import write_json
from avx.signal.colour import hue_histogram
from avx.tables import sun_agreement_page
from avx.tables.agreement_layouts import FrameSummaries, PictureSummaries, find_layouts
from avx.tables.sun_agreement_page import PEOPLE, STRETCHES
from avx.tables.table import Table
from avx.training.environment import record

MOST = 1024


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the protocols leave open.

    Attributes:
      threshold: Manhattan distance of hue histograms below which two key frames match (VSUMM).
      share: of a video's frames that a summary may hold (SumMe, TVSum).
      stretches: of the control that takes this share in equal stretches.
      delta, k_rule: of SKM's adaptive K.
      fraction: key frames of the rivals as a share of the sampled frames.
    """

    threshold: float = 0.5
    share: float = 0.15
    stretches: int = 10
    delta: float = 1.5
    k_rule: str = "changes+1"
    fraction: float = 0.07

    def __post_init__(self):
        check_positive("threshold", self.threshold)
        check_share("share", self.share)
        if self.stretches < 1:
            raise UserError(f"stretches={self.stretches} cannot be; give at least 1.")


def picture_rows(summaries: PictureSummaries, threshold: float) -> list[dict[str, Any]]:
    """CUS_A and CUS_E of every automatic summary against every user, with the official figures where there are some."""
    hues = jax.jit(hue_histogram)

    def histograms(files: Sequence[Path]) -> np.ndarray:
        return np.stack([np.asarray(hues(read_image(file))) for file in files])

    users = {name: histograms(files) for name, files in summaries.users.items()}
    rows = []
    for name, files in summaries.automatic.items():
        automatic = histograms(files)
        for user, theirs in users.items():
            found = user_agreement(automatic, theirs, threshold)
            official = summaries.official.get((name, user))
            rows.append(
                {
                    "video": summaries.video,
                    "summary": name,
                    "user": user,
                    "accuracy": found.accuracy,
                    "error": found.error,
                    "official": official,
                    "equal": None
                    if official is None
                    else (round(found.accuracy, 2), round(found.error, 2)) == official,
                }
            )
    return rows


def repeated(files: Sequence[Path], threshold: float) -> int:
    """Counts the pictures whose hue histogram is nearer than `threshold` to that of an earlier one."""
    hues = np.stack([np.asarray(jax.jit(hue_histogram)(read_image(file))) for file in files])
    near = np.abs(hues[:, None] - hues[None]).sum(-1) < threshold
    return int(np.tril(near, -1).any(1).sum())


def knapsack(values: np.ndarray, lengths: np.ndarray, capacity: int) -> np.ndarray:
    """Chooses segments of the largest total value whose lengths add up to `capacity` at most: (S,) bool.

    >>> knapsack(np.array([3.0, 4.0, 5.0]), np.array([2, 3, 4]), 5).tolist()
    [True, True, False]
    """
    best = np.zeros((len(values) + 1, capacity + 1))
    for item, (value, length) in enumerate(zip(values, lengths, strict=True), start=1):
        best[item] = best[item - 1]
        if length <= capacity:
            taken = best[item - 1, : capacity + 1 - length] + value
            best[item, length:] = np.maximum(best[item, length:], taken)
    chosen, room = np.zeros(len(values), bool), capacity
    for item in range(len(values), 0, -1):
        if best[item, room] > best[item - 1, room]:
            chosen[item - 1] = True
            room -= int(lengths[item - 1])
    return chosen


def summary_of(key_frames: np.ndarray, represents: np.ndarray, video: FrameSummaries, share: float) -> np.ndarray:
    """Turns key frames into a summary (T,) bool: the segments whose key frames stand for most, up to `share`.

    Args:
      key_frames: (K,) places among the sampled frames.
      represents: (K,) sampled frames that each stands for.
      video: with picks and segments.
      share: of the frames.
    """
    assert video.picks is not None and video.segments is not None
    numbers = video.picks[key_frames]
    inside = (numbers[:, None] >= video.segments[:, 0]) & (numbers[:, None] <= video.segments[:, 1])
    values = (inside * represents[:, None]).sum(0).astype(float)
    lengths = video.segments[:, 1] - video.segments[:, 0] + 1
    selected = np.zeros(len(video.selected), bool)
    for first, last in video.segments[knapsack(values, lengths, int(share * len(selected)))]:
        selected[first : last + 1] = True
    return selected


def _choosers(settings: Settings) -> dict[str, Callable[[jax.Array, jax.Array], Any]]:
    return {
        "SKM": lambda rows, mask: skm.select(
            rows, mask, skm.SKMConfig(delta=settings.delta, k_rule=settings.k_rule, max_clusters=MOST)
        ),
        "clustering": lambda rows, mask: centroids.select(
            rows, mask, centroids.CentroidsConfig(fraction=settings.fraction, max_key_frames=MOST)
        ),
        "equal distances": lambda rows, mask: uniform.select(
            rows, mask, uniform.UniformConfig(fraction=settings.fraction, max_key_frames=MOST)
        ),
    }


def equal_stretches(frames: int, share: float, count: int) -> np.ndarray:
    """A summary (T,) bool of `share` of the frames in `count` equal stretches, each in the middle of its part."""
    place = (np.arange(frames) * count / frames) % 1
    return np.abs(place - 0.5) < share / 2


def frame_rows(video: FrameSummaries, settings: Settings) -> list[dict[str, Any]]:
    """F-scores (mean over the users, and best) of our methods, of the control, and of each user against the others."""
    users = video.selected
    rows = []
    if video.features is not None:
        length = skm.bucket_length(len(video.features))
        padded = jnp.asarray(np.pad(video.features, [(0, length - len(video.features)), (0, 0)]))
        mask = jnp.arange(length) < len(video.features)
        for name, choose in _choosers(settings).items():
            found = jax.device_get(choose(padded, mask))
            key_frames = found.indices[found.mask]
            represents = np.bincount(found.assignment[found.assignment >= 0], minlength=len(key_frames))
            rows.append((name, summary_of(key_frames, represents, video, settings.share)))
    rows.append((STRETCHES, equal_stretches(len(users), settings.share, settings.stretches)))
    scores = [(name, summary_f_score(selected, users)) for name, selected in rows]
    measured = [
        {"video": video.video, "summary": name, "mean": score.mean, "best": score.best} for name, score in scores
    ]
    if users.shape[1] > 1:
        people = [summary_f_score(users[:, one], np.delete(users, one, axis=1)) for one in range(users.shape[1])]
        mean, best = (float(np.mean([getattr(score, name) for score in people])) for name in ("mean", "best"))
        measured.append({"video": video.video, "summary": PEOPLE, "mean": mean, "best": best})
    return measured


def _means(rows: Sequence[dict[str, Any]], figures: Sequence[str]) -> list[dict[str, Any]]:
    names = dict.fromkeys(row["summary"] for row in rows)
    groups = {name: [row for row in rows if row["summary"] == name] for name in names}
    return [
        {"summary": name, "count": len(group)}
        | {figure: float(np.mean([row[figure] for row in group])) for figure in figures}
        for name, group in groups.items()
    ]


def reproduce(data: Path, out: Path, settings: Settings) -> str:
    """Measures the agreement of all summaries in a folder with people's, and writes table.md and table.json.

    Args:
      data: folder in the layouts of `agreement_layouts`.
      out: folder of the results.
      settings: see `Settings`.

    Returns:
      The Markdown.

    Raises:
      UserError: the folder holds no summaries, or a file cannot be read.
    """
    layouts = find_layouts(data)
    pictures = [row for video in layouts.pictures for row in picture_rows(video, settings.threshold)]
    frames = [row for video in layouts.frames for row in frame_rows(video, settings)]
    content: dict[str, Any] = {
        "table": "agreement with people",
        "source": data.resolve().name,
        "settings": dataclasses.asdict(settings),
        "pictures": pictures,
        "picture_means": _means(pictures, ("accuracy", "error")),
        "frames": frames,
        "frame_means": _means(frames, ("mean", "best")),
        "videos": len(layouts.frames),
        "without_features": sum(video.features is None for video in layouts.frames),
        "references": {
            video: {"key_frames": len(files), "repeated": repeated(files, settings.threshold)}
            for video, files in layouts.references.items()
        },
        "environment": record(),
    }
    content["not_measured"] = sun_agreement_page.not_measured(content)
    page = sun_agreement_page.markdown(content)
    write_json(out / "table.json", content)
    write_bytes(out / "table.md", page.encode())
    return page


TABLE = Table(Settings, reproduce)
