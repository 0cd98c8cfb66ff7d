"""Runs whole campaigns and reports them.

    PYTHONPATH=tests:. python -m fuzz.campaign --seed=2026 --report=build/fuzz weights=5000

Prints a paragraph for each target and writes REPORT/TARGET.json; the exit status is 1 where there are findings.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from fuzz import harness


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--report", type=Path, default=Path("build/fuzz"))
    parser.add_argument("targets", nargs="+", metavar="TARGET=CASES")
    given = parser.parse_args()
    findings = 0
    for target, _, cases in (one.partition("=") for one in given.targets):
        started = time.monotonic()
        numbers = range(given.first, given.first + int(cases))
        report = harness.run(f"fuzz.{target}", numbers, given.seed, workers=given.workers)
        report.write(given.report / f"{target}.json")
        print(f"{report.text()}\n{time.monotonic() - started:.0f} s on {given.workers} workers", flush=True)
        findings += len(report.findings)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
