"""Runs the toy job with calls of the file system failing: python fault_cases.py LIBRARY DATA FOLDER CASES [SEED].

Loaded with `faults.c` before libc. First a run is logged, then each case runs the job in a fresh workdir, one call on
one kind of file failing with one error, and runs it again without a failure. Prints one JSON line a case.
"""

import contextlib
import ctypes
import errno
import io
import json
import os
import random
import re
import shutil
import sys
import traceback
from pathlib import Path

import numpy as np

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "e2e"), str(TESTS.parent)]

from toy_job import assert_equal, outcome, run  # noqa: E402

from avx.core import disk  # noqa: E402
from avx.core.errors import UserError  # noqa: E402
from avx.data.cache import FeatureCache  # noqa: E402
from avx.media.quarantine import Quarantine, Reason  # noqa: E402

LIBRARY, DATA, FOLDER = ctypes.CDLL(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
CASES, SEED = int(sys.argv[4]), int(sys.argv[5]) if len(sys.argv) > 5 else 0
ERRORS = ("ENOSPC", "EIO", "EACCES", "ENOMEM", "EROFS", "EDQUOT", "EMFILE")
KEPT = 2
"""Calls after the first of a kind that may fail instead."""


def whole_job(workdir):
    """The job, and what extraction of media writes beside it."""
    workdir.mkdir(exist_ok=True)
    run(DATA, workdir)
    Quarantine(workdir / "quarantine.jsonl").add("clip", "clip.mp4", Reason.UNREADABLE, "made up")
    FeatureCache(workdir / "features").put("0123456789abcdef", {"x": np.arange(4.0)})


def pattern(path, workdir):
    """A kind of file: its path below the workdir without numbers and random names."""
    inside = str(path).removeprefix(str(workdir)).split("\n")[0]
    inside = re.sub(r"\.partial|/d/[0-9a-f]{32}|__lock", "", inside)
    return re.sub(r"\d+|\.[a-z0-9_]{8}(?=\.|$)", "N", inside)


def logged(workdir):
    """(call, kind of file) -> the part of the path by which the shim finds it."""
    log = FOLDER / "calls"
    LIBRARY.fault_log(str(workdir).encode(), str(log).encode())
    whole_job(workdir)
    LIBRARY.fault_disarm()
    found = {}
    for line in log.read_text(errors="replace").splitlines():
        call, _, path = line.partition(" ")
        if call == "read" or not path.startswith(f"{workdir}/"):
            continue
        kind = pattern(path, workdir)
        steady = max(re.split(r"[N]+", kind), key=len)
        found.setdefault((call, kind), steady)
    return found


def case(number, call, kind, part, name, generator):
    workdir = FOLDER / f"case{number}"
    nth, rest = generator.randint(1, KEPT), generator.random() < 0.3
    LIBRARY.fault_arm(str(workdir).encode(), part.encode(), call.encode(), nth, getattr(errno, name), int(rest))
    told, error, told_where = "", "", io.StringIO()
    try:
        with contextlib.redirect_stderr(told_where):
            whole_job(workdir)
        result = "unharmed"
    except UserError as failure:
        result, told = "told", str(failure)
    except OSError as failure:  # As the command would tell it.
        result, told = "told", disk.sentence(failure)
    except BaseException:
        result, error = "trace", traceback.format_exc()
    hits = LIBRARY.fault_disarm()
    if result == "told" and ("\n" in told or ("free some space" in told) != (name in ("ENOSPC", "EDQUOT"))):
        result = "wrong words"
    try:
        whole_job(workdir)
        assert_equal(outcome(workdir), EXPECTED)
        after = "equal"
        leftover = [str(path) for path in workdir.rglob("*") if ".partial" in path.name or path.name == ".lock"]
        after = f"left {leftover}" if leftover else after
    except BaseException:
        after = traceback.format_exc()
    shutil.rmtree(workdir, ignore_errors=True)
    return {
        "call": call, "file": kind, "error": name, "nth": nth, "rest": rest, "hits": hits, "result": result,
        "told": told, "trace": error, "after": after,
    }  # fmt: skip


FOLDER.mkdir(parents=True, exist_ok=True)
run(DATA, FOLDER / "expected")
EXPECTED = outcome(FOLDER / "expected")
choices = sorted(logged(FOLDER / "logged").items())
generator = random.Random(SEED)
generator.shuffle(choices)
print(json.dumps({"kinds": [list(key) for key, _ in choices]}), flush=True)
for number in range(CASES):
    (call, kind), part = choices[number % len(choices)]
    print(json.dumps(case(number, call, kind, part, ERRORS[number % len(ERRORS)], generator)), flush=True)
os._exit(0)
