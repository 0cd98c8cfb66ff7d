"""Calls of the file system that fail under a run, one by one: each is told in one sentence, and nothing is lost."""

import collections
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_job import ROOT, environment
from toy_job import count

HERE = Path(__file__).parent


@pytest.mark.slow
def test_a_call_that_fails_is_told_in_one_sentence_and_the_run_goes_on_to_the_same_end(data, tmp_path, figures):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("faults are made by a library that a C compiler builds and Linux loads")
    library = tmp_path / "faults.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, HERE / "faults.c", "-ldl"], check=True)
    cases = count(8, 200)
    line = [sys.executable, HERE / "fault_cases.py", library, data, tmp_path / "runs", str(cases)]
    done = subprocess.run(
        list(map(str, line)),
        cwd=ROOT,
        env=environment(LD_PRELOAD=str(library)),
        capture_output=True,
        text=True,
        check=False,
    )
    kinds, *found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(found) == cases, done.stderr[-3000:]
    files = {kind for _, kind in kinds["kinds"]}
    for name in ("config.json", "data.json", "metrics.jsonl", "arrays.npz", "result.json", "report.html", "metadata"):
        assert any(name in kind for kind in files), name
    wrong = [one for one in found if one["result"] in ("trace", "wrong words") or one["after"] != "equal"]
    assert not wrong, json.dumps(wrong[0], indent=1)
    tally = collections.Counter(one["result"] for one in found)
    assert tally["told"] > cases / 4
    figures.append(
        f"faults: {cases} in {len(kinds['kinds'])} kinds of calls on {len(files)} kinds of files: {dict(tally)}; "
        "all runs went on to the same end"
    )
