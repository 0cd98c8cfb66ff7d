"""A run of mutants over a package of one function: what its test sees is killed, what it does not see survives."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = "def reached(count, least):\n    return count >= least\n"
TEST = (
    "from avx.classic.toy import reached\n\ndef test_reached():\n    assert reached({count}, 2) and not reached(1, 2)\n"
)


@pytest.fixture
def repository(tmp_path):
    for folder in ("avx/classic", "tests/unit/classic"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("mutation", "conftest.py"):
        source, target = ROOT / "tests" / name, tmp_path / "tests" / name
        shutil.copytree(source, target) if source.is_dir() else shutil.copy2(source, target)
    shutil.copy2(ROOT / "pyproject.toml", tmp_path)
    for package in ("avx", "avx/classic"):
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "avx/classic/toy.py").write_text(LIBRARY)
    return tmp_path


def run(repository):
    command = [sys.executable, "-m", "tests.mutation", "--rooms=classic", "--jobs=1"]
    # Before the installed package comes the repository of the test.
    env = {**os.environ, "PYTHONPATH": str(repository)}
    return subprocess.run(command, cwd=repository, env=env, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
def test_survivors_are_shown_until_a_test_kills_them_and_nothing_is_tried_twice(repository):
    test = repository / "tests/unit/classic/test_toy.py"
    test.write_text(TEST.format(count=3))
    first = run(repository)
    assert first.returncode == 0, first.stderr
    assert "avx/classic/toy.py:2 comparison\n-    return count >= least\n+    return count > least\n" in first.stdout
    assert first.stdout.split()[-8:] == ["all", "2", "1", "0", "0", "1", "50.0", "%"]
    assert (repository / "avx/classic/toy.py").read_text() == LIBRARY
    assert "files of tests" not in run(repository).stdout, "nothing is tried again"

    test.write_text(TEST.format(count=2))
    better = run(repository)
    assert "avx/classic/toy.py:2 comparison killed tests/unit/classic/test_toy.py::test_reached" in better.stdout
    assert better.stdout.split()[-8:] == ["all", "2", "2", "0", "0", "0", "100.0", "%"]

    (repository / ".cache/mutants.jsonl").unlink()
    test.write_text(TEST.format(count=1))
    broken = run(repository)
    assert broken.returncode == 1
    assert "without any mutant the tests of avx/classic/toy.py end as killed" in broken.stderr
    assert "mend tests/unit/classic/test_toy.py::test_reached first" in broken.stderr
