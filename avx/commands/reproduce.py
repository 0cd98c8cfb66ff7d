"""Measures a published table again on the data at hand, beside the figures that were printed.

    avx reproduce --table=sun/table4 --data=FOLDER [--out=DIR] [--set=NAME=VALUE]

Writes table.md, table.json and the table's plots, if it has any, into DIR (runs/tables/NAME if not given), and prints
the table. The same command goes on with a table that was stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from avx.core.errors import UserError, chosen
from avx.tables import TABLES
from avx.tables.table import parse_settings


def define_flags() -> None:
    flags.DEFINE_string("table", None, f"Which table: {', '.join(sorted(TABLES))}.", required=True)
    flags.DEFINE_string("data", None, "Folder of the material.", required=True)
    flags.DEFINE_string("out", "", "Folder of the results; runs/tables/NAME if not given.")
    flags.DEFINE_multi_string("set", [], "A setting of the table as NAME=VALUE; may be repeated.")


def main(argv: Sequence[str]) -> None:
    given = flags.FLAGS
    out = Path(given.out or f"runs/tables/{given.table}")
    print(reproduce(given.table, Path(given.data), out, given.set))
    written = ["table.md", "table.json", *sorted(path.name for path in out.glob("*.png"))]
    print(f"{', '.join(written[:-1])} and {written[-1]} are in {out}")


def reproduce(name: str, data: Path, out: Path, assignments: Sequence[str]) -> str:
    """Measures the table of that name, with settings as ("name=value", ...), and returns it as Markdown.

    Raises:
      UserError: an unknown table or setting, or data that cannot serve.
    """
    table = chosen(TABLES, "--table", name)
    settings = parse_settings(table.settings, assignments)
    if not data.is_dir():
        raise UserError(f"--data={data} is no folder; give the folder of the table's material.")
    return table.reproduce(data, out, settings)
