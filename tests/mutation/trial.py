"""Runs unit tests on a copy of the repository, in a child forked from a process that has imported JAX and pytest.

The parent must not have imported the package, and no JAX backend may have started: threads do not survive a fork.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
import os
import resource
import shutil
import signal
import sys
import time
from functools import cache
from pathlib import Path

from tests.mutation.operators import Mutant

COPIED = ("avx", "benchmarks", "configs", "docs", "experiments", "tests", "tools", "pyproject.toml", "setup.py")
HEAVY = (
    *("chex", "flax.linen", "grain", "h5py", "jax.numpy", "ml_collections", "optax", "orbax.checkpoint"),
    *(
        "PIL.Image",
        "pytest",
        "scipy.linalg",
        "scipy.sparse",
        "scipy.special",
        "scipy.stats",
        "_pytest.assertion.rewrite",
    ),
)
"""What most tests import, and takes seconds: once in the parent."""
IDLE = 20


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What the tests said of a mutant.

    Attributes:
      status: "survived", "killed", or "timeout", which counts as killed.
      test: the first test that failed, "" where none did or none was told.
      seconds: of processor time, which other work on the machine does not lengthen.
    """

    status: str
    test: str
    seconds: float


class Copy:
    """A copy of the repository in a temporary folder, in which one module at a time is mutated.

    Args:
      root: of the repository.
      place: folder of the copy; made anew.
    """

    def __init__(self, root: Path, place: Path):
        self.place = place
        self._source = cache(self._read)
        for name in COPIED:
            source = root / name
            if source.is_dir():
                shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, place / name)

    def apply(self, mutant: Mutant) -> None:
        """Writes the mutated module."""
        self._write(mutant.module, mutant.applied(self._source(mutant.module)))

    def restore(self, module: str) -> None:
        """Writes the module as it was when the copy was made."""
        self._write(module, self._source(module))

    def _read(self, module: str) -> str:
        return (self.place / module).read_text(encoding="utf-8")

    def _write(self, module: str, source: str) -> None:
        path = self.place / module
        path.write_text(source, encoding="utf-8")
        # Compiled code is told apart by size and second: a mutant of the same second would go unseen.
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()


def warm_up() -> None:
    """Imports what the tests will need, in this process."""
    # Sets the variables that JAX reads while it is imported.
    importlib.import_module("tests.conftest")
    for name in HEAVY:
        importlib.import_module(name)
    assert "avx" not in sys.modules, "the package was imported: its mutants would never be seen"


class Trial:
    """One run of tests, in a child process; starts at once.

    Args:
      place: of the copy that is tested.
      tests: paths in it, run in this order up to the first failure.
      limit: seconds of processor time after which the child is stopped. One that waits for ever is stopped after
        `IDLE` times as many seconds.
    """

    def __init__(self, place: Path, tests: list[str], limit: float):
        self._report, self._limit = place / "first_failure.txt", math.ceil(limit)
        self.log = place / "log.txt"
        self._report.unlink(missing_ok=True)
        self._begin = time.monotonic()
        sys.stdout.flush()
        self._child = os.fork()
        if self._child == 0:
            self._run(place, tests)

    def _run(self, place: Path, tests: list[str]) -> None:
        """The child: never returns."""
        code = 70
        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_CPU, (self._limit, self._limit + 5))
            os.chdir(place)
            log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 1)
            os.dup2(log, 2)
            sys.path[0] = str(place)
            os.environ["PYTHONPATH"] = str(place)
            sys.dont_write_bytecode = True
            os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
            for name in [name for name in sys.modules if name.split(".")[0] == "tests"]:
                del sys.modules[name]
            import pytest

            options = ["-x", "-q", "--tb=line", "-m", "not slow", "-p", "no:cacheprovider", f"--rootdir={place}"]
            code = int(pytest.main([*options, *tests], plugins=[_FirstFailure(self._report)]))
        finally:
            sys.stdout.flush()
            os._exit(code)

    def poll(self) -> Outcome | None:
        """The outcome, None while the tests run."""
        finished, status, usage = os.wait4(self._child, os.WNOHANG)
        stopped = time.monotonic() - self._begin > IDLE * self._limit
        if not finished and stopped:
            os.killpg(self._child, signal.SIGKILL)
            finished, status, usage = os.wait4(self._child, 0)
        if not finished:
            return None
        code, seconds = os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
        if stopped or code in (-signal.SIGXCPU, -signal.SIGKILL):
            return Outcome("timeout", "", seconds)
        # 0 is "all passed", 5 "all were deselected".
        test = self._report.read_text() if self._report.exists() else ""
        return Outcome("survived" if code in (0, 5) else "killed", test, seconds)

    def wait(self) -> Outcome:
        """The outcome, once the tests have ended or run out of time."""
        while (outcome := self.poll()) is None:
            time.sleep(0.05)
        return outcome


class _FirstFailure:
    """Notes the first test that fails, or the file that cannot be imported."""

    def __init__(self, path: Path):
        self._path = path

    def _note(self, report) -> None:
        if report.failed and not self._path.exists():
            self._path.write_text(report.nodeid)

    pytest_runtest_logreport = pytest_collectreport = _note
