"""The accelerator's command, on processor devices: it holds, and its judgements can fail."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from benchmarks.accelerator import equality
from benchmarks.accelerator.overlap import copy_seconds

ROOT = Path(__file__).parents[2]


def test_copies_beside_computing():
    def event(process, name, begin, length):
        return {"ph": "X", "pid": process, "name": name, "ts": begin, "dur": length}

    trace = [
        {"ph": "M", "name": "process_name", "pid": 1, "args": {"name": "/device:GPU:0 stream"}},
        {"ph": "M", "name": "process_name", "pid": 2, "args": {"name": "/host:CPU"}},
        event(1, "fusion.3", 0, 10),
        event(1, "gemm", 8, 7),
        event(1, "MemcpyD2H", 20, 50),  # To the host: neither.
        event(1, "loop_fusion", 40, 10),
        event(1, "MemcpyH2D", 5, 20),  # 5 to 25, of which 5 to 15 beside computing.
        event(1, "MemcpyH2D", 20, 10),  # Runs into the first: 5 to 30 in all.
        event(1, "MemcpyH2D", 45, 10),  # 45 to 50 beside computing.
        event(2, "fusion.3", 0, 1000),  # Another process.
    ]
    copied, beside = copy_seconds(trace)
    assert copied == pytest.approx(35e-6)
    assert beside == pytest.approx(15e-6)


def test_a_device_that_computes_otherwise_is_seen(monkeypatch):
    devices = jax.devices()
    place = iter((0, 1))
    wrong = equality._same("x", lambda: jnp.arange(3) + next(place), devices[0], devices[0])
    right = equality._same("x", lambda: jnp.arange(3), devices[0], devices[0])
    assert not wrong.holds and wrong.found == "3 of 3 numbers differ"
    assert right.holds


@pytest.mark.slow
def test_the_command_holds_on_a_processor(tmp_path):
    command = [sys.executable, "-m", "benchmarks.accelerator", f"--out={tmp_path}"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert run.returncode == 0, run.stdout + run.stderr
    page = json.loads((tmp_path / "accelerator.json").read_text())
    assert len(page["checks"]) == len(equality.TRAINED) + 5
    assert all(check["holds"] for check in page["checks"])
    # float32 and bfloat16 of five encoders, three searches, and the loop.
    assert len(page["rates"]) == 14
    assert "examples/s" in (tmp_path / "accelerator.md").read_text()
