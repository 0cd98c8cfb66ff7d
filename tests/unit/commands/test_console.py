"""The console script: what it lists, how it finds a command, and that it runs it as `python -m` would."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from avx import __version__
from avx.commands import app, console

ROOT = Path(__file__).parents[3]
TOOLS = sorted(path.stem for path in (ROOT / "tools").glob("*.py") if path.stem != "__init__")


def avx(*arguments, cwd=ROOT, code="from avx.commands.console import main; main()"):
    return subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def test_help_lists_every_command_and_imports_none():
    code = "import sys; from avx.commands.console import main; main(); print({'jax', 'numpy'} & set(sys.modules))"
    done = avx("--help", code=code)
    assert done.returncode == 0, done.stderr
    *listed, imported = done.stdout.splitlines()
    assert imported == "set()"
    for name, summary in console.commands().items():
        assert any(line.startswith(f"  {name} ") for line in listed)
        assert summary.endswith(".")
    assert avx().stdout.splitlines() == listed


def test_modules_that_are_no_command_are_not_listed():
    assert {"keyframes", "check_config", "search_codes"} <= set(console.commands())
    assert not {"app", "console", "__init__"} & set(console.commands())


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("keyframs", "did you mean keyframes?"), ("zzz", "choose one of check_config,"), ("app", "choose one of")],
)
def test_an_unknown_command_ends_in_one_sentence(name, remedy):
    done = avx(name)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(f"error: avx has no command {name}; ") and remedy in done.stderr
    assert done.stderr.count("\n") == 1


def test_version():
    assert avx("--version").stdout == f"avx {__version__}\n"


def test_a_command_runs_as_python_m_would(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(app, "run", lambda command: seen.append((command.__name__, sys.argv, sys.path[0])))
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/avx", "keyframes", "film.mp4", "--out=x"])
    monkeypatch.setattr(sys, "path", ["/somewhere/bin", *sys.path])
    monkeypatch.chdir(tmp_path)
    console.main()
    assert seen == [("avx.commands.keyframes", ["avx keyframes", "film.mp4", "--out=x"], str(tmp_path))]


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_is_the_command_of_its_name(name, monkeypatch):
    ran = []
    monkeypatch.setattr(app, "run", ran.append)
    runpy.run_module(f"tools.{name}", run_name="__main__")
    assert [command.__name__ for command in ran] == [f"avx.commands.{name}"]
