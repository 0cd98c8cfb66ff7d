"""Published weights become safetensors with a card, the same bytes each time; runs notice a result that has changed."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch_files
from tensorflow_bundle import write_bundle

from avx.commands.convert_weights import convert
from avx.core.errors import UserError
from avx.nn.pretrained.readers import read_weights

ROOT = Path(__file__).parents[3]
ARRAYS = {"layer/0": np.arange(6, dtype=np.float32).reshape(2, 3), "layer/1": np.array([0.5, -1.5], np.float32)}
SOURCE, LICENCE = "https://example.org/weights, 2026", "Apache-2.0"


def npz(path):
    np.savez(path, **ARRAYS)


def keras(path):
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"layer"]
        layer = file.create_group("layer")
        layer.attrs["weight_names"] = [b"w", b"b"]
        layer["w"], layer["b"] = ARRAYS.values()


PUBLISHED = {
    "w.npz": npz,
    "w.h5": keras,
    "w.pth": lambda path: torch_files.write(path, ARRAYS),
    "w.bin": lambda path: torch_files.write(path, ARRAYS, zipped=False),
    ".index": lambda path: write_bundle(path, ARRAYS),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_format_is_converted_once(tmp_path, name):
    PUBLISHED[name](tmp_path / name)
    out = tmp_path / "new" / "w.safetensors"
    card = convert(tmp_path / name, out, SOURCE, LICENCE)
    read = read_weights(out)
    assert set(read) == set(ARRAYS)
    for key, array in ARRAYS.items():
        np.testing.assert_array_equal(read[key], array)
    stored = json.loads((tmp_path / "new" / "w.card.json").read_text())
    assert stored["source"] == card.source == SOURCE and stored["licence"] == LICENCE
    assert stored["result"] == hashlib.sha256(out.read_bytes()).hexdigest()
    published = [path for path in tmp_path.iterdir() if path.is_file()]
    assert stored["files"] == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in published}
    assert len(stored["files"]) == (2 if name == ".index" else 1) and (card.tensors, card.numbers) == (2, 8)
    again = tmp_path / "again.safetensors"
    assert convert(tmp_path / name, again, SOURCE, LICENCE) == card and again.read_bytes() == out.read_bytes()


def test_a_result_that_has_changed_is_refused(tmp_path):
    npz(tmp_path / "w.npz")
    out = tmp_path / "w.safetensors"
    convert(tmp_path / "w.npz", out, SOURCE, LICENCE)
    out.write_bytes(out.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(UserError, match=r"w\.safetensors is not the file that its card w\.card\.json tells of"):
        read_weights(out)
    (tmp_path / "w.card.json").write_text("{")
    with pytest.raises(UserError, match=r"w\.card\.json is no intact card"):
        read_weights(out)
    (tmp_path / "w.card.json").unlink()
    assert set(read_weights(out)) == set(ARRAYS), "a file without card is what the user names"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"source": " "}, "--source is empty"),
        ({"licence": ""}, "--licence is empty"),
        ({"out": "w.npz"}, r"must end in \.safetensors"),
        ({"out": "there.safetensors"}, "is there already"),
        ({"out": "carded.safetensors"}, r"carded\.card\.json is there already"),
        ({"weights": "text.npz"}, "holds names of <U1, which no weights are"),
        ({"weights": "empty.npz"}, "holds no arrays"),
        ({"weights": "absent.npz"}, "does not exist"),
    ],
)
def test_what_cannot_be_converted_leaves_nothing_behind(tmp_path, given, message):
    npz(tmp_path / "weights.npz")
    np.savez(tmp_path / "text.npz", names=np.array(["a"]))
    np.savez(tmp_path / "empty.npz")
    (tmp_path / "there.safetensors").touch()
    (tmp_path / "carded.card.json").touch()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    asked = {"weights": "weights.npz", "out": "w.safetensors", "source": SOURCE, "licence": LICENCE} | given
    with pytest.raises(UserError, match=message):
        convert(tmp_path / asked["weights"], tmp_path / asked["out"], asked["source"], asked["licence"])
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_command_says_what_it_did_and_is_found_by_either_name(tmp_path):
    npz(tmp_path / "w.npz")
    flags = [f"--weights={tmp_path / 'w.npz'}", f"--source={SOURCE}", f"--licence={LICENCE}"]
    console = "import sys; from avx.commands import console; console.main()"
    for number, program in enumerate((["-m", "tools.convert_weights"], ["-c", console, "convert-weights"])):
        out = tmp_path / f"{number}.safetensors"
        command = [sys.executable, *program, *flags, f"--out={out}"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        assert f"2 tensors of 8 numbers are in {out}" in done.stdout
        assert hashlib.sha256(out.read_bytes()).hexdigest() in done.stdout
