"""The examples in the docstrings of the public functions are run, and every module has some."""

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("retrieval", "keyframes", "losses")
SHOWN = ("retrieval", "keyframes")
MODULES = [
    f"avx.{room}.{path.stem}"
    for room in ROOMS
    for path in sorted((ROOT / "avx" / room).glob("*.py"))
    if path.stem != "__init__"
]


def examples(name):
    return [test for test in doctest.DocTestFinder().find(importlib.import_module(name)) if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_show(name):
    for example in examples(name):
        report = []
        failed, _ = doctest.DocTestRunner(verbose=False).run(example, out=report.append)
        assert not failed, "".join(report)


@pytest.mark.parametrize("name", [name for name in MODULES if name.split(".")[1] in SHOWN])
def test_every_module_shows_how_it_is_called(name):
    module = importlib.import_module(name)
    public = [
        part
        for part, value in vars(module).items()
        if not part.startswith("_") and callable(inspect.unwrap(value)) and getattr(value, "__module__", None) == name
    ]
    assert not public or examples(name), f"{name}: none of {', '.join(public)} has an example"


def test_examples_behind_a_jit_are_found_too():
    found = {example.name for example in examples("avx.keyframes.skm")}
    assert "avx.keyframes.skm.select" in found


def test_a_wrong_example_would_be_noticed():
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner(verbose=False).run(wrong, out=lambda text: None).failed == 1
