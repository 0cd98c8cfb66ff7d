"""One fake workdir, and one report of it, for all tests of this room; tests that write copy it."""

import shutil
from pathlib import Path

import pytest
from fake_workdir import make_workdir

from avx.reports.report import write_report

HOSTILE = '<script>alert("{}")</script> & $5 or $x_{{1}}$ \x1b[31m'


@pytest.fixture(scope="session")
def reported(tmp_path_factory) -> Path:
    """A workdir with hostile captions whose report is written. Read only."""
    workdir = make_workdir(tmp_path_factory.mktemp("reported") / "run", items=18, captions=[HOSTILE, "a {} by a road"])
    write_report(workdir)
    return workdir


@pytest.fixture
def workdir(reported, tmp_path) -> Path:
    """The same workdir without its report, free to be broken."""
    shutil.copytree(reported, tmp_path / "run", ignore=shutil.ignore_patterns("report.html", "pictures"))
    return tmp_path / "run"
