"""A fixed part of the campaign on lists of clips."""

from pathlib import Path

import pytest
from fuzz import harness

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the harness measures by Linux's /proc")
SEED, CASES = 2026, 300


def test_mutants_of_manifests_are_read_or_refused():
    report = harness.run("fuzz.manifests", range(CASES), SEED)
    assert not report.findings, report.text()
    assert report.counts.total() == CASES and report.counts["refused"] > CASES / 3 > report.counts["read"] > CASES / 10
