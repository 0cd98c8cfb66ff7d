"""A trained run asked about other data: another folder, files that no set holds, and a data folder that has moved."""

import shutil

import numpy as np
import pytest
from tiny_job import Job, command, levels, train_losses, write_clips

import avx
from avx.core.errors import UserError
from avx.media.encode import write_clip
from avx.reports.array_files import Embedding
from avx.reports.files import read_result

pytestmark = pytest.mark.usefixtures("one_device")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Four clips of the same classes, one of each, that the run has not seen."""
    return write_clips(tmp_path_factory.mktemp("other") / "films", per_class=1, seed=9)


@pytest.mark.slow
def test_a_run_is_evaluated_on_another_folder(copy_of_trained, other):
    before = {path: path.read_bytes() for path in copy_of_trained.rglob("*") if path.is_file()}
    arguments = [f"--workdir={copy_of_trained}", f"--config.data.root={other}", "--split=all"]
    result = command("evaluate", *arguments)
    assert result.returncode == 0, result.stderr
    assert "these are not the data of training: other items" in result.stdout
    (found,) = (copy_of_trained / "evaluations").iterdir()
    assert found.name.startswith("films_all_") and f"report: {found / 'report.html'}" in result.stdout
    protocol = read_result(found).protocol
    assert (protocol["split"], protocol["queries"], protocol["gallery"], protocol["classes"]) == ("all", 4, 4, 4)
    assert protocol["class_names"] == ["amber", "blue", "green", "rose"]
    system = read_result(found).rows[0]
    assert (system.name, system.gallery) == ("System A", "all")
    # CCA is the one that was fitted to the run's own training clips.
    assert [row.role for row in read_result(found).rows] == ["system", "baseline", "chance"]
    # Each of four clips is its class's only one, so that both levels are one.
    for direction in system.directions.values():
        assert direction.levels["class"]["map"] == direction.levels["instance"]["map"]
    assert (found / "report.html").stat().st_size > 1000
    # Nothing of the run itself has changed.
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.slow
def test_the_results_may_lie_in_a_folder_of_their_own(copy_of_trained, other, tmp_path):
    arguments = [f"--workdir={copy_of_trained}", f"--config.data.root={other}", "--split=test"]
    result = command("evaluate", *arguments, f"--out={tmp_path / 'out'}")
    assert result.returncode == 0 and levels(tmp_path / "out"), result.stderr
    assert not (copy_of_trained / "evaluations").exists()


def rows_by_id(workdir, side):
    stored = Embedding.read(workdir)
    return dict(zip(stored.ids.tolist(), stored.sides[side], strict=True))


@pytest.mark.parametrize("side", ["video", "audio"])
def test_a_file_of_the_set_is_embedded_as_its_row(job, trained, side):
    rows = rows_by_id(trained[0], side)
    retriever = avx.load(trained[0])
    files = [job.clips / name for name in rows]
    found = retriever.embed(side, files)
    assert found.ids == tuple(map(str, files)) and len(found) == 6
    np.testing.assert_allclose(found.vectors, np.stack(list(rows.values())), atol=1e-5)
    alone = retriever.embed(side, files[2:3])
    np.testing.assert_allclose(alone.vectors[0], found.vectors[2], atol=1e-6)


def test_files_that_cannot_be_embedded_are_named(trained, tmp_path):
    retriever = avx.load(trained[0])
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 20)
    with pytest.raises(UserError, match=r"noise\.mp4 cannot be read"):
        retriever.embed("video", [tmp_path / "noise.mp4"])
    frames = list(np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), np.uint8))
    write_clip(tmp_path / "mute.mp4", frames, 6, np.zeros(0, np.float32), 16000)
    assert len(retriever.embed("video", [tmp_path / "mute.mp4"])) == 1
    with pytest.raises(UserError, match=r"mute\.mp4 has no audio; give another file, or ask for the other side"):
        retriever.embed("audio", [tmp_path / "mute.mp4"])
    with pytest.raises(UserError, match="holds no fitted model"):
        avx.load(tmp_path)


@pytest.mark.slow
def test_a_data_folder_that_moves_changes_nothing(job, tmp_path):
    """The model answers without the folder; where it lies now, evaluating and training go on as before."""
    here, there, workdir = tmp_path / "clips", tmp_path / "archive" / "films", tmp_path / "run"
    shutil.copytree(job.clips, here)
    result = Job(here, job.cache).train(workdir)
    assert result.returncode == 0, result.stderr
    rows, before, losses = rows_by_id(workdir, "video"), levels(workdir), train_losses(workdir)
    there.parent.mkdir()
    here.rename(there)
    name = next(iter(rows))
    np.testing.assert_allclose(avx.load(workdir).embed("video", [there / name]).vectors[0], rows[name], atol=1e-5)
    again = command("evaluate", f"--workdir={workdir}", f"--config.data.root={there}")
    assert "every number equals the one before" in again.stdout, again.stderr
    assert not (workdir / "evaluations").exists()
    (workdir / "results" / "result.json").unlink()
    assert Job(there, job.cache).train(workdir).returncode == 0
    assert levels(workdir) == before and train_losses(workdir) == losses
    shutil.rmtree(there)
    lost = command("evaluate", f"--workdir={workdir}")
    assert lost.returncode == 2 and str(there) in lost.stderr and "Traceback" not in lost.stderr
