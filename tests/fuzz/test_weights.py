"""A fixed part of the campaign on weights and arrays; `make fuzz` runs the whole of it."""

from pathlib import Path

import pytest
from fuzz import harness, weights

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the harness measures by Linux's /proc")
SEED, CASES = 2026, 250


def test_mutants_of_weights_are_read_or_refused():
    report = harness.run("fuzz.weights", range(CASES), SEED, workers=2)
    assert not report.findings, report.text()
    assert report.counts.total() == CASES and report.counts["refused"] > CASES / 2 > report.counts["read"] > 5


def test_a_number_names_one_mutant(tmp_path):
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        weights.prepare(tmp_path / folder)
    for number in range(60):
        one, other = (weights.make(tmp_path / folder, SEED, number) for folder in ("one", "other"))
        assert one.read_bytes() == other.read_bytes()
