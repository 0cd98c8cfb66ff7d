"""The examples of docs/own_features.md run as they stand, in order."""

import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[3] / "docs/own_features.md"


def test_the_documented_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 3
    names: dict = {}
    for number, example in enumerate(examples, start=1):
        exec(compile(example, f"example {number} of {DOCUMENT.name}", "exec"), names)
