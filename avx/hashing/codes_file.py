"""Reads and describes .npz files of packed codes and their items, without pickle."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Mapping
from pathlib import Path

import chex
import jax.numpy as jnp
import numpy as np

from avx.core.errors import UserError
from avx.core.types import HashCodes
from avx.hashing.pack import word_count

ITEM_ARRAYS = ("vectors", "item_ids", "labels", "class_names")


@dataclasses.dataclass(frozen=True, eq=False)
class CodedItems:
    """n items of one modality with their codes.

    Attributes:
      codes: words (n, W).
      vectors: (n, b) float32 real codes, whose signs the codes are.
      item_ids: (n,) unique names.
      labels: (n,) class indices, -1 where unknown.
      class_names: name of each class.
    """

    codes: HashCodes
    vectors: np.ndarray
    item_ids: tuple[str, ...]
    labels: np.ndarray
    class_names: tuple[str, ...]

    def row(self, item_id: str) -> int:
        """Returns the row of an item; UserError where there is no such item."""
        if item_id not in self.item_ids:
            raise UserError(f"There is no item {item_id!r} among the {len(self.item_ids)} coded ones: check its id.")
        return self.item_ids.index(item_id)


def code_arrays(codes: HashCodes) -> dict[str, np.ndarray]:
    """Returns the arrays of a codes file: words (G, W) uint32 and bits () int64."""
    return {"words": np.asarray(codes.words), "bits": np.asarray(codes.bits, np.int64)}


def item_arrays(items: CodedItems) -> dict[str, np.ndarray]:
    """Returns the arrays of a codes file with its items: those of `code_arrays` and `ITEM_ARRAYS`."""
    chex.assert_shape(items.vectors, (len(items.item_ids), items.codes.bits))
    found = {name: np.asarray(getattr(items, name)) for name in ITEM_ARRAYS}
    return code_arrays(items.codes) | found


def read_codes(path: Path, bits: int) -> HashCodes:
    """Reads the codes of a file.

    Args:
      path: an .npz file with the arrays of `code_arrays`.
      bits: the code length to accept.

    Raises:
      UserError: no such file, no codes in it, codes of another length, or bits set beyond the length.
    """
    return _codes(path, _arrays(path, ("words", "bits")), bits)


def read_items(path: Path, bits: int | None = None) -> CodedItems:
    """Reads the codes of a file with their items.

    Args:
      path: an .npz file with the arrays of `item_arrays`.
      bits: the code length to accept; None for any.

    Raises:
      UserError: see `read_codes`, and items that are missing or do not match the codes.
    """
    arrays = _arrays(path, ("words", "bits", *ITEM_ARRAYS))
    codes = _codes(path, arrays, int(arrays["bits"]) if bits is None else bits)
    count = len(codes.words)
    shapes = [arrays[name].shape for name in ("vectors", "item_ids", "labels")]
    if shapes != [(count, codes.bits), (count,), (count,)] or arrays["labels"].min(initial=0) < -1:
        raise UserError(f"{path} does not name one item for each of its {count} codes: encode the gallery again.")
    if arrays["labels"].max(initial=-1) >= len(arrays["class_names"]):
        raise UserError(f"{path} has a label {arrays['labels'].max()} without a class name: encode the gallery again.")
    item_ids, class_names = (tuple(arrays[name].tolist()) for name in ("item_ids", "class_names"))
    return CodedItems(codes, arrays["vectors"], item_ids, arrays["labels"], class_names)


def _arrays(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in names}
        int(found["bits"])
    except FileNotFoundError:
        raise UserError(f"There is no codes file {path}: encode the gallery first.") from None
    except (KeyError, ValueError, TypeError, OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is no codes file: it needs the arrays {_listed(names)}.") from error
    return found


def _listed(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _codes(path: Path, arrays: Mapping[str, np.ndarray], bits: int) -> HashCodes:
    words, found = arrays["words"], int(arrays["bits"])
    if found != bits:
        raise UserError(f"{path} holds codes of {found} bits, but {bits} are asked for: encode it with this model.")
    if words.ndim != 2 or words.dtype != np.uint32 or words.shape[1] != word_count(bits):
        raise UserError(f"{path} holds words {words.dtype} {words.shape}, which are no codes of {bits} bits.")
    unused = word_count(bits) * 32 - bits
    if unused and (words[:, -1] >> np.uint32(32 - unused)).any():
        raise UserError(f"{path} has bits set beyond its {bits}: it is damaged, encode the gallery again.")
    return HashCodes(jnp.asarray(words), bits)
