"""The card beside a converted weight file: where the weights are from, their licence, and digests of both files."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from avx import __version__
from avx.core.errors import UserError
from avx.core.foreign.boundary import reading

SUFFIX = ".card.json"
REMEDY = "convert the weights again by `avx convert_weights`"


@dataclasses.dataclass(frozen=True)
class Card:
    """What is known of converted weights.

    Attributes:
      source: where the published files came from: an address, a package and its version, a paper's page.
      licence: of the weights, as their makers state it.
      files: name -> SHA-256 (hexadecimal) of each published file.
      result: SHA-256 of the safetensors file.
      tensors, numbers: how many it holds.
      avx: version that converted it.
    """

    source: str
    licence: str
    files: Mapping[str, str]
    result: str
    tensors: int
    numbers: int
    avx: str = __version__

    def write(self, path: Path) -> None:
        """Writes the card."""
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def card_path(weights: Path) -> Path:
    """Where the card of a safetensors file lies."""
    return weights.with_name(weights.name.removesuffix(".safetensors") + SUFFIX)


def read(weights: Path) -> Card | None:
    """Reads the card of a safetensors file; None where it has none.

    Raises:
      UserError: the card is damaged.
    """
    path = card_path(weights)
    if not path.is_file():
        return None
    with reading(path, "intact card of converted weights", REMEDY):
        return Card(**json.loads(path.read_text(encoding="utf-8")))


def check(weights: Path) -> None:
    """Compares a safetensors file with its card, where it has one.

    Raises:
      UserError: the card is damaged, or tells of another file.
    """
    card = read(weights)
    if card is not None and card.result != digest(weights):
        raise UserError(
            f"{weights} is not the file that its card {card_path(weights).name} tells of, but was changed or damaged; "
            f"{REMEDY}, or remove the card."
        )


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with reading(path, "readable file"), path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
