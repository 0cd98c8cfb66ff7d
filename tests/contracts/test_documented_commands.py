"""Every command in pages and docstrings exists, with its flags, its config file and the fields that it overrides."""

import ast
import re
import runpy
from pathlib import Path

import pytest

from avx.commands import console

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES = [path for room in ("avx", "configs") for path in sorted((ROOT / room).rglob("*.py"))]
NEW = {"configs/two_towers.py"}  # what docs/extending.md adds


def text_of(path):
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


COMMAND = re.compile(r"(?:(?<![\w/.])avx |python -m (?:experiments|tools)\.)([a-z]\w*)((?: +[^\s`#]+)*)")


def commands(path):
    """(name, arguments) of every command line in a page or a module's docstring."""
    for line in re.sub(r"\\\s*\n\s*", " ", text_of(path)).splitlines():
        for found in COMMAND.finditer(line):
            yield found[1], re.findall(r"--([\w.]+)(?:=([^\s\]`]*))?", found[2])


CASES = [pytest.param(*case, id=f"{path.name}-{case[0]}") for path in PAGES + SOURCES for case in commands(path)]


def flags_of(name):
    source = (ROOT / "avx" / "commands" / f"{name}.py").read_text(encoding="utf-8")
    return set(re.findall(r'DEFINE_\w+\(\s*"(\w+)"', source))


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_a_documented_command_exists(name, arguments):
    assert name in console.commands()
    given = dict(arguments)
    for flag in given:
        assert flag.split(".")[0] in flags_of(name) | {"help"}, f"avx {name} has no --{flag}"
    if given.get("config") and given["config"] not in NEW and "NAME" not in given["config"]:
        file, *argument = given["config"].split(":", 1)
        config = runpy.run_path(str(ROOT / file))["get_config"](*argument)
        for flag in given:
            if flag.startswith("config.") and "FIELD" not in flag:
                value = config
                for part in flag.split(".")[1:]:
                    assert part in value, f"{given['config']} has no field {flag.removeprefix('config.')}"
                    value = value[part]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_relative_links_lead_somewhere(path):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text_of(path)):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_there_are_commands_to_check():
    assert len(CASES) > 30
