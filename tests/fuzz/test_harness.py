"""The harness notices what a campaign is there to find, and goes on after it."""

import json
from pathlib import Path

import pytest
from fuzz import harness, misbehaving

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the harness measures by Linux's /proc")


def test_every_kind_of_misbehaviour_is_found_and_the_rest_goes_on(tmp_path):
    limits = harness.Limits(seconds=1.0, memory=256)
    numbers = range(len(misbehaving.OUTCOMES))
    report = harness.run("fuzz.misbehaving", numbers, seed=0, workers=2, limits=limits)
    assert report.counts == {"read": 2, "refused": 1, **dict.fromkeys(harness.FINDINGS, 1)}
    assert {case["number"]: case["outcome"] for case in report.findings} == dict(
        enumerate(misbehaving.OUTCOMES[2:7], 2)
    )
    details = {case["outcome"]: case["detail"] for case in report.findings}
    assert details["foreign exception"].startswith("ZeroDivisionError: nothing is divided (misbehaving.py:")
    assert details["signal"].startswith("SIGSEGV") and details["broken invariant"] == "the times do not increase"
    report.write(tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text())["counts"]["read"] == 2
    assert "8 cases" in report.text() and "case 4: signal" in report.text()


def test_a_seed_names_the_cases():
    assert harness.run("fuzz.misbehaving", [0], seed=1).counts == {"refused": 1}
