"""Who asks whom: the query side and split, the gallery side and split, and the rules that every figure stands under.

Missing sides: an item without the query side asks nothing, and one without the gallery side is not offered. A query
whose own counterpart is missing still counts at class level and is excluded at instance level.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from avx.core.dataset import SPLITS, Dataset
from avx.core.errors import UserError

MISSING_POLICY = "items without the side neither ask nor are offered; they are counted"
TIE_RULE = "expected value under random order of equal scores"
LEVELS = ("class", "instance")


@dataclasses.dataclass(frozen=True)
class Protocol:
    """One direction of retrieval.

    Attributes:
      query_side, gallery_side: sides of a system.
      query_split, gallery_split: splits of a dataset, joined as "train+val", or "all".
      ks: cut-offs of the metrics at k.
      map_cutoffs: cut-offs of the truncated average precisions.
    """

    query_side: str
    gallery_side: str
    query_split: str
    gallery_split: str
    ks: tuple[int, ...]
    map_cutoffs: tuple[int, ...] = ()

    @property
    def direction(self) -> str:
        """The key of this direction in results, such as "video_to_audio"."""
        return f"{self.query_side}_to_{self.gallery_side}"


def both_directions(
    sides: Sequence[str],
    query_split: str,
    gallery_split: str,
    ks: Sequence[int],
    map_cutoffs: Sequence[int] = (),
) -> tuple[Protocol, Protocol]:
    """Returns the protocols of the first side asking the second, and of the second asking the first."""
    first, second = sides
    rules = (query_split, gallery_split, tuple(ks), tuple(map_cutoffs))
    return Protocol(first, second, *rules), Protocol(second, first, *rules)


def check_splits(dataset: Dataset, names: Sequence[str]) -> None:
    """Refuses splits that a dataset does not have, or that hold nothing.

    Raises:
      UserError: such a split.
    """
    for name in names:
        parts = () if name == "all" else name.split("+")
        unknown = [part for part in parts if part not in SPLITS]
        if unknown:
            raise UserError(
                f"the split {unknown[0]!r} is unknown; choose {', '.join(SPLITS)}, several as 'train+val', or 'all'."
            )
        if not len(dataset.rows(name)):
            raise UserError(f"the {name} split of {dataset.name} holds no items; choose another, or give more data.")


def flatten(levels_by_gallery: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]) -> dict[str, float]:
    """Turns {gallery: {direction: {level: {metric: value}}}} into one flat mapping, for curves and model selection.

    Returns:
      "<direction>/<level>/<metric>", the mean over galleries; "<level>/<metric>", the mean over directions as well; and
      with several galleries "<gallery>/<direction>/<level>/<metric>".
    """
    flat: dict[str, float] = {}
    gathered: dict[str, list[float]] = {}
    for gallery, directions in levels_by_gallery.items():
        for direction, levels in directions.items():
            for level, values in levels.items():
                for name, value in values.items():
                    if len(levels_by_gallery) > 1:
                        flat[f"{gallery}/{direction}/{level}/{name}"] = value
                    for key in (f"{direction}/{level}/{name}", f"{level}/{name}"):
                        gathered.setdefault(key, []).append(value)
    return flat | {name: sum(values) / len(values) for name, values in gathered.items()}
