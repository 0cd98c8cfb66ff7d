"""Measures a published table again on the data at hand, beside the figures that were printed.

    python -m experiments.reproduce --table=sun/table4 --data=FOLDER [--out=DIR] [--set=NAME=VALUE]

Writes table.md, table.json and the table's plots, if it has any, into DIR (runs/tables/NAME if not given), and prints
the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from avx.core.errors import UserError
from avx.commands import app
from avx.tables import li_table2, semantic_hashing, sun_table4
from avx.tables.table import Table, parse_settings

TABLES: dict[str, Table] = {**semantic_hashing.TABLES, "sun/table4": sun_table4.TABLE, "li/table2": li_table2.TABLE}


def reproduce(name: str, data: Path, out: Path, assignments: Sequence[str]) -> str:
    """Measures the table of that name; see `Table.reproduce`.

    Args:
      name: a key of `TABLES`.
      data: folder of the table's material.
      out: folder of the results; made where it is missing.
      assignments: changed settings, as "name=value".

    Returns:
      The table as Markdown.

    Raises:
      UserError: an unknown table or setting, or data that cannot serve.
    """
    if name not in TABLES:
        raise UserError(f"--table={name} is unknown; choose one of {', '.join(sorted(TABLES))}.")
    table = TABLES[name]
    return table.reproduce(data, out, parse_settings(table.settings, assignments))


def main(argv: Sequence[str]) -> None:
    out = Path(_OUT.value or f"runs/tables/{_TABLE.value}")
    print(reproduce(_TABLE.value, Path(_DATA.value), out, _SET.value))
    written = ["table.md", "table.json", *sorted(path.name for path in out.glob("*.png"))]
    print(f"{', '.join(written[:-1])} and {written[-1]} are in {out}")


if __name__ == "__main__":
    _TABLE = flags.DEFINE_string("table", None, f"Which table: {', '.join(sorted(TABLES))}.", required=True)
    _DATA = flags.DEFINE_string("data", None, "Folder of the material.", required=True)
    _OUT = flags.DEFINE_string("out", "", "Folder of the results; runs/tables/NAME if not given.")
    _SET = flags.DEFINE_multi_string("set", [], "A setting of the table as NAME=VALUE; may be repeated.")
    app.run(main)
