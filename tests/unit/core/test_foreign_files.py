"""Arrays of foreign files come back as they are; what such a file declares is judged before memory is asked for."""

import json
import os
import struct
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from avx.core.errors import UserError
from avx.core.foreign import boundary, child
from avx.core.foreign.numpy_files import MissingArray, read_npy, read_npz
from avx.core.foreign.safetensors_files import read_safetensors

ARRAYS = {
    "float": np.arange(6, dtype=np.float32).reshape(2, 3),
    "turned": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "swapped": np.arange(3, dtype=">i4"),
    "flags": np.array([True, False]),
    "texts": np.array(["", "déjà", "vu"]),
    "bytes": np.array([b"a", b"bc"]),
    "scalar": np.array(7, np.int64),
    "empty": np.zeros((0, 3), np.float16),
    "nothing": np.zeros(0, "U"),
    "complex": np.array([1j]),
}


def assert_equal(found, expected):
    assert found.shape == expected.shape and found.dtype == expected.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives_come_back(tmp_path, save):
    save(tmp_path / "a.npz", **ARRAYS)
    for found in (read_npz(tmp_path / "a.npz"), read_npz("a", content=(tmp_path / "a.npz").read_bytes())):
        assert list(found) == list(ARRAYS)
        for name, expected in ARRAYS.items():
            assert_equal(found[name], expected)
    assert set(read_npz(tmp_path / "a.npz", ("float", "flags"))) == {"float", "flags"}
    with pytest.raises(MissingArray, match="other"):
        read_npz(tmp_path / "a.npz", ("float", "other"))


@pytest.mark.parametrize("name", ARRAYS)
def test_npy_files_come_back(tmp_path, name):
    np.save(tmp_path / "a.npy", ARRAYS[name])
    found = read_npy(tmp_path / "a.npy")
    np.testing.assert_array_equal(found, ARRAYS[name])
    assert isinstance(found, np.memmap) == (name in ("float", "turned", "swapped", "scalar", "complex"))


def npy(header, data=b"", version=1):
    content = (header if isinstance(header, bytes) else repr(header).encode()) + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(content))
    return b"\x93NUMPY" + bytes([version, 0]) + length + content + data


def described(dtype, shape, fortran=False):
    return {"descr": dtype, "fortran_order": fortran, "shape": shape}


NPY = [
    (npy(described("<f4", (2**40,))), "does not describe"),
    (npy(described("<f4", (2**62, 2**62))), "does not describe"),
    (npy(described("<f4", (-1,)), bytes(4)), "sizes from 0"),
    (npy(described("<f4", (True,)), bytes(4)), "sizes from 0"),
    (npy(described("<f4", (1,) * 64), bytes(4)), "64 axes"),
    (npy(described("<f4", (0, 2**60))), "beyond all measure"),
    (npy(described("<U0", (2**60,))), "does not describe"),
    (npy(described("<f4", (2,)), bytes(4)), "does not describe"),
    (npy(described("<f4", (1,)), bytes(8)), "does not describe"),
    (npy(described("|O", (1,)), bytes(8)), "holds Python objects"),
    (npy(described([("a", "<f4")], (1,)), bytes(4)), "neither numbers nor texts"),
    (npy(described([("a", "|O")], (1,)), bytes(8)), "holds Python objects"),
    (npy(described("|V4", (1,)), bytes(4)), "neither numbers nor texts"),
    (npy(described("<M8[s]", (1,)), bytes(8)), "neither numbers nor texts"),
    (npy(described("|b1", (2,)), b"\x01\x07"), "neither 0 nor 1"),
    (npy(described("<U1", (1,)), struct.pack("<I", 0x110000)), "no characters"),
    (npy(described("<U1", (1,)), struct.pack("<I", 0xD800)), "no characters"),
    (npy(described("<U1", (1,)), struct.pack("<I", 0xDC7F)), "no characters"),
    (npy(described("<U1", (1,)), struct.pack("<I", 0xDD00)), "no characters"),
    (npy(described("no such type", (1,)), bytes(4)), "is no intact"),
    (npy(b"(" * 5000), "is no intact"),
    (npy(b"x" * 20_000, version=2), "is no intact"),
    (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "is no intact"),
    (b"\x93NUMPY\x09\x00\x00\x00", "is no intact"),
    (b"", "is no intact"),
    (b"PK\x03\x04", "is no intact"),
]


@pytest.mark.filterwarnings("ignore:Reading `.npy`")
@pytest.mark.parametrize(("content", "message"), NPY)
def test_headers_are_not_believed(tmp_path, content, message):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(UserError, match=message) as raised:
        read_npy(tmp_path / "a.npy")
    assert "a.npy" in str(raised.value)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(tmp_path / "a.npz", "w", method) as archive:
            archive.writestr("x.npy", content)
        with pytest.raises(UserError, match=message) as raised:
            read_npz(tmp_path / "a.npz")
        assert "a.npz" in str(raised.value)


def test_names_of_files_that_are_no_utf_8_survive(tmp_path):
    names = np.array([os.fsdecode(b"caf\x80.mp4"), os.fsdecode(b"caf\xff.mp4")])
    np.savez(tmp_path / "a.npz", ids=names)
    found = read_npz(tmp_path / "a.npz")["ids"]
    assert [os.fsencode(name) for name in found] == [b"caf\x80.mp4", b"caf\xff.mp4"]


def test_archives_that_unfold_out_of_proportion_are_refused(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(50 << 20, np.float64))
    assert (tmp_path / "a.npz").stat().st_size < 1 << 20
    with pytest.raises(
        UserError, match=r"a\.npz of \d+ bytes declares arrays of 400 MiB, which is out of all proportion"
    ):
        read_npz(tmp_path / "a.npz")
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(20 << 20, np.float64))
    assert read_npz(tmp_path / "a.npz")["x"].size == 20 << 20, "zeros of moderate size are nobody's attack"


def test_texts_and_items_are_not_many_more_than_bytes(tmp_path):
    from avx.data.sets.vectors import read_features

    many = 3 << 20
    np.savez_compressed(tmp_path / "a.npz", x=np.full(many, "a"))
    with pytest.raises(UserError, match=f"has {many} texts, which is out of all proportion"):
        read_npz(tmp_path / "a.npz")
    for arrays in ({"x": np.zeros((many, 2), np.uint8)}, {"x": np.eye(3), "label": np.zeros((3, many), np.uint8)}):
        np.savez_compressed(tmp_path / "a.npz", **arrays)
        with pytest.raises(UserError, match=f"has {many} rows or columns in (x|label), which is out of"):
            read_features(tmp_path / "a.npz")


def test_a_member_is_no_larger_than_listed_and_its_checksum_counts(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(100.0))
    whole = (tmp_path / "a.npz").read_bytes()
    place = whole.index(np.arange(100.0).tobytes()[8:16])
    (tmp_path / "a.npz").write_bytes(whole[:place] + b"\1" + whole[place + 1 :])
    with pytest.raises(UserError, match=r"Bad CRC-32.*; save it again by numpy\.savez"):
        read_npz(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("readme.txt", b"no array")
    with pytest.raises(UserError, match=r"member readme\.txt is no array"):
        read_npz(tmp_path / "a.npz")


def test_safetensors_equal_the_package(tmp_path):
    kinds = ("f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?")
    arrays = {kind: np.arange(6).reshape(2, 3).astype(kind) for kind in kinds}
    arrays |= {"scalar": np.array(2.5, np.float32), "empty": np.zeros((0, 4), np.float32)}
    save_file(arrays, tmp_path / "a.safetensors", {"source": "here"})
    found, expected = read_safetensors(tmp_path / "a.safetensors"), load_file(tmp_path / "a.safetensors")
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert_equal(found[name], array)
        assert found[name].flags.writeable


def safetensors(header, data=b"", length=None):
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(content) if length is None else length) + content + data


def place(first, last, shape=(1,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [first, last]}


SAFETENSORS = [
    (safetensors({"w": place(0, 4)}, bytes(4), length=2**63), "states a header of"),
    (safetensors({"w": place(0, 4)}, bytes(4), length=1000), "states a header of"),
    (b"\1\2", "states a header of"),
    (safetensors({"a": place(0, 4), "b": place(0, 4)}, bytes(4)), "overlaps another"),
    (safetensors({"a": place(0, 4), "b": place(2, 6)}, bytes(6)), "overlaps another"),
    (safetensors({"a": place(0, 4), "b": place(8, 12)}, bytes(12)), "leaves a gap"),
    (safetensors({"a": place(4, 8)}, bytes(8)), "leaves a gap"),
    (safetensors({"a": place(0, 4)}, bytes(8)), "describes"),
    (safetensors({"a": place(0, 8)}, bytes(8)), "another shape"),
    (safetensors({"a": place(0, 4, (2**62, 2**62))}, bytes(4)), "another shape"),
    (safetensors({"a": place(0, 4, (-1,))}, bytes(4)), "sizes from 0"),
    (safetensors({"a": place(0, 4, (1.0,))}, bytes(4)), "sizes from 0"),
    (safetensors({"a": place(0, 0, (0, 2**60))}), "beyond all measure"),
    (safetensors({"a": place(4, 0)}, bytes(4)), "lies nowhere"),
    (safetensors({"a": place(0, 4, dtype="F8_E4M3")}, bytes(4)), "type F8_E4M3, which is not read"),
    (safetensors({"a": place(0, 1, dtype="BOOL")}, b"\x07"), "neither 0 nor 1"),
    (safetensors({"a\x1b[31m": place(0, 4)}, bytes(4)), "with the name"),
    (safetensors(b'{"a":{},"a":{}}'), "names a thing twice"),
    (safetensors(b"[" * 100_000), "is no intact"),
    (safetensors(b"[]"), "no table of tensors"),
    (safetensors(b'{"a": 3}'), "is no intact"),
    (safetensors(b"\xff\xfe"), "is no intact"),
    (safetensors(b'{"a":{"dtype":"F32","shape":[' + b"9" * 9000 + b'],"data_offsets":[0,4]}}', bytes(4)), "no intact"),
]


@pytest.mark.parametrize(("content", "message"), SAFETENSORS)
def test_safetensors_headers_are_not_believed(tmp_path, content, message):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_safetensors(tmp_path / "a.safetensors")


def test_bfloat16_arrives_as_float32(tmp_path):
    bits = np.array([0x3F80, 0xC000, 0x7F80], "<u2")
    (tmp_path / "a.safetensors").write_bytes(safetensors({"a": place(0, 6, (3,), "BF16")}, bits.tobytes()))
    assert_equal(read_safetensors(tmp_path / "a.safetensors")["a"], np.array([1, -2, np.inf], np.float32))


def test_whatever_is_raised_becomes_one_printable_sentence(tmp_path):
    class Strange(Exception):
        pass

    for error in (
        Strange("a\nb\x1b[31m" + "c" * 1000),
        RecursionError(),
        KeyError("x"),
        OverflowError("large"),
        OSError(22),
    ):
        with pytest.raises(UserError) as raised, boundary.reading("weights.bin", "intact file", "fetch it again"):
            raise error
        told = str(raised.value)
        assert told.startswith("weights.bin is no intact file (") and told.endswith("); fetch it again.")
        assert told.isprintable() and len(told) < 300
    with pytest.raises(UserError, match="asks for more memory"), boundary.reading("w", "file"):
        raise MemoryError
    with pytest.raises(UserError, match=r"cannot be read .*; check its path"), boundary.reading("w", "file"):
        (tmp_path / "absent").read_bytes()
    with pytest.raises(UserError, match=r"cannot be read .*Permission denied.*chmod"), boundary.reading("w", "file"):
        raise PermissionError(13, "Permission denied")
    with pytest.raises(KeyboardInterrupt), boundary.reading("w", "file"):
        raise KeyboardInterrupt


def test_more_than_the_machine_has_is_told(monkeypatch):
    monkeypatch.setattr(boundary, "physical_memory", lambda: 1 << 30)
    with pytest.raises(UserError, match=r"declares arrays of 2\.0 GiB, but this machine has 1\.0"):
        boundary.check_declared("w.npz", 2 << 30, 1 << 30, boundary.COMPRESSION)


READERS = """
import os, signal
import numpy as np
from avx.core.errors import UserError
from avx.core.foreign import child
def fine(path):
    return {"text": np.array(["a", "b"], object), "x": np.arange(6.0).reshape(2, 3), "none": np.zeros((0, 2))}
def endless(path):
    while True:
        pass
def waiting(path):
    import time; time.sleep(600)
def bomb(path):
    return {"x": np.ones(1 << 27)}
def filling(path):
    return {str(place): np.ones(1 << 24) for place in range(1000)}
def crash(path):
    os.kill(os.getpid(), signal.SIGSEGV)
def refusing(path):
    raise UserError(f"{path} is refused.")
def foreign(path):
    raise ZeroDivisionError("nothing is divided")
def printing(path):
    print("noise"); os.write(1, b"noise")
    return {"x": np.arange(2)}
def objects(path):
    return {"x": np.zeros(1, [("a", "i4")])}
if __name__ == "__main__":
    found = (fine, waiting, endless, bomb, filling, crash, refusing, foreign, printing, objects)
    child.serve({reader.__name__: reader for reader in found})
"""


@pytest.fixture
def small(tmp_path, monkeypatch):
    (tmp_path / "strange_readers.py").write_text(READERS)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.setattr(child, "SECONDS", 1.0)
    monkeypatch.setattr(child, "CLOCK", 600)
    (tmp_path / "small.bin").write_bytes(b"small")
    return tmp_path / "small.bin"


def test_a_child_gives_what_its_reader_gives(small):
    found = child.read_in_child(small, "strange_readers:fine", "file")
    assert list(found) == ["text", "x", "none"] and found["text"].tolist() == ["a", "b"]
    np.testing.assert_array_equal(found["x"], np.arange(6.0).reshape(2, 3))
    assert found["none"].shape == (0, 2)
    assert child.read_in_child(small, "strange_readers:printing", "file")["x"].tolist() == [0, 1]


def test_a_child_that_waits_is_ended_by_the_clock(small, monkeypatch):
    monkeypatch.setattr(child, "CLOCK", 3)
    with pytest.raises(UserError, match=r"small\.bin is not read after 3 s; copy it to a local disk"):
        child.read_in_child(small, "strange_readers:waiting", "file")


@pytest.mark.parametrize(
    ("reader", "message"),
    [
        ("endless", "takes more than 1 s of processor time"),
        ("bomb", "asks for more memory|out of all proportion"),
        ("filling", "asks for more memory"),
        ("crash", "ended by SIGSEGV"),
        ("refusing", r"small\.bin is refused\.$"),
        ("foreign", r"is no intact file \(nothing is divided\); mend it"),
        ("objects", "neither numbers nor texts"),
        ("absent", "cannot start"),
    ],
)
def test_a_child_that_misbehaves_is_one_sentence(small, reader, message):
    with pytest.raises(UserError, match=message) as raised:
        child.read_in_child(small, f"strange_readers:{reader}", "intact file", "mend it")
    assert "small.bin" in str(raised.value)


SECRET = "the content of another file"


def keras(path, build):
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"layer"]
        layer = file.create_group("layer")
        layer.attrs["weight_names"] = [b"w"]
        build(file, layer)
    return path


def external_storage(file, layer):
    other = Path(file.filename).with_name("secret.txt")
    other.write_text(SECRET)
    layer.create_dataset("w", (4,), "u1", external=[(str(other), 0, 4)])


def external_link(file, layer):
    other = Path(file.filename).with_name("other.h5")
    with h5py.File(other, "w") as target:
        target["w"] = np.arange(4)
    layer["w"] = h5py.ExternalLink(str(other), "/w")


def soft_link(file, layer):
    external_link(file, file.create_group("elsewhere"))
    layer["w"] = h5py.SoftLink("/elsewhere/w")


def virtual(file, layer):
    other = Path(file.filename).with_name("other.h5")
    with h5py.File(other, "w") as target:
        target["w"] = np.arange(4)
    layout = h5py.VirtualLayout((4,), "i8")
    layout[:] = h5py.VirtualSource(str(other), "w", (4,))
    layer.create_virtual_dataset("w", layout)


def linked_group(file, layer):
    other = Path(file.filename).with_name("other.h5")
    with h5py.File(other, "w") as target:
        target["layer/w"] = np.arange(4)
        target["layer"].attrs["weight_names"] = [b"w"]
    del file["layer"]
    file["layer"] = h5py.ExternalLink(str(other), "/layer")


def sparse(file, layer):
    layer.create_dataset("w", (1 << 40,), "f4", chunks=(1 << 20,))


def squeezed(file, layer):
    layer.create_dataset("w", (300 << 18,), "f4", chunks=(1 << 20,), compression="gzip", data=np.zeros(300 << 18, "f4"))


def texts(file, layer):
    layer["w"] = ["a", "b"]


def plugin(file, layer):
    created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    created.set_chunk((4,))
    created.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, ())  # Blosc, which is not there
    space = h5py.h5s.create_simple((4,))
    h5py.h5d.create(layer.id, b"w", h5py.h5t.NATIVE_FLOAT, space, created)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (external_storage, "lies in another file, which is not read"),
        (external_link, "may lead out of the file"),
        (soft_link, "may lead out of the file"),
        (virtual, "lies in another file, which is not read"),
        (linked_group, "may lead out of the file"),
        (sparse, "out of all proportion"),
        (squeezed, "out of all proportion"),
        (texts, "holds no numbers"),
        (plugin, "compressed by a plug-in"),
        (lambda file, layer: None, "is not in it"),
        (lambda file, layer: layer.create_group("w"), "is no array"),
        (lambda file, layer: layer.attrs.modify("weight_names", [b"../../x"]), "is not in it"),
    ],
)
def test_hdf5_files_are_read_alone(tmp_path, build, message):
    from avx.nn.pretrained.readers import read_weights

    with pytest.raises(UserError, match=message) as raised:
        read_weights(keras(tmp_path / "w.h5", build))
    assert SECRET not in str(raised.value) and "w.h5" in str(raised.value)
