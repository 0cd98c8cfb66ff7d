"""A fixed part of the campaign on configs and overrides."""

from pathlib import Path

import pytest
from fuzz import harness

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the harness measures by Linux's /proc")
SEED, CASES = 2026, 200


def test_mutants_of_configs_are_taken_or_refused():
    report = harness.run("fuzz.run_configs", range(CASES), SEED)
    assert not report.findings, report.text()
    assert report.counts.total() == CASES and report.counts["refused"] > CASES / 2 > report.counts["taken"] > 5
