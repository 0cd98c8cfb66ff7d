"""Decodes real files with two trees of the package: which arrays differ, and what reading costs in each.

    python -m benchmarks.media_before_after OTHER_TREE [TURNS]

Needs AVX_REAL_DATA. One process a tree; they take turns file by file, so that both see the same load. Each file is read
with every frame in its own size, and as a run reads it; the latter in several turns, of which the least processor time
counts, for files that give equal arrays.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FOLDERS = ("av_clips/with_audio", "av_clips/no_audio", "av_edge_cases", "grid_av_speech", "music_av")
SKIPPED = {".txt", ".csv"}
WAYS: tuple[dict[str, Any], ...] = (
    {"frame_rate": None, "size": None},
    {"frame_rate": 2.0, "size": 96, "max_seconds": 60.0},
)
TURNS = 3


def serve() -> None:
    """Answers each path on the standard input with digests and processor time, or the reason of a refusal."""
    from avx.media.decode import read_clip
    from avx.media.quarantine import MediaProblem

    for line in sys.stdin:
        answer: list[dict[str, Any]] = []
        number, _, path = line.rstrip("\n").partition(" ")
        for way in WAYS if number == "0" else WAYS[-1:]:
            began = time.process_time()
            try:
                clip = read_clip(Path(path), clip_id="", sample_rate=16000, **way)
            except MediaProblem as problem:
                answer.append({"refused": str(problem.reason), "seconds": time.process_time() - began})
                continue
            taken = time.process_time() - began
            parts = {"frames": clip.frames, "times": clip.frame_times, "sound": clip.waveform}
            digests = {
                name: hashlib.sha256(repr(array.shape).encode() + array.tobytes()).hexdigest()
                for name, array in parts.items()
            }
            remarks = [reason for reason, _ in getattr(clip, "remarks", ())]
            answer.append({"digests": digests, "seconds": taken, "shape": clip.frames.shape, "remarks": remarks})
        print(json.dumps(answer), flush=True)


class Reader:
    """A process that reads files with one tree of the package."""

    def __init__(self, tree: Path):
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(tree)},
        )

    def read(self, path: Path, turn: int) -> list[dict[str, Any]]:
        """What `serve` answers of a file; in the first turn for all ways, then for the last one."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{turn} {path}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


def main(other: Path, turns: int) -> None:
    """Prints what differs file by file, and the processor time of both trees."""
    if not os.environ.get("AVX_REAL_DATA"):
        raise SystemExit("AVX_REAL_DATA is not set; the comparison needs the folder of real media.")
    root = Path(os.environ["AVX_REAL_DATA"])
    paths = [path for folder in FOLDERS for path in sorted((root / folder).iterdir()) if path.suffix not in SKIPPED]
    readers = [Reader(other), Reader(Path(__file__).resolve().parents[1])]
    least = [0.0, 0.0]
    equal = differing = 0
    for path in paths:
        answers: list[list[list[dict[str, Any]]]] = [[], []]
        for turn in range(turns):
            for tree in (0, 1) if turn % 2 else (1, 0):
                answers[tree].append(readers[tree].read(path, turn))
        before, after = answers[0][0], answers[1][0]
        if [way.get("digests") for way in before] == [way.get("digests") for way in after] and "digests" in after[0]:
            equal += 1
            for tree in range(2):
                least[tree] += min(answer[-1]["seconds"] for answer in answers[tree])
            continue
        differing += 1
        parts = sorted(
            {
                name
                for old, new in zip(before, after, strict=True)
                if "digests" in old and "digests" in new
                for name in new["digests"]
                if old["digests"][name] != new["digests"][name]
            }
        )
        was = before[0].get("refused") or before[0]["shape"]
        now = after[0].get("refused") or after[0]["shape"]
        print(f"{path.relative_to(root)}: {', '.join(parts)} {was} -> {now} {after[0].get('remarks', '')}")
    for reader in readers:
        reader.close()
    print(f"{equal} of {equal + differing} files give equal arrays")
    print(f"processor time: {least[0]:.2f} s before, {least[1]:.2f} s now, {least[1] / least[0] - 1:+.1%}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    else:
        main(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else TURNS)
