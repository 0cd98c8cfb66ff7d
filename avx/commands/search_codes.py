"""Finds the items whose codes are nearest to an item's, in the codes that a run leaves behind.

    avx search_codes --queries=RUN/results/image_codes.npz --codes=RUN/results/text_codes.npz \\
        --query_id=ID [--k=10] [--shortlist=100]

Prints id, Hamming distance and class of the k nearest, ties in the order of the file. With a shortlist that many items
are looked up by Hamming distance and ordered by the exact product of their real codes. The codes lie in shards on all
local devices.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
from absl import flags

from avx.core.types import HashCodes
from avx.hashing import hamming
from avx.hashing.codes_file import CodedItems, read_items
from avx.reports.tables import Table, table_text
from avx.retrieval.hamming_search import HammingSearch, RerankedSearch


def nearest(queries: CodedItems, items: CodedItems, query_id: str, k: int, shortlist: int = 0) -> Table:
    """The k items nearest to a query, nearest first.

    Args:
      queries: coded items, the query among them.
      items: what is searched, with codes of the same length.
      query_id: of the query.
      k: results.
      shortlist: items that are found by distance and ordered by real codes; 0 for the order of the distances alone.

    Raises:
      UserError: an unknown query, codes of different lengths, k outside 1..G, or a shortlist below 0.
    """
    row = queries.row(query_id)
    asked = HashCodes(queries.codes.words[row : row + 1], queries.codes.bits)
    index = HammingSearch(items.codes, neighbours=k, devices=jax.local_devices())
    if shortlist:
        found = RerankedSearch(index, items.vectors, shortlist=shortlist).search(queries.vectors[row : row + 1], k)
    else:
        found = index.search_codes(asked, k)
    ids = found.ids[0]
    distances = np.asarray(hamming.distances(asked.words, items.codes.words[ids]))[0]
    lines = [
        (items.item_ids[place], str(distance), *([f"{score:.4f}"] if shortlist else []), _class(items, place))
        for place, distance, score in zip(ids.tolist(), distances, found.scores[0], strict=True)
    ]
    header = ("item", "distance", *(["product"] if shortlist else []), "class")
    title = f"Nearest to {query_id} ({_class(queries, row)}) of {items.codes.bits}-bit codes of {index.size} items"
    return Table(title, header, tuple(lines))


def _class(items: CodedItems, row: int) -> str:
    return items.class_names[items.labels[row]] if items.labels[row] >= 0 else "unknown"


def define_flags() -> None:
    flags.DEFINE_string("queries", None, "Codes file of the items that may ask.", required=True)
    flags.DEFINE_string("codes", None, "Codes file of the items that are searched.", required=True)
    flags.DEFINE_string("query_id", None, "Id of the item that asks.", required=True)
    flags.DEFINE_integer("k", 10, "How many items to print.")
    flags.DEFINE_integer("shortlist", 0, "Items to order by their real codes; 0 for distances alone.")


def main(argv: Sequence[str]) -> None:
    given = flags.FLAGS
    queries = read_items(Path(given.queries))
    items = read_items(Path(given.codes), queries.codes.bits)
    print(table_text(nearest(queries, items, given.query_id, given.k, given.shortlist)))
