"""What `pip install .` puts into an environment, and that what is declared is imported."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("py3*.txt"))
DATA_SUFFIXES = {".css", ".j2"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of the tracked files, built with the setuptools of this environment."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    line = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*line, "--wheel-dir", str(out), "."], cwd=copy, check=True)
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


def read(wheel, name):
    (path,) = (path for path in wheel.namelist() if path.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode()


def test_the_wheel_holds_the_package_alone(wheel):
    tops = {path.split("/")[0] for path in wheel.namelist() if ".dist-info/" not in path}
    assert tops == {"avx"}
    assert read(wheel, "top_level.txt").split() == ["avx"]


def test_the_wheel_holds_every_file_of_the_package(wheel):
    files = [path for path in (ROOT / "avx").rglob("*") if path.suffix in DATA_SUFFIXES | {".py"}]
    assert {str(path.relative_to(ROOT)) for path in files} <= set(wheel.namelist())


def test_the_wheel_has_the_console_script(wheel):
    assert read(wheel, "entry_points.txt").split("\n")[:2] == ["[console_scripts]", "avx = avx.commands.console:main"]


def top_level_names():
    """Distribution, in lower case with hyphens -> the names under which it is imported."""
    names = {}
    for imported, distributions in importlib.metadata.packages_distributions().items():
        for distribution in distributions:
            names.setdefault(normal(distribution), set()).add(imported)
    return names


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(wheel):
    lines = re.findall(r"^Requires-Dist: ([\w.-]+)[^;\n]*$", read(wheel, "METADATA"), re.MULTILINE)
    return {normal(name) for name in lines}


def imported():
    """Top-level names that the package imports anywhere, without the standard library's and its own."""
    found = set()
    for path in (ROOT / "avx").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"avx"}


def test_what_is_declared_is_imported(wheel):
    names, used = top_level_names(), imported()
    assert {name for name in declared(wheel) if not names[name] & used} == set()


def converting(wheel):
    """Distributions of the extra that reads published formats."""
    lines = re.findall(r'^Requires-Dist: ([\w.-]+).*; extra == "convert"$', read(wheel, "METADATA"), re.MULTILINE)
    return {normal(name) for name in lines}


def test_what_is_imported_is_declared(wheel):
    names = top_level_names()
    known = set().union(*(names[name] for name in declared(wheel)))
    # An extra may be absent; its packages are called as they are imported.
    assert converting(wheel)
    known |= {name.replace("-", "_") for name in converting(wheel)}
    assert imported() <= known


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_pins_hashes_and_names_no_index(lock, wheel):
    text = lock.read_text()
    pinned = {normal(name) for name in re.findall(r"^([\w.-]+)==[\w.]+ \\$", text, re.MULTILINE)}
    assert declared(wheel) <= pinned
    assert not re.search(r"https?:|file:|--(extra-)?index-url|--find-links", text)
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert re.fullmatch(r"[\w.-]+==[\w.]+( \\\n    --hash=sha256:[0-9a-f]{64})+", entry), entry[:60]
