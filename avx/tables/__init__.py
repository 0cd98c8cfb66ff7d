"""Published tables, measured again: rows of configs and overrides beside the printed figures."""

from avx.tables import hashing_table, li_table2, sun_agreement, sun_table4
from avx.tables.table import Table

TABLES: dict[str, Table] = {
    **hashing_table.TABLES,
    "sun/table4": sun_table4.TABLE,
    "sun/agreement": sun_agreement.TABLE,
    "li/table2": li_table2.TABLE,
}
