"""System C as a person runs it: results of all readings, and a memory that a killed run gets back bit for bit."""

import dataclasses
import json
import signal

import av
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from test_main_job import wait_for_step
from tiny_job import (
    SYSTEM_C,
    assert_same_bits,
    command,
    command_line,
    levels,
    restored,
    start,
    train_losses,
    write_clips,
)

from avx.media.encode import write_clip
from avx.registry.encoders import two_stream_variables
from avx.reports.files import read_result

LONG = {"train__epochs": 12, "train__batch_size": 4, "train__patience": 0}


@pytest.fixture(scope="module")
def speech_job(job, tmp_path_factory):
    """The same clips, with a cache of its own."""
    return dataclasses.replace(job, config=SYSTEM_C, cache=tmp_path_factory.mktemp("speech") / "cache")


@pytest.fixture(scope="module")
def uninterrupted(speech_job, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("memory") / "uninterrupted"
    result = speech_job.train(workdir, **LONG)
    assert result.returncode == 0, result.stderr
    return workdir


@pytest.mark.slow
def test_results_hold_every_reading_of_recall(uninterrupted):
    result = read_result(uninterrupted)
    assert [row.name for row in result.rows] == ["System C", "CCA", "chance"]
    for direction in ("video_to_audio", "audio_to_video"):
        found = result.rows[0].directions[direction]
        for level, metric in (("class", "tp_recall@1"), ("class", "hit@1"), ("instance", "hit@1")):
            low, high = found.intervals[level][metric]
            assert 0 <= low <= found.levels[level][metric] <= high <= 1
    assert result.protocol["score"] == "pair score"
    assert (uninterrupted / "report.html").stat().st_size > 0


@pytest.mark.slow
def test_a_killed_run_gets_its_memory_back(speech_job, uninterrupted, tmp_path):
    workdir = tmp_path / "killed"
    arguments = [*command_line("train", *speech_job.arguments(**LONG)), f"--workdir={workdir}"]
    for lines in (14, 33):
        process = start(arguments, tmp_path / "log")
        wait_for_step(process, workdir, lines)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert speech_job.train(workdir, **LONG).returncode == 0
    assert train_losses(workdir) == train_losses(uninterrupted)
    first, second = restored(uninterrupted)[0], restored(workdir)[0]
    assert_same_bits(first, second)
    memory = {name.rpartition(".memory")[2]: values for name, values in first.items() if ".memory" in name}
    assert memory[".size"] > 0 and memory[".clock"] > memory[".size"]
    np.testing.assert_allclose(np.linalg.norm(memory[".keys.audio"][0]), 1, rtol=1e-5)


def write_mute(target, frames):
    """A clip without a sound track."""
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=6)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode())


@pytest.mark.slow
def test_silent_missing_and_very_short_sound_is_counted(speech_job, tmp_path):
    clips = tmp_path / "clips"
    generator = np.random.default_rng(0)
    for number in range(18):
        frames = list(generator.integers(0, 256, (6, 64, 64, 3), np.uint8))
        rate = (8000, 16000, 44100)[number % 3]
        sounds = {0: np.zeros(rate, np.float32), 2: generator.normal(size=rate // 50) / 4}
        target = clips / "ab"[number % 2] / f"{number}.mp4"
        target.parent.mkdir(parents=True, exist_ok=True)
        if number == 1:
            write_mute(target, frames)
        else:
            write_clip(target, frames, 6, sounds.get(number, generator.normal(size=rate) / 4).astype(np.float32), rate)
    job = dataclasses.replace(speech_job, clips=clips, cache=tmp_path / "cache")
    workdir = tmp_path / "run"
    result = job.train(workdir, train__batch_size=2)
    assert result.returncode == 0, result.stderr
    coverage = read_result(workdir).protocol["coverage"]
    assert (coverage["clips"], coverage["without_audio"]) == (18, 1)
    reasons = [json.loads(line)["reason"] for line in (workdir / "quarantine.jsonl").read_text().splitlines()]
    assert reasons.count("silent_audio") == 1


@pytest.mark.slow
def test_the_published_table_is_measured_on_a_folder(tmp_path):
    settings = ("kind=folder", "epochs=2", "seeds=1")
    arguments = ["--table=li/table2", f"--data={write_clips(tmp_path / 'clips', per_class=16)}", f"--out={tmp_path}"]
    result = command("reproduce", *arguments, *(f"--set={setting}" for setting in settings))
    assert result.returncode == 0, result.stderr
    rows = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert set(rows) == {
        "System C",
        "System C, memory updated at test",
        "System C, no memory",
        *(f"System C, {score}" for score in ("blend", "distance", "printed")),
        "CCA",
        "chance",
    }
    assert "TP / (TP + FN)" in (tmp_path / "table.md").read_text()


def write_two_stream_weights(folder):
    """Random weights in the PyTorch port's files, and the settings that name them, by stream."""
    torch = pytest.importorskip("torch")
    from benchmarks.torch_i3d import TorchI3D, randomise

    files = {}
    for stream, channels in (("video", 3), ("flow", 2)):
        files[stream] = folder / f"{stream}.pt"
        torch.save(randomise(TorchI3D(channels)).state_dict(), files[stream])
    return files


@pytest.mark.slow
@pytest.mark.peers
def test_two_stream_features_from_weight_files(speech_job, tmp_path):
    """Weights in the PyTorch port's files, flow, windows, cache, training; and a stream that is not given."""
    files = write_two_stream_weights(tmp_path)
    settings = {
        "data__cache_dir": tmp_path / "cache",
        "features__video": "i3d",
        "features__video_weights": files["video"],
        "features__window_frames": 4,
        "features__window_stride": 2,
        "train__epochs": 1,
    }
    refused = speech_job.train(tmp_path / "refused", **settings)
    assert refused.returncode == 2
    assert "needs both streams; give --config.features.flow_weights=FILE" in refused.stderr
    result = speech_job.train(tmp_path / "run", **settings, features__flow_weights=files["flow"])
    assert result.returncode == 0, result.stderr
    cached = [np.load(path)["video"] for path in (tmp_path / "cache" / "features").rglob("*.npz")]
    # Eight frames have seven flows: windows start at 0 and 2.
    assert {video.shape for video in cached} == {(2, 2048)}
    assert all(np.isfinite(video).all() and video.std() > 0 for video in cached)


@pytest.mark.slow
@pytest.mark.peers
def test_two_streams_are_trained_on_and_evaluated_without_their_files(speech_job, tmp_path):
    """From the same files to a checkpoint near them, which then holds all that evaluation needs."""
    files = write_two_stream_weights(tmp_path)
    settings = {
        "data__cache_dir": tmp_path / "cache",
        "decode__height": 32,
        "decode__width": 32,
        "features__video": "i3d_input",
        "features__video_weights": files["video"],
        "features__window_frames": 4,
        "features__window_stride": 3,
        "features__max_windows": 2,
        "train__epochs": 1,
    }
    refused = speech_job.train(tmp_path / "refused", **settings)
    assert refused.returncode == 2
    assert "needs both streams; give --config.features.flow_weights=FILE" in refused.stderr
    assert not (tmp_path / "cache").exists(), "refused before any work"
    workdir = tmp_path / "run"
    result = speech_job.train(workdir, **settings, features__flow_weights=files["flow"])
    assert result.returncode == 0, result.stderr
    cached = [np.load(path)["video"] for path in (tmp_path / "cache" / "features").rglob("*.npz")]
    # Eight frames have seven flows: windows start at 0 and 3.
    assert {(video.shape, str(video.dtype)) for video in cached} == {((2, 4, 32, 32, 5), "uint8")}
    imported = two_stream_variables(files)
    for file in files.values():
        file.unlink()
    state = restored(workdir)[0]
    for collection, root in (("params", "params"), ("batch_stats", "model_state.buffers")):
        for place, given in flatten_dict(imported[collection], sep=".").items():
            found = state[f"{root}.backbone.{place}"]
            # Two steps of Adam move a parameter by less than three times the rate.
            np.testing.assert_allclose(found, given, rtol=0, atol=6e-3 if collection == "params" else 0)
    moved = state["params.backbone.flow.Conv3d_1a_7x7.kernel"]
    assert np.abs(moved - imported["params"]["flow"]["Conv3d_1a_7x7"]["kernel"]).max() > 1e-5
    assert (workdir / "report.html").stat().st_size > 0
    again = command("evaluate", f"--workdir={workdir}")
    assert again.returncode == 0, again.stderr
    assert "every number equals the one before" in again.stdout
    before = levels(workdir)
    restarted = speech_job.train(workdir, **settings, features__flow_weights=files["flow"])
    assert restarted.returncode == 0, restarted.stderr
    assert levels(workdir) == before
