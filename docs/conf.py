"""The site: the pages of this folder as they are, and the docstrings of the public rooms."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the docstrings of this checkout

from avx import __version__  # noqa: E402

project, author, release = "avx", "The avx maintainers", __version__
copyright = author

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.apidoc"]
html_theme = "furo"
html_title = f"avx {release}"

myst_heading_anchors = 3

PUBLIC = ("core", "losses", "memory", "keyframes", "hashing", "classic", "retrieval", "systems", "evaluation", "runs")
apidoc_modules = [
    {
        "path": str(ROOT / "avx"),
        "destination": "api",
        "exclude_patterns": [
            str(room) for room in (ROOT / "avx").iterdir() if room.is_dir() and room.name not in PUBLIC
        ],
        "separate_modules": True,
        "module_first": True,
        "automodule_options": {"members"},
    }
]

exclude_patterns = ["api/modules.rst"]

default_role = "code"  # a name in backticks is code, as in Markdown
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring, napoleon_numpy_docstring, napoleon_use_ivar = True, False, True


def as_written(app, what, name, obj, options, lines: list[str]) -> None:
    """Escapes bars and asterisks outside backticks: |x| is an absolute value in our docstrings, and a * b a product."""
    for place, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            parts = line.split("`")
            parts[::2] = [re.sub(r"([|*])", r"\\\1", part) for part in parts[::2]]
            lines[place] = "`".join(parts)


def of_others(app, what, name, obj, skip, options) -> bool | None:
    """Leaves out functions of other packages that are a field's default value."""
    return True if callable(obj) and not str(getattr(obj, "__module__", "avx")).startswith("avx") else None


def setup(app) -> None:
    """Connects both to autodoc; bars are escaped before napoleon reads the sections."""
    app.connect("autodoc-process-docstring", as_written, priority=100)
    app.connect("autodoc-skip-member", of_others)
