"""The real command started twice at once, and killed again and again: nothing is lost and nothing is different."""

import random
import signal
import subprocess
import time

import pytest
from tiny_job import ROOT, environment
from toy_job import assert_equal, command, count, outcome

from avx.runs import lock


def start(arguments, log):
    with log.open("wb") as file:
        return subprocess.Popen(arguments, cwd=ROOT, env=environment(), stdout=file, stderr=file)


def finish(arguments, log):
    """Runs a command to its end; returns the seconds."""
    begin = time.monotonic()
    assert start(arguments, log).wait(600) == 0, log.read_text()
    return time.monotonic() - begin


@pytest.fixture(scope="module")
def uninterrupted(data, tmp_path_factory):
    """(outcome, seconds) of a run that nothing happened to."""
    root = tmp_path_factory.mktemp("uninterrupted")
    finish(command(data, root / "warm", train__epochs=1), root / "log")  # programs compiled, tables built
    seconds = finish(command(data, root / "run"), root / "log")
    return outcome(root / "run"), seconds


@pytest.mark.slow
def test_of_two_starts_at_once_one_runs_and_one_is_refused(data, uninterrupted, tmp_path, figures):
    generator, starts = random.Random(1), count(2, 30)
    for number in range(starts):
        workdir, logs = tmp_path / str(number), [tmp_path / f"log{number}{place}" for place in range(2)]
        arguments = command(data, workdir)
        processes = [start(arguments, logs[0])]
        time.sleep(generator.uniform(0, 0.5))
        processes.append(start(arguments, logs[1]))
        codes = [process.wait(600) for process in processes]
        texts = [log.read_text() for log in logs]
        assert sorted(codes) == [0, 2], texts
        (refusal,) = [line for line in texts[codes.index(2)].splitlines() if line.startswith("error: ")]
        assert f"{workdir} is in use by another run" in refusal and "--workdir" in refusal
        assert "Traceback" not in "".join(texts)
        assert not (workdir / lock.NAME).exists()
        assert_equal(outcome(workdir), uninterrupted[0])
    figures.append(f"double starts: {starts}, of each one ran and one was refused")


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_with_the_same_bits(data, uninterrupted, tmp_path, figures):
    """Also while it starts, evaluates and writes its report; at once again, with the lock of the dead run there."""
    (expected, seconds), generator = uninterrupted, random.Random(2)
    kills = runs = done = 0
    while kills < count(2, 25):
        workdir, log = tmp_path / str(runs), tmp_path / f"log{runs}"
        for _ in range(5):
            process = start(command(data, workdir), log)
            time.sleep(generator.uniform(0.2, 1.1) * seconds)
            process.kill()
            if process.wait() != -signal.SIGKILL:
                done += 1  # It had ended before.
                break
            kills += 1
            if kills == count(2, 25):
                break
        finish(command(data, workdir), log)
        assert "Traceback" not in log.read_text()
        assert_equal(outcome(workdir), expected)
        runs += 1
    figures.append(f"SIGKILLs: {kills} in {runs} runs ({done} had ended before), all ended bitwise equal")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_says_so_at_any_moment_and_gives_the_lock_back(data, uninterrupted, tmp_path, number):
    """Before training, while nothing but the program's own handler listens, and in its midst."""
    workdir, log = tmp_path / "run", tmp_path / "log"
    for share in (0.3, 0.6):
        process = start(command(data, workdir, train__epochs=400), log)
        time.sleep(share * uninterrupted[1])
        process.send_signal(number)
        code, text = process.wait(300), log.read_text()
        assert code in (128 + number, -number), text  # The latter while Python imports, before any handler listens.
        if code > 0:
            assert "Traceback" not in text
            assert "the same command goes on" in text
            assert not (workdir / lock.NAME).exists()


@pytest.mark.slow
def test_without_a_terminal_it_tells_where_it_is(data, tmp_path):
    log = tmp_path / "log"
    finish(command(data, tmp_path / "run", train__epochs=4), log)
    lines = [line for line in log.read_text().splitlines() if "epoch" in line]
    assert len(lines) == 4
    for number, line in enumerate(lines, start=1):
        for part in (f"epoch {number} of 4", "step ", "loss ", "examples/s", "class/map ", " left"):
            assert part in line, line
