"""State dicts of both forms come back; what a pickle of a hostile file asks for is neither done nor allocated."""

import struct
import time
import zipfile

import numpy as np
import pytest
import torch_files as files

from avx.core.errors import UserError
from avx.nn.pretrained import state_dict_pickle
from avx.nn.pretrained.readers import read_weights

RAW = [np.arange(4, dtype="<f4").tobytes()]
both_forms = pytest.mark.parametrize("write", [files.write_zip, files.write_legacy], ids=["zip", "legacy"])


def one(code):
    return files.state_dict({"w": code})


@both_forms
def test_views_of_one_storage_come_back(tmp_path, write):
    turned, part = files.tensor("0", 4, (2, 2), (1, 2)), files.tensor("0", 4, (2,), (2,), 1)
    path = write(tmp_path / "w.pth", files.state_dict({"turned": turned, "part": part, "epoch": files.integer(3)}), RAW)
    read = read_weights(path)
    assert set(read) == {"turned", "part"} and all(array.flags.writeable for array in read.values())
    np.testing.assert_array_equal(read["turned"], [[0, 2], [1, 3]])
    np.testing.assert_array_equal(read["part"], [1, 3])


@both_forms
def test_dicts_with_versions_parameters_and_shared_rows(tmp_path, write):
    versions = b"}" + files.text("_metadata") + b"}sb"
    ordered = files.known("collections", "OrderedDict") + b")R" + files.text("w") + files.tensor("0", 4, (3, 4), (0, 1))
    parameter = files.known("torch._utils", "_rebuild_parameter") + b"(" + files.tensor("0", 4, (4,), (1,))
    parameter += b"\x89" + files.known("collections", "OrderedDict") + b")RtR"
    nested = ordered + b"s" + files.text("p") + parameter + b"s" + versions
    read = read_weights(write(tmp_path / "w.bin", files.state_dict({"state_dict": nested}), RAW))
    np.testing.assert_array_equal(read["w"], np.tile(np.arange(4), (3, 1)))
    np.testing.assert_array_equal(read["p"], np.arange(4))


HUGE = [
    (files.tensor("0", 4, (2**30,), (0,)), "out of all proportion"),
    (files.tensor("0", 4, (2**60,), (0,)), "out of all proportion"),
    (files.tensor("0", 4, (2**62, 2**62), (0, 0)), "out of all proportion"),
    (files.tensor("0", 4, (0, 2**60), (1, 1)), "beyond all measure"),
    (files.tensor("0", 4, (2,), (2**70,)), "reaches outside"),
    (files.tensor("0", 4, (2,), (4,)), "reaches outside"),
    (files.tensor("0", 4, (2,), (-1,), 1), "sizes from 0"),
    (files.tensor("0", 4, (-1,), (1,)), "sizes from 0"),
    (files.tensor("0", 4, (1,) * 100, (1,) * 100), "100 axes"),
    (files.tensor("0", 4, (1,), (1,), -1), "without storage or place"),
    (files.tensor("0", 2**40, (1,), (1,)), "storage has another length"),
    (files.tensor("0", -1, (1,), (1,)), "without name or size"),
    (files.tensor("0", 4, (2, 2), (1,)), "do not match"),
]


@both_forms
@pytest.mark.parametrize(("code", "message"), HUGE)
def test_tensors_are_judged_before_they_are_made(tmp_path, write, code, message):
    with pytest.raises(UserError, match=message):
        read_weights(write(tmp_path / "w.pth", one(code), RAW))


def test_many_views_together_are_judged_too(tmp_path):
    entries = {f"w{place}": files.tensor("0", 4, (2**20,), (0,)) for place in range(100)}
    with pytest.raises(UserError, match=r"400 MiB, which is out of all proportion"):
        read_weights(files.write_zip(tmp_path / "w.pth", files.state_dict(entries), RAW))


REBUILD = files.known("torch._utils", "_rebuild_tensor_v2")
DEEP = b")" + b"\x85" * 200_000
ASKED = [
    (REBUILD + b"}" + files.text("__name__") + files.text("changed") + b"sb", "treats a Known as a dict"),
    (files.known("collections", "OrderedDict") + b"}" + files.text("x") + b"Nsb", "treats a Known as a dict"),
    (files.tensor("0", 4, (1,), (1,)) + b"}b", "treats a View as a dict"),
    (files.known("os", "system") + b"(" + files.text("true") + b"tR", r"asks for os\.system"),
    (files.known("builtins", "getattr") + b")R", r"asks for builtins\.getattr"),
    (b"\x8c\x02os\x8c\x06system\x93", r"asks for os\.system"),
    (files.known("collections", "OrderedDict") + b")\x81", "operation NEWOBJ"),
    (b"(ios\nsystem\n", "operation INST"),
    (b"\x82\x01", "operation EXT1"),
    (b"\x97", "operation NEXT_BUFFER"),
    (b"X\xff\xff\xff\x7f", "ends early"),
    (b"\x8d" + struct.pack("<Q", 2**60), "ends early"),
    (b"\x8e" + struct.pack("<Q", 2**63), "ends early"),
    (b"\x8b" + struct.pack("<i", 2**30), "very many digits"),
    (b"h\x63", "recalls what it has not noted"),
    (b"1", "operation POP_MARK"),
    (b"}" + DEEP + b"Ns", "a tuple as a key"),
    (REBUILD + DEEP + b"R", "calls something in a way"),
    (b"\xff", "unknown operation"),
]


@pytest.mark.parametrize(("code", "message"), ASKED)
def test_nothing_else_is_done_for_a_pickle(tmp_path, code, message):
    before = {name: dict(vars(member)) for name, member in state_dict_pickle.Known.__members__.items()}
    started = time.process_time()
    with pytest.raises(UserError, match=message):
        read_weights(files.write_zip(tmp_path / "w.pth", one(code), RAW))
    assert time.process_time() - started < 5
    assert {name: dict(vars(member)) for name, member in state_dict_pickle.Known.__members__.items()} == before


def test_a_far_place_of_the_memo_costs_nothing(tmp_path):
    code = files.tensor("0", 4, (4,), (1,)) + b"r\xff\xff\xff\xff"
    read = read_weights(files.write_zip(tmp_path / "w.pth", one(code), RAW))
    np.testing.assert_array_equal(read["w"], np.arange(4))


PAIRS = b"](" + (b"](" + files.text("k") + b"Ne") * 50_000 + b"eq\x00"
ENDLESS = [
    b"}" * 10_000_000,
    PAIRS + (files.known("collections", "OrderedDict") + b"h\x00\x85R") * 1000,
]


@pytest.mark.parametrize("code", ENDLESS, ids=["dicts", "one list a thousand times"])
def test_work_is_counted(tmp_path, code):
    path = files.write_zip(tmp_path / "w.pth", one(code), RAW, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    started = time.process_time()
    with pytest.raises(UserError, match="more than 2000000 operations"):
        read_weights(path)
    assert time.process_time() - started < 10


def test_a_storage_is_named_briefly(tmp_path):
    reference = b"(" + files.text("storage") + files.known("torch", "FloatStorage") + b"N" * 1000 + b"tQ"
    with pytest.raises(UserError, match="no storage of numbers"):
        read_weights(files.write_zip(tmp_path / "w.pth", one(reference), RAW))


def test_archives_are_judged_by_their_list(tmp_path):
    whole = one(files.tensor("0", 4, (4,), (1,)))
    bomb = files.write_zip(tmp_path / "b.pt", whole, [bytes(300 << 20)], zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 1 << 20
    with pytest.raises(UserError, match="out of all proportion"):
        read_weights(bomb)
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(UserError, match="compressed in a rare way"):
            read_weights(files.write_zip(tmp_path / "r.pt", whole, RAW, method))
    with zipfile.ZipFile(tmp_path / "two.pt", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a/data.pkl", whole)
        archive.writestr("a/data.pkl", whole)
    with pytest.raises(UserError, match="lists a member twice"):
        read_weights(tmp_path / "two.pt")
    content = bytearray(files.write_zip(tmp_path / "e.pt", whole, RAW).read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "e.pt").write_bytes(content)
    with pytest.raises(UserError, match=r"archive/data\.pkl is encrypted"):
        read_weights(tmp_path / "e.pt")


def test_a_legacy_file_accounts_for_each_byte(tmp_path):
    path = files.write_legacy(tmp_path / "w.bin", one(files.tensor("0", 4, (4,), (1,))), RAW)
    whole = path.read_bytes()
    for content, message in (
        (whole + b"\0", "goes on behind"),
        (whole[:-1], "another length"),
        (whole[:-24] + struct.pack("<q", 2**61) + whole[-16:], "another length"),
        (whole[:-24] + struct.pack("<q", -1) + whole[-16:], "another length"),
        (whole.replace(b"\x88s.", b"\x89s."), "big-endian"),
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match=message):
            read_weights(path)
