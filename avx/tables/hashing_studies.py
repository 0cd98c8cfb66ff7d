"""What the two hashing tables of paper D are measured on, and what was printed in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from avx.tables import hashing_rows


@dataclasses.dataclass(frozen=True)
class PublishedTable:
    """A published table: what it is measured on, and what was printed.

    Attributes:
      name: of the table.
      title: of its page.
      kind: `data.kind` of the data set.
      remark: what a reader must know of features and split before comparing with the printed figures.
      printed: row -> code length -> MAP image to text of the paper.
    """

    name: str
    title: str
    kind: str
    remark: str
    printed: Mapping[str, Mapping[int, float]]


def _printed(**figures: tuple[float, float, float]) -> dict[str, dict[int, float]]:
    names = {"ours": hashing_rows.OURS, "dssah": hashing_rows.RECONSTRUCTED, "ssah": "SSAH", "smfh": "SMFH"}
    names["cvh"] = "CVH (anchors)"
    return {names[row]: dict(zip((16, 32, 64), values, strict=True)) for row, values in figures.items()}


TABLE1 = PublishedTable(
    "semantic_hashing/table1",
    "Cross-modal hashing on the Wikipedia data",
    "wikipedia",
    "The paper does not state its features; its figures need stronger ones (deep image features), so compare orders, "
    "not values.",
    _printed(
        ours=(0.595, 0.603, 0.619),
        dssah=(0.557, 0.561, 0.578),
        ssah=(0.473, 0.502, 0.498),
        smfh=(0.337, 0.390, 0.364),
        cvh=(0.217, 0.246, 0.254),
    ),
)
TABLE2 = PublishedTable(
    "semantic_hashing/table2",
    "Cross-modal hashing on NUS-WIDE-10K",
    "nuswide",
    "The published selection and split are not public: the 10,000 images and their parts are ours, by hash. The paper "
    "does not state its features either, so compare orders, not values.",
    _printed(
        ours=(0.746, 0.758, 0.772),
        dssah=(0.714, 0.725, 0.730),
        ssah=(0.623, 0.659, 0.661),
        smfh=(0.432, 0.445, 0.447),
        cvh=(0.354, 0.341, 0.337),
    ),
)
