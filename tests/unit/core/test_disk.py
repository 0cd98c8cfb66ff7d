"""What an error of the file system is told as: by its own remedy, never another's."""

import errno
import os
from pathlib import Path

import pytest

from avx.core import disk
from avx.core.errors import UserError

SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@pytest.mark.parametrize("code", sorted(errno.errorcode))
def test_every_error_names_the_path_and_one_remedy(code):
    told = disk.sentence(OSError(code, os.strerror(code), "/some/place"))
    assert "/some/place" in told or code == errno.EPIPE
    assert ": " in told and "\n" not in told and not told.endswith(".")
    assert ("free some space" in told) == (code in SPACE)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "no space is left"),
        (errno.EACCES, "change its owner or its mode"),
        (errno.EROFS, "read-only file system"),
        (errno.ENAMETOOLONG, "choose a shorter one"),
        (errno.EISDIR, "is a folder, where a file is expected"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EIO, "check that disk"),
        (errno.ESTALE, "mount that disk again"),
        (errno.ENOMEM, "memory ran out"),
    ],
)
def test_the_remedy_is_that_of_the_error(code, words):
    assert words in disk.sentence(OSError(code, os.strerror(code), "x"))


def test_remedies_are_not_shared_by_errors_of_other_kinds():
    kinds = [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EMFILE]
    sentences = {disk.sentence(OSError(code, "", "x")) for code in [*kinds, errno.EIO]}
    assert len(sentences) == 8


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "a", tmp_path / "file" / "a" / "b", tmp_path / "file"):
        with pytest.raises(UserError, match=f"{tmp_path / 'file'} is a file") as failure, disk.user_errors(place):
            place.mkdir(parents=True, exist_ok=True)
        assert "free some space" not in str(failure.value)


def test_an_error_without_a_file_of_its_own_is_told_of_the_place():
    with (
        pytest.raises(UserError, match="no space is left on the disk that holds runs/x: "),
        disk.user_errors(Path("runs/x")),
    ):
        raise OSError(errno.ENOSPC, "full")
    assert "odd words" in disk.sentence(OSError("odd words"), Path("here"))


def test_the_error_behind_another_is_found():
    told = "PERMISSION_DENIED: Failed to fsync file: Permission denied [os_error_code='13']"
    assert disk.os_error_in(ValueError(told)).errno == errno.EACCES
    assert disk.os_error_in(ValueError("UNAVAILABLE: [OS error 13: EACCES Permission denied]")).errno == errno.EACCES
    try:
        try:
            raise PermissionError(errno.EACCES, "no", "there")
        except PermissionError as error:
            raise RuntimeError("wrapped") from error
    except RuntimeError as error:
        assert disk.os_error_in(error).filename == "there"
    assert disk.os_error_in(ValueError("none")) is None


def test_the_number_is_found_in_what_tensorstore_raises_in_truth(tmp_path):
    import tensorstore

    (tmp_path / "file").write_text("")
    store = {"driver": "file", "path": f"{tmp_path}/file/below/"}
    with pytest.raises(Exception) as failure:
        tensorstore.KvStore.open(store).result().write("key", b"value").result()
    assert disk.os_error_in(failure.value).errno == errno.ENOTDIR
