"""The imports run with the arrows of docs/architecture.md, and nowhere else."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEAF = {"core"}
DEVICE = {"signal", "keyframes", "alignment", "losses", "memory", "hashing", "classic", "retrieval", "robustness"}
ALLOWED = {
    "core": set(),
    "media": LEAF,
    "data": LEAF | {"media"},
    **{room: set(LEAF) for room in DEVICE},
    "retrieval": LEAF | {"hashing"},
    "nn": LEAF | DEVICE,
    "systems": LEAF | DEVICE | {"nn"},
    "extraction": LEAF | DEVICE | {"nn", "media"},
    "training": LEAF | DEVICE | {"nn", "systems"},
    "evaluation": LEAF | DEVICE | {"nn", "systems", "training.state"},
    "reports": LEAF,
}
HOST_ONLY = {"media", "data", "reports"}
FORBIDDEN_EVERYWHERE = {"tensorflow", "torch", "sklearn", "librosa"}


def imported_modules(path: Path) -> list[str]:
    """Absolute names of all modules that the file imports, at any depth of the code."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.relative_to(ROOT)}: write absolute imports"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def files_of(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", files_of("avx"), ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_import_along_the_arrows(path):
    parts = path.relative_to(ROOT / "avx").parts
    if len(parts) == 1:
        return
    room = parts[0]
    for name in imported_modules(path):
        top = name.split(".")[0]
        assert top not in FORBIDDEN_EVERYWHERE, f"{path}: {name} is no run-time dependency"
        assert top not in {"experiments", "tools", "configs", "benchmarks", "tests"}, f"{path} imports {name}"
        if room in HOST_ONLY:
            assert top not in {"jax", "flax", "optax", "chex"}, f"{path}: {room} is host only, yet imports {name}"
        if top != "avx":
            continue
        target = name.split(".")[1]
        allowed = ALLOWED[room] | {room}
        fine = target in allowed or any(name.startswith(f"avx.{entry}") for entry in allowed if "." in entry)
        assert fine, f"{path.relative_to(ROOT)}: {room} may not import {name}"


@pytest.mark.parametrize("path", files_of("configs"), ids=lambda path: str(path.relative_to(ROOT)))
def test_configs_hold_data_only(path):
    for name in imported_modules(path):
        top = name.split(".")[0]
        assert top in {"ml_collections", "configs", "__future__", "collections"}, f"{path}: a config imports {name}"


def test_every_room_is_known():
    rooms = {path.name for path in (ROOT / "avx").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms <= set(ALLOWED), f"rooms without a place in the layering: {rooms - set(ALLOWED)}"


def test_parallelism_has_one_home():
    """pmap, axis names and collectives appear in training/step.py alone."""
    words = ("jax.pmap", "all_gather(", "pmean(", "psum(", "axis_index(")
    for path in files_of("avx") + files_of("experiments") + files_of("tools"):
        if path == ROOT / "avx/training/step.py":
            continue
        found = [word for word in words if word in path.read_text(encoding="utf-8")]
        assert not found, f"{path.relative_to(ROOT)} uses {found}; only avx/training/step.py may"


def test_builders_is_the_one_table_of_names():
    for path in files_of("avx") + files_of("experiments") + files_of("tools"):
        if path == ROOT / "avx/commands/console.py":
            continue  # a command's name is that of its module
        text = path.read_text(encoding="utf-8")
        assert "importlib.import_module" not in text, f"{path.relative_to(ROOT)} imports by string"
