"""Mutants of weight and array files of every format that is read, for `fuzz.harness`.

A mutant is read, or refused by a UserError. Beyond that: bytes that a checksum covers do not change silently, what is
read stays within proportion, features are finite and their ids unique, and codes are the signs of their vectors.
"""

from __future__ import annotations

import io
import json
import random
import shutil
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import pyarrow
import scipy.io
import tensorflow_bundle
import torch_files
from fuzz.mutators import RAW, TELLING, cut_off, cut_out, field_set, flipped
from pyarrow import parquet
from safetensors.numpy import save

from avx.core.foreign import boundary
from avx.data.sets.vectors import read_features
from avx.hashing.codes_file import CodedItems, item_arrays, read_items
from avx.hashing.pack import pack, unpack
from avx.nn.pretrained.readers import read_weights

GOLDEN = Path(__file__).parents[1] / "golden"
GENERATOR = np.random.default_rng(0)
WEIGHTS = {
    "conv/kernel": GENERATOR.normal(size=(3, 3, 2, 4)).astype(np.float32),
    "conv/bias": GENERATOR.normal(size=4).astype(np.float32),
    "dense/kernel": GENERATOR.normal(size=(40, 5)).astype(np.float32),
}
FEATURES = {
    "video": GENERATOR.normal(size=(8, 6)),
    "audio": GENERATOR.normal(size=(8, 3, 4)).astype(np.float32),
    "ids": np.array([f"item{row}" for row in range(8)]),
    "label": np.array([0, 1, 2, 0, 1, 2, 0, 1]),
}
REAL = GENERATOR.normal(size=(6, 40)).astype(np.float32)
CODES = item_arrays(
    CodedItems(pack(REAL), REAL, tuple("abcdef"), np.array([1, 0, 1, -1, 0, 1]), ("dog", "häufig"))  # One of 2 bytes.
)
FAMILIES = {
    **dict.fromkeys(("w.pt", "deflated.pth", "legacy.bin", "v1.ckpt", ".index", "w.npz", "w.safetensors"), 3),
    **dict.fromkeys(("codes.npz", "features.npz", "folder/video.npy"), 3),
    **dict.fromkeys(("keras.h5", "v5.mat", "v73.mat", "features.parquet"), 1),
}
"""File of the corpus -> share; formats that are read in a child process, which takes half a second, come less often."""
CHECKSUMS = ("w.pt", "deflated.pth", "v1.ckpt", ".index", "w.npz")
DATA = ".data-00000-of-00001"


def npz(arrays: Mapping[str, np.ndarray], compression: int) -> bytes:
    """As numpy.savez writes it, with the same date always."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.save(member, array)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue(), compression)
    return stream.getvalue()


def prepare(folder: Path) -> None:
    """Writes the corpus, and reads every file of it."""
    torch_files.write(folder / "w.pt", WEIGHTS)
    nested = torch_files.state_dict(
        {"epoch": torch_files.integer(7), "state_dict": b"}(" + entries(WEIGHTS) + b"u" + versions()}
    )
    torch_files.write_zip(folder / "deflated.pth", nested, torch_files.storages_of(WEIGHTS), zipfile.ZIP_DEFLATED)
    torch_files.write(folder / "legacy.bin", WEIGHTS, zipped=False)
    shutil.copy(GOLDEN / "tensorflow_v1.ckpt", folder / "v1.ckpt")
    tensorflow_bundle.write_bundle(folder / ".index", WEIGHTS)
    (folder / "w.npz").write_bytes(npz(WEIGHTS, zipfile.ZIP_DEFLATED))
    (folder / "w.safetensors").write_bytes(save(WEIGHTS))
    (folder / "codes.npz").write_bytes(npz(CODES, zipfile.ZIP_STORED))
    (folder / "features.npz").write_bytes(npz(FEATURES, zipfile.ZIP_DEFLATED))
    (folder / "folder").mkdir()
    for name in ("video", "label"):
        np.save(folder / "folder" / f"{name}.npy", FEATURES[name])
    _write_keras(folder / "keras.h5")
    scipy.io.savemat(folder / "v5.mat", FEATURES, do_compression=True)
    dated = (folder / "v5.mat").read_bytes()
    (folder / "v5.mat").write_bytes(b"MATLAB 5.0 MAT-file".ljust(116) + dated[116:])
    _write_mat_73(folder / "v73.mat")
    columns = {name: array.tolist() for name, array in FEATURES.items()}
    parquet.write_table(pyarrow.table(columns), folder / "features.parquet")
    for name in FAMILIES:
        assert read(folder / name), f"the whole {name} is not read"


def entries(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The inner part of a pickled dict."""
    return b"".join(torch_files.text(name) + code for name, code in torch_files.entries_of(arrays).items())


def versions() -> bytes:
    return b"}" + torch_files.text("_metadata") + b"}sb"


def _write_keras(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"conv", b"dense"]
        for layer in ("conv", "dense"):
            group = file.create_group(layer)
            stored = [name for name in WEIGHTS if name.startswith(layer)]
            group.attrs["weight_names"] = [name.encode() for name in stored]
            for name in stored:
                packed = {"chunks": True, "compression": "gzip"} if name.endswith("kernel") else {}
                group.create_dataset(name, data=WEIGHTS[name], **packed)


def _write_mat_73(path: Path) -> None:
    with h5py.File(path, "w") as file:
        for name in ("video", "audio", "label"):
            file[name] = np.asarray(FEATURES[name], np.float64).T
            file[name].attrs["MATLAB_class"] = np.bytes_("double")
        cells = file.create_dataset("ids", (1, 8), h5py.ref_dtype)
        cells.attrs["MATLAB_class"] = np.bytes_("cell")
        for place, text in enumerate(FEATURES["ids"].tolist()):
            units = np.frombuffer(text.encode("utf-16-le"), "<u2")[:, None]
            cells[0, place] = file.create_dataset(f"#refs#/{place}", data=units).ref


def read(path: Path) -> dict[str, np.ndarray]:
    """Everything that the project reads of a file of the corpus, or of a mutant of it."""
    if path.name == "codes.npz":
        items = read_items(path)
        assert len(set(items.item_ids)) == len(items.item_ids) == len(items.vectors), "an id is not unique"
        signs = np.asarray(unpack(items.codes))
        assert (items.vectors * signs >= 0).all(), "a vector contradicts its code"
        return {"vectors": items.vectors, "labels": items.labels}
    if path.name in ("features.npz", "v5.mat", "v73.mat", "features.parquet") or path.suffix == ".npy":
        dataset = read_features(path.parent if path.suffix == ".npy" else path)
        assert len(set(dataset.ids)) == len(dataset.ids) == len(dataset.labels), "an id is not unique"
        found = {"labels": dataset.labels}
        for row in range(min(len(dataset), 50)):
            for name, values in dataset.load(row).items():
                assert np.isfinite(values).all(), f"{name} of row {row} is not finite"
            found[str(row)] = values
        return found
    return read_weights(path)


def make(folder: Path, seed: int, number: int) -> Path:
    """Writes the mutant of a number."""
    chance = random.Random(f"weights {seed} {number}")
    name = chance.choices(list(FAMILIES), list(FAMILIES.values()))[0]
    target = folder / "mutant"
    shutil.rmtree(target, ignore_errors=True)
    path = target / name
    path.parent.mkdir(parents=True)
    whole, corpus = (folder / name).read_bytes(), [folder / other for other in FAMILIES]
    mutate = chance.choice([*RAW, inside, inside])
    if name == ".index":
        data = (folder / DATA).read_bytes()
        if mutate is not inside and chance.random() < 0.4:
            data = mutate(data, corpus, chance)
        else:
            whole = mutate(whole, corpus, chance) if mutate is not inside else _inside_table(whole, chance)
        (target / DATA).write_bytes(data)
    elif mutate is inside:
        whole = inside(name, whole, chance)
    else:
        whole = mutate(whole, corpus, chance)
    if path.suffix == ".npy":
        shutil.copy(folder / "folder" / "label.npy", path.parent)
    path.write_bytes(whole)
    (target / "how").write_text(mutate.__name__)
    return path


def check(path: Path) -> str:
    """Reads a mutant; an AssertionError tells of an invariant that is broken."""
    mutant = next(parent for parent in path.parents if parent.name == "mutant")
    name, how = path.relative_to(mutant).as_posix(), (mutant / "how").read_text()
    found = read(path)
    stored = sum(file.stat().st_size for file in mutant.rglob("*"))
    assert sum(array.nbytes for array in found.values()) <= boundary.allowed_bytes(stored, boundary.COMPRESSION)
    if name in CHECKSUMS and how in ("flipped", "cut_off", "field_set"):
        whole = read(mutant.parent / name)
        for key in found.keys() & whole.keys():
            np.testing.assert_array_equal(found[key], whole[key], err_msg=f"{key} has changed under its checksum")
    return "read"


def inside(name: str, content: bytes, chance: random.Random) -> bytes:
    """Changes what lies below a checksum or a length, and mends those, so that the reader gets past them."""
    suffix = Path(name).suffix
    if suffix in (".pt", ".pth", ".npz"):
        return _inside_archive(content, chance)
    if suffix == ".safetensors":
        return _inside_header(content, chance)
    if suffix == ".ckpt":
        return _inside_table(content, chance)
    return flipped(field_set(content, (), chance), (), chance)


def _changed(content: bytes, chance: random.Random) -> bytes:
    if not content:
        return content
    mutate = chance.choice((flipped, cut_off, field_set, cut_out, _number_set))
    return mutate(content, (), chance)


def _number_set(content: bytes, corpus: Sequence[Path], chance: random.Random) -> bytes:
    """A number that is written in digits becomes another one."""
    places = [place for place, byte in enumerate(content[:4096]) if 48 <= byte < 58]
    if not places:
        return content
    place = chance.choice(places)
    return content[:place] + str(chance.choice((-1, 0, *TELLING))).encode() + content[place + 1 :]


def _inside_archive(content: bytes, chance: random.Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename, archive.read(info), info.compress_type) for info in archive.infolist()]
    chosen = chance.randrange(len(members))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for place, (name, member, compression) in enumerate(members):
            archive.writestr(
                zipfile.ZipInfo(name), _changed(member, chance) if place == chosen else member, compression
            )
    return stream.getvalue()


def _inside_table(content: bytes, chance: random.Random) -> bytes:
    from avx.nn.pretrained.sorted_table import entries

    listed = [(key, bytes(value)) for key, value in entries(memoryview(content))]
    place = chance.randrange(len(listed))
    key, value = listed[place]
    listed[place] = (key, _changed(value, chance)) if chance.random() < 0.8 else (_changed(key, chance), value)
    return tensorflow_bundle.table(listed)


def _inside_header(content: bytes, chance: random.Random) -> bytes:
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    described = header[chance.choice(list(header))]
    field = chance.choice(("shape", "data_offsets", "dtype"))
    if field == "dtype":
        described[field] = chance.choice(("F64", "BF16", "BOOL", "I8", "F8_E4M3", 7, None))
    else:
        described[field][chance.randrange(len(described[field]))] = chance.choice((*TELLING, -1, 1.5, "4", None, True))
    changed = json.dumps(header).encode()
    return struct.pack("<Q", len(changed)) + changed + content[8 + length :]
