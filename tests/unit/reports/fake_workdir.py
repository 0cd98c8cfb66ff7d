"""Makes a small workdir: a system that mostly works, CCA, chance, and pictures of shapes; everything from the seed.

The figures are computed from scores with plain loops, so that tables, confusion and examples agree with each other.
"""

import json
import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from avx.core.result import Direction, Result, ResultRow
from avx.reports.array_files import Attention, Embedding, Items, KeyFrames, letterboxed
from avx.reports.examples import shown_rows
from avx.reports.files import Config, Environment, write_result

CLASSES = ["bell", "dog bark", "drum", "engine", "rain", "violin"]
WAYS = ("video_to_audio", "audio_to_video")
FIRST_ROW = 100
"""Rows of the dataset that the result speaks of start here: they are no places in any file."""
_COLOURS = [(214, 93, 14), (38, 120, 178), (66, 150, 90), (150, 110, 190), (110, 140, 170), (190, 150, 60)]


def picture(label: int, shade: float, height: int = 72, width: int = 96) -> np.ndarray:
    """A shape of the class's colour on a sky that darkens with `shade` in [0, 1]."""
    rows = np.linspace(1.0, 0.55, height)[:, None, None]
    sky = np.array([205, 215, 228]) * rows * (1 - 0.55 * shade) * np.ones((1, width, 1))
    image = Image.fromarray(sky.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    x, y, r = width * (0.2 + 0.5 * shade), height * 0.53, 0.2 * min(height, width)
    draw.rectangle((0, int(0.83 * height), width, height), fill=(90, 82, 74))
    if label % 2:
        draw.ellipse((x - r, y - r, x + r, y + r), fill=_COLOURS[label])
    else:
        draw.polygon([(x - r, y + r), (x, y - r), (x + r, y + r)], fill=_COLOURS[label])
    return np.asarray(image)


def measured(scores: np.ndarray, labels: np.ndarray, level: str) -> tuple[dict[str, float], np.ndarray, np.ndarray]:
    """The metrics of one direction and level, and each query's AP and best rank, query by query."""
    columns: dict[str, list[float]] = {}
    for query, row in enumerate(scores):
        relevant = labels == labels[query] if level == "class" else np.arange(len(labels)) == query
        found = relevant[np.argsort(-row, kind="stable")]
        for k in (1, 5, 10):
            columns.setdefault(f"hit@{k}", []).append(float(found[:k].any()))
            columns.setdefault(f"tp_recall@{k}", []).append(found[:k].sum() / relevant.sum())
        places = np.flatnonzero(found)
        columns.setdefault("map", []).append(((np.arange(len(places)) + 1) / (places + 1)).mean())
        columns.setdefault("best", []).append(places[0] + 1)
    best = np.array(columns.pop("best"))
    means = {name: float(np.mean(values)) for name, values in columns.items()}
    means |= {"map@r": means["map"] / 2, "rank_rmse": 3.25, "queries": float(len(scores)), "excluded": 0.0}
    return means | {"mdr": float(np.median(best)), "mnr": float(np.mean(best))}, np.array(columns["map"]), best


def curve(scores: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Mean precision at 11 levels of recall."""
    levels = np.linspace(0, 1, 11)
    total = np.zeros(11)
    for query, row in enumerate(scores):
        found = (labels == labels[query])[np.argsort(-row, kind="stable")].cumsum()
        recall, precision = found / found[-1], found / np.arange(1, len(row) + 1)
        total += [precision[recall >= level - 1e-9].max() for level in levels]
    return {"recall": levels, "precision": total / len(scores)}


def direction(scores: np.ndarray, labels: np.ndarray, top: int = 10) -> Direction:
    """What an evaluation says of the scores (N, N) of N items with the same N items."""
    levels, intervals, per_query = {}, {}, {}
    for level in ("class", "instance"):
        levels[level], ap, ranks = measured(scores, labels, level)
        shares = {name: value for name, value in levels[level].items() if name in ("map", "hit@1", "hit@5", "hit@10")}
        intervals[level] = {name: (max(value - 0.1, 0.0), min(value + 0.1, 1.0)) for name, value in shares.items()}
        per_query |= {f"{level}/ap": ap.astype(np.float32), f"{level}/rank": ranks.astype(np.float32)}
    order = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    confusion = np.zeros((len(CLASSES) + 1, len(CLASSES) + 1))
    np.add.at(confusion, (labels, labels[order[:, 0]]), 1)
    return Direction(
        levels=levels,
        intervals=intervals,
        queries=FIRST_ROW + np.arange(len(labels)),
        per_query=per_query,
        top=FIRST_ROW + order,
        top_scores=np.take_along_axis(scores, order, 1).astype(np.float32),
        confusion=confusion,
        curve=curve(scores, labels),
    )


def make_result(rng: np.random.Generator, items: int, noise: float = 1.1) -> tuple[Result, Embedding]:
    """A system, CCA and chance on `items` items, and the embedding of the system."""
    labels = np.arange(items) % len(CLASSES)
    content = rng.normal(size=(len(CLASSES), 12))[labels] + 0.8 * rng.normal(size=(items, 12))

    def unit(x):
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    video, audio = (unit(content + noise * rng.normal(size=content.shape)) for _ in range(2))
    noisy = unit(content + 3.0 * rng.normal(size=content.shape))
    made = [
        ("System A", "system", "", video @ audio.T),
        ("CCA", "baseline", "8 dimensions, ridge 0.01", noisy @ audio.T),
        ("chance", "chance", "", rng.normal(size=(items, items))),
    ]
    rows = []
    for name, role, note, scores in made:
        ways = {way: direction(matrix, labels) for way, matrix in zip(WAYS, (scores, scores.T), strict=True)}
        if role == "chance":
            ways = {way: Direction(levels=found.levels, curve=found.curve) for way, found in ways.items()}
        rows.append(ResultRow(name, role, "test", note, ways))
    protocol = {
        "dataset": "shapes and sounds",
        "split": "test",
        "tie_rule": "fractional ranks",
        "class_names": CLASSES,
        "coverage": {"clips": items + 3, "evaluated": items, "quarantined": 2, "without_audio": 1},
    }
    training = {"best_step": 220, "steps": 300, "train_seconds": 61.5378, "parameters": 123456}
    result = Result(protocol, tuple(rows), {"class/map": 0.43, "video_to_audio/class/map": 0.41}, training)
    ids = np.array([f"clip_{number:03d}" for number in range(items)])
    sides = {"video": video.astype(np.float32), "audio": audio.astype(np.float32)}
    sides["audio"][2] = np.nan
    return result, Embedding(ids, labels, sides)


def write_items(workdir: Path, result: Result, captions: list[str]) -> None:
    """items.npz of the shown rows, every fourth one upright, and a short sound of each."""
    rows = shown_rows(result)
    places = rows - FIRST_ROW
    pictures = [
        picture(place % len(CLASSES), place / 48, *((96, 54) if place % 4 == 3 else (72, 96)))
        for place in places.tolist()
    ]
    thumbnails, sizes = letterboxed(pictures, 72, 96)
    (workdir / "media").mkdir()
    for place in places.tolist():
        tone = np.sin(np.arange(4000) * 2 * np.pi * (200 + 60 * (place % 6)) / 8000)
        with wave.open(str(workdir / "media" / f"{place}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes((12000 * tone).astype("<i2").tobytes())
    Items(
        ids=np.array([f"clip_{place:03d}" for place in places]),
        rows=rows,
        labels=places % len(CLASSES),
        captions=np.array([captions[place % len(captions)].format(CLASSES[place % len(CLASSES)]) for place in places]),
        thumbnails=thumbnails,
        sizes=sizes,
        media=np.array(["" for _ in places], dtype=str),
        sound=np.array([f"media/{place}.wav" for place in places]),
    ).write(workdir)


def write_pictured(workdir: Path, rng: np.random.Generator, clips: int) -> None:
    """keyframes.npz and attention.npz of `clips` clips; clip 0 misses a shot, and clip 1 has one picture and no cut."""
    ids = np.array([f"clip_{number:03d}" for number in range(clips)])
    clip, images, times, boundaries, boundary_clip, durations = [], [], [], [], [], []
    for number in range(clips):
        duration = 6.0 + number
        cuts = np.array([]) if number == 1 else np.sort(rng.uniform(0.1, 0.9, size=2 + number % 3)) * duration
        for shot, (start, end) in enumerate(pairwise([0.0, *cuts, duration])):
            if number or shot != 1:
                clip.append(number)
                times.append((start + end) / 2)
                shape = (96, 54) if number == 2 else (72, 96)
                images.append(picture(number % len(CLASSES), times[-1] / duration, *shape))
        boundaries += cuts.tolist()
        boundary_clip += [number] * len(cuts)
        durations.append(duration)
    boxes, sizes = letterboxed(images, 72, 96)
    KeyFrames(
        ids=ids,
        classes=np.array([CLASSES[number % len(CLASSES)] for number in range(clips)]),
        durations=np.array(durations),
        clip=np.array(clip),
        times=np.array(times),
        images=boxes,
        sizes=sizes,
        boundaries=np.array(boundaries),
        boundary_clip=np.array(boundary_clip),
    ).write(workdir)
    weights = rng.dirichlet(np.full(8, 0.8), size=clips).astype(np.float32)
    kept = weights >= np.sort(weights, axis=1)[:, -3:-2]
    weights[-1, 6:] = np.nan
    kept[-1, 6:] = False
    start = np.arange(8) * np.array(durations)[:, None] / 8
    Attention(ids, weights, kept, start, start + np.array(durations)[:, None] / 8).write(workdir)


def write_training(path: Path, rng: np.random.Generator) -> None:
    """metrics.jsonl of 30 epochs, best in validation at step 220."""
    lines = []
    for step in range(10, 301, 10):
        fall = np.exp(-step / 90)
        label, ranked, structure = (scale * (fall + 0.15 + 0.03 * rng.random()) for scale in (1.6, 0.9, 0.35))
        train = {"loss": label + ranked + structure, "loss_label": label, "loss_ranked_list": ranked}
        train |= {"loss_structure": structure, "examples_per_second": 410 + 20 * rng.random()}
        train["data_wait_share"] = 0.02 + 0.3 * fall * rng.random()
        lines.append({"step": step, "epoch": step / 10, "split": "train", "metrics": train})
        if step % 20 == 0:
            rise = 0.62 - 0.45 * fall - 0.000004 * (step - 220) ** 2
            validation = {
                f"{way}/{level}/{name}": rise * part + shift
                for way, shift in zip(WAYS, (0.0, 0.03), strict=True)
                for level, name, part in (("class", "map", 0.9), ("class", "hit@1", 1.1), ("instance", "hit@1", 0.4))
            }
            lines.append({"step": step, "epoch": step / 10, "split": "validation", "metrics": validation})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def make_workdir(folder: Path, seed: int = 0, items: int = 48, captions: list[str] | None = None) -> Path:
    """Writes the whole fake workdir into `folder`, which it makes, and returns it."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    result, embedding = make_result(rng, items)
    write_result(result, folder)
    embedding.write(folder)
    write_items(folder, result, captions or ["the sound of a {} near a road", "a {}"])
    write_pictured(folder, rng, clips=4)
    write_training(folder / "metrics.jsonl", rng)
    Config({"name": "quickstart", "seed": seed, "train": {"lr": 1e-3, "milestones": (100, 200)}}).write(folder)
    environment = {"python": "3.11.9", "packages": {"jax": "0.10.2"}, "hardware": "2 CPU cores", "seconds": 412.53}
    Environment(environment).write(folder)
    records = [
        {"clip_id": "clip_901", "reason": "no_audio", "detail": "the file has no sound"},
        {"clip_id": "clip_902", "reason": "unreadable", "detail": "moov atom not found"},
    ]
    (folder / "quarantine.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder
