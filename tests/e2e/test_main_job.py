"""The main job from files to report, run as a person runs it: again, killed, stopped, and by two processes."""

import os
import random
import re
import signal
import socket
import time

import numpy as np
import pytest
from tiny_job import assert_same_bits, command, command_line, levels, restored, start, train_losses

from avx.reports.array_files import Embedding
from avx.reports.files import read_result


def checkpoint_files(workdir):
    found = [path for path in (workdir / "checkpoints").rglob("*") if path.is_file()]
    return {path.relative_to(workdir): path.read_bytes() for path in found}


def test_training_leaves_results_and_a_report(trained):
    workdir, command_result = trained
    for name in ("config.json", "data.json", "environment.json", "metrics.jsonl", "report.html"):
        assert (workdir / name).stat().st_size > 0, name
    for name in ("result.json", "ranks.npz", "embedding.npz", "items.npz", "keyframes.npz", "attention.npz"):
        assert (workdir / "results" / name).stat().st_size > 0, name
    for name in ("bundle.json", "arrays.npz"):
        assert (workdir / "model" / name).stat().st_size > 0, name
    assert list((workdir / "tensorboard").iterdir())
    result = read_result(workdir)
    assert [(row.name, row.role) for row in result.rows] == [
        ("System A", "system"),
        ("CCA", "baseline"),
        ("chance", "chance"),
    ]
    assert "System A" in command_result.stdout
    assert str(workdir / "report.html") in command_result.stdout
    assert train_losses(workdir).keys() == {1, 2, 3, 4}
    assert result.protocol["coverage"]["clips"] == 24 and result.protocol["coverage"]["quarantined"] == 0
    assert sum(result.protocol["items"].values()) == 24 and result.protocol["items"]["test"] == 6
    assert result.protocol["class_names"] == ["amber", "blue", "green", "rose"]
    assert "class/map" in result.validation and result.training["steps"] == 4


@pytest.mark.slow
def test_evaluating_again_gives_the_same_numbers(copy_of_trained):
    before = levels(copy_of_trained)
    for name in ("result.json", "ranks.npz"):
        (copy_of_trained / "results" / name).unlink()
    result = command("evaluate", f"--workdir={copy_of_trained}")
    assert result.returncode == 0, result.stderr
    assert levels(copy_of_trained) == before
    again = command("evaluate", f"--workdir={copy_of_trained}", "--config.evaluation.batch_size=3")
    assert "every number equals the one before" in again.stdout, again.stderr
    # What the ranks were made of: the best sounds of each video by the stored embeddings.
    direction = read_result(copy_of_trained).rows[0].directions["video_to_audio"]
    vectors = Embedding.read(copy_of_trained).sides
    scores = vectors["video"] @ vectors["audio"].T
    np.testing.assert_allclose(direction.top_scores, -np.sort(-scores, axis=1)[:, : direction.top.shape[1]], atol=1e-6)


def test_a_finished_run_is_left_as_it_is(job, copy_of_trained):
    checkpoints, losses = checkpoint_files(copy_of_trained), train_losses(copy_of_trained)
    before = (copy_of_trained / "results" / "result.json").read_bytes()
    result = job.train(copy_of_trained, evaluation__report_items=1)
    assert result.returncode == 0, result.stderr
    assert "System A" in result.stdout
    assert checkpoint_files(copy_of_trained) == checkpoints
    assert train_losses(copy_of_trained) == losses
    assert (copy_of_trained / "results" / "result.json").read_bytes() == before


LONG = {"train__epochs": 40, "train__batch_size": 4, "train__patience": 0}


@pytest.fixture(scope="module")
def uninterrupted(job, trained, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("long") / "uninterrupted"
    result = job.train(workdir, **LONG)
    assert result.returncode == 0, result.stderr
    return workdir


def wait_for_step(process, workdir, step):
    """Returns once the run has recorded a step; a run that ends before is an error."""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        lines = (workdir / "metrics.jsonl").read_text().count("\n") if (workdir / "metrics.jsonl").exists() else 0
        if lines >= step:
            return
        assert process.poll() is None, f"the run ended with {process.returncode} before step {step}"
        time.sleep(0.01)
    raise AssertionError(f"no step {step} within five minutes")


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_bits(job, uninterrupted, tmp_path):
    workdir, generator = tmp_path / "killed", random.Random(0)
    arguments = [*command_line("train", *job.arguments(**LONG)), f"--workdir={workdir}"]
    for lines in (20, 60, 110):
        process = start(arguments, tmp_path / "log")
        wait_for_step(process, workdir, lines)
        time.sleep(generator.uniform(0, 0.2))
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert job.train(workdir, **LONG).returncode == 0
    assert train_losses(workdir) == train_losses(uninterrupted)
    (first, progress), (second, progress_again) = restored(uninterrupted), restored(workdir)
    assert_same_bits(first, second)
    for field in ("step", "best_step", "best_score", "examples_seen", "finished"):
        assert progress[field] == progress_again[field], field
    assert levels(workdir) == levels(uninterrupted)


@pytest.mark.slow
def test_sigterm_saves_and_exits_with_143(job, uninterrupted, tmp_path):
    workdir = tmp_path / "stopped"
    process = start([*command_line("train", *job.arguments(**LONG)), f"--workdir={workdir}"], tmp_path / "log")
    wait_for_step(process, workdir, 30)
    process.terminate()
    assert process.wait(120) == 128 + signal.SIGTERM
    done = max(train_losses(workdir))
    assert (workdir / "checkpoints" / str(done)).is_dir()  # not one step is lost
    assert job.train(workdir, **LONG).returncode == 0
    assert train_losses(workdir) == train_losses(uninterrupted)
    assert_same_bits(restored(uninterrupted)[0], restored(workdir)[0])


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def run_together(arguments, log, port=None, devices=2):
    """Runs the same command in two processes; joined through `port`, or each by itself. Returns their outputs."""
    processes = []
    for index in range(2):
        joined = {
            "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}",
            "JAX_NUM_PROCESSES": "2",
            "JAX_PROCESS_ID": str(index),
        }
        processes.append(start(arguments, log / f"log{index}", devices=devices, **(joined if port else {})))
    codes = [process.wait(300) for process in processes]
    texts = [(log / f"log{index}").read_text() for index in range(2)]
    assert codes == [0, 0], "\n".join(texts)
    return texts


@pytest.mark.slow
def test_two_processes_train_as_one(job, trained, tmp_path):
    workdir = tmp_path / "two"
    run_together([*command_line("train", *job.arguments()), f"--workdir={workdir}"], tmp_path, free_port())
    one, two = train_losses(trained[0]), train_losses(workdir)
    assert one.keys() == two.keys()
    for step, loss in one.items():
        assert two[step] == pytest.approx(loss, rel=1e-5)
    first, second = restored(trained[0])[0], restored(workdir)[0]
    for name, values in first.items():
        np.testing.assert_allclose(values, second[name], rtol=1e-3, atol=1e-4, err_msg=name)
    assert (workdir / "report.html").exists()


@pytest.mark.slow
def test_two_processes_extract_the_same_features_at_once(job, trained, tmp_path):
    shared = tmp_path / "cache"
    texts = run_together(
        command_line("extract", *job.arguments(data__cache_dir=shared)), tmp_path, port=None, devices=1
    )
    for text in texts:
        assert re.search(r"24 of 24 clips", text)
    files = {path.name: path.read_bytes() for path in (shared / "features").rglob("*") if path.is_file()}
    expected = {path.name: path.read_bytes() for path in (job.cache / "features").rglob("*") if path.is_file()}
    assert len(files) == 24
    assert files == expected
    assert not any(name.startswith(".") for name in os.listdir(shared / "features"))
