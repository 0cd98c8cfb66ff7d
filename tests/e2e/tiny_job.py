"""The main job at its smallest: a folder of real clips, narrow encoders, and commands run as a person runs them."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from avx.media.encode import write_clip
from avx.reports.files import read_result

ROOT = Path(__file__).parents[2]
SIDE, FRAME_RATE, SECONDS, SAMPLE_RATE = 64, 8, 2, 16000
CLASSES = ("amber", "blue", "green", "rose")
COLOURS = {"amber": (230, 160, 20), "blue": (30, 60, 220), "green": (20, 190, 60), "rose": (220, 40, 120)}

OVERRIDES = {
    "decode.frame_rate": 4.0,
    "decode.height": SIDE,
    "decode.width": SIDE,
    "decode.max_seconds": 2.0,
    "keyframes.max_clusters": 3,
    "train.batch_size": 8,
    "train.epochs": 2,
    "train.loader_threads": 2,
    "evaluation.batch_size": 8,
    "evaluation.report_items": 2,
    "baselines.cca.dimensions": "(2,)",
    "baselines.cca.ridge": "(0.1,)",
    "data.workers": 1,
}
SYSTEM_A = "configs/folder.py"
SYSTEM_C = "configs/feature_memory_embedded.py"
NARROW = {
    SYSTEM_A: {
        "features.image_size": 32,
        "features.max_audio_steps": 3,
        "model.frame_widths": "(8, 8)",
        "model.audio_widths": "(8, 8, 8, 8)",
        "model.audio_fc_sizes": "(16, 8)",
        "model.lstm_size": 4,
        "model.blocks": 3,
        "model.selected_blocks": 2,
        "model.attention_size": 4,
        "model.video_sizes": "(16, 8)",
        "model.audio_sizes": "(16, 8)",
    },
    SYSTEM_C: {
        "data.kind": "folder",
        "features.max_audio_steps": 20,
        "features.mfcc_hop_seconds": 0.1,
        "model.lstm_size": 4,
        "model.mapping_size": 8,
        "model.fusion_size": 8,
        "memory.capacity": 6,
        "memory.match_threshold": 0.3,
        "memory.warmup_epochs": 1,
    },
}


def write_clips(root: Path, per_class: int = 6, seed: int = 0) -> Path:
    """A folder of clips: a square of the class's colour that moves, the picture inverted after half the time, a tone.

    No two clips are alike, and every file is a real mp4 with H.264 and AAC.
    """
    generator = np.random.default_rng(seed)
    time = np.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE
    for number, name in enumerate(CLASSES):
        for place in range(per_class):
            pitch = 220 * 2 ** (number + place / 12)
            waveform = 0.4 * np.sin(2 * np.pi * pitch * time) + 0.01 * generator.normal(size=len(time))
            frames = []
            for step in range(SECONDS * FRAME_RATE):
                picture = np.full((SIDE, SIDE, 3), 20 * place % 256, np.uint8)
                left = 4 + (3 * step + 5 * place) % (SIDE - 24)
                picture[20:40, left : left + 20] = COLOURS[name]
                frames.append(255 - picture if step >= SECONDS * FRAME_RATE // 2 else picture)
            target = root / name / f"{place}.mp4"
            target.parent.mkdir(parents=True, exist_ok=True)
            write_clip(target, frames, FRAME_RATE, waveform.astype(np.float32), SAMPLE_RATE)
    return root


@dataclasses.dataclass(frozen=True)
class Job:
    """A data set and a cache that runs share; each run has its own workdir."""

    clips: Path
    cache: Path
    config: str = SYSTEM_A

    def arguments(self, **overrides: object) -> list[str]:
        """Flags of `experiments.train` without the workdir; a dot in a field is written as two underscores."""
        fields = {"data.root": self.clips, "data.cache_dir": self.cache} | OVERRIDES | NARROW[self.config]
        fields |= {name.replace("__", "."): value for name, value in overrides.items()}
        return [f"--config={self.config}", *(f"--config.{name}={value}" for name, value in fields.items())]

    def train(self, workdir: Path, **overrides: object) -> subprocess.CompletedProcess[str]:
        """Runs `python -m experiments.train` to its end."""
        return command("train", *self.arguments(**overrides), f"--workdir={workdir}")


def environment(devices: int = 1, **more: str) -> dict[str, str]:
    """This process's environment for a command: the compilation cache stays, the eight devices of the tests go."""
    kept = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    if devices > 1:
        kept["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def command_line(name: str, *arguments: str) -> list[str]:
    """`python -m experiments.NAME ARGUMENTS`."""
    return [sys.executable, "-m", f"experiments.{name}", *arguments]


def command(name: str, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
    """Runs a command from the root of the package and returns what it printed."""
    settings = {"env": environment(), "timeout": 600} | options
    return subprocess.run(
        command_line(name, *arguments), cwd=ROOT, capture_output=True, text=True, check=False, **settings
    )


def start(arguments: list[str], log: Path, devices: int = 1, **more: str) -> subprocess.Popen:
    """Starts a command whose output goes to a file."""
    with log.open("ab") as file:
        return subprocess.Popen(arguments, cwd=ROOT, env=environment(devices, **more), stdout=file, stderr=file)


def restored(workdir: Path, step: int | None = None) -> tuple[dict[str, np.ndarray], dict]:
    """(parameters and model state by dotted name, progress) of a checkpoint, read without the code that wrote it."""
    import orbax.checkpoint as ocp
    from flax.traverse_util import flatten_dict

    folder = workdir / "checkpoints"
    step = max(int(path.name) for path in folder.iterdir() if path.name.isdigit()) if step is None else step
    with ocp.StandardCheckpointer() as reader:
        state = reader.restore(folder.absolute() / str(step) / "state")
    arrays = flatten_dict({name: state[name] for name in ("params", "model_state")}, sep=".")
    progress = json.loads((folder / str(step) / "meta" / "metadata").read_text())["progress"]
    return {name: np.asarray(values) for name, values in arrays.items() if values is not None}, progress


def assert_same_bits(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert first.keys() == second.keys()
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name], err_msg=name)


def levels(workdir: Path) -> list[tuple[str, str, dict]]:
    """(name, gallery, figures by direction and level) of the rows of a result."""
    return [
        (row.name, row.gallery, {name: dict(found.levels) for name, found in row.directions.items()})
        for row in read_result(workdir).rows
    ]


def train_losses(workdir: Path) -> dict[int, float]:
    """Step -> training loss, as recorded; a step recorded twice is an error."""
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    pairs = [(line["step"], line["metrics"]["loss"]) for line in lines if line["split"] == "train"]
    assert len(dict(pairs)) == len(pairs), f"{workdir}/metrics.jsonl holds a step twice"
    return dict(pairs)
