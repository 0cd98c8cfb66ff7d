"""Whole files or none."""

import errno
import os
import stat

import pytest

from avx.core.errors import UserError
from avx.media.atomic import atomic_path, write_bytes


def test_a_file_appears_when_the_block_ends_and_is_readable_as_usual(tmp_path):
    target = tmp_path / "deep" / "a.bin"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent and temporary.suffix == ".bin" and temporary.name.startswith(".")
        temporary.write_bytes(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new" and [path.name for path in target.parent.iterdir()] == ["a.bin"]
    (tmp_path / "usual").touch()
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_keeps_the_old_file(tmp_path, error):
    write_bytes(tmp_path / "a.bin", b"old")
    with pytest.raises(error), atomic_path(tmp_path / "a.bin") as temporary:
        temporary.write_bytes(b"half")
        raise error
    assert (tmp_path / "a.bin").read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "no space is left"),
        (errno.EDQUOT, "quota"),
        (errno.EIO, "I/O error"),
        (errno.EACCES, "permission denied"),
        (errno.EROFS, "read-only"),
    ],
)
def test_what_the_disk_refuses_is_told_of_the_file_by_its_own_name(tmp_path, code, words):
    with pytest.raises(UserError, match=words) as failure, atomic_path(tmp_path / "a.bin") as temporary:
        raise OSError(code, os.strerror(code), str(temporary))
    assert str(tmp_path / "a.bin") in str(failure.value)
    assert list(tmp_path.iterdir()) == []
