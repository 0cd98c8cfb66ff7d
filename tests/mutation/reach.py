"""Finds the unit tests that a module answers to: those of its own room that reach it by name or over a few imports."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

HOPS = 2
"""Imports between a test and a module it reaches: 1 where the test itself imports it."""


class Imports:
    """Which file of the repository imports which.

    Args:
      root: of the repository.
    """

    def __init__(self, root: Path):
        self._root = root
        self._of = cache(self._read)

    def _file(self, name: str) -> Path | None:
        """The file of a module of the package, or of a module that tests share."""
        place = self._root if name.split(".")[0] == "avx" else self._root / "tests"
        path = place / Path(*name.split("."))
        for candidate in (path.with_suffix(".py"), path / "__init__.py"):
            if candidate.is_file():
                return candidate
        return None

    def _read(self, path: Path) -> frozenset[Path]:
        names = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                # A name that is no module is a member of the package it is imported from.
                names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        return frozenset(file for file in map(self._file, names) if file is not None and file != path)

    def distances(self, start: Path, limit: int) -> dict[Path, int]:
        """Files that `start` imports over at most `limit` imports, each with their number."""
        reached, edge = {start: 0}, [start]
        for hops in range(1, limit + 1):
            edge = [file for path in edge for file in self._of(path) if file not in reached]
            for file in edge:
                reached.setdefault(file, hops)
        return reached


def reaching_tests(root: Path, module: str, everywhere: bool = False) -> list[str]:
    """Paths of the unit tests that reach a module, the nearest first: its namesakes, then by the number of imports.

    Args:
      root: of the repository.
      module: path in it, such as "avx/losses/pairs.py".
      everywhere: also tests of other rooms, after those of the module's own. Where its own room has none that reaches
        it, those of other rooms are taken anyway.
    """
    imports, target = _imports(root), root / module
    room, name = Path(module).parent.name, Path(module).stem
    own, other = [], []
    for test in sorted((root / "tests" / "unit").rglob("test_*.py")):
        home = test.parent.name == room
        namesake = home and name in test.stem
        distance = imports.distances(test, HOPS).get(target)
        if namesake or distance is not None:
            found = (not namesake, distance or 0, test.relative_to(root).as_posix())
            (own if home else other).append(found)
    chosen = sorted(own) + (sorted(other) if everywhere or not own else [])
    return [path for *_, path in chosen]


@cache
def _imports(root: Path) -> Imports:
    return Imports(root)
