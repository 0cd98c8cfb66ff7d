"""TensorFlow's tables: checksums by their definition, bare names, and what a small file may not ask for."""

import shutil
import struct
import time

import numpy as np
import pytest
from tensorflow_bundle import FLOAT32, checksum, field, fixed, table, varint, write_bundle

from avx.core.errors import UserError
from avx.nn.pretrained.crc32c import crc32c
from avx.nn.pretrained.readers import read_weights

ARRAYS = {"a/w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([0.5], np.float32)}
NUMBERS = np.arange(4, dtype="<f4").tobytes()


@pytest.mark.parametrize("length", [*range(12), 31, 1000, 4096, 20_001])
def test_checksums_equal_their_definition(length):
    content = np.random.default_rng(length).integers(0, 256, length).astype(np.uint8).tobytes()
    register = 0xFFFFFFFF
    for byte in content:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    assert crc32c(content) == register ^ 0xFFFFFFFF


@pytest.mark.parametrize("name", [".index", "model.index", "model.ckpt-7.index", "with.dots.v1.index"])
def test_names_without_a_stem_and_with_dots_are_read(tmp_path, name):
    write_bundle(tmp_path / name, ARRAYS)
    read = read_weights(tmp_path / name)
    assert set(read) == set(ARRAYS)
    for key, array in ARRAYS.items():
        np.testing.assert_array_equal(read[key], array)


def test_every_flipped_bit_is_found(tmp_path):
    write_bundle(tmp_path / ".index", ARRAYS)
    for file in (tmp_path / ".index", tmp_path / ".data-00000-of-00001"):
        whole = file.read_bytes()
        for place in range(len(whole) - (48 if file.name == ".index" else 0)):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
            with pytest.raises(UserError, match="no intact TensorFlow checkpoint"):
                read_weights(tmp_path / ".index")
        file.write_bytes(whole)
    assert set(read_weights(tmp_path / ".index")) == set(ARRAYS)


def entry(shape=(4,), start=0, size=16, part=0, kind=FLOAT32, sums=None, extra=b""):
    sizes = b"".join(field(2, field(1, axis)) for axis in shape)
    content = field(1, kind) + field(2, sizes) + field(3, part) + field(4, start) + field(5, size)
    return content + fixed(6, checksum(NUMBERS) if sums is None else sums) + extra


HEADER = (b"", field(1, 1))
REFUSED = [
    ([(b"", field(1, 2**40)), (b"w", entry())], "states 1099511627776 parts"),
    ([(b"", field(1, 1) + field(2, 1)), (b"w", entry())], "big-endian"),
    ([(b"w", entry())], "how many parts"),
    ([HEADER, (b"w", entry(sums=b"\0\0\0\0"))], "checksum of its variable w"),
    ([HEADER, (b"w", entry((2**60,)))], "reaches outside"),
    ([HEADER, (b"w", entry((2**60,), size=2**62))], "reaches outside"),
    ([HEADER, (b"w", entry(start=4))], "reaches outside"),
    ([HEADER, (b"w", entry(part=3))], "reaches outside"),
    ([HEADER, (b"w", entry(start=2**64 - 1))], "reaches outside"),
    ([HEADER, (b"w", entry(extra=field(7, b"")))], "split into slices"),
    ([HEADER, (b"w", b"\x0f")], "wire type 7"),
    ([HEADER, (b"w", b"\x08" + b"\xff" * 10 + b"\x01")], "more than 64 bits"),
    ([HEADER, (b"w", field(1, b"text"))], "is no integer"),
    ([HEADER, (b"w", field(1, 1) + field(2, 7))], "is an integer"),
    ([HEADER, (b"w", entry()), (b"w", entry())], "not in order"),
    ([HEADER, (b"z", entry()), (b"a", entry())], "not in order"),
    ([HEADER, (b"\xff\xfe", entry())], "decode"),
    ([HEADER, (b"\x1b[31m", entry())], "with the name"),
    ([HEADER, (b"w" * 5000, entry())], "reaches outside"),
    ([HEADER, (b"w", entry((0, 2**50), size=0))], "beyond all measure"),
]


@pytest.mark.parametrize(("entries", "message"), REFUSED)
def test_what_an_index_states_is_judged(tmp_path, entries, message):
    (tmp_path / "w.index").write_bytes(table(entries))
    (tmp_path / "w.data-00000-of-00001").write_bytes(NUMBERS)
    started = time.process_time()
    with pytest.raises(UserError, match=message):
        read_weights(tmp_path / "w.index")
    assert time.process_time() - started < 5


def test_overlapping_variables_are_judged_together(tmp_path):
    data = bytes(8 << 20)
    described = entry((len(data) // 4,), size=len(data), sums=checksum(data))
    entries = [HEADER, *((f"w{place:05}".encode(), described) for place in range(300))]
    (tmp_path / "w.index").write_bytes(table(entries))
    (tmp_path / "w.data-00000-of-00001").write_bytes(data)
    with pytest.raises(UserError, match="out of all proportion"):
        read_weights(tmp_path / "w.index")


def test_keys_that_repeat_each_other_are_judged_together(tmp_path):
    body = varint(0) + varint(1020) + varint(0) + b"k" * 1020
    body += b"".join(varint(1020) + varint(3) + varint(0) + place.to_bytes(3, "big") for place in range(40_000))
    block = body + struct.pack("<II", 0, 1) + b"\0"
    handle = varint(0) + varint(len(block) - 1)
    index = varint(0) + varint(1) + varint(len(handle)) + b"z" + handle + struct.pack("<II", 0, 1) + b"\0"
    place = varint(len(block) + 4) + varint(len(index) - 1)
    footer = (varint(0) + varint(0) + place).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
    (tmp_path / "w.ckpt").write_bytes(block + checksum(block) + index + checksum(index) + footer)
    with pytest.raises(UserError, match="keys are out of all proportion"):
        read_weights(tmp_path / "w.ckpt")


def repeated_blocks(count):
    """An index block whose entries all lead to the same block."""
    content = table([HEADER, (b"w", entry())])
    end = content.index(checksum(content[: content.index(b"\0\0\0\0\1\0\0\0\0") + 9])) - 1
    handle = varint(0) + varint(end)
    body = b"".join(
        varint(0) + varint(4) + varint(len(handle)) + struct.pack(">I", place) + handle for place in range(count)
    )
    index = body + struct.pack("<II", 0, 1) + b"\0"
    place = varint(end + 5) + varint(len(index) - 1)
    footer = (varint(0) + varint(0) + place).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
    return content[: end + 5] + index + checksum(index) + footer


def test_a_block_is_read_once(tmp_path):
    (tmp_path / "w.data-00000-of-00001").write_bytes(NUMBERS)
    (tmp_path / "w.index").write_bytes(repeated_blocks(1))
    np.testing.assert_array_equal(read_weights(tmp_path / "w.index")["w"], np.arange(4))
    (tmp_path / "w.index").write_bytes(repeated_blocks(20_000))
    with pytest.raises(UserError, match="overlap or repeat"):
        read_weights(tmp_path / "w.index")


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        (field(10, b"\xff" * 9 + b"\x01"), "holds 1"),
        (field(10, b"\xff" * 10 + b"\x01"), "more than 64 bits"),
        (field(5, NUMBERS), "holds 0"),
        (b"", "holds 0"),
    ],
)
def test_numbers_of_the_first_form_are_counted(tmp_path, saved, message):
    name, shape = field(1, b"w"), field(2, field(2, field(1, 4)))
    header = field(1, field(1, name + shape + field(3, 9)))
    value = field(2, name + field(3, saved))
    (tmp_path / "w.ckpt").write_bytes(table([(b"", header), (b"w", value)]))
    with pytest.raises(UserError, match=message):
        read_weights(tmp_path / "w.ckpt")


def test_the_published_checkpoint_of_musicnn_is_read_under_its_own_names(real_data, tmp_path):
    folder = real_data / "pretrained_small" / "musicnn_mtt"
    for suffix in (".index", ".data-00000-of-00001"):
        shutil.copy(folder / f"model{suffix}", tmp_path / suffix)
    bare, renamed = read_weights(tmp_path / ".index"), read_weights(folder / "model.index")
    assert len(bare) == 150 and sum(array.size for array in bare.values()) == 2_366_399
    for name, array in renamed.items():
        np.testing.assert_array_equal(bare[name], array)
    assert bare["dense_1/kernel"].shape[1] == 50 and all(np.isfinite(array).all() for array in bare.values())
