"""Two processes learn of each other's signals from the figures of a step, and stop at the same one."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "toy_process.py"


def together(workdir, signal_at=0):
    """What the two processes print, in the order of their ranks."""
    workdir.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    arguments = [str(port), str(workdir), str(signal_at)]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    started = [
        subprocess.Popen([sys.executable, SCRIPT, str(rank), *arguments], stdout=subprocess.PIPE, env=environment)
        for rank in range(2)
    ]
    return [process.communicate(timeout=240)[0].decode().splitlines()[-1] for process in started]


@pytest.mark.slow
def test_a_signal_to_one_process_stops_both_at_one_step_and_they_go_on_as_if_it_had_not_come(tmp_path):
    whole = together(tmp_path / "whole")
    assert whole[0] == whole[1]
    assert whole[0].startswith("finished 9 66 ")
    # Sent during step 4, it travels with step 5, whose figures are read while step 6 runs.
    assert together(tmp_path / "broken", signal_at=4) == ["stopped 6", "stopped 6"]
    assert together(tmp_path / "broken") == whole
