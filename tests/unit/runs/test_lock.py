"""Whose a workdir is at this moment: one run's, whatever became of the runs before."""

import errno
import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from avx.core.errors import UserError
from avx.runs import lock

ROOT = Path(__file__).parents[3]
HOLD = """
import sys, time
from pathlib import Path
from avx.runs.lock import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(100)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of tmp_path."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def without_kernel_locks(monkeypatch):
    def flock(descriptor, how):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(fcntl, "flock", flock)


def test_it_is_given_back_and_may_be_entered_again_by_the_thread_that_holds_it(tmp_path):
    with lock.held(tmp_path / "run"):
        content = json.loads((tmp_path / "run" / lock.NAME).read_text())
        assert content["process"] == os.getpid() and content["host"] and content["process_start"]
        with lock.held(tmp_path / "run"):
            pass
        refusals = []

        def other():
            try:
                with lock.held(tmp_path / "run"):
                    pass
            except UserError as error:
                refusals.append(str(error))

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert len(refusals) == 1 and f"process {os.getpid()}" in refusals[0]
    assert list((tmp_path / "run").iterdir()) == []
    with pytest.raises(RuntimeError), lock.held(tmp_path / "run"):
        raise RuntimeError
    with lock.held(tmp_path / "run"):
        pass


@pytest.mark.parametrize("kernel", [True, False])
def test_a_second_process_is_refused_until_the_first_is_dead(holder, tmp_path, kernel, request):
    if not kernel:
        request.getfixturevalue("without_kernel_locks")
    with (
        pytest.raises(UserError, match=rf"in use by another run on this machine, process {holder.pid}, for \d+ s"),
        lock.held(tmp_path),
    ):
        pass
    assert (tmp_path / lock.NAME).exists()
    holder.kill()
    holder.wait()
    assert (tmp_path / lock.NAME).exists(), "it could not give it back"
    with lock.held(tmp_path):
        pass


def written(folder, **fields):
    """The lock of some other run."""
    content = lock._me() | {"process": 4_000_000, "since": time.time() - 3 * 3600, "command": "avx train"} | fields
    (folder / lock.NAME).write_text(json.dumps(content))


@pytest.mark.parametrize(
    "fields",
    [{}, {"process": os.getpid(), "process_start": "1"}, {"process": os.getpid(), "boot": "before"}],
    ids=["no such process", "its number was given out again", "the machine was started again"],
)
def test_the_lock_of_a_dead_run_is_taken_over(tmp_path, fields, without_kernel_locks):
    written(tmp_path, **fields)
    with lock.held(tmp_path):
        assert json.loads((tmp_path / lock.NAME).read_text())["process"] == os.getpid()


def test_without_kernel_locks_a_living_process_is_found_by_number_and_start(tmp_path, without_kernel_locks):
    written(tmp_path, process=os.getppid(), process_start=lock._process_start(os.getppid()))
    with pytest.raises(UserError, match=f"process {os.getppid()}"), lock.held(tmp_path):
        pass


def test_another_machine_is_named_with_the_age_of_its_lock_and_what_to_do(tmp_path):
    written(tmp_path, host="pod-7")
    before = (tmp_path / lock.NAME).read_bytes()
    words = r"by a run on the machine pod-7, process 4000000, for 3\.0 h \(avx train\).* delete .*/\.lock and run again"
    with pytest.raises(UserError, match=words), lock.held(tmp_path):
        pass
    assert (tmp_path / lock.NAME).read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"process": "x"}', bytes(40)])
def test_a_lock_that_says_nothing_and_nobody_holds_is_free(tmp_path, content):
    (tmp_path / lock.NAME).write_bytes(content)
    with lock.held(tmp_path):
        pass


def test_a_folder_that_cannot_be_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    for place, words in [
        (tmp_path / "file", "is a file, where a folder is expected"),
        (tmp_path / "file" / "run", "cannot exist, since .*file is a file and not a folder"),
        (tmp_path / ("n" * 300), "is too long for the file system"),
    ]:
        with pytest.raises(UserError, match=words), lock.held(place):
            pass
