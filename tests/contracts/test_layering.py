"""The imports run with the arrows of docs/architecture.md, in no circle, and no host room reaches a device."""

import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEAF = {"core"}
PURE = {"signal", "keyframes", "losses", "memory", "hashing", "classic", "retrieval"}
MIDDLE = LEAF | PURE | {"media", "data", "nn", "systems"}
ALLOWED = {
    "core": set(),
    "media": LEAF,
    "studio": LEAF | {"media"},
    "data": LEAF | {"media"},
    **{room: set(LEAF) for room in PURE},
    "retrieval": LEAF | {"hashing"},
    "nn": LEAF | PURE,
    "systems": LEAF | PURE | {"nn"},
    "extraction": MIDDLE - {"systems"},
    "training": MIDDLE,
    "evaluation": MIDDLE | {"training.state"},
    "registry": MIDDLE | {"extraction", "training", "evaluation"},
    "reports": LEAF,
    "runs": MIDDLE | {"extraction", "training", "evaluation", "registry", "reports"},
    "tables": MIDDLE | {"extraction", "training", "evaluation", "registry", "reports", "runs"},
    "commands": MIDDLE | {"extraction", "training", "evaluation", "registry", "reports", "runs", "tables"},
}
MORE = {"data/sets": {"studio"}}
"""What some folder of a room may import beside."""
HOST_ONLY = ("media", "studio", "data", "reports")
DEVICE = {"jax", "flax", "optax", "chex"}
PYTREES = "avx.core.types"
"""Batches are made on the host, of numpy arrays, and are pytrees: the one way from a host room to JAX."""
NO_DEPENDENCY = {"tensorflow", "torch", "sklearn", "librosa"}
OUTSIDE = ("configs", "experiments", "tools", "benchmarks", "tests")
PACKAGES = ("avx", "configs", "experiments", "tools", "benchmarks")


def named(node: ast.AST, path: Path) -> list[str]:
    """Absolute names that one statement imports, [] for any other statement."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"{path.relative_to(ROOT)}: write absolute imports"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def imported_names(path: Path) -> list[str]:
    """Absolute names of all that the file imports, at any depth of the code."""
    return [name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) for name in named(node, path)]


def files_of(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [path for path in files_of("avx") if path.parent != ROOT / "avx"], ids=label)
def test_rooms_import_along_the_arrows(path):
    within = path.relative_to(ROOT / "avx").as_posix()
    room = within.split("/")[0]
    allowed = ALLOWED[room] | {room}
    for folder, more in MORE.items():
        allowed |= more if within.startswith(folder) else set()
    for name in imported_names(path):
        top, *rest = name.split(".")
        assert top not in NO_DEPENDENCY, f"{label(path)}: {name} is no run-time dependency"
        assert top not in OUTSIDE, f"{label(path)} imports {name}"
        if top != "avx":
            continue
        fine = rest[0] in {*allowed, "__version__"} or any(name.startswith(f"avx.{one}.") for one in allowed)
        assert fine, f"{label(path)}: {room} may not import {name}"


def test_every_room_has_its_place():
    rooms = {path.parent.name for path in (ROOT / "avx").glob("*/__init__.py")}
    assert rooms == set(ALLOWED)


def test_the_arrows_themselves_run_in_no_circle():
    rooms = {room: {one.split(".")[0] for one in allowed} for room, allowed in ALLOWED.items()}
    order = list(graphlib.TopologicalSorter(rooms).static_order())
    assert (order[0], order[-1]) == ("core", "commands")


@pytest.mark.parametrize("path", files_of("configs"), ids=label)
def test_configs_hold_data_only(path):
    for name in imported_names(path):
        top = name.split(".")[0]
        assert top in {"ml_collections", "configs", "__future__", "collections"}, f"{path}: a config imports {name}"


def module_files(root: Path = ROOT) -> dict[str, Path]:
    """Dotted name -> file of every module of the project; a package by its own name."""
    found = {}
    for package in PACKAGES:
        for path in (root / package).rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def packages_above(module: str) -> set[str]:
    parts = module.split(".")
    return {".".join(parts[:end]) for end in range(1, len(parts))}


def imported_modules(module: str, names: list[str], modules: dict[str, Path]) -> set[str]:
    """Modules of the project that run when `module` imports these names: each with the packages that it lies in."""
    found: set[str] = set()
    for name in names:
        # `from package import module` names a module, `from module import function` something in one.
        target = next((one for one in (name, name.rpartition(".")[0]) if one in modules), None)
        if target is not None:
            # The packages around the importing module are under way already.
            found |= {target} | (packages_above(target) & modules.keys() - packages_above(module))
    return found - {module}


def import_graph(root: Path = ROOT) -> dict[str, set[str]]:
    """Module -> modules of the project that it imports, in functions too; only the front door may put that off."""
    modules = module_files(root)
    return {
        name: imported_modules(name, imported_names(path), modules) for name, path in modules.items() if name != "avx"
    }


def test_no_modules_import_each_other_in_a_circle():
    """Neither openly, nor with the import put off into a function or hidden from the interpreter."""
    graph = import_graph()
    assert len(graph) > 150 and any(name.startswith("benchmarks.") for name in graph)
    graphlib.TopologicalSorter(graph).prepare()  # its CycleError shows the circle


def defined(module: str, path: Path) -> set[str]:
    """Names that `from module import NAME` may name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {name.rpartition(".")[2] for node in ast.walk(tree) for name in named(node, path)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def test_whatever_is_imported_of_the_project_is_there():
    """A benchmark or a tool that nobody has run since a move would not start."""
    modules = module_files()
    names = {name: defined(name, path) for name, path in modules.items()}
    for module, path in modules.items():
        for name in imported_names(path):
            parent, _, last = name.rpartition(".")
            if name.split(".")[0] in PACKAGES and name not in modules:
                assert last in names.get(parent, ()), f"{module} imports {name}"


def test_a_circle_would_be_found(tmp_path):
    (tmp_path / "avx" / "runs").mkdir(parents=True)
    (tmp_path / "avx" / "runs" / "__init__.py").write_text("from avx.runs.first import one\n")
    (tmp_path / "avx" / "runs" / "first.py").write_text("def one():\n    from avx.runs import second\n")
    (tmp_path / "avx" / "runs" / "second.py").write_text("import numpy\n")
    assert import_graph(tmp_path)["avx.runs"] == {"avx.runs.first"}
    graphlib.TopologicalSorter(import_graph(tmp_path)).prepare()
    (tmp_path / "avx" / "runs" / "second.py").write_text("from avx.runs.first import one\n")
    with pytest.raises(graphlib.CycleError, match=r"avx\.runs\.second"):
        graphlib.TopologicalSorter(import_graph(tmp_path)).prepare()


@pytest.mark.parametrize("room", HOST_ONLY)
def test_host_rooms_reach_no_device_through_whatever_they_import(room):
    graph, modules = import_graph(), module_files()
    waiting = [name for name in graph if name.split(".")[:2] == ["avx", room]]
    reached = set(waiting)
    assert waiting
    while waiting:
        module = waiting.pop()
        if module not in ("avx", PYTREES if room == "data" else ""):
            tops = {name.split(".")[0] for name in imported_names(modules[module])}
            assert not tops & DEVICE, f"{room} is host only, yet {module}, which it needs, imports {tops & DEVICE}"
            fresh = graph[module] - reached
            reached |= fresh
            waiting += fresh


HOMES = {
    "avx/training/step.py": ("jax.pmap", "all_gather(", "pmean(", "psum(", "axis_index(", "shard_map"),
    "avx/core/processes.py": ("multihost_utils", "jax.distributed"),
}


def library_files():
    return [path for package in ("avx", "experiments", "tools", "benchmarks") for path in files_of(package)]


@pytest.mark.parametrize("home", HOMES)
def test_parallelism_has_one_home(home):
    """pmap, axis names and collectives appear in the train step alone, waiting for other processes in one file."""
    assert any(word in (ROOT / home).read_text(encoding="utf-8") for word in HOMES[home])
    for path in library_files():
        found = [word for word in HOMES[home] if word in path.read_text(encoding="utf-8")]
        assert not found or path == ROOT / home, f"{label(path)} uses {found}; only {home} may"


def test_nothing_is_imported_by_a_string():
    """Names become objects in the tables of `avx/registry`; a command's name is that of its module."""
    for path in library_files():
        if path != ROOT / "avx/commands/console.py":
            assert "importlib.import_module" not in path.read_text(encoding="utf-8"), f"{label(path)}"
