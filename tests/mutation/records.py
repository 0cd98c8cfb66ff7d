"""Keeps the outcomes of mutants in a file, so that a run goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tests.mutation.operators import Mutant
from tests.mutation.trial import Outcome


class Records:
    """Outcomes by mutant, one JSON object a line.

    An outcome holds as long as nothing that it rests on has changed: the module, and of a killed mutant the file of the
    test that failed, of a survivor all files of tests. Other modules and shared helpers of tests are not looked at;
    remove the file to start anew.

    Args:
      path: of the file.
      sources: path -> source of the modules, without any mutant.
      root: of the copy whose tests are run.
    """

    def __init__(self, path: Path, sources: dict[str, str], root: Path):
        self._path, self._sources, self._root, self._lines = path, sources, root, {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                record = json.loads(line)
                self._lines[record["mutant"]] = record

    def get(self, mutant: Mutant, tests: list[str]) -> Outcome | None:
        """The outcome that is on record and holds, or None."""
        record = self._lines.get(mutant.identity)
        if record is None or record["module"] != self._of_module(mutant):
            return None
        if record["tests"] != self._digest(_rests_on(record["status"], record["test"], tests)):
            return None
        return Outcome(record["status"], record["test"], record["seconds"])

    def put(self, mutant: Mutant, tests: list[str], outcome: Outcome) -> None:
        """Writes an outcome down."""
        record = {
            "mutant": mutant.identity,
            "status": outcome.status,
            "test": outcome.test,
            "seconds": round(outcome.seconds, 2),
            "module": self._of_module(mutant),
            "tests": self._digest(_rests_on(outcome.status, outcome.test, tests)),
        }
        self._lines[mutant.identity] = record
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def _of_module(self, mutant: Mutant) -> str:
        return hashlib.sha256(self._sources[mutant.module].encode()).hexdigest()[:16]

    def _digest(self, paths: list[str]) -> str:
        digest = hashlib.sha256()
        for path in paths:
            file = self._root / path
            digest.update(path.encode() + (file.read_bytes() if file.exists() else b""))
        return digest.hexdigest()[:16]


def judged(path: Path) -> dict[str, str]:
    """Survivors that compute the same: name -> reason, each on a line of its own in the file, the reason indented."""
    lines = path.read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    assert all(line.startswith("    ") == bool(place % 2) for place, line in enumerate(lines)), f"{path}: name, reason"
    return {name: reason.strip() for name, reason in zip(lines[::2], lines[1::2], strict=True)}


def _rests_on(status: str, test: str, tests: list[str]) -> list[str]:
    if status == "survived":
        return tests
    return [test.split("::")[0]] if test else []
