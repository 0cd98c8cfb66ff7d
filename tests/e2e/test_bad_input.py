"""Bad input ends in one clear sentence on stderr and exit status 2, and nothing that was there is lost."""

import json
import os
import resource
import subprocess
import sys

import pytest
from tiny_job import ROOT, Job, command, levels, write_clips

from avx.reports.files import read_result


def assert_one_sentence(result, *words):
    """Exit status 2, no trace, and one line "error: ..." that names what is wrong."""
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, result.stderr
    for word in words:
        assert word in errors[0]


def snapshot(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config.train.epohcs=3"], ["train.epohcs", "did you mean train.epochs?"]),
        (["--config.model.dropout=1.5"], ["model.dropout = 1.5", "[0, 1)"]),
        pytest.param(["--config.train.epochs=many"], ["config.train.epochs", "many"], marks=pytest.mark.slow),
        pytest.param(["--config.data.root=absent_folder"], ["absent_folder"], marks=pytest.mark.slow),
        pytest.param(["--config.data.root="], ["data.root is empty"], marks=pytest.mark.slow),
    ],
)
def test_a_bad_value_names_its_field(arguments, words, tmp_path):
    workdir = tmp_path / "run"
    result = command("train", "--config=configs/folder.py", *arguments, f"--workdir={workdir}")
    assert_one_sentence(result, *words)
    assert not list(workdir.rglob("checkpoints"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [["--config=configs/absent.py"], ["--config=configs/absent.py", "--config.train.epochs=3"], ["--config=configs"]],
)
def test_a_config_that_cannot_be_read(arguments):
    assert_one_sentence(command("train", *arguments), arguments[0].removeprefix("--config="), "--config=")


@pytest.mark.slow
def test_a_folder_without_clips(tmp_path):
    result = command(
        "train", "--config=configs/folder.py", f"--config.data.root={tmp_path}", f"--workdir={tmp_path}/run"
    )
    assert_one_sentence(result, str(tmp_path), "no media file")


@pytest.mark.slow
def test_a_folder_of_unreadable_files(job, tmp_path):
    for number in range(6):
        target = tmp_path / "clips" / "noise" / f"{number}.mp4"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(bytes([number]) * 5000)
    result = Job(tmp_path / "clips", job.cache).train(tmp_path / "run")
    assert_one_sentence(result, "not one of the 6 clips", "quarantine.jsonl")
    entries = [json.loads(line) for line in (tmp_path / "run" / "quarantine.jsonl").read_text().splitlines()]
    assert {entry["clip_id"] for entry in entries} == {f"noise/{number}.mp4" for number in range(6)}


@pytest.mark.slow
def test_some_unreadable_files_are_counted_and_do_not_stop_the_run(job, tmp_path):
    clips = write_clips(tmp_path / "clips")
    whole = (clips / "blue" / "0.mp4").read_bytes()
    (clips / "blue" / "broken.mp4").write_bytes(whole[:700])
    (clips / "rose" / "empty.mp4").write_bytes(b"")
    (clips / "rose" / "notes.txt").write_bytes(b"")
    workdir = tmp_path / "run"
    result = Job(clips, job.cache).train(workdir)
    assert result.returncode == 0, result.stderr
    coverage = read_result(workdir).protocol["coverage"]
    assert (coverage["clips"], coverage["quarantined"], coverage["files_of_no_known_format"]) == (26, 2, 1)
    entries = [json.loads(line) for line in (workdir / "quarantine.jsonl").read_text().splitlines()]
    assert {entry["clip_id"] for entry in entries} == {"blue/broken.mp4", "rose/empty.mp4", "*.txt"}


@pytest.mark.slow
def test_names_that_are_no_utf8_are_extracted_trained_on_evaluated_and_shown(job, tmp_path):
    """In the folder, a class and a clip; the report and the terminal get a printable form."""
    clips = write_clips(tmp_path / os.fsdecode(b"clips_\xe9"))
    (clips / "amber/0.mp4").rename(clips / "amber" / os.fsdecode(b"caf\xe9.mp4"))
    (clips / "blue").rename(clips / os.fsdecode(b"bl\xfce"))
    (clips / "rose" / os.fsdecode(b"bad\xe9.mp4")).write_bytes(b"x")
    named = Job(clips, tmp_path / "cache")
    result = command("extract", *named.arguments())
    assert result.returncode == 0 and "24 of 25 clips of clips_" in result.stdout, result.stderr
    workdir = tmp_path / "run"
    result = named.train(workdir)
    assert result.returncode == 0, result.stderr
    report = (workdir / "report.html").read_bytes().decode("utf-8")
    assert "rose/bad" in report and read_result(workdir).protocol["class_names"][1] == os.fsdecode(b"bl\xfce")
    result = command("evaluate", f"--workdir={workdir}", "--split=all")
    assert result.returncode == 0 and "report: " in result.stdout, result.stderr
    out = tmp_path / "frames"
    arguments = [str(clips / "amber"), f"--out={out}", "--features=histogram", "--method=uniform"]
    result = subprocess.run(
        [sys.executable, "-m", "tools.keyframes", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0 and "of 6 of 6 videos" in result.stdout, result.stderr
    assert (out / os.fsdecode(b"caf\xe9") / "contact_sheet.png").stat().st_size > 1000


def torn(folder):
    """Every larger file of a folder cut in half; the folder."""
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_size > 200:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return folder


def test_a_torn_latest_checkpoint_is_put_aside_and_the_one_before_it_goes_on(job, copy_of_trained):
    """The model beside it still answers; training goes on from the checkpoint before, to the same numbers."""
    latest = torn(copy_of_trained / "checkpoints" / "4" / "state").parent
    before, numbers = snapshot(latest), levels(copy_of_trained)
    result = command("evaluate", f"--workdir={copy_of_trained}")
    assert result.returncode == 0 and "every number equals the one before" in result.stdout, result.stderr
    (copy_of_trained / "results" / "result.json").unlink()
    result = job.train(copy_of_trained)
    assert result.returncode == 0, result.stderr
    assert f"checkpoint {latest} is damaged" in result.stderr and "the run goes on from step 2" in result.stderr
    assert snapshot(latest.with_name("4.damaged")) == before
    assert levels(copy_of_trained) == numbers


def test_a_torn_model_is_named(copy_of_trained):
    torn(copy_of_trained / "model")
    before = snapshot(copy_of_trained / "results")
    result = command("evaluate", f"--workdir={copy_of_trained}")
    assert_one_sentence(result, str(copy_of_trained / "model"), "bundle.json cannot be read")
    assert snapshot(copy_of_trained / "results") == before


def test_a_workdir_of_another_config_names_the_fields(job, trained):
    workdir, _ = trained
    before = snapshot(workdir)
    result = job.train(workdir, optimizer__learning_rate=0.5, loss__label_weight=3.0)
    assert_one_sentence(result, "loss.label_weight", "optimizer.learning_rate", str(workdir))
    assert snapshot(workdir) == before


@pytest.mark.slow
def test_a_folder_that_is_no_run(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    assert_one_sentence(command("evaluate", f"--workdir={tmp_path}"), str(tmp_path), "not the workdir of a run")
    result = command("train", "--config=configs/folder.py", f"--config.data.root={tmp_path}", f"--workdir={tmp_path}")
    assert_one_sentence(result, str(tmp_path), "not empty")
    assert (tmp_path / "letter.txt").read_text() == "dear"


@pytest.mark.slow
def test_clips_without_classes_need_a_metric_of_instances(job, tmp_path):
    for path in job.clips.rglob("*.mp4"):
        target = tmp_path / "flat" / f"{path.parent.name}{path.name}"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())
    flat = Job(tmp_path / "flat", job.cache)
    assert_one_sentence(flat.train(tmp_path / "run"), "evaluation.score = 'class/map'", "instance/map")
    result = flat.train(tmp_path / "run", evaluation__score="instance/map")  # the folder is still free
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_a_full_disk_ends_the_run_and_keeps_what_was_saved(job, trained, tmp_path):
    """A limit on the size of files stands for the disk: small records still fit, checkpoints do not."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))

    workdir = tmp_path / "run"
    arguments = [*job.arguments(), f"--workdir={workdir}"]
    result = command("train", *arguments, preexec_fn=limit, timeout=200)
    assert_one_sentence(result, "free some space")
    result = command("train", *arguments)
    assert result.returncode == 0, result.stderr
    assert (workdir / "report.html").exists()
