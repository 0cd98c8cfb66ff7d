"""Runs seeded cases in child processes with limits on memory and processor time, and counts what comes of them.

A target is a module with three functions:

    prepare(folder)               writes the corpus into an empty folder, and checks that every whole file is read
    make(folder, seed, number)    -> path of a mutant; the same bytes for the same seed and number
    check(path)                   -> outcome in a word or two, such as "read"; it lets a UserError through

What is no outcome is a finding: an exception other than UserError ("foreign exception"), an AssertionError ("broken
invariant"), death by a signal, more processor time or more memory than allowed.

    PYTHONPATH=tests:. python -m fuzz.harness TARGET SEED NUMBER      # one case again, with its trace
"""

from __future__ import annotations

import collections
import dataclasses
import importlib
import json
import os
import queue
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
MIB = 1 << 20
FINDINGS = ("foreign exception", "broken invariant", "signal", "hang", "memory")


@dataclasses.dataclass(frozen=True)
class Limits:
    """What one case may take: seconds of processor time and of the clock, and MiB beyond what the worker holds."""

    seconds: float = 10.0
    clock: float = 600.0
    memory: int = 1024


@dataclasses.dataclass
class Report:
    """What came of a campaign.

    Attributes:
      target, seed: which cases; a case is (target, seed, number).
      counts: cases by outcome.
      findings: cases whose outcome is one of `FINDINGS`, with their numbers and details.
      slowest, largest: (value, number) of the case that took the most processor time (s), and the most memory (MiB).
    """

    target: str
    seed: int
    counts: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    findings: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    slowest: tuple[float, int] = (0.0, -1)
    largest: tuple[float, int] = (0.0, -1)

    def add(self, case: dict[str, Any]) -> None:
        """Counts one case."""
        self.counts[case["outcome"]] += 1
        if case["outcome"] in FINDINGS:
            self.findings.append(case)
        self.slowest = max(self.slowest, (case.get("seconds", 0.0), case["number"]))
        self.largest = max(self.largest, (case.get("memory", 0.0), case["number"]))

    def text(self) -> str:
        """A paragraph for people."""
        counted = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.counts.items()))
        lines = [
            f"{self.target}, seed {self.seed}: {self.counts.total()} cases: {counted}",
            f"slowest {self.slowest[0]:.2f} s of processor time (case {self.slowest[1]}), "
            f"largest {self.largest[0]:.0f} MiB (case {self.largest[1]}), {len(self.findings)} findings",
        ]
        lines += [f"  case {one['number']}: {one['outcome']}: {one.get('detail', '')}" for one in self.findings]
        return "\n".join(lines)

    def write(self, path: Path) -> None:
        """Writes it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(vars(self), indent=1) + "\n", encoding="utf-8")


def run(target: str, numbers: Iterable[int], seed: int, *, workers: int = 1, limits: Limits | None = None) -> Report:
    """Runs cases of a target.

    Args:
      target: name of its module, such as "fuzz.weights".
      numbers: of the cases.
      seed: of the campaign.
      workers: processes side by side.
      limits: of each case.

    Returns:
      The report, of every number.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in numbers:
        waiting.put(number)
    report, lock = Report(target, seed), threading.Lock()
    failures: list[BaseException] = []

    def serve() -> None:
        try:
            with Worker(target, seed, limits or Limits()) as worker:
                while not failures:
                    case = worker.case(waiting.get_nowait())
                    with lock:
                        report.add(case)
        except queue.Empty:
            return
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=serve) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    report.findings.sort(key=lambda case: case["number"])
    return report


class Worker:
    """A child process that runs one case after another, and is replaced when one kills it."""

    def __init__(self, target: str, seed: int, limits: Limits):
        self.target, self.seed, self.limits = target, seed, limits
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Worker:
        self.folder = Path(tempfile.mkdtemp(prefix="avx_fuzz_"))
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def case(self, number: int) -> dict[str, Any]:
        """Runs a case and says what came of it."""
        process = self.process or self._start()
        assert process.stdin and process.stdout
        timer = threading.Timer(self.limits.clock, process.kill)
        timer.start()
        started = time.monotonic()
        process.stdin.write(f"{number}\n")
        process.stdin.flush()
        line = process.stdout.readline()
        timer.cancel()
        if line:
            return json.loads(line)
        status = process.wait()
        self._stop()
        late = time.monotonic() - started >= self.limits.clock
        if status == -signal.SIGXCPU or late:
            limit = self.limits.clock if late else self.limits.seconds
            return {"number": number, "outcome": "hang", "detail": f"not done after {limit:g} s", "seconds": limit}
        name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return {"number": number, "outcome": "signal", "detail": f"{name}; {self._last_words()}"}

    def _start(self) -> subprocess.Popen[str]:
        given = (self.target, self.seed, self.folder, self.limits.seconds, self.limits.memory)
        paths = [str(TESTS), str(TESTS.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.errors = (self.folder / "stderr").open("w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from fuzz import harness; harness.serve()", *map(str, given)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "JAX_PLATFORMS": "cpu"},
        )
        assert self.process.stdout
        if self.process.stdout.readline() != "ready\n":
            self.process.wait()
            raise RuntimeError(f"the worker of {self.target} does not start: {self._last_words()}")
        return self.process

    def _stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def _last_words(self) -> str:
        return (self.folder / "stderr").read_text(encoding="utf-8", errors="replace")[-2000:].strip()


def serve() -> None:
    """Runs the cases whose numbers come in; the program of a worker."""
    name, seed, folder, seconds, memory = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # What a library prints is no answer.
    target: Any = importlib.import_module(name)
    corpus = Path(folder) / f"corpus_{os.getpid()}"
    corpus.mkdir()
    target.prepare(corpus)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    held = _status("VmSize") + int(memory) * MIB
    resource.setrlimit(resource.RLIMIT_AS, (held, resource.getrlimit(resource.RLIMIT_AS)[1]))
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        case = _case(target, corpus, int(seed), int(line), float(seconds), int(memory))
        print(json.dumps(case), file=answers, flush=True)


def _case(target: Any, corpus: Path, seed: int, number: int, seconds: float, memory: int) -> dict[str, Any]:
    from avx.core.errors import UserError

    path = target.make(corpus, seed, number)
    used, before = _processor_time(), _status("VmRSS")
    _forget_peak()
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + seconds) + 2, resource.RLIM_INFINITY))
    detail = ""
    try:
        outcome = str(target.check(path))
    except UserError as error:
        outcome, detail = "refused", str(error)
    except MemoryError as error:
        outcome, detail = "memory", repr(error)
    except AssertionError as error:
        outcome, detail = "broken invariant", str(error)
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        outcome = "foreign exception"
        detail = f"{type(error).__name__}: {str(error)[:200]} ({Path(place.filename).name}:{place.lineno})"
    taken = _processor_time() - used
    gained = max((_status("VmHWM") - before) / MIB, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
    if outcome not in FINDINGS and taken > seconds:
        outcome, detail = "hang", f"{taken:.1f} s of processor time"
    if outcome not in FINDINGS and gained > memory:
        outcome, detail = "memory", f"{gained:.0f} MiB"
    return {"number": number, "outcome": outcome, "detail": detail[:600], "seconds": taken, "memory": gained}


def _processor_time() -> float:
    """Seconds of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _status(name: str) -> int:
    """A size of this process in bytes, by its name in /proc."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"/proc/self/status has no {name}")


def _forget_peak() -> None:
    """Makes VmHWM count from now."""
    Path("/proc/self/clear_refs").write_text("5")


def again(name: str, seed: int, number: int) -> None:
    """Runs one case in this process, so that its trace shows."""
    target: Any = importlib.import_module(name)
    folder = Path(tempfile.mkdtemp(prefix="avx_fuzz_"))
    target.prepare(folder)
    path = target.make(folder, seed, number)
    print(f"the mutant is {path}")
    print(target.check(path))


if __name__ == "__main__":
    again(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
