"""The feature cache: exact, shared between processes, and never believing a damaged file."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.data.cache import FeatureCache, fingerprint, media_hash
from avx.media.quarantine import MediaProblem, Reason

KEY = "ab" + "0" * 62
ARRAYS = {
    "frames": np.arange(12, dtype=np.float32).reshape(3, 4),
    "allow_pickle": np.array([True, False]),  # A name that numpy.savez would swallow.
    "file": np.zeros((0, 5), np.int16),
    "time": np.float64(2.5).reshape(()),
}


def same(left, right) -> bool:
    return left.keys() == right.keys() and all(
        np.array_equal(left[name], right[name]) and left[name].dtype == right[name].dtype for name in left
    )


def test_round_trip_and_layout(tmp_path):
    cache = FeatureCache(tmp_path / "features")
    assert cache.get(KEY) is None and KEY not in cache
    cache.put(KEY, ARRAYS)
    assert KEY in cache and same(cache.get(KEY), ARRAYS)
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*.*")] == [Path("features/ab", f"{KEY}.npz")]
    with np.load(cache.path(KEY), allow_pickle=False) as plain:  # It is an ordinary npz file.
        np.testing.assert_array_equal(plain["frames"], ARRAYS["frames"])


def test_equal_arrays_give_equal_files_and_put_replaces(tmp_path):
    cache = FeatureCache(tmp_path)
    cache.put(KEY, ARRAYS)
    first = cache.path(KEY).read_bytes()
    cache.put(KEY, {"other": np.ones(2)})
    assert same(cache.get(KEY), {"other": np.ones(2)})
    cache.put(KEY, ARRAYS)
    assert cache.path(KEY).read_bytes() == first


def test_every_truncation_and_every_flipped_byte_is_noticed_or_harmless(tmp_path):
    cache = FeatureCache(tmp_path)
    arrays = {"values": np.arange(5, dtype=np.float32), "mask": np.array([True, False])}
    cache.put(KEY, arrays)
    path, whole = cache.path(KEY), cache.path(KEY).read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert KEY not in cache and cache.shapes(KEY) is None
        path.write_bytes(whole[:length])
        assert cache.get(KEY) is None
    start = whole.index(arrays["values"].tobytes())
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        found = cache.get(KEY)
        assert found is None or same(found, arrays)
        if start <= place < start + arrays["values"].nbytes:
            assert found is None and KEY not in cache and not path.exists()
    cache.put(KEY, arrays)
    assert same(cache.get(KEY), arrays)


def test_single_arrays_and_shapes_are_read_without_the_rest(tmp_path):
    cache = FeatureCache(tmp_path)
    assert cache.shapes(KEY) is None and cache.get(KEY, ["frames"]) is None
    cache.put(KEY, ARRAYS)
    assert cache.shapes(KEY) == {"frames": (3, 4), "allow_pickle": (2,), "file": (0, 5), "time": ()}
    assert same(cache.get(KEY, ["time", "frames", "none"]), {name: ARRAYS[name] for name in ("frames", "time")})
    long = np.arange(1 << 16, dtype=np.float32)  # Longer than what is read with a header.
    cache.put(KEY, ARRAYS | {"frames": long})
    whole = cache.path(KEY).read_bytes()
    end = whole.index(long.tobytes()) + long.nbytes
    cache.path(KEY).write_bytes(whole[: end - 1] + b"\0" + whole[end:])  # Damages "frames" alone.
    assert KEY in cache and cache.shapes(KEY)["frames"] == (1 << 16,)
    assert same(cache.get(KEY, ["time"]), {"time": ARRAYS["time"]})
    # The damage shows when the array is read, and then the key is absent, so that the features are made again.
    assert cache.get(KEY) is None and KEY not in cache
    assert not cache.path(KEY).exists()


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO])
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path, monkeypatch, code):
    cache = FeatureCache(tmp_path)
    cache.put(KEY, ARRAYS)

    def refused(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "open", refused)
    for ask in (cache.get, cache.shapes, cache.__contains__):
        with pytest.raises(UserError, match=f"{KEY}.npz cannot be read .{os.strerror(code)}"):
            ask(KEY)
    with pytest.raises(MediaProblem) as problem:
        media_hash(tmp_path / "clip.mp4")
    assert problem.value.reason is Reason.UNREADABLE
    monkeypatch.undo()
    assert KEY in cache


def test_pickles_are_neither_written_nor_read(tmp_path):
    cache = FeatureCache(tmp_path)
    with pytest.raises(TypeError, match="dtype object"):
        cache.put(KEY, {"bad": np.array([{}], object)})
    assert list(tmp_path.rglob("*.npz")) == []
    cache.path(KEY).parent.mkdir(parents=True)
    np.savez(cache.path(KEY), bad=np.array([{}], object))
    assert cache.get(KEY) is None


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "ABCDEF0123", "abc", "ab/cdef012"])
def test_keys_are_digests(tmp_path, key):
    with pytest.raises(ValueError, match="hex digest"):
        FeatureCache(tmp_path).get(key)


WRITER = """
import sys
from pathlib import Path
import numpy as np
from avx.data.cache import FeatureCache
cache, value, rounds = FeatureCache(Path(sys.argv[1])), float(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
for _ in range(rounds):
    cache.put(sys.argv[4], {"values": np.full(200_000, value, np.float32)})
"""


def start_writer(folder, value: int, rounds: int) -> subprocess.Popen:
    arguments = [sys.executable, "-c", WRITER, str(folder), str(value), str(rounds), KEY]
    writer = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
    return writer


def test_two_writers_of_one_key_and_a_reader_never_meet_a_mixture(tmp_path):
    writers = [start_writer(tmp_path, value, 15) for value in (1, 2)]
    cache, seen = FeatureCache(tmp_path), set()
    while any(writer.poll() is None for writer in writers):
        found = cache.get(KEY)
        if found is not None:
            assert (found["values"] == found["values"][0]).all()
            seen.add(float(found["values"][0]))
    assert [writer.wait() for writer in writers] == [0, 0]
    assert seen and seen <= {1.0, 2.0}
    assert [path.name for path in tmp_path.rglob("*.npz")] == [f"{KEY}.npz"]


def test_a_writer_killed_at_any_moment_leaves_the_old_or_the_new(tmp_path):
    cache = FeatureCache(tmp_path)
    cache.put(KEY, {"values": np.full(3, 7, np.float32)})
    writers = [start_writer(tmp_path, 8 + number, 100_000) for number in range(3)]
    for writer, pause in zip(writers, (0.0, 0.003, 0.007), strict=True):
        time.sleep(pause)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        values = cache.get(KEY)["values"]
        assert values[0] in (7, 8, 9, 10) and (values == values[0]).all()
    leftovers = len(list(tmp_path.rglob(".*.npz")))
    assert cache.remove_leftovers() == 0  # They might belong to a live writer.
    assert cache.remove_leftovers(older_than_seconds=-1) == leftovers
    assert [path.name for path in tmp_path.rglob("*.npz")] == [f"{KEY}.npz"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_is_named_and_leaves_nothing_half_written(tmp_path, monkeypatch, failing):
    cache = FeatureCache(tmp_path)
    cache.put(KEY, {"values": np.ones(3)})

    def no_room(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, failing, no_room)
    with pytest.raises(UserError, match=f"{tmp_path}.*free some space"):
        cache.put(KEY, {"values": np.zeros(3)})
    monkeypatch.undo()
    assert same(cache.get(KEY), {"values": np.ones(3)})
    assert [path.name for path in tmp_path.rglob("*.npz")] == [f"{KEY}.npz"]


def test_other_failures_of_the_disk_are_not_called_a_full_one(tmp_path, monkeypatch):
    def broken(*_):
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(UserError, match="has an I/O error"):
        FeatureCache(tmp_path).put(KEY, {"values": np.ones(3)})
    assert list(tmp_path.rglob("*.npz")) == []


def test_fingerprints_separate_parts_and_types():
    distinct = [("a", "bc"), ("ab", "c"), ("abc",), (1,), ("1",), (1.0,), (True,), (b"a",), ("a",), ({"a": 1},), ()]
    assert len({fingerprint(*parts) for parts in distinct}) == len(distinct)
    assert fingerprint({"a": 1, "b": {"c": [1, 2]}}) == fingerprint({"b": {"c": [1, 2]}, "a": 1})
    assert fingerprint(0.1 + 0.2) != fingerprint(0.3)
    assert fingerprint(np.float64(0.5)) == fingerprint(0.5)
    with pytest.raises(TypeError, match="list"):
        fingerprint([1])
    with pytest.raises(TypeError):
        fingerprint({"a": object()})


def test_media_hash_is_that_of_the_content(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1.
    assert media_hash(path) == media_hash(b"abc") == known
    with pytest.raises(MediaProblem) as problem:
        media_hash(tmp_path / "none")
    assert problem.value.reason is Reason.MISSING_FILE
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MediaProblem, match="no ordinary file"):
        media_hash(tmp_path / "pipe")
