"""The console script `avx`: `avx NAME ...` runs the command of that name, as `python -m` would in the same folder.

A command is a module of this folder that has `define_flags` and `main`; it is imported when it is asked for.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import os
import sys
import textwrap
from pathlib import Path

from avx import __version__
from avx.commands import app

EXAMPLE = "avx train --config=configs/quickstart.py"


def commands() -> dict[str, str]:
    """Name -> first line of the docstring of every command, read from the files without importing them."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        if {"define_flags", "main"} <= defined:
            found[path.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def overview() -> str:
    """What `avx --help` prints."""
    listed = commands()
    column = max(map(len, listed)) + 4
    lines = [
        textwrap.fill(f"  {name:{column - 2}}{summary}", 100, subsequent_indent=" " * column)
        for name, summary in listed.items()
    ]
    return "\n".join([f"usage: avx COMMAND ..., such as {EXAMPLE}", "", *lines, "", "avx COMMAND --help says more."])


def main() -> None:
    """Runs the command that the first argument names."""
    program, *arguments = sys.argv
    if not arguments or arguments[0] in app.HELP:
        print(overview())
        return
    name, *rest = arguments
    name = name if name.startswith("-") else name.replace("-", "_")
    if name == "--version":
        print(f"avx {__version__}")
        return
    listed = commands()
    if name not in listed:
        close = difflib.get_close_matches(name, listed, n=1, cutoff=0.5)
        remedy = f"did you mean {close[0]}?" if close else f"choose one of {', '.join(listed)}."
        app.fail(f"avx has no command {name}; {remedy}")
    sys.argv = [f"{Path(program).name} {name}", *rest]
    sys.path.insert(0, os.getcwd())  # configs import each other as `configs.NAME`
    app.run(importlib.import_module(f"avx.commands.{name}"))
