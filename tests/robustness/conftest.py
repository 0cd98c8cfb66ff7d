"""One toy run for all suites, and their figures at the end of the output."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "e2e")]

import pytest  # noqa: E402

FIGURES: list[str] = []


@pytest.fixture(scope="session")
def figures():
    """A list of lines that are printed when all suites are done."""
    return FIGURES


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A small table of features; its cache lies beside it."""
    from published_wikipedia import write

    root = tmp_path_factory.mktemp("data")
    write(root / "published")
    return root


def pytest_terminal_summary(terminalreporter):
    for line in FIGURES:
        terminalreporter.write_line(line)
