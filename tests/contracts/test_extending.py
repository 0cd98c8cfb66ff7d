"""docs/extending.md, followed word for word: its files are written, its rows added, its checks run, in their order."""

import importlib
import inspect
import re
from pathlib import Path

import pytest
import test_encoders
import test_losses
import test_metrics

from avx.registry import DATASETS, SYSTEMS
from avx.retrieval.metrics import METRICS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "extending.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
FILES = [block for block in BLOCKS if re.match(r"# (avx|configs)/\S+\.py\n", block)]


def path_of(block):
    return block.splitlines()[0].removeprefix("# ")


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """The namespace of the page's examples; rooms look for the new files in a folder beside the package."""
    folder = tmp_path_factory.mktemp("extended")
    contracts = {"LOSSES": test_losses.LOSSES, "ENCODERS": test_encoders.ENCODERS}
    tables = {"METRICS": METRICS, "SYSTEMS": SYSTEMS, "DATASETS": DATASETS, **contracts}
    before = {name: dict(table) for name, table in tables.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for block in FILES:
            path = folder / path_of(block)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block)
            room = importlib.import_module(path_of(block).rpartition("/")[0].replace("/", "."))
            if str(path.parent) not in room.__path__:
                patch.setattr(room, "__path__", [*room.__path__, str(path.parent)])
        namespace = {"Row": test_encoders.Row, **contracts}
        for number, block in enumerate(block for block in BLOCKS if block not in FILES):
            exec(compile(block, f"{PAGE.name}, example {number}", "exec"), namespace)
        yield namespace
    for name, table in tables.items():
        table.clear()
        table.update(before[name])


def hold(module, name, **arguments):
    """Runs every test of a contract suite that is parametrised by a row's name alone; returns how many there were."""
    count = 0
    for test_name, test in inspect.getmembers(module, inspect.isfunction):
        wanted = inspect.signature(test).parameters
        rows = [mark.args[1] for mark in getattr(test, "pytestmark", []) if mark.args[:1] == ("name",)]
        of_others = any(isinstance(table, dict) and name not in table for table in rows)
        if test_name.startswith("test_") and "name" in wanted and set(wanted) <= {"name", *arguments} and not of_others:
            test(**{key: value for key, value in {"name": name, **arguments}.items() if key in wanted})
            count += 1
    return count


def test_the_page_adds_files_that_do_not_exist_yet():
    assert [path_of(block) for block in FILES] == [
        "avx/losses/sigmoid_pairs.py",
        "avx/retrieval/roc.py",
        "avx/nn/encoders/temporal_convolution.py",
        "avx/systems/two_towers.py",
        "avx/data/sets/noisy_pairs.py",
        "configs/two_towers.py",
    ]
    assert not [path for path in map(path_of, FILES) if (ROOT / path).exists()]


def test_the_loss_keeps_the_contract_of_losses(followed):
    test_losses.TRACES["sigmoid_pairs"] = 0
    assert (
        hold(test_losses, "sigmoid_pairs", compiled={"sigmoid_pairs": test_losses.with_gradients("sigmoid_pairs")}) > 5
    )


def test_the_metric_keeps_the_contract_of_metrics(followed):
    assert hold(test_metrics, "roc") > 4


def test_the_encoder_keeps_the_contract_of_encoders(followed):
    assert hold(test_encoders, "temporal_convolution") > 4
