"""Lines of published text files, with one clear sentence where a file is not there."""

from __future__ import annotations

from pathlib import Path

from avx.core.errors import UserError


def lines_of(path: Path, data_set: str) -> list[str]:
    """The lines of a UTF-8 file that are not blank.

    Args:
      path: the file.
      data_set: what its folder should hold, for the message.

    Raises:
      UserError: no such file.
    """
    if not path.is_file():
        raise UserError(f"There is no file {path}: give the folder of the published {data_set}.")
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
