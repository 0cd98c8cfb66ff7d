"""Where a config says that its data lie is looked at before anything is made there."""

import os
from pathlib import Path

import pytest

from avx import registry
from avx.core.errors import UserError
from avx.runs.studies import overridden
from configs import folder, quickstart, semantic_hashing


def check(config, **fields):
    registry.check_places(overridden(config.get_config().lock(), {f"data.{name}": fields[name] for name in fields}))


@pytest.mark.parametrize("kind", ["folder", "grid", "mpii_cooking", "embedded"])
def test_a_typo_in_the_root_of_clips_is_named_and_makes_nothing(kind, tmp_path):
    with pytest.raises(UserError, match=rf"data\.root = {tmp_path}/typo is not there; give "):
        check(folder, kind=kind, root=str(tmp_path / "typo"))
    with pytest.raises(UserError, match=r"data\.root = .* is not there"):
        registry.clips(overridden(folder.get_config().lock(), {"data.kind": kind, "data.root": str(tmp_path / "typo")}))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="is not there; give"):
        check(folder, kind=kind, root=str(tmp_path / "file"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("kind", ["features", "wikipedia", "nuswide", "pascal_sentences"])
def test_a_typo_in_the_root_of_a_table_is_named(kind, tmp_path):
    for root in ("", str(tmp_path / "typo")):
        with pytest.raises(UserError, match=r"data\.root .*give the (file|folder) .* as --config\.data\.root=PATH"):
            check(semantic_hashing, kind=kind, root=root)
    check(semantic_hashing, kind=kind, root=str(tmp_path))
    (tmp_path / "x.npz").write_bytes(b"")
    if kind == "features":
        check(semantic_hashing, kind=kind, root=str(tmp_path / "x.npz"))


def test_the_embedded_set_needs_no_root_and_a_list_must_be_there(tmp_path):
    check(quickstart)
    with pytest.raises(UserError, match=r"data\.csv = lst\.csv is not there below"):
        check(folder, root=str(tmp_path), csv="lst.csv")
    (tmp_path / "list.csv").write_text("file")
    check(folder, root=str(tmp_path), csv="list.csv")


def test_a_root_that_may_not_be_looked_at_is_one_sentence(tmp_path, monkeypatch):
    def refused(path, **_):
        raise PermissionError(13, os.strerror(13), str(path))

    monkeypatch.setattr(Path, "is_dir", refused)
    with pytest.raises(UserError, match=r"cannot be looked at \(Permission denied\)"):
        check(folder, root=str(tmp_path))
